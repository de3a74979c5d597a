# Each file of a server is a job: what is half there is taken up again, what is whole stays.


if FETCHER:

    rule download:
        input:
            stands_for,
        output:
            data=in_job("download", "{file}") if SETTINGS.keep_shards else temp(in_job("download", "{file}")),
            facts=in_job("download", "facts", "{file}.json"),
        log:
            in_job("logs", "download_{file}.log"),
        benchmark:
            in_job("benchmarks", "download_{file}.tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            downloads=1,
            mem_mb=300,
            runtime=720,
        params:
            # a file of the web that has changed there is fetched again when asked for: --forcerun download
            cfg=lambda wildcards: {
                "version": OUTPUT_VERSION["download"],
                "from": web_file_of(wildcards).place if SETTINGS.web else "TORCH",
            },
            places=lambda wildcards: untracked(
                torch=SETTINGS.torch.as_params() if SETTINGS.torch else None,
                web=SETTINGS.web.as_params() if SETTINGS.web else None,
                web_file=web_file_of(wildcards),
            ),
        message:
            "download: {wildcards.file}"
        script:
            "../../scripts/download.py"
