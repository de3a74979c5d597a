"""What expressions give on a resource (specification of the rules, section 2.4)."""

from typing import Any

import pytest

from dimpflow.engine.tree.nodes import read
from dimpflow.errors import LineError
from dimpflow.fhirpath.check import may_fail
from dimpflow.fhirpath.items import Computed
from dimpflow.fhirpath.parser import parse
from evaluating import run

NAMES = ["<HumanName>", "<HumanName>"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # names
        ("id", ["p"]),
        ("name.given", ["Ann", "Bo", "x"]),
        ("name.family", ["Doe", "<string>"]),
        ("name.family.id", ["f"]),
        ("`name`.`given`", ["Ann", "Bo", "x"]),
        ("deceased", ["2020-05-06T10:00:00+02:00"]),
        ("deceasedDateTime", []),
        ("birthDate.extension.value", ["number 1.50"]),
        ("birthdate", []),
        ("name.given.given", []),
        ("'a'.id", []),
        ("$this.id", ["p"]),
        # names of types
        ("Patient.id", ["p"]),
        ("Patient.Patient.id", ["p"]),
        ("Resource.id", ["p"]),
        ("DomainResource.id", ["p"]),
        ("Organization.id", []),
        ("name.HumanName.given", ["Ann", "Bo", "x"]),
        ("name.Resource.given", ["Ann", "Bo", "x"]),
        ("name.Quantity", []),
        ("contact.BackboneElement.name.family", ["Roe"]),
        ("HumanName.family", []),
        ("'a'.String", []),
        ("contained.Organization.name", ["Org"]),
        # by type and name
        ("nodesByType('HumanName').family", ["Doe", "<string>", "Roe"]),
        ("nodesByType('Patient')", ["<Patient>"]),
        ("nodesByType('Organization')", []),
        ("nodesByType('id')", ["p"]),
        ("contained.nodesByType('id')", ["o"]),
        ("contained.nodesByType('Organization').name", ["Org"]),
        ("nodesByType('string')", ["1", "1", "1", "Doe", "Ann", "Bo", "<string>", "f", "x", "Roe"]),
        ("name.nodesByType('string')", ["Doe", "Ann", "Bo", "<string>", "f", "x"]),
        ("name[0].family.nodesByType('string')", ["Doe"]),
        ("nodesByType('decimal')", ["number 1.50"]),
        ("nodesByType('humanname')", []),
        ("'a'.nodesByType('String')", []),
        ("nodesByName('family')", ["Doe", "<string>", "Roe"]),
        ("nodesByName('name')", [*NAMES, "<HumanName>"]),
        ("nodesByName('Patient').id", ["p"]),
        ("nodesByName('deceased')", ["2020-05-06T10:00:00+02:00"]),
        ("name.nodesByName('name').nodesByName('given')", ["Ann", "Bo", "x"]),
        ("contained.nodesByName('name')", ["Org"]),
        # below
        ("children().count()", [14]),
        ("children()[0]", ["p"]),
        ("contained.children()", ["o", "Org"]),
        ("name[1].children()", ["<string>", "x", "<Period>"]),
        ("name[1].descendants()", ["<string>", "f", "x", "<Period>", "2002"]),
        ("birthDate.descendants()", ["<Extension>", "u", "number 1.50"]),
        ("descendants().where($this = 'Org')", ["Org"]),
        ("'a'.children()", []),
        # parts of collections
        ("name.given.first()", ["Ann"]),
        ("name.given.last()", ["x"]),
        ("name.given[1]", ["Bo"]),
        ("name.given[3]", []),
        ("{}.first() | {}.last() | {}[0]", []),
        ("name.where(use = 'official').given", ["Ann", "Bo"]),
        ("name.where(use != 'official')", []),
        ("name.where(use).given", ["Ann", "Bo"]),
        ("name.where(given).given", ["Ann", "Bo", "x"]),
        ("name.where({})", []),
        ("name.given.where($this = 'Bo')", ["Bo"]),
        ("name.select(given.first())", ["Ann", "x"]),
        ("name.select(1)", [1, 1]),
        ("name.select({})", []),
        # counting and conditions
        ("name.count()", [2]),
        ("{}.count()", [0]),
        ("name.exists()", [True]),
        ("{}.exists()", [False]),
        ("name.exists(use = 'official')", [True]),
        ("name.exists(use = 'usual')", [False]),
        ("{}.exists(true)", [False]),
        ("name.empty()", [False]),
        ("{}.empty()", [True]),
        ("active.not()", [False]),
        ("name.not()", [False]),
        ("gender.not()", [False]),
        ("{}.not()", []),
        ("name.all(given.exists())", [True]),
        ("name.all(family = 'Roe')", [False]),
        ("name.all(use = 'official')", []),
        ("identifier.type.coding.all(code = 'A')", [False]),
        ("{}.all(false)", [True]),
        ("iif(active, 'y', 'n')", ["y"]),
        ("iif(name, 'y', 'n')", ["y"]),
        ("iif(active.not(), 'y', 'n')", ["n"]),
        ("iif({}, 'y', 'n')", ["n"]),
        ("iif({}, 'y')", []),
        ("iif(true, 'y', name.toString())", ["y"]),
        ("iif(false, name.toString(), 'n')", ["n"]),
        ("name.iif(family = 'x', family, given.first())", ["Ann"]),
        ("name.given.iif($this.count() = 3, $this.last())", ["x"]),
        # types
        ("contact is BackboneElement", [True]),
        ("contact.name is FHIR.HumanName", [True]),
        ("gender is code", [True]),
        ("gender is string", [False]),
        ("id is id", [True]),
        ("meta.lastUpdated is instant", [True]),
        ("birthDate.extension.url is uri", [True]),
        ("contained is Organization", [True]),
        ("contained is Resource", [False]),
        ("'a' is System.String", [True]),
        ("1 is Integer and 1.0 is Decimal and true is Boolean", [True]),
        ("@2020 is Date and @2020T is DateTime and @T10 is Time", [True]),
        ("{} is string", []),
        ("deceased as dateTime", ["2020-05-06T10:00:00+02:00"]),
        ("deceased as boolean", []),
        ("multipleBirth.ofType(integer)", [2]),
        ("name.as(HumanName).use", ["official"]),
        ("(1 | 'a' | true).ofType(String)", ["a"]),
        ("name.given.ofType(string).count()", [3]),
    ],
)  # fmt: skip
def test_selection(source: str, expected: list[Any]) -> None:
    assert run(source) == expected


