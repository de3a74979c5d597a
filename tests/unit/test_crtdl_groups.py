"""dimpflow.crtdl: groups, links, attributes and filters, each rule on a small document (torch-crtdl.md 2.3 and 2.4)."""

from typing import Any

import pytest

from crtdl_documents import CONDITION, GROUPS, MII, PATIENT, attribute, brief, check, document, group
from dimpflow.crtdl.elements import resolve
from dimpflow.crtdl.structure import slugified

ENCOUNTER = "https://www.medizininformatik-initiative.de/fhir/core/modul-fall/StructureDefinition/KontaktGesundheitseinrichtung"
UNKNOWN = "https://hospital.example/StructureDefinition/own"
OBSERVATION = MII + "modul-labor/StructureDefinition/ObservationLab"


def without(thing: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name != key}


def found(*groups: dict[str, Any], **settings: Any) -> list[tuple[str, str, str]]:
    return brief(check(document(*groups), **settings))


def test_nothing_is_wrong() -> None:
    assert check(document(), schema="error", require_consent=True, identifier_needed=True) == []


@pytest.mark.parametrize("key", ["id", "groupReference", "attributes"])
def test_parts_of_a_group(key: str) -> None:
    faulty = without(CONDITION, key)
    assert ("error", "missing", f"{GROUPS}/1") in found(PATIENT, faulty, schema="off")
    assert check(document(PATIENT, faulty), schema="off")[0].reason == f"the group has no {key}"


def test_parts_of_an_attribute() -> None:
    place = f"{GROUPS}/1/attributes/0"
    no_must_have = group("c", CONDITION["groupReference"], {"attributeRef": "Condition.code"})
    assert found(PATIENT, no_must_have, schema="off") == [("error", "missing", place)]
    for ref in ({}, {"attributeRef": ""}, {"attributeRef": 1}):
        faulty = group("c", CONDITION["groupReference"], {**ref, "mustHave": False})
        assert found(PATIENT, faulty, schema="off") == [("error", "missing", place)]


@pytest.mark.parametrize(
    "content", [{}, {"version": "1", "x": 1}, {"cohortDefinition": [], "dataExtraction": 1}]
)
def test_parts_of_a_document(content: dict[str, Any]) -> None:
    first = check(content, schema="off")[0]
    assert brief([first]) == [("error", "missing", "")]
    assert first.reason.startswith("cohortDefinition and dataExtraction missing")
    assert all(key in first.reason for key in content)
    no_list = {**document(), "dataExtraction": {"attributeGroups": {}}}
    assert ("error", "missing", "/dataExtraction") in brief(check(no_list, schema="off"))


@pytest.mark.parametrize(
    "reference", ["", "|1.0", "not a uri", "no-scheme", "http://a b", "http://x/%zz", "a://b#c#d"]
)
def test_a_reference_that_is_no_uri(reference: str) -> None:
    faulty = {**CONDITION, "groupReference": reference}
    assert found(PATIENT, faulty, schema="off") == [
        ("error", "unknown-profile", f"{GROUPS}/1/groupReference")
    ]


def test_a_reference_with_a_version() -> None:
    faulty = [{**one, "groupReference": one["groupReference"] + "|2024.0.0"} for one in (PATIENT, CONDITION)]
    assert found(*faulty, schema="off") == [], "is no URI (RFC 3986), but a canonical (FHIR R4 2.24.0.1)"


