# De-identification: the only way out of the identifying zone. The key comes from the environment of the job and stands in
# no file; the parameters hold a fingerprint of it.
#
# With services.dimp.url a service does the work: jobs wait for it more than they work, and what bounds them is not cores but
# the requests that it can take.
SERVICE = SETTINGS.server if SETTINGS.dimp else None
if SERVICE and "dimp_requests" not in workflow.global_resources:
    workflow.register_resource("dimp_requests", SERVICE.all_connections)


def dimp_params():
    """What a change of makes dimp run again. Not among it: how the service is reached, and how many resources go together."""
    common = {
        "version": OUTPUT_VERSION["dimp"],
        "rules_sha256": RULE_SET["sha256"],
        "key": RULE_SET["key"],
        "on_invalid": SETTINGS.on_invalid,
    }
    if SERVICE:
        return {
            **common,
            "service": SERVICE.access.url,
            "settings": SERVICE.settings,
        }
    return {
        **common,
        "options": SETTINGS.options.as_params(),
        "security_labels": SETTINGS.security_labels,
        **({} if SETTINGS.pseudonyms.is_default else {"pseudonyms": SETTINGS.pseudonyms.as_params()}),
    }


for group in GROUPS if SETTINGS.dimp else ():

    rule:
        name:
            f"dimp{group.name}"
        input:
            after_inventory,
            data=shards("split", group.sources[:1], group.shard),
            index=facts("split", group.sources[:1], group.shard),
            imported=imported(group.sources[:1]),
            pseudonyms=pseudonyms_of(group),
            terms=TERMS_FILE if SCRUBS else [],
        output:
            data=passing(shards("dimp", group.sources[:1], group.shard), group),
            counts=facts("dimp", group.sources[:1], group.shard),
            pairs=pairs(group.sources[:1], group.shard) if MAPS and not GATHERS else [],
        log:
            record("logs", "dimp", group, "log"),
        benchmark:
            record("benchmarks", "dimp", group, "tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            **({"dimp_requests": SERVICE.connections} if SERVICE else {}),
            mem_mb=300,
            runtime=1440 if SERVICE else 120,
        params:
            places=places_of(group),
            cfg=dimp_params(),
            service=untracked(server=SERVICE.as_params() if SERVICE else None, packing=PACKING),
        message:
            title("dimp", group)
        script:
            "../../scripts/dimp.py"
