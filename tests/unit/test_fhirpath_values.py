"""Values in FHIRPath: texts, numbers, and when two are equal, equivalent, smaller or the same (specification, section 2.4)."""

from typing import Any

import pytest

from evaluating import run


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # computed texts
        ("active.toString()", ["true"]),
        ("multipleBirth.toString()", ["2"]),
        ("birthDate.extension.value.toString()", ["1.50"]),
        ("birthDate.toString()", ["1974-12-25"]),
        ("meta.lastUpdated.toString()", ["2020-01-02T03:04:05.6+00:00"]),
        ("name[0].toString()", []),
        ("{}.toString()", []),
        ("false.toString()", ["false"]),
        ("birthDate.toString().substring(0, 4)", ["1974"]),
        ("name[0].family.substring(0, 1)", ["D"]),
        ("'abc'.substring(1)", ["bc"]),
        ("'abc'.substring(1, 9)", ["bc"]),
        ("'abc'.substring(1, 0)", [""]),
        ("'abc'.substring(3)", []),
        ("'abc'.substring(-1)", []),
        ("'abc'.substring(-1, 2)", []),
        ("'abc'.substring({})", []),
        ("'abc'.substring(0, {})", []),
        ("{}.substring(0)", []),
        ("''.substring(0)", []),
        ("'😀b'.substring(2)", ["b"]),
        ("'😀b'.substring(1)", ["�b"]),
        ("'a😀'.substring(0, 2)", ["a�"]),
        ("'ä€b'.substring(1, 1)", ["€"]),
        ("name[0].given[0].startsWith('A')", [True]),
        ("gender.startsWith('m')", [False]),
        ("gender.endsWith('male')", [True]),
        ("gender.contains('ema')", [True]),
        ("gender.contains('EMA')", [False]),
        ("gender.startsWith('')", [True]),
        ("gender.startsWith({})", []),
        ("{}.startsWith('a')", []),
        ("gender.startsWith(gender)", [True]),  # in the context around, not in the focus
        ("gender.matches('ma')", [True]),
        ("gender.matches('^ma')", [False]),
        ("'2020-05-06'.replaceMatches('(?<y>\\\\d{4})-(\\\\d\\\\d)', '${y}/$1')", ["2020/05-06"]),
        ("gender.replaceMatches('x', 'y')", ["female"]),
        ("{}.matches('a')", []),
        # arithmetic
        ("multipleBirth + 1", [3]),
        ("1 - 3", [-2]),
        ("3 * 4", [12]),
        ("1 + 1.5", ["number 2.5"]),
        ("2 * 1.50", ["number 3.00"]),
        ("1 - 0.10", ["number 0.90"]),
        ("1 / 4", ["number 0.25"]),
        ("4 / 2", ["number 2"]),
        ("1 / 3", ["number 0.3333333333333333333333333333"]),
        ("2 / 3", ["number 0.6666666666666666666666666667"]),
        ("7 div 2", [3]),
        ("-7 div 2", [-3]),
        ("7.5 div 2.5", [3]),
        ("1 / 0", []),
        ("1 div 0.0", []),
        ("'a' + 'b'", ["ab"]),
        ("gender + '!'", ["female!"]),
        ("1 + {}", []),
        ("{} * 1", []),
        ("-multipleBirth", [-2]),
        ("-1.50", ["number -1.50"]),
        ("-{}", []),
        ("1 + 2 * 3 - 4", [3]),
        # in and contains
        ("'a' in ('a' | 'b')", [True]),
        ("'c' in ('a' | 'b')", [False]),
        ("'a' in {}", [False]),
        ("{} in name", [False]),
        ("1 in (2 | 1.0)", [True]),
        ("@2020 in @2020-01", [False]),
        ("name.given contains 'Bo'", [True]),
        ("name.given contains {}", [False]),
        ("{} contains 'a'", [False]),
        ("'Bo' in name.given and name.given contains 'x'", [True]),
        ("identifier[0] in identifier", [True]),
        ("name[0] in name[1]", [False]),
    ],
)
def test_calculation(source: str, expected: list[Any]) -> None:
    assert run(source) == expected