def test_types_that_are_not_extracted() -> None:
    binary = group("b", "http://hl7.org/fhir/StructureDefinition/Binary")
    assert found(PATIENT, binary, schema="off") == [
        ("error", "unknown-profile", f"{GROUPS}/1/groupReference")
    ]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([CONDITION], [("error", "patient-group", GROUPS)]),
        ([PATIENT, {**PATIENT, "id": "b", "name": "b"}], [("error", "patient-group", GROUPS)]),
        ([group("a", UNKNOWN)], [("warning", "patient-group", f"{GROUPS}/0")]),
        ([PATIENT, group("a", UNKNOWN)], [("warning", "patient-group", f"{GROUPS}/1")]),
        ([group("a", UNKNOWN, attribute("Patient.identifier"))], []),
        ([group("a", "https://x.example/patient"), CONDITION], [("note", "no-identifier", f"{GROUPS}/0/attributes")]),
        ([PATIENT, group("a", OBSERVATION)], []),
    ],
)  # fmt: skip
def test_patient_group(groups: list[dict[str, Any]], expected: list[tuple[str, str, str]]) -> None:
    assert found(*groups, schema="off") == expected


def test_no_group_at_all() -> None:
    empty = {**document(), "dataExtraction": {"attributeGroups": []}}
    assert brief(check(empty)) == [("error", "patient-group", GROUPS), ("warning", "schema", GROUPS)]


def test_duplicate_ids() -> None:
    twice = {**CONDITION, "name": "other"}
    assert found(PATIENT, CONDITION, twice) == [("error", "duplicate-group-id", f"{GROUPS}/2/id")]


@pytest.mark.parametrize("name", ["Con!", "nul", "COM1", "lpt9.", "???", "Patient"])
def test_names_that_cannot_be_files(name: str) -> None:
    faulty = {**CONDITION, "name": name}
    assert found(PATIENT, faulty) == [("warning", "group-name", f"{GROUPS}/1/name")]


@pytest.mark.parametrize("name", ["Console", "com10", "patient 2"])
def test_names_that_can(name: str) -> None:
    assert found(PATIENT, {**CONDITION, "name": name}) == []


def test_no_name() -> None:
    assert found(PATIENT, without(CONDITION, "name"), schema="off") == [
        ("warning", "group-name", f"{GROUPS}/1")
    ]
    assert found(PATIENT, {**CONDITION, "name": " "}, schema="off") == [
        ("warning", "group-name", f"{GROUPS}/1")
    ]


def test_slug() -> None:
    assert slugified("Duplicate Group Name!") == slugified("duplicate_group_name") == "duplicate_group_name"
    assert slugified("  Größe (é) ") == "grosse_e"


def test_unresolved_link() -> None:
    linked = group("c", CONDITION["groupReference"], attribute("Condition.encounter", True, "enc", "lost"))
    target = group("enc", ENCOUNTER, attribute("Encounter.status"), includeReferenceOnly=True)
    place = f"{GROUPS}/1/attributes/0/linkedGroups/1"
    assert found(PATIENT, linked, target) == [("error", "unresolved-link", place)]


