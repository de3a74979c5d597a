# The parts in order as one file, with a balance: a line that came in went out, or was rejected and counted.
ENDING = f".{SETTINGS.compression}" if SETTINGS.compression else ""
RESULTS_CFG = {
    "version": OUTPUT_VERSION["results"],
    "compression": SETTINGS.compression,
    "level": SETTINGS.compression_level,
}


rule results_import:
    input:
        after_inventory,
        parts=of_plan(lambda source, shards: imported([source])),
        manifests=of_plan(lambda source, shards: manifests([source])),
    output:
        data=in_job(f"import_results.ndjson{ENDING}"),
        facts=in_job("import_results.json"),
        table=report(
            in_job("report", "import.html"),
            category="2 What was done",
            caption="../report/import.rst",
            labels={"page": "what came in"},
        ),
    log:
        in_job("logs", "results_import.log"),
    benchmark:
        in_job("benchmarks", "results_import.tsv")
    conda:
        "../envs/dimp.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=240,
    params:
        cfg={**RESULTS_CFG, "step": "import"},
        places=planned,
    message:
        "results: import_results.ndjson"
    script:
        "../../scripts/results.py"


rule results_dimp:
    input:
        after_inventory,
        parts=of_plan(lambda source, names: [shards("dimp", [source], name)[0] for name in names]),
        counts=of_plan(lambda source, names: [facts("dimp", [source], name)[0] for name in names]),
        manifests=of_plan(lambda source, names: manifests([source])),
    output:
        data=in_job(f"dimp_results.ndjson{ENDING}"),
        facts=in_job("dimp_results.json"),
        table=report(
            in_job("report", "dimp.html"),
            category="2 What was done",
            caption="../report/dimp.rst",
            labels={"page": "what went out"},
        ),
    log:
        in_job("logs", "results_dimp.log"),
    benchmark:
        in_job("benchmarks", "results_dimp.tsv")
    conda:
        "../envs/dimp.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=240,
    params:
        cfg={**RESULTS_CFG, "step": "dimp"},
        places=planned,
    message:
        "results: dimp_results.ndjson"
    script:
        "../../scripts/results.py"
