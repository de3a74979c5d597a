# `snakemake reidentify …` is a workflow of its own: it makes no file that others need, runs each time it is asked for, and puts on
# record who asked, why and for how many. See scripts/reidentify.py.
rule reidentify:
    log:
        in_job("logs", "reidentify.log"),
    conda:
        "../envs/dimp.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        # nothing of it is recorded by Snakemake
        places=untracked(
            reason=SETTINGS.reidentify.reason,
            input=SETTINGS.reidentify.input or SETTINGS.job_dir / f"dimp_results.ndjson{ENDING}",
            output=SETTINGS.reidentify.output or SETTINGS.job_dir / "reidentified" / "originals.ndjson",
            logs=[SETTINGS.reidentify.log] if SETTINGS.reidentify.log else [],
            release=SETTINGS.reidentify.release,
            job=FOLDER,
            rules=SETTINGS.rules,
            options=SETTINGS.options.as_params(),
            plan=SETTINGS.pseudonyms,
            keeping=SETTINGS.keeping,
            server=SETTINGS.pseudonym_server,
        ),
    message:
        "reidentify: originals in place of pseudonyms, on record"
    script:
        "../../scripts/reidentify.py"
