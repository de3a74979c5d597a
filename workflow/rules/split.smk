# Shard k of n takes its own byte range of the imported file; Bundles over the threshold are cut into chunks.
for group in GROUPS:

    rule:
        name:
            f"split{group.name}"
        input:
            after_inventory,
            data=imported(group.sources[:1]),
            manifests=manifests(group.sources[:1]),
        output:
            data=passing(shards("split", group.sources[:1], group.shard), group),
            index=facts("split", group.sources[:1], group.shard),
        log:
            record("logs", "split", group, "log"),
        benchmark:
            record("benchmarks", "split", group, "tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=300,
            runtime=60,
        params:
            cfg={"version": OUTPUT_VERSION["split"], "limit_bytes": SETTINGS.limit_bytes},
            places=places_of(group),
        message:
            title("split", group)
        script:
            "../../scripts/split.py"
