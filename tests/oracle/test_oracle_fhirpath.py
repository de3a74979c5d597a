"""FHIRPath and .NET regular expressions of the oracle (2.4)."""

import json

import pytest

from oracle import Refused
from oracle.fhirpath import evaluate, item_text
from oracle.fhirpath_parser import parse
from oracle.reading import read_resource
from oracle.regex import compile_net
from oracle.testing import PATIENT

YES, NO = ["true"], ["false"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("name.given", ["Ann", "Bo", "x"]),
        ("Patient.name.family", ["Doe"]),
        ("HumanName.family", []),
        ("name.HumanName.family", ["Doe"]),
        ("name.Resource.family", ["Doe"]),
        ("nodesByType('HumanName').family", ["Doe", "Roe"]),
        ("nodesByType('Organization')", []),
        ("contained.nodesByType('Organization').name", ["Org"]),
        ("nodesByName('family')", ["Doe", "Roe"]),
        ("nodesByName('Patient').id", ["p"]),
        ("contact is BackboneElement", YES),
        ("contact.name is FHIR.HumanName", YES),
        ("'a' is System.String", YES),
        ("name.given.ofType(string).count()", ["3"]),
        ("multipleBirth + 1", ["3"]),
        ("multipleBirth as integer", ["2"]),
        ("name[0].given[1]", ["Bo"]),
        ("name[5]", []),
        ("name.first().given.last()", ["Bo"]),
        ("name.where(use = 'official').given", ["Ann", "Bo"]),
        ("name.where(use)", [None]),
        ("name.exists(use = 'x')", NO),
        ("name.given = 'Ann'", NO),
        ("name.family = {}", []),
        ("name.all(given.exists())", YES),
        ("name.all(use = 'official')", []),
        ("name.select(given.first())", ["Ann", "x"]),
        ("iif(active, 'y', 'n')", ["y"]),
        ("iif({}, 'y')", []),
        ("active.not()", NO),
        ("{}.not()", []),
        ("false and name.toString()", NO),
        ("{} or true", YES),
        ("{} implies false", []),
        ("true xor false", YES),
        ("birthDate.toString().substring(0, 4)", ["1974"]),
        ("'abc'.substring(3)", []),
        ("'a\\u00e4'.substring(1, 5)", ["ä"]),
        ("'\\ud83d\\ude00'.substring(1)", ["\ufffd"]),
        ("'2020-05-06'.replaceMatches('(?<y>\\\\d{4})-(\\\\d\\\\d)', '${y}/$1')", ["2020/05-06"]),
        ("'abc'.matches('B')", NO),
        ("'abc'.startsWith('ab') and 'abc'.endsWith('c') and 'abc'.contains('b')", YES),
        ("birthDate < @1974-12-26", YES),
        ("birthDate < @1974", []),
        ("birthDate = @1974-12-25T10:00", []),
        ("@2020-01-01T01:00:00+02:00 < @2020-01-01T00:00:00Z", YES),
        ("@2020-01-01T01:00:00 = @2020-01-01T01:00:00Z", []),
        ("@2020-01-01T01:00:00 = @2020-01-02T01:00:00Z", NO),
        ("@T10:00:00.50 = @T10:00:00.5", YES),
        ("1.50 = 1.5", YES),
        ("1 | 1.0 | 1", ["1", "1.0"]),
        ("'A' ~ 'a'", YES),
        ("'a\tb' ~ 'A b'", YES),
        ("1.25 ~ 1.2", YES),
        ("@2020 ~ @2020-01", NO),
        ("{} ~ {}", YES),
        ("'a' in ('a' | 'b')", YES),
        ("name.given contains 'Bo'", YES),
        ("{} in name", NO),
        ("1 / 4", ["0.25"]),
        ("4.00 / 2", ["2.00"]),
        ("1 / 0", []),
        ("-7 div 2", ["-3"]),
        ("1 / 3", ["0.3333333333333333333333333333"]),
        ("2.50 * 2", ["5.00"]),
        ("'a' + 'b'", ["ab"]),
        ("1 + 2 * 3 = 7", YES),
        ("birthDate.extension.value", ["1.5"]),
        ("descendants().count()", ["20"]),
        ("children().where($this is HumanName).count()", ["2"]),
        ("`name`.`family`", ["Doe"]),
        ("name | name", [None, None]),
    ],
)
def test_fhirpath(path: str, expected: list[str | None]) -> None:
    root = read_resource(json.dumps(PATIENT).encode())
    assert [item_text(item) for item in evaluate(parse(path), [root])] == expected


@pytest.mark.parametrize(
    "path",
    [
        "name.given.startsWith('A')",
        "birthDate.substring(0)",
        "name is HumanName",
        "'a' < 1",
        "true < false",
        "'a' + 1",
        "name.given in name.given",
        "'abc'.substring(0, -1)",
        "'abc'.startsWith(1)",
        "79228162514264337593543950335.0 * 10",
    ],
)
def test_fhirpath_error(path: str) -> None:
    root = read_resource(json.dumps(PATIENT).encode())
    with pytest.raises(Refused):
        evaluate(parse(path), [root])


@pytest.mark.parametrize(
    "path",
    [
        "resolve()",
        "name.hasValue()",
        "name.where()",
        "1 mod 2",
        "'a' & 'b'",
        "name.",
        "name[-1]",
        "name[$this]",
        "+1",
        "4 days",
        "%resource",
        "nodesByType(HumanName)",
        "'a'.matches(name)",
        "'a'.matches('(')",
        "@2020-13",
        "'\\q'",
        "name.distinct()",
    ],
)
def test_fhirpath_not_accepted(path: str) -> None:
    with pytest.raises(ValueError, match=r"FHIRPath|regular expression"):
        parse(path)


@pytest.mark.parametrize(
    ("pattern", "text", "replacement", "result"),
    [
        (r"(?<b>b)(a)", "bab", "$1${b}$2$$$&$7", "abb$ba$7b"),
        (r"x*", "axb", "-", "-a--b-"),
        (r"\bw\w+\b", "wä ww", "_", "_ _"),
        (r"[^\d\s]+", "1 ab2", "", "1 2"),
        (r"(a)|b", "ab", "<$1>", "<a><>"),
        (r"(?<x>.)\k<x>", "abba", "!", "a!a"),
        (r".", "\U0001f600", "x", "xx"),
        (r"\p{Lu}", "aÄB", ".", "a.."),
    ],
)
def test_regex(pattern: str, text: str, replacement: str, result: str) -> None:
    assert compile_net(pattern).replace(text, replacement) == result


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)a",
        "a**",
        "a*+",
        "[a-z-[aeiou]]",
        "[A-[B]]",
        "(?<a>x)(?<a>y)",
        r"\G",
        r"\1",
        "(x*)*",
        "(?<=a|bc)d",
    ],
)
def test_regex_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        compile_net(pattern)
