"""Text to FHIRPath expressions, and which of them are accepted."""

import re

import pytest

from dimpflow.errors import RuleSetError
from dimpflow.fhirpath.ast import (
    Binary,
    Call,
    Empty,
    Expression,
    Indexer,
    Literal,
    Member,
    This,
    TypeTest,
    Unary,
    parts,
)
from dimpflow.fhirpath.parser import parse


def member(*names: str) -> Expression:
    found: Expression | None = None
    for name in names:
        found = Member(found, name)
    assert found is not None
    return found


def text(value: str) -> Literal:
    return Literal(value, "string")


def whole(value: int) -> Literal:
    return Literal(str(value), "integer")


A, B, C = member("a"), member("b"), member("c")


@pytest.mark.parametrize(
    ("source", "expression"),
    [
        ("name.given", member("name", "given")),
        ("nodesByType('HumanName').use", Member(Call(None, "nodesByType", (text("HumanName"),)), "use")),
        ("a = 'x' and b = 'y' or c", Binary("or", Binary("and", Binary("=", A, text("x")), Binary("=", B, text("y"))), C)),
        ("a = 'x' and (b or c)", Binary("and", Binary("=", A, text("x")), Binary("or", B, C))),
        ("a | b as Age", TypeTest("as", Binary("|", A, B), "Age")),
        ("$this.toString()", Call(This(), "toString", ())),
        ("1 + 2 * -3", Binary("+", whole(1), Binary("*", whole(2), Unary("-", whole(3))))),
        ("-a.b", Unary("-", member("a", "b"))),
        ("-a[0]", Unary("-", Indexer(A, whole(0)))),
        ("-a * b", Binary("*", Unary("-", A), B)),
        ("- -1", Unary("-", Unary("-", whole(1)))),
        ("a[1][2].b", Member(Indexer(Indexer(A, whole(1)), whole(2)), "b")),
        ("(a | b).c", Member(Binary("|", A, B), "c")),
        ("iif(a, b, c)", Call(None, "iif", (A, B, C))),
        ("a.where(b.exists()).c", Member(Call(A, "where", (Call(B, "exists", ()),)), "c")),
        ("{}", Empty()),
        ("{ }.count()", Call(Empty(), "count", ())),
        ("true", Literal(True, "boolean")),
        ("false.not()", Call(Literal(False, "boolean"), "not", ())),
        ("1.50", Literal("1.50", "decimal")),
        ("007", Literal("007", "integer")),
        ("`div`.where(true) // remark", Call(member("div"), "where", (Literal(True, "boolean"),))),
        ("a /* b\n */ . // c\n c", member("a", "c")),
        (" \t\n a\r\n", A),
        ("contains.is.as", member("contains", "is", "as")),
        ("and.or", member("and", "or")),
        ("a contains contains", Binary("contains", A, member("contains"))),
        ("a.contains('x') contains b", Binary("contains", Call(A, "contains", (text("x"),)), B)),
        ("div div div", Binary("div", member("div"), member("div"))),
        ("a_1._b", member("a_1", "_b")),
        (r"`a b\`c`.`é`", member("a b`c", "é")),
    ],
)  # fmt: skip
def test_expressions(source: str, expression: Expression) -> None:
    assert parse(source) == expression


# ---- precedence ----------------------------------------------------------------------------------------------------

LEVELS = (
    ("*", "/", "div", "mod"), ("+", "-", "&"), ("|",), ("<", "<=", ">", ">="), ("is", "as"), ("=", "~", "!=", "!~"),
    ("in", "contains"), ("and",), ("or", "xor"), ("implies",),
)  # fmt: skip
"""Tight to loose (specification, section 2.4)."""
PAIRS = [
    (tight, loose)
    for i, level in enumerate(LEVELS)
    for tight in level
    for other in LEVELS[i + 1 :]
    for loose in other
]


def binary(operator: str, left: Expression, right: Expression) -> Expression:
    if operator in ("is", "as"):
        assert right in (B, C)
        return TypeTest(operator, left, "b" if right == B else "c")
    return Binary(operator, left, right)


