"""Reading, writing, methods and the walk of the oracle."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from oracle import Refused
from oracle.node import Node
from oracle.reading import read_resource
from oracle.testing import PATIENT, run

# --- reading and writing ---


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # strict: as it came
        ('"name":[{"text":" a "}]', '"name":[{"text":" a "}]'),
        ('"name":[{}],"contact":[{"name":{}}]', '"name":[{}],"contact":[{"name":{}}]'),
        ('"name":[{"given":["a"],"_given":[{}]}]', '"name":[{"given":["a"],"_given":[{}]}]'),
        (
            '"name":[{"given":[null,"b"],"_given":[{"id":"i"}]}]',
            '"name":[{"given":[null,"b"],"_given":[{"id":"i"},null]}]',
        ),
        ('"photo":[{"data":"QU JD"}]', '"photo":[{"data":"QUJD"}]'),
        # lenient: brought into form
        ('"name":{"text":" a ","given":" b "}', '"name":[{"text":"a","given":["b"]}]'),
        (
            '"name":[{},null,{"given":["",null,"b"],"_given":[{},{"id":"i"},null]}]',
            '"name":[{"given":[null,"b"],"_given":[{"id":"i"},null]}]',
        ),
        ('"active":null,"gender":"","contact":[{"name":{}}],"foo":[]', ""),
    ],
)
def test_reading(given: str, expected: str) -> None:
    separator = "," if expected else ""
    result = run(f'{{"resourceType":"Patient",{given}}}', [])
    assert result == f'{{"resourceType":"Patient"{separator}{expected}}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"resourceType":"HumanName"}',
        '{"resourceType":"Patient","foo":1}',
        '{"resourceType":"Patient","gender":"x"}',
        '{"resourceType":"Patient","gender":["male"]}',
        '{"resourceType":"Patient","active":"true"}',
        '{"resourceType":"Patient","multipleBirthInteger":1.0}',
        '{"resourceType":"Patient","multipleBirthInteger":2147483648}',
        '{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020"}',
        '{"resourceType":"Patient","deceasedBoolean":true,"_deceasedDateTime":{"id":"i"}}',
        '{"resourceType":"Patient","meta":{"lastUpdated":"2020"}}',
        '{"resourceType":"Patient","photo":[{"data":"abc"}]}',
        '{"resourceType":"Patient","name":[{"text":"\\ud800"}]}',
        '{"resourceType":"Patient","_name":[{"id":"i"}]}',
        '{"resourceType":"Basic","extension":[{"url":"u","valueDecimal":NaN}]}',
    ],
)
def test_refused_reading(text: str) -> None:
    with pytest.raises(Refused):
        run(text, [])


def instant(text: str) -> str:
    result = run({"resourceType": "Bundle", "timestamp": text}, [])
    return str(result["timestamp"])


def test_instants() -> None:
    assert instant("2020-01-01T10:00:00.500Z") == "2020-01-01T10:00:00.5+00:00"
    assert instant("2020-01-01T10:00:00.00000001-00:00") == "2020-01-01T10:00:00+00:00"
    assert instant("2020-01-01T10:00:00.123456789-05:00") == "2020-01-01T10:00:00.1234567-05:00"
    for wrong in (
        "2020-02-30T10:00:00Z",
        "2020-01-01T24:00:00Z",
        "2020-01-01T10:00:60Z",
        "2020-01-01T10:00:00+14:01",
    ):
        with pytest.raises(Refused):
            instant(wrong)


def test_numbers_keep_their_text() -> None:
    text = '{"resourceType":"Basic","extension":[{"url":"u","valueDecimal":1.50E1}]}'
    assert run(text, []) == text
    rule = {"path": "Basic.extension.value", "method": "pseudonymize", "domain": "d"}
    assert '"valueDecimal":15.0}' in run(text, [rule], pseudonyms=lambda _, value: value)


def test_what_came_empty() -> None:
    resource = {"resourceType": "Patient", "name": [{"period": {}}], "contact": [{"name": {}}]}
    assert run(resource, [{"path": "Patient.name", "method": "cryptoHash"}]) == resource
    rest = {"resourceType": "Patient", "contact": [{"name": {}}]}
    for method in ("redact", "remove"):
        assert run(resource, [{"path": "Patient.name", "method": method}]) == rest
        assert run(resource, [{"path": "Patient.name.period", "method": method}]) == rest


# --- methods ---


def observation(value: str, rule: Mapping[str, Any], **parameters: Any) -> str:
    """An Observation's value as JSON members, after one rule on it."""
    path = {"path": "Observation.value", **rule}
    result = run(f'{{"resourceType":"Observation",{value}}}', [path], **parameters)
    return str(result).removeprefix('{"resourceType":"Observation"').removeprefix(",").removesuffix("}")


