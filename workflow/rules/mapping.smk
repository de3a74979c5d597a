# Which pseudonym stands for which original. The mapping itself, mappings/mapping.ndjson, is no declared output: Snakemake would
# remove it before the rule runs again, and with it what earlier runs have given.
#
# Where a domain is sequential or comes from a service, all originals are gathered first and every shard then reads one finished
# mapping; a small file for each shard changes only with the pseudonyms that this shard uses. Where all are keyed, the mapping is
# made afterwards, from what the dimp jobs have noted.
LOOKUP_FILE = str(FOLDER.mapping("lookup.sqlite"))
MAPPING_TITLE = "mapping: which pseudonym stands for which original"
PSEUDONYM_CFG = {
    "rules_sha256": RULE_SET["sha256"] if MAPS else "",
    "key": RULE_SET["key"] if MAPS else "",
    "options": SETTINGS.options.as_params(),
}
MAPPING_CFG = {
    "version": OUTPUT_VERSION["mapping"],
    "plan": SETTINGS.pseudonyms.as_params(),
    "sealed": bool(SETTINGS.keeping.recipients),
    "from": str(SETTINGS.keeping.source or ""),
    **PSEUDONYM_CFG,
}

for group in GROUPS if GATHERS else ():

    rule:
        name:
            f"gather{group.name}"
        input:
            after_inventory,
            data=shards("split", group.sources[:1], group.shard),
            index=facts("split", group.sources[:1], group.shard),
        output:
            pairs(group.sources[:1], group.shard),
        log:
            record("logs", "gather", group, "log"),
        benchmark:
            record("benchmarks", "gather", group, "tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=120,
        params:
            places=places_of(group),
            cfg={"version": OUTPUT_VERSION["gather"], **PSEUDONYM_CFG},
        message:
            title("gather", group)
        script:
            "../../scripts/gather.py"


if GATHERS:

    checkpoint mapping:
        input:
            after_inventory,
            pairs=of_plan(pairs_of),
        output:
            facts=str(FOLDER.mapping("_all.json")),
            # in clear, so only as long as it is needed if the mapping is encrypted
            lookup=temp(LOOKUP_FILE) if SETTINGS.keeping.recipients else LOOKUP_FILE,
        log:
            in_job("logs", "mapping.log"),
        benchmark:
            in_job("benchmarks", "mapping.tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=240,
        params:
            cfg=MAPPING_CFG,
            places=mapping_places,
        message:
            MAPPING_TITLE
        script:
            "../../scripts/mapping.py"


# No checkpoint: Snakemake would look anew at the results, and overlook a changed file of a bucket.
if MAPS and not GATHERS:

    rule mapping:
        input:
            after_inventory,
            pairs=of_plan(pairs_of),
        output:
            facts=str(FOLDER.mapping("_all.json")),
        log:
            in_job("logs", "mapping.log"),
        benchmark:
            in_job("benchmarks", "mapping.tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=240,
        params:
            cfg=MAPPING_CFG,
            places=mapping_places,
        message:
            MAPPING_TITLE
        script:
            "../../scripts/mapping.py"
