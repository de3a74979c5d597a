# DIMP workflow: FHIR R4 data in NDJSON files in, the same data de-identified out.
#
#   [extract ->] [download ->]
#   input -> inventory -> import -> split -> dimp -> results -> check -> audit        (jobs/<job>/..., see README.md)
#
# Here is the front door only: which configuration, which rules, which files at the end. The rules are in workflow/rules,
# the script of each rule in scripts/<name>.py, the work itself in the library scripts/dimpflow.
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

HOME = Path(workflow.basedir)
# The rules ask the library for the sources, the work units and the rule set. Scripts need no such line: Snakemake puts
# their own folder on the path.
sys.path.insert(0, str(HOME / "scripts"))


configfile: HOME / "config" / "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/status.smk"
include: "workflow/rules/servers.smk"
include: "workflow/rules/extract.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/inventory.smk"
include: "workflow/rules/import.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/terms.smk"
include: "workflow/rules/mapping.smk"
include: "workflow/rules/dimp.smk"
include: "workflow/rules/results.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/reidentify.smk"


rule all:
    default_target: True
    input:
        after_inventory,
        rules.results_import.output,
        rules.results_dimp.output if SETTINGS.dimp else [],
        rules.mapping.output.facts if MAPS else [],
        rules.audit.output if AUDITS else [],
        rules.delete_extraction.output if SETTINGS.torch and SETTINGS.torch.delete_after_import else [],
    message:
        f"done: {SETTINGS.job_dir}"
