"""Small CRTDL documents for tests: one that nothing is wrong with, and changes of it."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dimpflow.crtdl.check import Settings, check_crtdl
from dimpflow.crtdl.findings import Finding
from dimpflow.crtdl.reading import parse_crtdl

POLICY = "2.16.840.1.113883.3.1937.777.24.5.3."
MII = "https://www.medizininformatik-initiative.de/fhir/core/"
GROUPS = "/dataExtraction/attributeGroups"


def criterion(context: str, *codes: str) -> dict[str, Any]:
    """A criterion of a cohort."""
    return {
        "context": {"code": context, "system": "fdpg.mii.cds", "display": context},
        "termCodes": [{"code": code, "system": "urn:oid:1.2.3", "display": code} for code in codes],
    }


def attribute(ref: str, must_have: bool = False, *links: str) -> dict[str, Any]:
    """An attribute of a group."""
    found: dict[str, Any] = {"attributeRef": ref, "mustHave": must_have}
    return {**found, "linkedGroups": list(links)} if links else found


def group(id_: str, reference: str, *attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An attribute group, named by its id."""
    return {"id": id_, "name": id_, "groupReference": reference, "attributes": list(attributes), **more}


PATIENT = group(
    "patient",
    MII + "modul-person/StructureDefinition/PatientPseudonymisiert",
    attribute("Patient.identifier"),
)
CONDITION = group(
    "condition", MII + "modul-diagnose/StructureDefinition/Diagnose", attribute("Condition.code", True)
)
CONSENT = criterion("Einwilligung", POLICY + "8", POLICY + "6")


def document(*groups: dict[str, Any], **cohort: Any) -> dict[str, Any]:
    """A CRTDL document, by default without any fault; `cohort` replaces parts of its cohortDefinition."""
    definition = {
        "version": "2",
        "inclusionCriteria": [[CONSENT], [criterion("Patient", "263495000")]],
        **cohort,
    }
    found = {
        "version": "1",
        "cohortDefinition": definition,
        "dataExtraction": {"attributeGroups": list(groups or (PATIENT, CONDITION))},
    }
    return copy.deepcopy(found)


def check(content: Mapping[str, Any], patients: list[str] | None = None, **settings: Any) -> list[Finding]:
    """The findings about a document."""
    crtdl = parse_crtdl(json.dumps(content).encode(), Path("cohort.json"))
    return check_crtdl(crtdl, Settings(**settings), patients)


def brief(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """Level, code and pointer of each."""
    return [(finding.level, finding.code, finding.pointer) for finding in findings]