def substituted(value: str, new: str) -> str:
    return observation(value, {"method": "substitute", "replaceWith": new})


def test_fit() -> None:
    assert substituted('"valueBoolean":true', "FALSE") == '"valueBoolean":false'
    assert substituted('"valueInteger":1', "-0") == '"valueInteger":0'
    assert substituted('"valueString":"x"', "") == ""
    for value, new in (
        ('"valueBoolean":true', "1"),
        ('"valueInteger":1', "1.0"),
        ('"valueInteger":1', "2147483648"),
    ):
        with pytest.raises(Refused):
            substituted(value, new)


def generalized(value: str, predicate: str, expression: str) -> str:
    return observation(value, {"method": "generalize", "cases": {predicate: expression}})


def test_generalize() -> None:
    assert generalized('"valueInteger":7', "$this > 5", "$this div 5 * 5") == '"valueInteger":5'
    assert generalized('"valueString":"x"', "{}", "1.50") == '"valueString":"1.50"'
    assert generalized('"valueString":"x"', "$this = 'y'", "'z'") == ""
    assert generalized('"valueBoolean":true', "true", "$this.not()") == '"valueBoolean":false'
    assert generalized('"valueTime":"10:11:12"', "true", "@T10:00:00") == '"valueTime":"10:00:00"'
    for value, expression in (('"valueString":"x"', "true"), ('"valueString":"x"', "'a' | 'b'")):
        with pytest.raises(Refused):
            generalized(value, "true", expression)


def perturbed(value: str, **settings: str) -> str:
    return observation(value, {"method": "perturb", **settings})


def test_perturb() -> None:
    assert perturbed('"valueInteger":5', span="0") == '"valueInteger":5'
    assert (
        perturbed('"valueQuantity":{"value":5.25}', span="0", roundTo="1") == '"valueQuantity":{"value":5.2}'
    )
    result = perturbed('"valueQuantity":{"value":5.234}', span="6")
    assert 2.23 <= json.loads(f"{{{result}}}")["valueQuantity"]["value"] <= 8.23
    assert result == perturbed('"valueQuantity":{"value":5.234}', span="6")
    with pytest.raises(Refused):
        perturbed('"valueInteger":-5', span="1", rangeType="proportional")


def test_encrypt_is_the_same_each_time() -> None:
    rule = {"method": "encrypt"}
    one, two = (observation('"valueString":"x"', rule, encryptKey="k" * 16) for _ in range(2))
    assert one == two
    assert len(one) == len('"valueString":""') + 64


def shifted(value: str, **parameters: str) -> str:
    value = f'"valueDateTime":"{value}"'
    result = observation(value, {"method": "dateshift"}, dateShiftFixedOffsetInDays="1", **parameters)
    return result.removeprefix('"valueDateTime":').strip('"')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2020-12-31", "2021-01-01"),
        ("2020-12-31T23:30:00.50-05:00", "2021-01-01T00:00:00.00-05:00"),
        ("2020-12-31T23:30-05:00", "2021-01-02"),
        ("2020-12-31T23:30:00", "2021-01-01"),
        ("2020-12", ""),
        ("garbage", ""),
    ],
)
def test_dateshift(value: str, expected: str) -> None:
    assert shifted(value) == expected


@pytest.mark.parametrize(
    "value", ["2021-02-30", "2021-02-03T10:00:60Z", "on 2021-02-03", "9999-12-31", "2021-02-03T24:00:00"]
)
def test_dateshift_refused(value: str) -> None:
    with pytest.raises(Refused):
        shifted(value)


