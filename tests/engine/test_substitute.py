"""substitute: a fixed value or structure, merged with what earlier rules took (specification of the rules, section 3.6)."""

import json
from typing import Any

import pytest
from both_ways import labels, outcome, refusal
from rules import rule

Json = dict[str, Any]


def patient(**members: Any) -> Json:
    return {"resourceType": "Patient", **members}


def put(path: str, value: Any) -> Json:
    """A rule; structures are written as JSON."""
    return rule(
        path,
        "substitute",
        replaceWith=value if value is None or isinstance(value, str) else json.dumps(value),
    )


def keep(*paths: str) -> list[Json]:
    return [rule(path, "keep") for path in paths]


# ---- primitives ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "path", "text", "expected"),
    [
        ({"birthDate": "1970-01-01"}, "birthDate", "2000", {"birthDate": "2000"}),
        ({"birthDate": "1970-01-01"}, "birthDate", "any text", {"birthDate": "any text"}),
        ({"birthDate": "1970-01-01"}, "birthDate", None, {}),
        ({"birthDate": "1970-01-01"}, "birthDate", "", {}),
        ({"birthDate": "1970-01-01"}, "birthDate", " 2000 ", {"birthDate": "2000"}),
        ({"active": True}, "active", "False", {"active": False}),
        ({"gender": "male"}, "gender", "unknown", {"gender": "unknown"}),
        ({"multipleBirthInteger": 3}, "multipleBirth", "-1", {"multipleBirthInteger": "number -1"}),
        ({"name": [{"given": ["A", "B"]}]}, "name.given", "X", {"name": [{"given": ["X", "X"]}]}),
        ({"meta": {"lastUpdated": "2020-01-01T00:00:00Z"}}, "meta.lastUpdated", "2021", {"meta": {"lastUpdated": "2021-01-01T00:00:00+00:00"}}),
        ({"gender": "male"}, "birthDate", "2000", {"gender": "male"}),  # nothing to put it in the place of
        ({"_birthDate": {"id": "i"}}, "birthDate", "2000", {"birthDate": "2000"}),
        ({"birthDate": "1970", "_birthDate": {"id": "i"}}, "birthDate", "2000", {"birthDate": "2000"}),
        ({"birthDate": "1970", "_birthDate": {"id": "i"}}, "birthDate", None, {}),
    ],
)  # fmt: skip
def test_values(members: Json, path: str, text: str | None, expected: Json) -> None:
    assert outcome(patient(**members), put(f"Patient.{path}", text)) == patient(**expected)


@pytest.mark.parametrize(
    ("members", "path", "text"),
    [
        ({"active": True}, "active", "yes"),
        ({"gender": "male"}, "gender", "m"),
        ({"multipleBirthInteger": 3}, "multipleBirth", "1.0"),
        ({"meta": {"lastUpdated": "2020-01-01T00:00:00Z"}}, "meta.lastUpdated", "2020-13"),
        ({"photo": [{"data": "QUJD"}]}, "photo.data", "???"),
    ],
)
def test_values_that_do_not_fit(members: Json, path: str, text: str) -> None:
    message = refusal(patient(**members), put(f"Patient.{path}", text))
    assert message.startswith(f"rule 1 (Patient.{path}): substitute: ") and " at $." in message


def test_of_what_stands_beside_a_value_only_what_is_handled_stays() -> None:
    beside = {"id": "i", "extension": [{"url": "u", "valueString": "s"}, {"url": "v", "valueString": "t"}]}
    resource = patient(birthDate="1970", _birthDate=beside)
    done = outcome(
        resource, *keep("Patient.birthDate.extension.where(url = 'v')"), put("Patient.birthDate", "2000")
    )
    assert done == patient(birthDate="2000", _birthDate={"extension": [{"url": "v", "valueString": "t"}]})
    done = outcome(resource, *keep("Patient.birthDate.extension.value"), put("Patient.birthDate", "2000"))
    assert done["_birthDate"] == {"extension": [{"valueString": "s"}, {"valueString": "t"}]}


# ---- structures ----------------------------------------------------------------------------------------------------

NAME = {"use": "official", "family": "Doe", "given": ["A", "B"], "period": {"start": "2002-03-04"}}