YES, NO, NONE = "true", "false", "{}"
TABLES = {
    "and": {(YES, YES): YES, (YES, NONE): NONE, (NONE, YES): NONE, (NONE, NONE): NONE},
    "or": {(NO, NO): NO, (NO, NONE): NONE, (NONE, NO): NONE, (NONE, NONE): NONE},
    "xor": {(YES, NO): YES, (NO, YES): YES, (YES, YES): NO, (NO, NO): NO},
    "implies": {(YES, NO): NO, (YES, NONE): NONE, (NONE, NO): NONE, (NONE, NONE): NONE},
}
"""Where the result is not the usual one below (FHIRPath 2.0.0, section 6.5)."""
USUAL = {"and": NO, "or": YES, "xor": NONE, "implies": YES}
RESULTS = {YES: [True], NO: [False], NONE: []}


@pytest.mark.parametrize("operator", TABLES)
def test_three_valued_logic(operator: str) -> None:
    for left in RESULTS:
        for right in RESULTS:
            wanted = RESULTS[TABLES[operator].get((left, right), USUAL[operator])]
            assert run(f"{left} {operator} {right}") == wanted, (left, right)
            as_nodes = {YES: "active", NO: "active.not()", NONE: "name.suffix"}
            assert run(f"{as_nodes[left]} {operator} {as_nodes[right]}") == wanted


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("gender and name", [True]),
        ("gender and 'false'", [True]),
        ("gender xor true", [False]),
        ("name implies name[0].use", [True]),
        ("0 or false", [True]),
        ("(active | 'x') and true", [True]),
    ],
)
def test_what_is_no_boolean_counts_as_true(source: str, expected: list[Any]) -> None:
    assert run(source) == expected


