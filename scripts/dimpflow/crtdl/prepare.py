"""A CRTDL document as it goes to TORCH: read, completed by the enrichment rules, checked, with the list of patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dimpflow.crtdl.against_schema import SchemaLevel
from dimpflow.crtdl.check import Settings, check_crtdl
from dimpflow.crtdl.cohort import asks_for_consent
from dimpflow.crtdl.enrichment import enrich
from dimpflow.crtdl.enrichment_rules import Enrichment, parse_enrichments, read_enrichments
from dimpflow.crtdl.findings import Finding
from dimpflow.crtdl.kickoff import patient_ids
from dimpflow.crtdl.patient_list import read_patient_list
from dimpflow.crtdl.reading import Crtdl, read_crtdl

KEY = "services.crtdl_preprocessing.enrichments"


@dataclass(frozen=True, slots=True)
class CrtdlRules:
    """How a document is looked at and completed. patients: file with ids, one a line; enrichments: as configured, or the path of a
    file with them."""

    schema: SchemaLevel
    require_consent: bool
    patients: Path | None
    enrichments: str | tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """crtdl: what is sent; patients: ids that are sent with it, none for the cohort of the document; consent: whether it asks for
    consent; findings of the check; notes of the enrichment."""

    crtdl: Crtdl
    patients: tuple[str, ...]
    consent: bool
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Why it must not be sent."""
        return tuple(finding for finding in self.findings if finding.level == "error")


def prepare(path: Path, rules: CrtdlRules, *, identifier_needed: bool) -> Prepared:
    """The document at `path`, ready to be sent unless there are errors among its findings.

    CrtdlError, ConfigError, InputError: a document, rules or list that cannot be read or applied.
    """
    enriched = enrich(read_crtdl(path), enrichments_of(rules.enrichments))
    entries = read_patient_list(rules.patients) if rules.patients else None
    settings = Settings(rules.schema, rules.require_consent, identifier_needed)
    findings = check_crtdl(enriched.crtdl, settings, entries)
    ids = patient_ids(entries)[0] if entries is not None else ()
    return Prepared(
        enriched.crtdl, ids, asks_for_consent(enriched.crtdl.document), tuple(findings), enriched.notes
    )


def enrichments_of(configured: str | Sequence[Any]) -> tuple[Enrichment, ...]:
    """The rules that are configured, or stand in the file whose path is."""
    if isinstance(configured, str):
        return read_enrichments(Path(configured))
    return parse_enrichments(list(configured), KEY) if configured else ()
