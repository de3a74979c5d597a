"""The parts of a CRTDL document that the checks look at, whatever shape the document has.

What has the wrong type is taken for missing: the schema check names it, and the other checks go on with the rest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dimpflow.crtdl.findings import pointer
from dimpflow.fhir.table import RESOURCE_TYPES

GROUPS = pointer("dataExtraction", "attributeGroups")

_BASE = "http://hl7.org/fhir/StructureDefinition/"
_MII = "https://www.medizininformatik-initiative.de/fhir/"
_MII_TYPES = {
    "Diagnose": "Condition",
    "DiagnosticReportLab": "DiagnosticReport",
    "KontaktGesundheitseinrichtung": "Encounter",
    "ObservationLab": "Observation",
    "PatientPseudonymisiert": "Patient",
    "ServiceRequestLab": "ServiceRequest",
    "mii-pr-consent-einwilligung": "Consent",
}
"""Resource types of the MII's profiles that do not bear their type's name."""
_PATIENT_PROFILES = frozenset({"Patient", "PatientPseudonymisiert", "patient"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a group. ref: its element id, "" if there is none; must_have: None if it does not say."""

    pointer: str
    ref: str
    must_have: Any
    links: tuple[tuple[str, str], ...]
    """Pointer and group id of each linked group."""

    @property
    def type(self) -> str:
        """What stands before the first dot: the resource type."""
        return self.ref.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a group."""

    pointer: str
    raw: Mapping[str, Any]

    def text(self, key: str) -> str:
        """The text under a key, "" if there is none."""
        return _text(self.raw.get(key))


@dataclass(frozen=True, slots=True)
class Group:
    """One attribute group. `id`, `name`, `reference` are "" where they are missing."""

    pointer: str
    raw: Mapping[str, Any]
    id: str
    name: str
    reference: str
    reference_only: bool
    attributes: tuple[Attribute, ...]
    filters: tuple[Filter, ...]

    @property
    def profile(self) -> str:
        """The last part of the profile's canonical, without its version."""
        return self.reference.partition("|")[0].rpartition("/")[2]

    @property
    def profile_type(self) -> str:
        """The resource type of a profile that we surely know, or ""."""
        if self.reference.startswith(_BASE) or self.reference.startswith(_MII):
            known = _MII_TYPES.get(self.profile, self.profile)
            return known if known in RESOURCE_TYPES else ""
        return ""

    @property
    def types(self) -> tuple[str, ...]:
        """The types that its attributes name, in order, each once."""
        return tuple(dict.fromkeys(attribute.type for attribute in self.attributes if attribute.ref))

    @property
    def type(self) -> str:
        """Its resource type: the profile's, where we know it, or the one that its attributes name; "" if neither says."""
        types = self.types
        return self.profile_type or (types[0] if len(types) == 1 else "")

    @property
    def is_patient(self) -> bool | None:
        """Whether it is a Patient group, None if that cannot be told. Source: torch-crtdl.md 2.4, check 2."""
        if "Patient" in self.types or self.profile in _PATIENT_PROFILES:
            return True
        return False if self.types or self.profile_type else None


def groups(document: Mapping[str, Any]) -> tuple[Group, ...]:
    """The attribute groups of a document, none if they are missing."""
    extraction = _mapping(document.get("dataExtraction"))
    return tuple(
        _group(GROUPS + pointer(index), _mapping(raw))
        for index, raw in enumerate(_list(extraction.get("attributeGroups")))
    )


def criteria(document: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Pointer and content of each criterion under `inclusionCriteria` or `exclusionCriteria`, without AND and OR."""
    cohort = _mapping(document.get("cohortDefinition"))
    for outer, inner in enumerate(_list(cohort.get(kind))):
        for index, raw in enumerate(_list(inner)):
            yield pointer("cohortDefinition", kind, outer, index), _mapping(raw)


def codes(criterion: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Pointer (inside the criterion) and code of each of its `termCodes`."""
    for index, raw in enumerate(_list(criterion.get("termCodes"))):
        code = _text(_mapping(raw).get("code"))
        if code:
            yield pointer("termCodes", index), code


def context(criterion: Mapping[str, Any]) -> str:
    """The code of a criterion's context, "" if there is none."""
    return _text(_mapping(criterion.get("context")).get("code"))


def _group(place: str, raw: Mapping[str, Any]) -> Group:
    return Group(
        pointer=place,
        raw=raw,
        id=_text(raw.get("id")),
        name=_text(raw.get("name")),
        reference=_text(raw.get("groupReference")),
        reference_only=raw.get("includeReferenceOnly") is True,
        attributes=tuple(
            _attribute(f"{place}/attributes/{index}", _mapping(sub))
            for index, sub in enumerate(_list(raw.get("attributes")))
        ),
        filters=tuple(
            Filter(f"{place}/filter/{index}", _mapping(sub))
            for index, sub in enumerate(_list(raw.get("filter")))
        ),
    )


def _attribute(place: str, raw: Mapping[str, Any]) -> Attribute:
    links = tuple(
        (f"{place}/linkedGroups/{index}", _text(link))
        for index, link in enumerate(_list(raw.get("linkedGroups")))
    )
    return Attribute(place, _text(raw.get("attributeRef")), raw.get("mustHave"), links)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
