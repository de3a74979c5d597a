"""What TORCH looks at before it takes a job ("torch-crtdl", sections 1.2 and 2.3). Written apart from the library's own check,
which it is to judge.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LIMIT = 2 << 20
"""Bytes of a body that Spring's codec takes."""

POLICY = "2.16.840.1.113883.3.1937.777.24.5.3."
_MII = "https://www.medizininformatik-initiative.de/fhir/"
_BASE = "http://hl7.org/fhir/StructureDefinition/"
_SD = "/StructureDefinition/"

PROFILES: Mapping[str, str] = {
    f"{_MII}core/modul-person{_SD}Patient": "Patient",
    f"{_MII}core/modul-person{_SD}PatientPseudonymisiert": "Patient",
    f"{_MII}core/modul-person{_SD}Vitalstatus": "Observation",
    f"{_MII}core/modul-diagnose{_SD}Diagnose": "Condition",
    f"{_MII}core/modul-fall{_SD}KontaktGesundheitseinrichtung": "Encounter",
    f"{_MII}core/modul-labor{_SD}ObservationLab": "Observation",
    f"{_MII}core/modul-labor{_SD}DiagnosticReportLab": "DiagnosticReport",
    f"{_MII}core/modul-labor{_SD}ServiceRequestLab": "ServiceRequest",
    f"{_MII}core/modul-medikation{_SD}Medication": "Medication",
    f"{_MII}core/modul-medikation{_SD}MedicationAdministration": "MedicationAdministration",
    f"{_MII}core/modul-medikation{_SD}MedicationRequest": "MedicationRequest",
    f"{_MII}core/modul-medikation{_SD}MedicationStatement": "MedicationStatement",
    f"{_MII}core/modul-prozedur{_SD}Procedure": "Procedure",
    f"{_MII}modul-consent{_SD}mii-pr-consent-einwilligung": "Consent",
    **{
        _BASE + name: name
        for name in (
            "Patient", "Condition", "Encounter", "Observation", "Procedure", "Medication", "MedicationRequest", "Specimen",
            "Organization", "Practitioner", "Location", "Device", "Consent", "DiagnosticReport", "Bundle", "Binary", "Parameters",
        )
    },
}  # fmt: skip
"""The profiles that this TORCH has loaded, and their types."""

_NOT_DOMAIN = ("Bundle", "Binary", "Parameters")
_STANDARD = ("id", "meta.profile", "subject", "patient")
_REFERENCES = frozenset(
    (
        "Condition.encounter", "Condition.recorder", "Condition.asserter", "Observation.encounter", "Observation.performer",
        "Observation.specimen", "Encounter.serviceProvider", "Encounter.partOf", "Procedure.encounter", "Procedure.partOf",
        "MedicationRequest.encounter", "MedicationAdministration.context", "DiagnosticReport.encounter", "Patient.managingOrganization",
    )
)  # fmt: skip
"""Elements that are references and nothing else, apart from those that are extracted without being asked for."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Refused(Exception):
    """TORCH answers 400; the text is for `diagnostics`."""


@dataclass(frozen=True)
class Order:
    """What a job is to do. crtdl: as it was sent; patients: None for the cohort; groups: id and resource type of each."""

    crtdl: Mapping[str, Any]
    patients: tuple[str, ...] | None
    groups: tuple[tuple[str, str], ...]

    @property
    def consent(self) -> str:
        """ "none": nothing is enforced; "enforced"; "nobody": only codes that TORCH does not look at, which excludes everybody."""
        codes = _consent_codes(self.crtdl)
        if codes is None:
            return "none"
        return "enforced" if POLICY + "8" in codes else "nobody"

    @property
    def doomed(self) -> bool:
        """Whether the cohort cannot be queried, which TORCH finds out later."""
        inclusion = _inclusion(self.crtdl)
        return self.patients is None and not any(isinstance(inner, list) and inner for inner in inclusion)


def read_order(body: bytes, profiles: Mapping[str, str] = PROFILES) -> Order:
    """The Parameters of `$extract-data`. Raises Refused."""
    if not body.strip():
        raise Refused("Empty request body")
    try:
        sent = json.loads(body)
    except ValueError as error:
        raise Refused("Could not parse Parameters resource") from error
    if not isinstance(sent, dict) or sent.get("resourceType") != "Parameters":
        raise Refused("Expected a Parameters resource")
    rows = [row for row in sent.get("parameter") or [] if isinstance(row, dict)]
    coded = [
        row["valueBase64Binary"] for row in rows if row.get("name") == "crtdl" and "valueBase64Binary" in row
    ]
    if not coded:
        raise Refused("No crtdl parameter with valueBase64Binary")
    try:
        crtdl = json.loads(base64.b64decode(coded[0], validate=True))
    except (binascii.Error, ValueError, TypeError) as error:
        raise Refused("CRTDL is not valid JSON") from error
    patients = tuple(
        row["valueString"]
        for row in rows
        if row.get("name") == "patient" and isinstance(row.get("valueString"), str)
    )
    return Order(crtdl, patients or None, _checked(crtdl, profiles))


def _checked(crtdl: Any, profiles: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Id and type of each group."""
    if not isinstance(crtdl, dict):
        raise Refused("CRTDL is not a JSON object")
    for key in ("cohortDefinition", "dataExtraction"):
        if not isinstance(crtdl.get(key), dict):
            raise Refused(f"CRTDL has no {key}")
    groups = crtdl["dataExtraction"].get("attributeGroups")
    if not isinstance(groups, list):
        raise Refused("dataExtraction has no attributeGroups")
    found = [(_id(group), _group_type(group, profiles)) for group in groups]
    patients = sum(kind == "Patient" for _, kind in found)
    if patients != 1:
        raise Refused(f"Expected exactly one Patient attribute group, found {patients}")
    known = {name for name, _ in found}
    for group in groups:
        for attribute in group["attributes"]:
            for link in attribute.get("linkedGroups") or []:
                if link not in known:
                    raise Refused(f"Linked group {link} is not defined")
    _check_consent(crtdl)
    return tuple(found)