def test_dateshift_like_redact() -> None:
    assert shifted("2020-12", enablePartialDatesForRedact="yes") == "2020"
    assert shifted("garbage", enablePartialDatesForRedact="yes") == "garbage"
    assert shifted("1936-08-07", enablePartialDatesForRedact="yes") == ""
    assert shifted("1936-08-08", enablePartialDatesForRedact="yes") == "1936-08-09"


def test_substitute_merges_by_position() -> None:
    resource = {
        "resourceType": "Patient",
        "name": [
            {"family": "A", "given": ["1", "2"], "period": {"start": "2020", "end": "2021"}, "text": "t"}
        ],
    }
    rules = [
        {"path": "Patient.name.given.where($this = '1')", "method": "keep"},
        {"path": "Patient.name.period.end", "method": "keep"},
        {
            "path": "Patient.name",
            "method": "substitute",
            "replaceWith": '{"given":["x","y","z"],"use":"usual"}',
        },
    ]
    assert run(resource, rules)["name"] == [
        {"use": "usual", "given": ["1", "y", "z"], "period": {"end": "2021"}},
    ]


def test_substitute_another_type() -> None:
    rule = {"path": "Observation", "method": "substitute", "replaceWith": '{"valueString":"s"}'}
    resource = {"resourceType": "Observation", "valueQuantity": {"value": 1, "unit": "u"}}
    assert run(resource, [rule]) == {"resourceType": "Observation", "valueString": "s"}
    with pytest.raises(Refused):
        run(resource, [{"path": "Observation.value.unit", "method": "keep"}, rule])


def test_walk() -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient", "id": "p"}}]}
    with pytest.raises(Refused):
        run(bundle, [{"path": "Patient", "method": "remove"}])
    with pytest.raises(Refused):
        run(bundle, [{"path": "Patient.id.exists()", "method": "redact"}])
    assert run(bundle, [{"path": "Bundle.entry", "method": "keep"}]) == bundle
    # Errors count even where everything is handled already.
    rules = [
        {"path": "Resource", "method": "keep"},
        {"path": "Resource.id.where($this < 1)", "method": "keep"},
    ]
    with pytest.raises(Refused):
        run(bundle, rules)


def test_labels() -> None:
    result = run(
        {"resourceType": "Patient", "id": "p", "birthDate": "2020-01-01", "gender": "male"},
        [
            {"path": "Patient.gender", "method": "remove"},
            {"path": "Patient.birthDate", "method": "dateshift"},
            {"path": "Patient.id", "method": "redact"},
        ],
        labels=True,
    )
    assert [label["code"] for label in result["meta"]["security"]] == ["REDACTED", "PERTURBED"]
    assert list(result["meta"]["security"][1]) == ["code", "display"]


@pytest.mark.parametrize(
    "rule",
    [
        {"path": "Patient.id"},
        {"method": "redact"},
        {"path": "Patient.id", "method": "blur"},
        {"path": "Patient..id", "method": "redact"},
        {"path": "Patient.id", "method": "substitute"},
        {"path": "Patient.id", "method": "perturb"},
        {"path": "Patient.id", "method": "perturb", "span": "-1"},
        {"path": "Patient.id", "method": "perturb", "span": "1", "roundTo": "29"},
        {"path": "Patient.id", "method": "perturb", "span": "1", "rangeType": "x"},
        {"path": "Patient.id", "method": "generalize"},
        {"path": "Patient.id", "method": "generalize", "cases": {"$this": "foo("}},
        {"path": "Patient.id", "method": "generalize", "cases": {}, "otherValues": "x"},
        {"path": "Patient.id", "method": "cryptoHash", "truncateToMaxLength": "-1"},
    ],
)
def test_bad_rules(rule: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        run({"resourceType": "Patient"}, [rule])


def test_bad_encrypt_key() -> None:
    with pytest.raises(ValueError, match="encryptKey"):
        run({"resourceType": "Patient"}, [], encryptKey="short", keyDerivationContext="c")


def test_identity() -> None:
    root = read_resource(json.dumps(PATIENT).encode())
    name = next(node for node in root.descendants() if node.value == "Org")
    assert isinstance(name, Node)
    assert (name.identity(), name.locus()) == ("Patient/p#Organization/o", "Organization.name")