EQUALITY = [
    # of values
    ("1 = 1", True),
    ("1 = 1.0", True),
    ("1.50 = 1.5", True),
    ("1 = 2", False),
    ("'a' = 'a'", True),
    ("'a' = 'A'", False),
    ("'1' = 1", False),
    ("true = 'true'", False),
    ("true = true", True),
    ("true = 1", False),
    ("gender = 'female'", True),
    ("name[0].family = 'Doe'", True),  # trimmed
    ("multipleBirth = 2.0", True),
    ("birthDate.extension.value = 1.5", True),
    # of elements
    ("name[0] = name[0]", True),
    ("name[0] = name[1]", False),
    ("identifier[0] = identifier[1]", True),
    ("identifier[0] = identifier[2]", False),
    ("name[0] = 'Doe'", False),
    ("name[1].family = 'f'", False),
    ("name[1].family = name[1].family", True),
    ("birthDate = @1974-12-25", True),  # whatever stands beside it
    # of collections
    ("name.given = ('Ann' | 'Bo' | 'x')", True),
    ("name.given = ('Bo' | 'Ann' | 'x')", False),
    ("name.given = 'Ann'", False),
    ("identifier[0].type.coding.code = 'A'", False),
    ("{} = {}", None),
    ("'a' = {}", None),
    ("{} = name", None),
    ("(@2020 | 'a') = (@2020-01 | 'b')", None),
    ("('a' | @2020) = ('b' | @2020-01)", False),
    # of dates
    ("@2020 = @2020", True),
    ("@2020-01-01 = @2020-01-02", False),
    ("@2020 = @2020-01", None),
    ("@2020 = @2021-01", False),
    ("@2020-01-01 = @2020-01-01T", True),
    ("@2020-01-01 = @2020-01-01T10:00", None),
    ("@2020-01-01 = @2020-01-02T10:00", False),
    ("@2020-01-01T10:00 = @2020-01-01T10:00:00", None),
    ("@2020-01-01T10:00:00.0 = @2020-01-01T10:00:00", True),
    ("@2020-01-01T10:00:00.5 = @2020-01-01T10:00:00", False),
    ("@2020-01-01T10:00:00Z = @2020-01-01T12:00:00+02:00", True),
    ("@2020-01-01T10:00:00Z = @2020-01-01T10:00:00+00:30", False),
    ("@2020-01-01T10:00:00Z = @2020-01-01T10:00:00", None),
    ("@2020-01-01T10:00:00Z = @2020-01-02T10:00:00", False),
    ("@2020-01-01T01:00:00+02:00 = @2020", False),  # still 2019 in UTC
    ("@2019-12-31T23:00:00-02:00 = @2020-01-01", None),
    ("@T10:00 = @T10:00", True),
    ("@T10:00 = @T10:00:00", None),
    ("@T10:00:00.50 = @T10:00:00.5", True),
    ("@T10 = @T11:00", False),
    ("@T10 = @2020", False),
    ("@2020 = '2020'", False),
    ("deceased = @2020-05-06T08:00:00Z", True),
    ("deceased = @2020-05-06", None),
    ("deceased = @2020-05-07", False),
    ("meta.lastUpdated = @2020-01-02T03:04:05.6Z", True),
]