def test_groups_that_are_never_loaded() -> None:
    def encounter(id_: str, *links: str) -> dict[str, Any]:
        parts = [attribute("Encounter.partOf", False, *links)] if links else []
        return group(id_, ENCOUNTER, attribute("Encounter.status"), *parts, includeReferenceOnly=True)

    assert found(PATIENT, encounter("a")) == [("warning", "unlinked-group", f"{GROUPS}/1")]
    assert found(PATIENT, encounter("a", "a")) == [("warning", "never-loaded", f"{GROUPS}/1")]
    circle = [encounter("a", "b"), encounter("b", "a")]
    assert found(PATIENT, *circle) == [("warning", "never-loaded", f"{GROUPS}/{n}") for n in (1, 2)]
    begun = group("c", CONDITION["groupReference"], attribute("Condition.encounter", False, "a"))
    assert found(PATIENT, *circle, begun) == []
    chain = [encounter("a", "b"), encounter("b")]
    assert found(PATIENT, *chain) == [
        ("warning", "unlinked-group", f"{GROUPS}/1"),
        ("warning", "never-loaded", f"{GROUPS}/2"),
    ]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ([attribute("Condition.code"), attribute("Condition.code")], ("error", "duplicate-attribute", "s/1/attributeRef")),
        ([attribute("Condition.code"), attribute("Observation.code")], ("error", "mixed-types", "s")),
        ([attribute("Observation.code")], ("error", "mixed-types", "s")),
        ([attribute("Condition.id", True)], ("error", "must-have-standard", "s/0/attributeRef")),
        ([attribute("Condition.meta.profile", True)], ("error", "must-have-standard", "s/0/attributeRef")),
        ([attribute("Condition.subject", True)], ("error", "must-have-standard", "s/0/attributeRef")),
        ([attribute("Condition.value")], ("error", "unknown-attribute", "s/0/attributeRef")),
        ([attribute("Condition.code.nothing")], ("error", "unknown-attribute", "s/0/attributeRef")),
        ([attribute("Condition.onset")], ("warning", "unknown-attribute", "s/0/attributeRef")),
        ([attribute("Condition.onsetDateTime")], ("warning", "unknown-attribute", "s/0/attributeRef")),
        ([attribute("Condition.encounter")], ("error", "reference-without-link", "s/0/attributeRef")),
        ([attribute("Condition.encounter", False, "")], ("error", "reference-without-link", "s/0/attributeRef")),
        ([attribute("Condition.subject")], None),
        ([attribute("Condition.id")], None),
        ([attribute("Condition.onset[x]:onsetPeriod.start")], None),
        ([attribute("Condition.code.coding:icd10-gm")], None),
        ([attribute("Condition.code.coding:icd10-gm.code", True)], None),
        ([attribute("Condition.extension:onset-age.value[x]:valueAge")], None),
        ([attribute("Condition.stage:tnm/t.summary.coding:a.extension:b.extension:c")], None),
        ([attribute("Condition.recordedDate.extension:x.value[x]")], None),
    ],
)  # fmt: skip
def test_attributes(attributes: list[dict[str, Any]], expected: tuple[str, str, str] | None) -> None:
    faults = found(PATIENT, group("c", CONDITION["groupReference"], *attributes), schema="off")
    if expected is None:
        assert faults == []
    else:
        assert (expected[0], expected[1], f"{GROUPS}/1/attribute{expected[2]}") in faults
        assert {code for _, code, _ in faults} <= {expected[1], "unresolved-link"}


def test_a_patient_attribute_that_must_be_there() -> None:
    allergy = group("a", UNKNOWN, attribute("AllergyIntolerance.patient", True))
    assert found(PATIENT, allergy) == [
        ("error", "must-have-standard", f"{GROUPS}/1/attributes/0/attributeRef")
    ]


@pytest.mark.parametrize(
    ("ref", "fault", "types"),
    [
        ("Observation.value[x]", "", {"Quantity", "string", "Period"}),
        ("Observation.value[x]:valueQuantity", "", {"Quantity"}),
        ("Observation.value[x]:valueQuantity.code", "", {"code"}),
        ("Observation.component:x.code", "", {"CodeableConcept"}),
        ("MedicationRequest.medication[x]:medicationReference", "", {"Reference"}),
        ("Encounter.diagnosis.condition", "", {"Reference"}),
        ("Observation.component.referenceRange", "typeless", set()),
        ("Observation.referenceRange", "", {"Observation.referenceRange"}),
        ("Observation.contained.whatever", "", set()),
        ("Observation", "", {"Observation"}),
        ("Observations.code", "no-resource", set()),
        ("HumanName.family", "no-resource", set()),
        ("Observation.status.code", "unknown", set()),
        ("Observation.", "unknown", set()),
    ],
)
def test_where_an_element_id_leads(ref: str, fault: str, types: set[str]) -> None:
    target = resolve(ref)
    assert target.fault == fault and target.types >= types
    assert bool(types) == bool(target.types)


