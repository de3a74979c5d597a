# For rules that scrub: the names, addresses and numbers of all patients, since a text may stand in another file than its patient.
from dimpflow.layout import TERMS

TERMS_FILE = str(FOLDER.mapping(TERMS))

if SCRUBS:

    rule terms:
        input:
            after_inventory,
            manifests=of_plan(lambda source, names: manifests([source])),
        output:
            TERMS_FILE,
        log:
            in_job("logs", "terms.log"),
        benchmark:
            in_job("benchmarks", "terms.tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=120,
        params:
            cfg=lambda wildcards: {"version": OUTPUT_VERSION["terms"], "seen": sources_seen()},
            places=lambda wildcards: untracked(imported=imported(plan())),
        message:
            "terms: what identifies each patient, for scrubbing"
        script:
            "../../scripts/terms.py"