@pytest.mark.parametrize(("source", "expected"), EQUALITY)
def test_equal(source: str, expected: bool | None) -> None:
    results = {None: [], True: [True], False: [False]}
    assert run(source) == results[expected]
    left, right = source.split(" = ")
    assert run(f"{right} = {left}") == results[expected]
    assert run(f"{left} != {right}") == results[None if expected is None else not expected]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'A b' ~ 'a B'", True),
        ("'a\tb' ~ 'A b'", True),
        ("'a\r\nb' ~ 'a  b'", True),
        ("'a b' ~ 'a  b'", False),
        ("'Ä' ~ 'ä'", True),
        ("'a' ~ 'b'", False),
        ("1 ~ 1.0", True),
        ("1 ~ 1.4", True),
        ("1 ~ 1.6", False),
        ("1.25 ~ 1.2", True),
        ("1.35 ~ 1.3", False),
        ("1.35 ~ 1.4", True),
        ("'1' ~ 1", False),
        ("true ~ true", True),
        ("true ~ false", False),
        ("@2020 ~ @2020", True),
        ("@2020 ~ @2020-01", False),
        ("@2020-01-01 ~ @2020-01-01T", False),
        ("@2020-01-01T10:00Z ~ @2020-01-01T11:00+01:00", True),
        ("birthDate ~ @1974-12-25", True),
        ("{} ~ {}", True),
        ("{} ~ 1", False),
        ("(1 | 2) ~ (2 | 1)", True),
        ("(1 | 2) ~ (2 | 3)", False),
        ("(1 | 2) ~ 1", False),
        ("('a' | 'b') ~ ('A' | 'a')", False),
        ("name.given ~ ('X' | 'ann' | 'bo')", True),
        ("name[0] ~ name[0]", True),
        ("name[0] ~ name[1]", False),
        ("name[0] ~ 'Doe'", False),
        ("identifier[0].type ~ identifier[2].type", True),
        ("identifier[0] ~ identifier[2]", True),
    ],
)
def test_equivalent(source: str, expected: bool) -> None:
    assert run(source) == [expected]
    left, right = source.split(" ~ ")
    assert run(f"{right} ~ {left}") == [expected]
    assert run(f"{left} !~ {right}") == [not expected]


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("1", "2", -1),
        ("2", "1.5", 1),
        ("1.50", "1.5", 0),
        ("-1", "0", -1),
        ("'a'", "'b'", -1),
        ("'a'", "'B'", 1),
        ("'a'", "'aa'", -1),
        ("''", "'a'", -1),
        ("'ä'", "'z'", 1),
        ("'😀'", "'\uffee'", -1),  # by UTF-16 code units
        ("gender", "'female'", 0),
        ("multipleBirth", "10", -1),
        ("birthDate", "@1974-12-26", -1),
        ("birthDate", "@1974", None),
        ("birthDate", "@1973", 1),
        ("birthDate", "@1974-12-25", 0),
        ("birthDate", "@1974-12-25T", 0),
        ("birthDate", "@1974-12-25T00:00:00", None),
        ("birthDate", "@1974-12-26T00:00:00Z", -1),
        ("deceased", "@2020-05-06T08:00:01Z", -1),
        ("deceased", "@2020-05-06T07:00:00", None),
        ("deceased", "@2020-05-07T07:00:00", -1),
        ("@2020-01-01T01:00:00+02:00", "@2020-01-01T00:00:00Z", -1),
        ("@2020-01-01T01:00:00+02:00", "@2020", -1),
        ("@T10:00", "@T10:01", -1),
        ("@T10:00", "@T10:00:00", None),
        ("@T10:00:00.5", "@T10:00:00.49", 1),
        ("{}", "1", None),
        ("'a'", "{}", None),
        ("{}", "{}", None),
    ],
)
def test_ordered(left: str, right: str, order: int | None) -> None:
    results = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}
    turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
    for operator, orders in results.items():
        wanted = [] if order is None else [order in orders]
        assert run(f"{left} {operator} {right}") == wanted
        assert run(f"{right} {turned[operator]} {left}") == wanted


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 | 2 | 1", [1, 2]),
        ("2 | 1", [2, 1]),
        ("1 | 1.0", [1, "number 1.0"]),  # of different kinds
        ("1.0 | 1.00", ["number 1.0"]),
        ("'a' | 'A'", ["a", "A"]),
        ("'1' | 1", ["1", 1]),
        ("@2020 | @2020-01 | @2020", ["2020", "2020-01"]),
        ("@2020-01-01 | @2020-01-01T", ["2020-01-01", "2020-01-01"]),
        ("@2020-01-01T10:00Z | @2020-01-01T11:00+01:00", ["2020-01-01T10:00Z"]),
        ("{} | {}", []),
        ("gender | 'female'", ["female"]),
        ("birthDate | @1974-12-25", ["1974-12-25"]),
        ("identifier.value | {}", ["1"]),
        ("identifier.value | multipleBirth", ["1", 2]),
        ("identifier | identifier", ["<Identifier>", "<Identifier>"]),
        ("identifier.type | contact", ["<CodeableConcept>", "<CodeableConcept>", "<BackboneElement>"]),
    ],
)
def test_union_by_value(source: str, expected: list[Any]) -> None:
    assert run(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 | 2 | 1", [1, 2]),
        ("identifier.value | {}", ["1", "1", "1"]),
        ("identifier.value | identifier.value", ["1", "1", "1"]),
        ("identifier | identifier[0]", ["<Identifier>"] * 3),
        ("gender | 'female'", ["female", "female"]),
        ("nodesByType('code') | nodesByName('use')", ["A", "B", "A", "B", "b", "a", "official", "female"]),
    ],
)
def test_union_by_identity(source: str, expected: list[Any]) -> None:
    assert run(source, by_identity=True) == expected
