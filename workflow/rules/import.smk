# TORCH adds Provenance resources, and writes a Bundle without entries for a patient of whom nothing is left.
BUNDLES = (
    {"drop": ["Provenance"] if SETTINGS.drop_provenance else [], "skip_empty": True}
    if SETTINGS.torch
    else None
)


# Not the times of the user's files but the side files of the inventory decide what runs again.
for group in GROUPS:

    rule:
        name:
            f"import{group.name}"
        input:
            inventory=inventory_of(group),
            fetched=fetched_data,
        output:
            data=imported(group.sources),
            manifests=manifests(group.sources[:1]),
        log:
            record("logs", "import", group, "log"),
        benchmark:
            record("benchmarks", "import", group, "tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=300,
            runtime=240,
        params:
            cfg={
                "version": OUTPUT_VERSION["import"],
                "on_invalid": SETTINGS.on_invalid,
                **({"bundles": BUNDLES} if BUNDLES else {}),
            },
            places=places_of(group),
        message:
            title("import", group)
        script:
            "../../scripts/import_source.py"