@pytest.mark.parametrize(("tight", "loose"), PAIRS)
def test_the_tighter_operator_goes_first(tight: str, loose: str) -> None:
    assert parse(f"a {tight} b {loose} c") == binary(loose, binary(tight, A, B), C)
    if loose not in ("is", "as"):  # a type is no operand
        assert parse(f"a {loose} b {tight} c") == binary(loose, A, binary(tight, B, C))


@pytest.mark.parametrize("level", LEVELS, ids=" ".join)
def test_operators_of_one_level_go_from_left_to_right(level: tuple[str, ...]) -> None:
    for one in level:
        for other in level:
            assert parse(f"a {one} b {other} c") == binary(other, binary(one, A, B), C)


# ---- literals and types --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("''", ""),
        (r"'\\d\'é\n'", "\\d'é\n"),
        (r"'\"\`\/\\'", '"`/\\'),
        (r"'\f\n\r\t'", "\f\n\r\t"),
        (r"'\u00e4\u20AC\u0041b'", "ä€Ab"),
        (r"'\\u0041'", r"\u0041"),
        ('"', None),
        ("'// no remark'", "// no remark"),
        ("'two\nlines'", "two\nlines"),
        ("'ä€😀'", "ä€😀"),
    ],
)
def test_text(source: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(RuleSetError, match="unexpected character at column 1"):
            parse(source)
    else:
        assert parse(source) == text(value)


@pytest.mark.parametrize(
    ("source", "value", "kind"),
    [
        ("@1931", "1931", "date"),
        ("@1931-01", "1931-01", "date"),
        ("@2020-02-29", "2020-02-29", "date"),
        ("@2015T", "2015", "dateTime"),
        ("@2015-02T", "2015-02", "dateTime"),
        ("@2015-02-04T", "2015-02-04", "dateTime"),
        ("@2015-02-04T14", "2015-02-04T14", "dateTime"),
        ("@2015-02-04T14:34", "2015-02-04T14:34", "dateTime"),
        ("@2015-02-04T14:34:28", "2015-02-04T14:34:28", "dateTime"),
        ("@2015-02-04T14:34:28.12345", "2015-02-04T14:34:28.12345", "dateTime"),
        ("@2015-02-04T14:34:28Z", "2015-02-04T14:34:28Z", "dateTime"),
        ("@2015-02-04T14:34+14:00", "2015-02-04T14:34+14:00", "dateTime"),
        ("@2015-02-04T14-05:30", "2015-02-04T14-05:30", "dateTime"),
        ("@T14", "14", "time"),
        ("@T14:34", "14:34", "time"),
        ("@T14:34:28.5", "14:34:28.5", "time"),
    ],
)
def test_dates_and_times(source: str, value: str, kind: str) -> None:
    assert parse(source) == Literal(value, kind)


@pytest.mark.parametrize(
    "source",
    [
        "@0000", "@2015-00", "@2015-13", "@2015-02-29", "@1900-02-29", "@2015-04-31", "@2015-01-00", "@2015-13T",
        "@2015-02-04T24", "@2015-02-04T24:00", "@2015-02-04T12:60", "@2015-02-04T12:00:60", "@2015-02-04T12:00+14:01",
        "@2015-02-04T12:00+10:60", "@T24", "@T12:60", "@T12:00:60", "@0001-01-01T00:00+01:00", "@9999-12-31T23:00-02:00",
    ],
)  # fmt: skip
def test_dates_and_times_that_there_are_not(source: str) -> None:
    with pytest.raises(RuleSetError) as error:
        parse(f"a < {source}")
    assert str(error.value) == f"there is no such date or time as {source} (column 5)"


@pytest.mark.parametrize(
    ("source", "operator", "type_"),
    [
        ("a is Age", "is", "Age"),
        ("a as FHIR.Age", "as", "Age"),
        ("a is System.String", "is", "String"),
        ("a is `Age`", "is", "Age"),
        ("a is FHIR.`Age`", "is", "Age"),
        ("a is FHIR", "is", "FHIR"),
        ("a.is(Age)", "is", "Age"),
        ("a.as(FHIR.Age)", "as", "Age"),
        ("a.ofType(System.Boolean)", "ofType", "Boolean"),
        ("a.ofType(FHIR.boolean)", "ofType", "boolean"),
    ],
)
def test_types(source: str, operator: str, type_: str) -> None:
    assert parse(source) == TypeTest(operator, A, type_)


def test_a_type_function_without_a_focus() -> None:
    assert parse("ofType(Age)") == TypeTest("ofType", None, "Age")


# ---- what is no FHIRPath -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "expected a name at column 1, found the end of the path"),
        ("a.", "expected a name at column 3, found the end of the path"),
        ("a..b", "expected a name at column 3, found ."),
        ("a b", "unexpected b at column 3"),
        ("a = ", "expected a name at column 5, found the end of the path"),
        ("where(", "expected a name at column 7, found the end of the path"),
        ("where(a", "expected ) at column 8, found the end of the path"),
        ("where(a,)", "expected a name at column 9, found )"),
        ("(a", "expected ) at column 3, found the end of the path"),
        ("a)", "unexpected ) at column 2"),
        ("a[1", "expected ] at column 4, found the end of the path"),
        ("a[]", "expected a name at column 3, found ]"),
        ("{a}", "expected } at column 2, found a"),
        ("a.(b)", "expected a name at column 3, found ("),
        ("a.'b'", "expected a name at column 3, found 'b'"),
        ("a.1", "expected a name at column 3, found 1"),
        ("a is", "expected a type name at column 5, found the end of the path"),
        ("a is 'b'", "expected a type name at column 6, found 'b'"),
        ("a is FHIR.", "expected a type name at column 11, found the end of the path"),
        ("a.ofType()", "expected a type name at column 10, found )"),
        ("a.ofType(b, c)", "expected ) at column 11, found ,"),
        ("a ! b", "unexpected character at column 3"),
        ("a # b", "unexpected character at column 3"),
        ("a; b", "unexpected character at column 2"),
        ("ä", "unexpected character at column 1"),
        ("a = 'open", "unexpected character at column 5"),
        ("a /* open", "expected a name at column 4, found *"),
        ("%resource", "external constants are not available (column 1)"),
        ("$index", "expected a name at column 1, found $index"),
        ("$total", "expected a name at column 1, found $total"),
        (r"a = '\q'", r"unknown escape \q in the text at column 5"),
        (r"'\u00g0'", r"unknown escape \u in the text at column 1"),
        ("@20150204", "unexpected 0204 at column 6"),
        ("a > b > ", "expected a name at column 9, found the end of the path"),
    ],
)
def test_what_is_no_fhirpath(source: str, words: str) -> None:
    with pytest.raises(RuleSetError, match=f"^{re.escape(words)}$"):
        parse(source)


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("where(", ")"), ("a[", "]"), ("a and (", ")")])
def test_how_deep_expressions_may_be_nested(opening: str, closing: str) -> None:
    for levels in (10, 40):
        parse(opening * levels + "1" + closing * levels)
    with pytest.raises(RuleSetError, match="nested more than 100 levels deep"):
        parse(opening * 200 + "1" + closing * 200)


def test_side_by_side_is_not_nested() -> None:
    for operator in ("and", "or", "|"):
        parse(f" {operator} ".join(["(a or (b and c))"] * 2000))
    parse(".".join(["where(a)"] * 90))


@pytest.mark.parametrize(
    "source",
    [".".join(["a"] * 101), "a" + "[0]" * 100, "1" + " + 1" * 100, "-" * 100 + "1", "a" + ".not()" * 2000],
)
def test_steps_after_one_another_are_nested(source: str) -> None:
    with pytest.raises(RuleSetError, match="nested more than 100 levels deep"):
        parse(source)


@pytest.mark.parametrize("operator", ["and", "or", "|"])
def test_chains_keep_their_order(operator: str) -> None:
    names: list[str] = []

    def collect(expression: Expression) -> None:
        if isinstance(expression, Member):
            names.append(expression.name)
        for part in parts(expression):
            collect(part)

    for length in range(2, 20):
        names.clear()
        wanted = [f"n{i}" for i in range(length)]
        collect(parse(f" {operator} ".join(wanted)))
        assert names == wanted
    assert parse("a or b or c xor d or e") == parse("((a or b or c) xor d) or e")
    assert parse("a or b and c and d or e") == parse("a or (b and c and d) or e")
