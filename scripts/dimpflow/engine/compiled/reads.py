"""Along which elements a predicate reads."""

from collections.abc import Iterable

from dimpflow.fhirpath.ast import Binary, Call, Expression, Indexer, Literal, Member, This, TypeTest, Unary
from dimpflow.fhirpath.check import is_computed

Names = tuple[str, ...]
"""Element names from the node on which the predicate is asked."""

ANYTHING = "**"
"""In place of a name: whatever stands below."""

_BELOW = ("nodesByType", "nodesByName", "children", "descendants")
_AT_ITEMS = ("where", "exists", "all", "select")
"""Functions that evaluate their argument at each item of what they are applied to."""


def reads(expression: Expression | None) -> frozenset[Names]:
    """All paths that may be read, those of the result included."""
    found: set[Names] = set()
    results = _results(expression, {()}, found)
    return frozenset(found | results)


def _results(expression: Expression | None, context: set[Names], found: set[Names]) -> set[Names]:
    """The paths of what the expression gives, seen from the context's; what is read on the way goes into `found`."""
    match expression:
        case None | This():
            return context
        case Member(focus=focus, name=name):
            inner = _results(focus, context, found)
            return inner if name[:1].isupper() else _noted({(*path, name) for path in inner}, found)
        case TypeTest(operator=operator, operand=operand):
            inner = _noted(_results(operand, context, found), found)
            return set() if operator == "is" else inner
        case Indexer(focus=focus):
            return _noted(_results(focus, context, found), found)
        case Unary(operand=operand):
            _noted(_results(operand, context, found), found)
            return set()
        case Binary():
            return _binary(expression, context, found)
        case Call():
            return _call(expression, context, found)
    return set()


def _noted(paths: set[Names], found: set[Names]) -> set[Names]:
    found |= paths
    return paths


def _binary(expression: Binary, context: set[Names], found: set[Names]) -> set[Names]:
    sides = (expression.left, expression.right)
    results = [_noted(_results(side, context, found), found) for side in sides]
    if expression.operator in ("=", "!=", "~", "!~", "in", "contains", "|") and not any(
        isinstance(side, Literal) or is_computed(side) for side in sides
    ):
        # nodes without a value are compared by all that they hold
        found |= {(*path, ANYTHING) for result in results for path in result}
    return results[0] | results[1] if expression.operator == "|" else set()


def _call(call: Call, context: set[Names], found: set[Names]) -> set[Names]:
    focus = _noted(_results(call.focus, context, found), found)
    if call.name in _BELOW:
        return _noted({(*path, ANYTHING) for path in focus}, found)
    inside = focus if call.name in (*_AT_ITEMS, "iif") else context
    results = [_noted(_results(argument, inside, found), found) for argument in call.arguments]
    match call.name:
        case "where" | "first" | "last":
            return focus
        case "select":
            return results[0]
        case "iif":
            return _union(results[1:])
    return set()


def _union(sets: Iterable[set[Names]]) -> set[Names]:
    return {path for one in sets for path in one}
