"""Text to FHIRPath expressions."""

import pytest

from dimpflow.errors import RuleSetError
from dimpflow.fhirpath.ast import Binary, Call, Expression, Literal, Member, This, TypeTest, Unary
from dimpflow.fhirpath.parser import parse


def member(*names: str) -> Expression:
    found: Expression | None = None
    for name in names:
        found = Member(found, name)
    assert found is not None
    return found


def text(value: str) -> Literal:
    return Literal(value, "string")


@pytest.mark.parametrize(
    ("source", "expression"),
    [
        ("name.given", member("name", "given")),
        ("nodesByType('HumanName').use", Member(Call(None, "nodesByType", (text("HumanName"),)), "use")),
        ("a = 'x' and b = 'y' or c", Binary("or", Binary("and", Binary("=", member("a"), text("x")), Binary("=", member("b"), text("y"))), member("c"))),
        ("a = 'x' and (b or c)", Binary("and", Binary("=", member("a"), text("x")), Binary("or", member("b"), member("c")))),
        ("a | b as Age", TypeTest("as", Binary("|", member("a"), member("b")), "Age")),
        ("a.ofType(FHIR.boolean)", TypeTest("ofType", member("a"), "boolean")),
        ("$this.toString()", Call(This(), "toString", ())),
        ("1 + 2 * -3", Binary("+", Literal("1", "integer"), Binary("*", Literal("2", "integer"), Unary("-", Literal("3", "integer"))))),
        (r"'\\d\'é\n'", text("\\d'é\n")),
        ("@1931-01-01", Literal("1931-01-01", "date")),
        ("@2015-02-04T14:34:28Z", Literal("2015-02-04T14:34:28Z", "dateTime")),
        ("`div`.where(true) // remark", Call(member("div"), "where", (Literal(True, "boolean"),))),
        ("contains.is.as", member("contains", "is", "as")),
    ],
)  # fmt: skip
def test_expressions(source: str, expression: Expression) -> None:
    assert parse(source) == expression


@pytest.mark.parametrize(
    "source",
    ["", "a.", "a..b", "a b", "where(", "a = ", "'open", "a[1", "#", "%resource", r"'\q'", "a.(b)", "{a}", "(" * 200 + "a" + ")" * 200],
)  # fmt: skip
def test_what_is_no_fhirpath(source: str) -> None:
    with pytest.raises(RuleSetError):
        parse(source)
