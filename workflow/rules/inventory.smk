# One checkpoint for all sources: sizes and SHA-256, in a list of all and in a small side file for each source or bucket that
# has a job. Those are compared by content, so that a file which was only touched makes this rule run and nothing else.
#
# The list is the only declared output: with a name that changes with the sources Snakemake would have no memory of it, and
# then it does not look at changed parameters. `seen` notices a file that an older one has replaced.
checkpoint inventory:
    input:
        data_of_user,
    output:
        in_job("inventory", "_all.json"),
    log:
        in_job("logs", "inventory.log"),
    benchmark:
        in_job("benchmarks", "inventory.tsv")
    conda:
        "../envs/dimp.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=240,
    params:
        cfg={"version": OUTPUT_VERSION["inventory"], "seen": "" if LINTING or FETCHED else seen()},
        places=untracked(
            units={unit.name: unit.sources for unit in UNITS},
            fetched=FETCHED,
            listing=FOLDER.torch("listing.json") if SETTINGS.torch else None,
        ),
    message:
        f"inventory: size and SHA-256 of {'the fetched' if FETCHED else len(SOURCES)} sources"
    script:
        "../../scripts/inventory.py"
