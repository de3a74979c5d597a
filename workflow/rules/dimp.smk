# De-identification: the only way out of the identifying zone. The key comes from the environment of the job and stands in
# no file; the parameters hold a fingerprint of it.
for group in GROUPS if SETTINGS.dimp else ():

    rule:
        name:
            f"dimp{group.name}"
        input:
            after_inventory,
            data=shards("split", group.sources[:1], group.shard),
            index=facts("split", group.sources[:1], group.shard),
            imported=imported(group.sources[:1]),
        output:
            data=passing(shards("dimp", group.sources[:1], group.shard), group),
            counts=facts("dimp", group.sources[:1], group.shard),
        log:
            record("logs", "dimp", group, "log"),
        benchmark:
            record("benchmarks", "dimp", group, "tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=300,
            runtime=120,
        params:
            places=places_of(group),
            cfg={
                "version": OUTPUT_VERSION["dimp"],
                "rules_sha256": RULE_SET["sha256"],
                "key": RULE_SET["key"],
                "options": SETTINGS.options.as_params(),
                "on_invalid": SETTINGS.on_invalid,
                "security_labels": SETTINGS.security_labels,
            },
        message:
            title("dimp", group)
        script:
            "../../scripts/dimp.py"