@pytest.mark.parametrize(
    ("ref", "direct"),
    [
        ("Patient", True), ("Patient.name", True), ("Patient.name:geburtsname", True), ("Patient.name.family", True),
        ("Patient.telecom", True), ("Patient.contact", True), ("Patient.photo", True), ("Patient.address", True),
        ("Patient.address:strasse", True), ("Patient.address:strasse.line", True), ("Patient.address.postalCode", False),
        ("Patient.birthDate", False), ("Patient.gender", False), ("Patient.active", False),
    ],
)  # fmt: skip
def test_direct_identifiers(ref: str, direct: bool) -> None:
    patient = group("p", PATIENT["groupReference"], attribute("Patient.identifier"), attribute(ref))
    place = f"{GROUPS}/0/attributes/1/attributeRef"
    assert found(patient) == ([("warning", "direct-identifier", place)] if direct else [])


def test_identifier_of_a_patient() -> None:
    patient = group("p", PATIENT["groupReference"], attribute("Patient.gender"))
    place = f"{GROUPS}/0/attributes"
    assert found(patient) == [("note", "no-identifier", place)]
    assert found(patient, identifier_needed=True) == [("warning", "no-identifier", place)]
    for ref, brought in (
        ("Patient.identifier:pid", True), ("Patient.identifier:pid.value", True), ("Patient.identifier.value", True),
        ("Patient.identifier.system", False), ("Patient.identifier:pid.type", False),
    ):  # fmt: skip
        group_of_one = group("p", PATIENT["groupReference"], attribute(ref))
        expected = [] if brought else [("warning", "no-identifier", place)]
        assert found(group_of_one, identifier_needed=True) == expected


TOKEN = {
    "type": "token",
    "name": "code",
    "codes": [{"code": "a", "system": "http://x.example", "display": "a"}],
}
DATE = {"type": "date", "name": "recorded-date", "start": "2021-05-01", "end": "2021-05-01"}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([TOKEN, TOKEN, DATE], []),
        ([{**DATE, "name": "_lastUpdated"}], []),
        ([without(DATE, "end")], []),
        ([DATE, DATE], [("error", "date-filters", "")]),
        ([{**DATE, "end": "2021-04-30"}], [("error", "reversed-dates", "/0")]),
        ([{**DATE, "start": "2021-5-1"}], [("error", "bad-date", "/0/start")]),
        ([{**DATE, "end": "2021-02-30"}], [("error", "bad-date", "/0/end")]),
        ([{**DATE, "end": "2021-05-01T00:00:00Z"}], [("error", "bad-date", "/0/end")]),
        ([{**DATE, "start": "٢٠٢١-٠٥-٠١"}], [("error", "bad-date", "/0/start")]),
        ([{**DATE, "end": ""}], [("error", "bad-date", "/0/end")]),
        ([{**DATE, "end": None}], []),
        ([{**DATE, "start": None, "end": None}], [("warning", "open-date-filter", "/0")]),
        ([without(DATE, "name")], [("warning", "search-parameter", "/0")]),
        ([{**TOKEN, "name": ""}], [("warning", "search-parameter", "/0")]),
        ([without(without(DATE, "end"), "start")], [("warning", "open-date-filter", "/0")]),
        ([{**TOKEN, "type": "tokens"}], [("error", "filter-type", "/0/type")]),
        ([without(TOKEN, "type")], [("error", "filter-type", "/0")]),
        ([without(TOKEN, "codes")], [("error", "token-without-codes", "/0")]),
        ([{**TOKEN, "codes": []}], [("error", "token-without-codes", "/0")]),
        ([{**DATE, "name": "date"}], [("warning", "search-parameter", "/0/name")]),
    ],
)
def test_filters(filters: list[dict[str, Any]], expected: list[tuple[str, str, str]]) -> None:
    faulty = {**CONDITION, "filter": filters}
    wanted = [(level, code, f"{GROUPS}/1/filter{place}") for level, code, place in expected]
    assert found(PATIENT, faulty, schema="off") == wanted


def test_a_date_parameter_of_a_type_that_we_do_not_know_is_not_judged() -> None:
    other = group("a", UNKNOWN, attribute("Account.status"), filter=[DATE])
    assert found(PATIENT, other) == []
