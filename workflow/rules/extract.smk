# From a CRTDL document, or the address of a job, to the list of TORCH's result files. The job at TORCH survives whatever
# happens to Snakemake: its handle, torch/handle.json, is no declared output, so that nobody removes it after a failure.
#
# The list is the only declared output. What stands for each file, torch/files/<file>.json, is compared by content: as long as
# TORCH's job is the same, nothing is fetched again.


if EXTRACTS:

    checkpoint extract:
        input:
            crtdl_of_user,
        output:
            in_job("torch", "listing.json"),
        log:
            in_job("logs", "extract.log"),
        benchmark:
            in_job("benchmarks", "extract.tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=int(SETTINGS.torch.polling.deadline / 60) + 30,
        params:
            cfg={"version": OUTPUT_VERSION["extract"], "order": ORDER},
            places=untracked(
                job=SETTINGS.inputs.job_id if isinstance(SETTINGS.inputs, TorchJob) else "",
                crtdl=SETTINGS.inputs.path if isinstance(SETTINGS.inputs, CrtdlFile) else None,
                rules=SETTINGS.crtdl,
                server=SETTINGS.torch.as_params(),
            ),
        message:
            f"extract: TORCH does what the CRTDL document says; {in_job('status.json')} says how far it is"
        script:
            "../../scripts/extract.py"

    if SETTINGS.torch.delete_after_import:

        # After the import, which has its own copy of each line, checked; not before.
        rule delete_extraction:
            input:
                listing=in_job("torch", "listing.json"),
                imported=in_job("import_results.json"),
            output:
                in_job("torch", "deleted.json"),
            log:
                in_job("logs", "delete_extraction.log"),
            benchmark:
                in_job("benchmarks", "delete_extraction.tsv")
            conda:
                "../envs/dimp.yaml"
            threads: 1
            resources:
                mem_mb=300,
                runtime=30,
            params:
                places=untracked(server=SETTINGS.torch.as_params()),
            message:
                "delete_extraction: asks TORCH to delete the job"
            script:
                "../../scripts/delete_extraction.py"
