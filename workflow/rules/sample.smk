# With `sample` the data of the first patients stand where files lie that are fetched from a server; all else is the same.
if SETTINGS.sample:

    rule sample:
        input:
            user_files,
        output:
            data=[str(FOLDER.download(file)) for file in SAMPLED],
            facts=[str(FOLDER.download_facts(file)) for file in SAMPLED],
        log:
            in_job("logs", "sample.log"),
        benchmark:
            in_job("benchmarks", "sample.tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=240,
        params:
            cfg={
                "version": OUTPUT_VERSION["sample"],
                "patients": SETTINGS.sample,
                "seen": "" if LINTING else seen(),
            },
        message:
            f"sample: what belongs to the first {SETTINGS.sample} patients"
        script:
            "../../scripts/sample.py"
