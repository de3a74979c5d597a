"""dimpflow.audit.risk.attributes: the paths of quasi-identifiers and sensitive values."""

from typing import Any

import pytest

from dimpflow.audit.risk import quasi_identifier, sensitive_value
from dimpflow.errors import ConfigError
from dimpflow.fhir.table import PRIMITIVE_TYPES, elements

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "birthDate": "1980-02-03",
    "gender": "female",
    "deceasedDateTime": "2020-01-01T10:00:00Z",
    "multipleBirthInteger": 2,
    "name": [{"given": ["Ada", "Eva"]}, {"given": ["Ada"]}, {"family": "X"}],
    "address": [{"postalCode": "12345", "state": "DE-BY"}, {"postalCode": "12999"}, {"line": ["x"]}],
}


@pytest.mark.parametrize(
    ("path", "name", "values"),
    [
        ("Patient.gender", "gender", ("female",)),
        ("Patient.birthDate", "birth date", ("1980-02-03",)),
        ("Patient.birthDate:year", "birth date (year)", ("1980",)),
        ("Patient.deceased", "deceased", ("2020-01-01T10:00:00Z",)),
        ("Patient.deceased:year", "deceased (year)", ("2020",)),
        ("Patient.multipleBirth", "multiple birth", ("2",)),
        ("Patient.name.given", "name given", ("Ada", "Eva")),
        ("Patient.address.postalCode", "address postal code", ("12345", "12999")),
        ("Patient.address.postalCode:2", "address postal code (first 2 characters)", ("12",)),
        ("Patient.address.state:64", "address state (first 64 characters)", ("DE-BY",)),
        ("Patient.gender:1", "gender (first character)", ("f",)),
        ("Patient.maritalStatus.coding.code", "marital status coding code", ()),
    ],
)
def test_quasi_identifiers(path: str, name: str, values: tuple[str, ...]) -> None:
    quasi = quasi_identifier(path)
    assert (quasi.path, quasi.name, quasi.values(PATIENT)) == (path, name, values)


@pytest.mark.parametrize(
    ("value", "kept"), [("1980", "1980"), ("198", "198"), ("19801", "19801"), ("about 1980", "about 1980")]
)
def test_the_year_of_what_is_no_date_is_left_as_it_stands(value: str, kept: str) -> None:
    assert quasi_identifier("Patient.birthDate:year").values({"birthDate": value}) == (kept,)


@pytest.mark.parametrize(("deceased", "text"), [(True, "true"), (False, "false")])
def test_booleans(deceased: bool, text: str) -> None:
    for path in ("Patient.deceased", "Patient.deceased:year"):
        assert quasi_identifier(path).values({"deceasedBoolean": deceased}) == (text,)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("", "is not a path such as"),
        ("gender", "is not a path such as"),
        ("Patient", "is not a path such as"),
        ("Patient.gender ", "is not a path such as"),
        ("Patient.name[0].given", "is not a path such as"),
        ("Patient.birthDate:", "is not a path such as"),
        ("Patent.gender", "no resource type Patent"),
        ("Patient.gnder", "no element 'gnder' there"),
        ("Patient.gender.code", "no element 'code' there"),
        ("Patient.deceasedBoolean", "no element 'deceasedBoolean' there"),
        ("Patient.address", "'address' has elements of its own"),
        ("Condition.recordedDate", "not an element of Patient"),
        ("Patient.gender:year", "only a date has a year"),
        ("Patient.birthDate:4", "only texts are cut"),
        ("Patient.active:1", "only texts are cut"),
        ("Patient.address.postalCode:0", "1 to 64"),
        ("Patient.address.postalCode:65", "1 to 64"),
        ("Patient.address.postalCode:month", "1 to 64"),
    ],
)
def test_faults_of_quasi_identifiers(path: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        quasi_identifier(path, "audit.quasi_identifiers")
    assert str(caught.value).startswith(f"audit.quasi_identifiers: '{path}'")
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "whose"),
    [
        ("Condition.code.coding.code", ("subject",)),
        ("AllergyIntolerance.code.coding.code", ("patient",)),
        ("Patient.gender", ()),
        ("Observation.value.coding.code", ("subject",)),
    ],
)
def test_sensitive_values(path: str, whose: tuple[str, ...]) -> None:
    found = sensitive_value(path)
    assert (found.path, found.type, found.whose) == (path, path.partition(".")[0], whose)


def test_a_choice_of_types_is_followed_where_it_leads_on() -> None:
    coded = {"valueCodeableConcept": {"coding": [{"code": "b"}, {"code": "a"}, {"code": "b"}]}}
    path = sensitive_value("Observation.value.coding.code")
    assert path.values(coded) == ("a", "b")
    assert path.values({"valueString": "x"}) == ()


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("Condition.code", "'code' has elements of its own"),
        ("Condition.code.coding.code:2", "leave ':2' away"),
        ("Organization.name", "no element that says whose it is"),
        ("Observation.value", "'value' has elements of its own"),
    ],
)
def test_faults_of_sensitive_values(path: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        sensitive_value(path)


def test_every_element_of_patient_is_either_read_or_refused_in_words() -> None:
    read = refused = 0
    for first in elements("Patient"):
        below = () if first.type in PRIMITIVE_TYPES else elements(first.type)
        for path in (first.name, *(f"{first.name}.{second.name}" for second in below)):
            try:
                assert quasi_identifier(f"Patient.{path}").values({}) == ()
                read += 1
            except ConfigError:
                refused += 1
    assert read > 50
    assert refused > 30
