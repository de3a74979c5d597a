# Before a result counts as released: is anything in it that identifies, does all refer to what it referred to, and how many are alike?
# Then the evidence of all that, for people and for programs.
AUDITS = SETTINGS.dimp and SETTINGS.audit.enabled
CHECKED = ("leaks", "consistency", "risk")
MORE = {
    f"audit/{name}.json": [f"import_results.ndjson{ENDING}", f"dimp_results.ndjson{ENDING}"]
    for name in CHECKED
}
MORE["audit/risk.svg"] = ["audit/risk.json"]


if AUDITS:

    rule check:
        input:
            after_inventory,
            data=rules.results_dimp.output.data,
            facts=rules.results_dimp.output.facts,
            imported=of_plan(lambda source, names: imported([source])),
        output:
            **{name: in_job("audit", f"{name}.json") for name in CHECKED},
            picture=report(
                in_job("audit", "risk.svg"),
                category="5 How alike patients are",
                caption="../report/risk.rst",
                labels={"check": "risk", "shows": "patients by size of their group"},
            ),
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
                **dimp_params(),
            },
            places=lambda wildcards: untracked(
                folder=FOLDER, shards=plan(), run=audited_run(), signer=signer()
            ),
        message:
            "audit: the evidence"
        script:
            "../../scripts/audit.py"
