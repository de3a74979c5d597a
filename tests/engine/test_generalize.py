"""generalize: the value of the first case that holds or cannot be decided (specification of the rules, section 3.7)."""

import json
from typing import Any

import pytest
from both_ways import labels, outcome, refusal
from rules import rule

VALUE = "Basic.extension.value"


def basic(member: str, value: Any, beside: Any = None) -> str:
    """A resource with one value of a kind; numbers as they are spelt."""
    written = value if member == "valueDecimal" else json.dumps(value)
    more = "" if beside is None else f',"_{member}":{json.dumps(beside)}'
    return f'{{"resourceType":"Basic","extension":[{{"url":"u","{member}":{written}{more}}}]}}'


def generalized(
    member: str, value: Any, cases: dict[str, str], *, beside: Any = None, **settings: str
) -> Any:
    """The new value; None where nothing is left."""
    made = rule(VALUE, "generalize", cases=cases, **settings)
    return outcome(basic(member, value, beside), made)["extension"][0].get(member)


# ---- which case ----------------------------------------------------------------------------------------------------

AGES = {"$this < 18": "0", "$this >= 18 and $this < 65": "18", "$this >= 65": "65"}


@pytest.mark.parametrize(("value", "expected"), [(3, 0), (17, 0), (18, 18), (64, 18), (65, 65), (-1, 0)])
def test_the_first_case_that_holds(value: int, expected: int) -> None:
    assert generalized("valueInteger", value, AGES) == f"number {expected}"


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ({"true": "'first'", "true or true": "'second'"}, "first"),
        ({"false": "'first'", "true": "'second'"}, "second"),
        ({"{}": "'first'", "true": "'second'"}, "first"),  # what cannot be decided counts as true
        ({"$this = {}": "'first'", "true": "'second'"}, "first"),
        ({"$this.extension.url = 'x'": "'first'"}, "first"),
        ({"$this": "'first'"}, "first"),  # what is no boolean counts as true
        ({"$this.substring(9)": "'first'", "true": "'second'"}, "first"),
        ({"false": "'first'"}, None),
        ({"$this = 'x'": "'first'", "$this = 'y'": "'second'"}, None),
    ],
)
def test_which_case_counts(cases: dict[str, str], expected: str | None) -> None:
    assert generalized("valueString", "a", cases) == expected
    assert generalized("valueString", "a", cases, otherValues="redact") == expected
    assert generalized("valueString", "a", cases, otherValues="keep") == (expected or "a")


def test_a_date_that_may_be_earlier() -> None:
    """The vector of the specification, section 6."""
    cases = {"$this < @1931-01-01": "@1930-01-01"}
    assert generalized("valueDate", "1931", cases, otherValues="keep") == "1930-01-01"
    assert generalized("valueDate", "1932", cases, otherValues="keep") == "1932"
    assert generalized("valueDate", "1930-12-31", cases, otherValues="keep") == "1930-01-01"


def test_a_predicate_that_fails_refuses_the_resource() -> None:
    made = rule(VALUE, "generalize", cases={"$this < 'a'": "'x'"})
    message = refusal(basic("valueInteger", 1), made)
    assert message.startswith(f"rule 1 ({VALUE}): generalize: ")
    assert message.endswith("at $.extension[0].valueInteger")
    decided = rule(VALUE, "generalize", cases={"true": "2", "$this < 'a'": "'x'"})
    assert outcome(basic("valueInteger", 1), decided)["extension"][0]["valueInteger"] == "number 2"


# ---- which value ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "value", "result", "expected"),
    [
        ("valueString", "a", "'b'", "b"),
        ("valueString", " a ", "$this", "a"),
        ("valueString", "a", "' b '", "b"),
        ("valueString", "a", "{}", None),
        ("valueString", "a", "''", None),
        ("valueString", "a", "12", "12"),
        ("valueString", "a", "1.50", "1.50"),
        ("valueString", "a", "1 / 4", "0.25"),
        ("valueString", "a", "@2020-05", "2020-05"),
        ("valueString", "a", "@2020-05-06T10:00:00Z", "2020-05-06T10:00:00Z"),
        ("valueString", "a", "@T10:30", "10:30"),
        ("valueString", "Berlin", "$this.substring(0, 3) + '...'", "Ber..."),
        ("valueString", "12345", "$this.replaceMatches('(\\\\d\\\\d).*', '$1')", "12"),
        ("valueString", "a", "iif($this = 'a', 'x', 'y')", "x"),
        ("valueDate", "2020-05-06", "$this.toString().substring(0, 7)", "2020-05"),
        ("valueDate", "2020-05-06", "@2000", "2000"),
        ("valueDateTime", "2020-05-06T10:00:00Z", "@2020T", "2020"),
        ("valueDateTime", "2020-05-06", "'any text'", "any text"),
        ("valueTime", "10:11:12", "@T10", "10"),
        ("valueInteger", 17, "$this div 10 * 10", "number 10"),
        ("valueInteger", 17, "'-3'", "number -3"),
        ("valuePositiveInt", 17, "0", "number 0"),
        ("valueDecimal", "17.25", "$this * 2", "number 34.50"),
        ("valueDecimal", "17.25", "$this.toString().replaceMatches('\\\\..*', '')", "number 17"),
        ("valueDecimal", "1.50", "$this", "number 1.50"),
        ("valueDecimal", "8E+1", "$this", "number 80"),
        ("valueDecimal", "-0.0", "$this", "number 0.0"),
        ("valueBoolean", True, "$this.not()", False),
        ("valueBoolean", True, "'FALSE'", False),
        ("valueCode", "a", "'b'", "b"),
        ("valueUri", "http://x", "'y z'", "y z"),
        ("valueInstant", "2020-05-06T10:00:00Z", "@2020-05", "2020-05-01T00:00:00+00:00"),
        ("valueInstant", "2020-05-06T10:00:00Z", "'2020-05-06T11:00:00.50Z'", "2020-05-06T11:00:00.5+00:00"),
        ("valueBase64Binary", "QUJD", "'QU JD'", "QUJD"),
    ],
)
def test_values(member: str, value: Any, result: str, expected: Any) -> None:
    assert generalized(member, value, {"true": result}) == expected
    assert generalized(member, value, {"$this": result}) == expected