@pytest.mark.parametrize(
    ("kept", "new", "expected"),
    [
        ([], {"family": "X"}, {"family": "X"}),
        ([], {"text": "X", "given": ["Y"]}, {"text": "X", "given": ["Y"]}),
        ([], {}, None),
        ([], None, None),
        ([], "", None),
        ([], ' {"family":" X "} ', {"family": "X"}),
        ([], {"family": "X", "period": {}}, {"family": "X"}),
        # what is handled stays, whether the replacement has it or not
        (["use"], {"family": "X"}, {"use": "official", "family": "X"}),
        (["use"], {"use": "usual", "family": "X"}, {"use": "official", "family": "X"}),
        (["family"], None, {"family": "Doe"}),
        (["period.start"], {"family": "X"}, {"family": "X", "period": {"start": "2002-03-04"}}),
        (["period.start"], {"period": {"start": "2000", "end": "2001"}}, {"period": {"start": "2002-03-04", "end": "2001"}}),
        (["period"], {"period": {"end": "2001"}}, {"period": {"start": "2002-03-04"}}),
        # lists are paired by position
        ([], {"given": ["X"]}, {"given": ["X"]}),
        ([], {"given": ["X", "Y", "Z"]}, {"given": ["X", "Y", "Z"]}),
        (["given[0]"], {"given": ["X"]}, {"given": ["A"]}),
        (["given[0]"], {"given": ["X", "Y", "Z"]}, {"given": ["A", "Y", "Z"]}),
        (["given[1]"], {"given": ["X"]}, {"given": ["X", "B"]}),
        (["given[1]"], {"family": "X"}, {"family": "X", "given": ["B"]}),
    ],
)  # fmt: skip
def test_structures(kept: list[str], new: Any, expected: Json | None) -> None:
    rules = [*keep(*(f"Patient.name.select({path})" for path in kept)), put("Patient.name", new)]
    wanted = patient() if expected is None else patient(name=[expected])
    assert outcome(patient(name=[NAME]), *rules) == wanted
    assert outcome(patient(name=[NAME, NAME]), *rules) == (
        patient(name=[expected] * 2) if expected else patient()
    )


IDENTIFIERS = [
    {
        "type": {"coding": [{"system": "s", "code": "A"}, {"system": "t", "code": "B"}], "text": "x"},
        "value": "1",
    },
]


@pytest.mark.parametrize(
    ("kept", "coding", "expected"),
    [
        ([], [{"code": "X"}], [{"code": "X"}]),
        (["coding[0].code"], [{"code": "X"}], [{"code": "A"}]),
        (["coding[0].code"], [{"code": "X", "display": "d"}, {"code": "Y"}], [{"code": "A", "display": "d"}, {"code": "Y"}]),
        (["coding[1].code"], [{"code": "X"}], [{"code": "X"}, {"code": "B"}]),
        (["coding[1]"], [{"code": "X"}, {"code": "Y"}, {"code": "Z"}], [{"code": "X"}, {"system": "t", "code": "B"}, {"code": "Z"}]),
        (["coding[0]", "coding[1].system"], [], [{"system": "s", "code": "A"}, {"system": "t"}]),
    ],
)  # fmt: skip
def test_lists_of_structures(kept: list[str], coding: list[Json], expected: list[Json]) -> None:
    rules = keep(*(f"Patient.identifier.type.{path}" for path in kept))
    new = {"coding": coding} if coding else {"text": "y"}
    done = outcome(patient(identifier=IDENTIFIERS), *rules, put("Patient.identifier.type", new))
    more = {} if coding else {"text": "y"}
    assert done["identifier"] == [{"type": {"coding": expected, **more}, "value": "1"}]


def test_all_of_the_result_is_handled() -> None:
    rules = [put("Patient.name", {"family": "X", "given": ["Y"]}), rule("Patient", "redact")]
    assert outcome(patient(name=[NAME], active=True), *rules) == patient(
        name=[{"family": "X", "given": ["Y"]}]
    )
    later = rule("Patient.name.family", "cryptoHash")
    assert outcome(patient(name=[NAME]), put("Patient.name", {"family": "X"}), later)["name"] == [
        {"family": "X"}
    ]
    again = put("Patient.name", {"family": "Z"})
    assert outcome(patient(name=[NAME]), put("Patient.name", {"family": "X"}), again)["name"] == [
        {"family": "X"}
    ]


