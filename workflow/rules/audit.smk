# Before a result counts as released: is anything in it that identifies, does all refer to what it referred to, and how many are alike?
# Then the evidence of all that, for people and for programs.
AUDITS = SETTINGS.dimp and SETTINGS.audit.enabled
CHECKED = ("leaks", "consistency", "risk")
MORE = {
    f"audit/{name}.json": [f"import_results.ndjson{ENDING}", f"dimp_results.ndjson{ENDING}"]
    for name in CHECKED
}
MORE |= {f"audit/risk.{ending}": [f"dimp_results.ndjson{ENDING}"] for ending in ("html", "svg")}
PAGES = {
    "whole": ("0 To print", "all pages, to print or to keep as PDF"),
    "overview": ("1 Overview", "the job on one page"),
    "summary_de": ("1 Overview", "Zusammenfassung (deutsch)"),
    "rules": ("2 What was done", "the rules in words"),
    "leaks": ("3 Checks", "leaks"),
    "consistency": ("3 Checks", "consistency"),
    "risk": ("3 Checks", "risk of recognition"),
    "provenance": ("4 Evidence", "digests, and how to check them"),
    "environment": ("4 Evidence", "software"),
}


if AUDITS:

    # Of all jobs of a run the last that would have a core: it can run beside those that have to wait for one another.
    rule values:
        input:
            after_inventory,
            imported=of_plan(lambda source, names: imported([source])),
        output:
            temp(directory(in_job("import", ".values"))),
        log:
            in_job("logs", "values.log"),
        benchmark:
            in_job("benchmarks", "values.tsv")
        priority: -1
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=240,
        params:
            cfg={"version": OUTPUT_VERSION["values"]},
            places=lambda wildcards: untracked(folder=FOLDER, shards=plan()),
        message:
            "values: what identifies people in the import, as hashes"
        script:
            "../../scripts/values.py"

    rule check:
        input:
            after_inventory,
            values=rules.values.output[0],
            data=rules.results_dimp.output.data,
            facts=rules.results_dimp.output.facts,
            imported=of_plan(lambda source, names: imported([source])),
        output:
            **{name: in_job("audit", f"{name}.json") for name in CHECKED},
            figures=in_job("audit", "risk.html"),
            picture=in_job("audit", "risk.svg"),
        log:
            in_job("logs", "check.log"),
        benchmark:
            in_job("benchmarks", "check.tsv")
        conda:
            "../envs/dimp.yaml"
        threads: workflow.cores or 1
        resources:
            mem_mb=1500,
            runtime=240,
        params:
            cfg={
                "version": OUTPUT_VERSION["check"],
                "on_leak": SETTINGS.audit.on_leak,
                "tolerate": list(SETTINGS.audit.tolerated),
                "common_from": SETTINGS.audit.common_from,
                "k": SETTINGS.audit.k,
                "most_below_k": SETTINGS.audit.most_below_k,
                "quasi": list(SETTINGS.audit.quasi),
                "sensitive": list(SETTINGS.audit.sensitive),
            },
            places=lambda wildcards: untracked(folder=FOLDER, shards=plan()),
        message:
            "check: leaks, consistency, risk"
        script:
            "../../scripts/check.py"

    rule audit:
        input:
            after_inventory,
            rules.check.output,
            rules.results_import.output,
            rules.results_dimp.output,
            rules.mapping.output.facts if MAPS else [],
        output:
            facts=in_job("audit", "audit.json"),
            sums=in_job("audit", "audit.sha256"),
            provenance=in_job("audit", "provenance.ndjson"),
            pages=[
                report(
                    in_job("report", f"{name}.html"),
                    category=category,
                    caption=f"../report/{name}.rst",
                    labels={"page": label},
                )
                for name, (category, label) in PAGES.items()
            ],
        log:
            in_job("logs", "audit.log"),
        benchmark:
            in_job("benchmarks", "audit.tsv")
        conda:
            "../envs/dimp.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=120,
        params:
            cfg={
                "version": OUTPUT_VERSION["audit"],
                "signed": file_digest(SETTINGS.audit.certificate),
                "dimp": dimp_params(),
            },
            places=lambda wildcards: untracked(
                folder=FOLDER,
                shards=plan(),
                run=audited_run(),
                signer=signer(),
                rule_set={
                    "rules": SERVICE.rules if SERVICE else SETTINGS.rules,
                    "options": SERVICE.settings if SERVICE else SETTINGS.options.as_params(),
                    "sent": bool(SERVICE),
                },
            ),
        message:
            "audit: the evidence"
        script:
            "../../scripts/audit.py"