@pytest.mark.parametrize(
    ("member", "value", "result"),
    [
        ("valueString", "a", "true"),
        ("valueDate", "2020", "true"),
        ("valueBoolean", True, "'yes'"),
        ("valueBoolean", True, "1"),
        ("valueInteger", 1, "1.0"),
        ("valueInteger", 1, "'01'"),
        ("valueInteger", 1, "2147483648"),
        ("valueInteger", 1, "true"),
        ("valueDecimal", "1.5", "'1e5'"),
        ("valueDecimal", "1.5", "'.5'"),
        ("valueDecimal", "1.5", "true"),
        ("valueInstant", "2020-05-06T10:00:00Z", "@2020-05-06T10:00"),
        ("valueInstant", "2020-05-06T10:00:00Z", "'2020-13'"),
        ("valueBase64Binary", "QUJD", "'QUJ'"),
        ("valueString", "a", "'b' | 'c'"),
    ],
)
def test_values_that_do_not_fit(member: str, value: Any, result: str) -> None:
    message = refusal(basic(member, value), rule(VALUE, "generalize", cases={"true": result}))
    assert message.startswith(f"rule 1 ({VALUE}): generalize: ")
    assert message.endswith(f" at $.extension[0].{member}")


def test_a_code_has_to_be_in_its_value_set() -> None:
    resource = {"resourceType": "Patient", "gender": "male"}
    assert (
        outcome(resource, rule("Patient.gender", "generalize", cases={"$this": "'other'"}))["gender"]
        == "other"
    )
    assert " at $.gender" in refusal(resource, rule("Patient.gender", "generalize", cases={"$this": "'m'"}))


# ---- on which nodes ------------------------------------------------------------------------------------------------

BESIDE = {"extension": [{"url": "v", "valueString": "s"}]}


def test_what_stands_beside_the_value_can_be_looked_at() -> None:
    cases = {"$this.extension.where(url = 'v').exists()": "$this.extension.value", "true": "'none'"}
    made = rule(VALUE, "generalize", cases=cases)
    beside = rule("Basic.extension.value.extension", "keep")
    done = outcome(basic("valueString", "a", BESIDE), beside, made)
    assert done["extension"] == [{"url": "u", "valueString": "s", "_valueString": BESIDE}]
    assert outcome(basic("valueString", "a"), made)["extension"] == [{"url": "u", "valueString": "none"}]


def test_what_stands_beside_the_value_is_generalized_too() -> None:
    done = outcome(basic("valueString", "a", BESIDE), rule(VALUE, "generalize", cases={"$this": "'x'"}))
    inner = {"extension": [{"url": "x", "valueString": "x"}]}
    assert done["extension"] == [{"url": "u", "valueString": "x", "_valueString": inner}]


def test_all_values_below_a_node() -> None:
    resource = {"resourceType": "Patient", "name": [{"use": "usual", "family": "Doe", "given": ["A", "B"]}]}
    made = rule(
        "Patient.name", "generalize", cases={"$this.toString().matches('^[A-D]')": "'x'"}, otherValues="keep"
    )
    assert outcome(resource, made)["name"] == [{"use": "usual", "family": "x", "given": ["x", "x"]}]
    kept = rule("Patient.name.given", "keep")
    assert outcome(resource, kept, made)["name"] == [{"use": "usual", "family": "x", "given": ["A", "B"]}]


def test_nothing_where_there_is_no_value() -> None:
    resource = {"resourceType": "Patient", "_birthDate": {"id": "i"}}
    made = rule("Patient.birthDate", "generalize", cases={"true": "'2000'"})
    kept = rule("Patient.birthDate.id", "keep")
    assert outcome(resource, kept, made) == resource
    assert labels(resource, kept, made) == []


def test_it_is_labelled_even_where_the_value_stays() -> None:
    made = rule(VALUE, "generalize", cases={"false": "'x'"}, otherValues="keep")
    assert labels(basic("valueString", "a"), made) == ["GENERALIZED"]
