"""audit: the evidence of a job as audit.json, FHIR Provenance and pages for the report; scripts/verify_audit.py checks it."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from dimpflow.audit.balance import read_facts
from dimpflow.audit.chain.record import write_audit
from dimpflow.audit.facts import CHECKS, RulesUsed, RunFacts, collect_facts
from dimpflow.audit.pages.report import report_pages
from dimpflow.audit.signing import read_signer
from dimpflow.errors import RuleSetError
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.ndjson import AtomicFile
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import RuleSet


def main(
    folder: JobFolder,
    shards: Mapping[str, Sequence[str]],
    run: Mapping[str, Any],
    signer: Mapping[str, Any] | None,
    rule_set: Mapping[str, Any],
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Write the audit of a job. run: what RunFacts holds, as plain values; signer: certificate, key and passphrase, if the site signs;
    rule_set: `rules`, where it is, None for a service's own; `options`; `sent`, whether it was sent along to a service, by `options` as
    its settings."""
    rules = RulesUsed(**run["rules"])
    facts = collect_facts(
        folder,
        shards,
        RunFacts(**{**run, "rules": rules}),
        {name: read_facts(folder.path / "audit" / f"{name}.json") for name in CHECKS},
    )
    signed = read_signer(**signer, environ=environ, section="audit.sign") if signer else None
    write_pages(folder, write_audit(folder, facts, signed), rule_set_of(rule_set, environ))


def rule_set_of(places: Mapping[str, Any], environ: Mapping[str, str]) -> RuleSet | None:
    """The rule set, to be put into words; None if a service has applied its own, or if one that was sent along is not understood."""
    if places["rules"] is None:
        return None
    if not places["sent"]:
        return load_rule_set(places["rules"], environ, Options.from_params(places["options"]))
    from dimpflow.service_rules import understood  # half of what takes long to load, for services alone

    try:
        return understood(places["rules"], places["options"], environ)
    except RuleSetError:
        return None  # the run has told why, when it decided how to send data


def write_pages(folder: JobFolder, facts: dict[str, Any], rule_set: RuleSet | None) -> None:
    """The pages of the report. They show what audit.json says, and are not vouched for by it."""
    figures, drawing = (
        (folder.path / "audit" / f"risk.{ending}").read_text(encoding="utf-8") for ending in ("html", "svg")
    )
    came_in, went_out = (read_facts(folder.path / f"{step}_results.json") for step in ("import", "dimp"))
    for name, text in report_pages(facts, rule_set, (came_in, went_out), figures, drawing).items():
        with AtomicFile(folder.path / "report" / f"{name}.html") as page:
            page.write(text.encode())


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places = snakemake.params.places
        main(places.folder, places.shards, places.run, places.signer, places.rule_set)