@pytest.mark.parametrize("source", ["false and {}", "true or {}", "false implies {}"])
def test_where_the_left_side_decides_the_right_one_cannot_fail(source: str) -> None:
    failing = source.replace("{}", "name.toString()")
    assert run(failing) == ([False] if "and" in source else [True])
    for left in RESULTS:
        operator = source.split()[1]
        if left != source.split()[0]:
            with pytest.raises(LineError):
                run(f"{left} {operator} name.toString()")
    with pytest.raises(LineError):
        run("false xor name.toString()")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("name.given.toString()", "toString() needs a single item"),
        ("name.given.startsWith('A')", "startsWith() needs a single item"),
        ("name.given.substring(0)", "substring() needs a single item"),
        ("'a'.startsWith(name.given)", "startsWith() needs a single item"),
        ("name is HumanName", "is needs a single item"),
        ("name.given < 'x'", "< needs a single item"),
        ("'x' >= name.given", ">= needs a single item"),
        ("name.given in name", "in needs a single item"),
        ("name contains name.given", "in needs a single item"),
        ("name.given + 'x'", "+ needs a single item"),
        ("1 - (1 | 2)", "- needs a single item"),
        ("-(1 | 2)", "- needs a single item"),
        ("birthDate.startsWith('1')", "startsWith() needs a text"),
        ("deceased.matches('1')", "matches() needs a text"),
        ("active.startsWith('t')", "startsWith() needs a text"),
        ("multipleBirth.contains('2')", "contains() needs a text"),
        ("1.endsWith('1')", "endsWith() needs a text"),
        ("contact.name.startsWith('x')", "startsWith() needs a text"),
        ("name[1].family.startsWith('x')", "startsWith() needs a text"),
        ("name[1].family.replaceMatches('x', 'y')", "replaceMatches() needs a text"),
        ("'a'.startsWith(1)", "startsWith() cannot work with its argument"),
        ("'abc'.substring('1')", "substring() cannot work with its argument"),
        ("'abc'.substring(1.0)", "substring() cannot work with its argument"),
        ("'abc'.substring(0, 'x')", "substring() cannot work with its argument"),
        ("'abc'.substring(0, -1)", "substring() cannot give a negative number of characters"),
        ("1 < 'a'", "< cannot compare"),
        ("true < false", "< cannot compare"),
        ("birthDate > '1970'", "> cannot compare"),
        ("contact.name <= contact.name", "<= cannot compare"),
        ("@T10 < @2020", "< cannot compare"),
        ("name[1].family < 'a'", "< cannot compare"),
        ("'a' + 1", "+ cannot calculate"),
        ("'a' - 'b'", "- cannot calculate"),
        ("true * 2", "* cannot calculate"),
        ("birthDate + 1", "+ cannot calculate"),
        ("name[1].family + 'a'", "+ cannot calculate"),
        ("-'a'", "- needs a number"),
        ("-active", "- needs a number"),
        ("79228162514264337593543950335 + 1", "the result of + is too large"),
        ("79228162514264337593543950335.0 * 10.0", "the result of * is too large"),
    ],
)
def test_what_cannot_be_evaluated(source: str, what: str) -> None:
    with pytest.raises(LineError) as error:
        run(source)
    assert str(error.value).startswith(what)
    assert may_fail(parse(source))