def test_what_is_handled_already_is_not_replaced() -> None:
    first = rule("Patient.name", "keep")
    assert outcome(patient(name=[NAME]), first, put("Patient.name", {"family": "X"})) == patient(name=[NAME])


def test_a_year_that_redaction_left_stays() -> None:
    """Case 22 of the specification, section 6."""
    rules = [rule("nodesByType('Period').start", "redact"), put("Patient.name", {"family": "X"})]
    done = outcome(patient(name=[NAME]), *rules, parameters={"enablePartialDatesForRedact": "true"})
    assert done["name"] == [{"family": "X", "period": {"start": "2002"}}]


def test_an_element_of_another_type() -> None:
    resource = {
        "resourceType": "Basic",
        "extension": [{"url": "u", "valueCoding": {"code": "c", "display": "d"}}],
    }
    new = put("Basic.extension", {"url": "v", "valueString": "s"})
    assert outcome(resource, new)["extension"] == [{"url": "v", "valueString": "s"}]
    message = refusal(resource, *keep("Basic.extension.value.code"), new)
    assert message.startswith("rule 2 (Basic.extension): ")
    kept = outcome(resource, *keep("Basic.extension.value"), new)
    assert kept["extension"] == [{"url": "v", "valueCoding": {"code": "c", "display": "d"}}]
    same = put("Basic.extension", {"url": "v", "valueCoding": {"code": "x", "version": "1"}})
    assert outcome(resource, *keep("Basic.extension.value.code"), same)["extension"] == [
        {"url": "v", "valueCoding": {"version": "1", "code": "c"}}
    ]


def test_numbers_keep_their_spelling() -> None:
    resource = '{"resourceType":"Observation","valueQuantity":{"value":1}}'
    done = outcome(resource, put("Observation.value", '{"value":1.50,"unit":"g"}'))
    assert done["valueQuantity"] == {"value": "number 1.50", "unit": "g"}


@pytest.mark.parametrize(
    "new",
    ["X", "[]", '"X"', '{"familie":"X"}', '{"given":"X"}', '{"use":"x"}', '{"family":1}', '{"family":null}', '{"given":[]}', '{"family":"X"'],
)  # fmt: skip
def test_what_is_no_such_structure_refuses_the_resource(new: str) -> None:
    message = refusal(patient(name=[NAME]), put("Patient.name", new))
    assert message.startswith("rule 1 (Patient.name): ") and message.endswith(" at $.name[0]")
    assert outcome(patient(active=True), put("Patient.name", new)) == patient(active=True)


# ---- resources -----------------------------------------------------------------------------------------------------


def test_a_resource_gets_new_content() -> None:
    resource = patient(id="p", name=[NAME], gender="male")
    for new in ({"id": "x", "active": True}, {"resourceType": "Patient", "id": "x", "active": True}):
        assert outcome(resource, put("Patient", new)) == patient(id="x", active=True)
        assert outcome(resource, *keep("Patient.id"), put("Patient", new)) == patient(id="p", active=True)
        bundle = {"resourceType": "Bundle", "entry": [{"resource": resource}]}
        expected = [{"resource": patient(id="x", active=True)}]
        assert outcome(bundle, put("Patient", new))["entry"] == expected
    assert outcome(resource, put("Patient", None)) == patient()
    assert "rule 1 (Patient)" in refusal(resource, put("Patient", {"resourceType": "Basic"}))


def test_contained_resources_are_children_like_others() -> None:
    inner = {"resourceType": "Organization", "id": "o", "name": "Org"}
    resource = patient(id="p", contained=[inner, inner])
    assert outcome(resource, put("Patient", {"id": "x"})) == patient(id="x")
    new = put("Patient", {"contained": [{"resourceType": "Organization", "name": "X"}]})
    assert outcome(resource, new) == patient(contained=[{"resourceType": "Organization", "name": "X"}])


def test_it_is_labelled_wherever_it_reaches() -> None:
    assert labels(patient(name=[NAME]), put("Patient.name", {"family": "X"})) == ["SUBSTITUTED"]
    assert labels(patient(_birthDate={"id": "i"}), put("Patient.birthDate", None)) == ["SUBSTITUTED"]
    assert labels(patient(name=[NAME]), *keep("Patient.name"), put("Patient.name", {"family": "X"})) == []
