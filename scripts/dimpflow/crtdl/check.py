"""The whole check of a CRTDL document before it is sent: all findings at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from dimpflow.crtdl.against_schema import SchemaLevel, schema_findings
from dimpflow.crtdl.attributes import attributes, disclosure
from dimpflow.crtdl.cohort import cohort, consent
from dimpflow.crtdl.filters import filters
from dimpflow.crtdl.findings import Finding, in_order
from dimpflow.crtdl.kickoff import body_size, patient_ids
from dimpflow.crtdl.links import links
from dimpflow.crtdl.reading import Crtdl, repeated_keys
from dimpflow.crtdl.shape import groups as groups_of
from dimpflow.crtdl.structure import group_ids, group_names, missing_parts, patient_group, profiles


@dataclass(frozen=True, slots=True)
class Settings:
    """How strictly to look.

    schema: what a violation of the schema is; require_consent: whether a document that asks for no consent is an error;
    identifier_needed: whether pseudonyms are made from Patient.identifier.
    """

    schema: SchemaLevel = "warn"
    require_consent: bool = False
    identifier_needed: bool = False


def check_crtdl(crtdl: Crtdl, settings: Settings, patients: Sequence[str] | None = None) -> list[Finding]:
    """Everything to know about a document, in the order of its places. patients: entries of a patient list, None if there is none.

    Raises nothing, whatever the document holds. Source: torch-crtdl.md 2.2 to 2.5.
    """
    document = crtdl.document
    groups = groups_of(document)
    ids, of_patients = patient_ids(patients) if patients is not None else ((), [])
    return in_order(
        [
            *repeated_keys(document),
            *schema_findings(document, settings.schema),
            *missing_parts(document, groups),
            *profiles(groups),
            *patient_group(groups),
            *group_ids(groups),
            *group_names(groups),
            *links(groups),
            *attributes(groups),
            *disclosure(groups, settings.identifier_needed),
            *filters(groups),
            *cohort(document, with_patients=patients is not None),
            *consent(document, settings.require_consent),
            *body_size(crtdl.raw, ids),
            *of_patients,
        ]
    )
