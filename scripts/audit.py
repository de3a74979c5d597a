"""audit: the evidence of a job as audit.json, FHIR Provenance and pages for the report; scripts/verify_audit.py checks it."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from dimpflow.audit.balance import read_facts
from dimpflow.audit.chain.record import write_audit
from dimpflow.audit.facts import CHECKS, RulesUsed, RunFacts, collect_facts
from dimpflow.audit.signing import read_signer
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder


def main(
    folder: JobFolder,
    shards: Mapping[str, Sequence[str]],
    run: Mapping[str, Any],
    signer: Mapping[str, Any] | None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Write the audit of a job. run: what RunFacts holds, as plain values; signer: certificate, key and passphrase, if the site signs."""
    rules = RulesUsed(**run["rules"])
    facts = collect_facts(
        folder,
        shards,
        RunFacts(**{**run, "rules": rules}),
        {name: read_facts(folder.path / "audit" / f"{name}.json") for name in CHECKS},
    )
    signed = read_signer(**signer, environ=environ, section="audit.sign") if signer else None
    write_audit(folder, facts, signed)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places = snakemake.params.places
        main(places.folder, places.shards, places.run, places.signer)