def _id(group: Any) -> str:
    if not isinstance(group, dict):
        raise Refused("Attribute group is not an object")
    for key, kind in (("id", str), ("groupReference", str), ("attributes", list)):
        if not isinstance(group.get(key), kind):
            raise Refused(f"Attribute group without {key}")
    return str(group["id"])


def _group_type(group: Mapping[str, Any], profiles: Mapping[str, str]) -> str:
    kind = profiles.get(group["groupReference"].partition("|")[0])
    if kind is None:
        raise Refused(f"Unknown profile: {group['groupReference']}")
    if kind in _NOT_DOMAIN:
        raise Refused(f"Profile {group['groupReference']} is not one of a DomainResource")
    seen: set[str] = set()
    for attribute in group["attributes"]:
        _check_attribute(attribute, kind)
        if attribute["attributeRef"] in seen:
            raise Refused(f"Duplicate attribute {attribute['attributeRef']}")
        seen.add(attribute["attributeRef"])
    _check_filters(group.get("filter") or [])
    return kind


def _check_attribute(attribute: Any, kind: str) -> None:
    ref = attribute.get("attributeRef") if isinstance(attribute, dict) else None
    if not isinstance(ref, str) or not ref:
        raise Refused("Attribute without attributeRef")
    if not isinstance(attribute.get("mustHave"), bool):
        raise Refused(f"Attribute {ref} without mustHave")
    root, _, element = ref.partition(".")
    if root != kind:
        raise Refused(f"Unknown attribute {ref} in a profile of {kind}")
    if not element:
        raise Refused(f"Attribute {ref} has no type")
    if attribute["mustHave"] and element in _STANDARD:
        raise Refused(f"Standard attribute {ref} must not be mustHave")
    if ref in _REFERENCES and not attribute.get("linkedGroups"):
        raise Refused(f"Reference attribute {ref} without linkedGroups")


def _check_filters(filters: Any) -> None:
    dates = [one for one in filters if isinstance(one, dict) and one.get("type") == "date"]
    if len(dates) > 1:
        raise Refused("More than one date filter in a group")
    for one in dates:
        for key in ("start", "end"):
            if key in one and not _DATE.fullmatch(str(one[key])):
                raise Refused(f"Date filter: {key} is not YYYY-MM-DD")


def _inclusion(crtdl: Mapping[str, Any]) -> list[Any]:
    found = crtdl["cohortDefinition"].get("inclusionCriteria")
    return found if isinstance(found, list) else []


def _einwilligung(criteria: list[Any]) -> Iterator[Mapping[str, Any]]:
    for inner in criteria:
        for criterion in inner if isinstance(inner, list) else []:
            if isinstance(criterion, dict) and (criterion.get("context") or {}).get("code") == "Einwilligung":
                yield criterion


def _consent_codes(crtdl: Mapping[str, Any]) -> set[str] | None:
    """The codes of all consent criteria; None if there is no such criterion."""
    found = list(_einwilligung(_inclusion(crtdl)))
    if not found:
        return None
    return {code.get("code", "") for criterion in found for code in criterion.get("termCodes") or []}


def _check_consent(crtdl: Mapping[str, Any]) -> None:
    excluded = crtdl["cohortDefinition"].get("exclusionCriteria")
    if any(_einwilligung(excluded if isinstance(excluded, list) else [])):
        raise Refused("Consent must not stand in exclusionCriteria")
    codes = _consent_codes(crtdl) or set()
    if (POLICY + "6" in codes) != (POLICY + "8" in codes):
        raise Refused(f"Consent codes {POLICY}6 and {POLICY}8 must come together")
