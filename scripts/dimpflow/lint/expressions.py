"""FHIRPath that means something else than it seems to, in mode compat."""

from collections.abc import Iterator

from dimpflow.fhirpath.ast import Binary, Call, Expression, Indexer, Literal, Member, TypeTest, Unary
from dimpflow.lint.findings import Finding, of_rule
from dimpflow.ruleset.rules import Generalize, Rule

_COMPARING = ("<", "<=", ">", ">=", "=", "!=")
_MOMENTS = ("date", "dateTime", "time")


def traps(rule: Rule) -> Iterator[Finding]:
    """A union of nodes by value, a predicate that holds where it cannot be decided."""
    if _selects_by_union(rule.expression):
        sides = _sides(rule.path)
        yield of_rule(
            "warning",
            rule,
            "union-by-value",
            "| drops nodes whose values are equal to earlier ones, and those stay in clear",
            "write one rule for each side"
            + (f": path: {sides[0]} and path: {sides[1]}" if len(sides) == 2 else "")
            + ", or use mode strict",
        )
    if isinstance(rule.method, Generalize) and any(
        _compares_moments(condition) for condition, _ in rule.method.cases
    ):
        yield of_rule(
            "warning",
            rule,
            "undecidable-true",
            "a date that is less precise than the one it is compared with makes a case neither true nor false, and that counts "
            "as true",
            "compare only full dates: \"$this.toString().matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}') and ($this < @1931-01-01)\", "
            "or use mode strict",
        )


def _selects_by_union(expression: Expression | None) -> bool:
    """Whether a union stands where nodes are selected, not where a predicate is asked."""
    match expression:
        case Binary(operator="|"):
            return True
        case Member(focus=focus) | TypeTest(operand=focus) | Indexer(focus=focus):
            return _selects_by_union(focus)
        case Call(focus=focus, name="select", arguments=(argument,)):
            return _selects_by_union(focus) or _selects_by_union(argument)
        case Call(name="iif", arguments=(_, *branches)):
            return any(map(_selects_by_union, branches))
        case Call(focus=focus):
            return _selects_by_union(focus)
    return False


def _compares_moments(expression: Expression | None) -> bool:
    match expression:
        case Binary(operator=operator, left=left, right=right):
            sides = (left, right)
            if operator in _COMPARING and any(isinstance(s, Literal) and s.kind in _MOMENTS for s in sides):
                return True
            return any(map(_compares_moments, sides))
        case Call(focus=focus, arguments=arguments):
            return _compares_moments(focus) or any(map(_compares_moments, arguments))
        case Unary(operand=inner) | TypeTest(operand=inner) | Member(focus=inner) | Indexer(focus=inner):
            return _compares_moments(inner)
    return False


def _sides(path: str) -> list[str]:
    """What stands around each | of a path that is in no brackets and no quotes."""
    sides, depth, quote = [""], 0, ""
    for before, c in zip("\0" + path, path, strict=False):
        if quote:
            quote = "" if c == quote and before != "\\" else quote
        elif c in "'`":
            quote = c
        depth += (c in "([{") - (c in ")]}") if not quote else 0
        if c == "|" and not depth and not quote:
            sides.append("")
        else:
            sides[-1] += c
    return [side.strip() for side in sides]