def test_computed_values() -> None:
    text = Computed("String", "a")
    assert (text.type, text.kind, text.name, text.children(), text.identity) == (
        "String",
        "String",
        "",
        [],
        None,
    )
    assert not text.is_resource


EXTENSIONS = """{"resourceType": "Basic", "id": "b", "implicitRules": "u", "created": "%s", "extension": [
  {"url": "u", "valueBoolean": false}, {"url": "u", "valueInteger": -1}, {"url": "u", "valuePositiveInt": 1},
  {"url": "u", "valueUnsignedInt": 0}, {"url": "u", "valueDecimal": 8E+1}, {"url": "u", "valueDate": "2020-01"},
  {"url": "u", "valueDateTime": "%s"}, {"url": "u", "valueInstant": "2020-01-01T10:00:00.50Z"},
  {"url": "u", "valueTime": "%s"}, {"url": "u", "valueCode": "c"}, {"url": "u", "valueId": "i"},
  {"url": "u", "valueBase64Binary": "QUJD"}, {"url": "u", "valueMarkdown": "m"}, {"url": "u", "valueOid": "urn:oid:1.2"},
  {"url": "u", "valueAge": {"value": 1}}]}"""
KINDS = [
    "Boolean", "Integer", "Integer", "Integer", "Decimal", "Date", "DateTime", "DateTime", "Time", "String", "String",
    "String", "String", "String", "",
]  # fmt: skip


def kinds(created: str = "2020", moment: str = "2020-01-01T10:00", time: str = "10:00") -> list[str]:
    root = read((EXTENSIONS % (created, moment, time)).encode())
    return [value.kind for extension in root.named("extension") for value in extension.named("value")]


def test_kinds_of_values() -> None:
    assert kinds() == KINDS


@pytest.mark.parametrize(
    ("moment", "kind"),
    [
        ("2020", "DateTime"),
        ("2020-01", "DateTime"),
        ("2020-02-29", "DateTime"),
        ("2020-01-01T10:00", "DateTime"),
        ("2020-01-01T10:00Z", "DateTime"),
        ("2020-01-01T10:00:00.123456789+14:00", "DateTime"),
        ("2020-01-01T10", "String"),
        ("2020-01-01T10Z", "String"),
        ("2019-02-29", "String"),
        ("2020-01-01T24:00:00", "String"),
        ("2020-01-01T10:00:60", "String"),
        ("2020-01-01T10:00:00+15:00", "String"),
        ("2020-01-01 10:00:00", "String"),
        ("2020-1-1", "String"),
        ("unknown", "String"),
    ],
)
def test_what_is_no_date_is_text(moment: str, kind: str) -> None:
    assert kinds(moment=moment)[6] == kind
    source = "extension[6].value"
    resource = EXTENSIONS % ("2020", moment, "10:00")
    if kind == "String":
        assert run(f"{source} = '{moment}' and {source} < 'z'", resource) == [True]
        with pytest.raises(LineError):  # a text for `=`, but not for the functions of texts
            run(f"{source}.startsWith('2')", resource)
    else:
        assert run(f"{source} > @1999", resource) == [True]


@pytest.mark.parametrize(
    ("time", "kind"),
    [("10:00", "Time"), ("10:00:00.5", "Time"), ("10", "String"), ("24:00", "String"), ("10:00Z", "String")],
)
def test_times(time: str, kind: str) -> None:
    assert kinds(time=time)[8] == kind


def test_numbers_and_instants_in_their_usual_form() -> None:
    resource = EXTENSIONS % ("2020", "2020", "10:00")
    assert run("extension[4].value.toString()", resource) == ["80"]
    assert run("extension[4].value = 80", resource) == [True]
    assert run("extension[7].value.toString()", resource) == ["2020-01-01T10:00:00.5+00:00"]
    assert run("extension[11].value.startsWith('QU')", resource) == [True]
    assert run("nodesByType('Quantity') | nodesByType('Age')", resource) == ["<Age>"]
