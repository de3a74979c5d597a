"""generalize: the value of the first case whose predicate is true or cannot be decided (specification, section 3.7)."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from dimpflow.engine.methods.place import Operation, Place, text_of
from dimpflow.errors import LineError
from dimpflow.fhirpath.ast import Binary, Call, Expression, Indexer, Literal, Member, This, TypeTest, Unary
from dimpflow.fhirpath.evaluate import compiled
from dimpflow.fhirpath.items import STRING_TYPES, Item
from dimpflow.fhirpath.operators import truth
from dimpflow.fhirpath.texts import text_function
from dimpflow.ruleset.rules import Generalize

_WHOLE_NODE = ("children", "descendants", "nodesByType", "nodesByName")


def needs_node(method: Generalize) -> bool:
    """Whether the cases look at more than the value: at what stands beside it (`$this.extension`)."""
    return any(_navigates(expression) for case in method.cases for expression in case)


def _navigates(expression: Expression | None) -> bool:
    match expression:
        case Member():
            return True
        case Call(focus=focus, name=name, arguments=arguments):
            return name in _WHOLE_NODE or _navigates(focus) or any(map(_navigates, arguments))
        case Binary(left=left, right=right):
            return _navigates(left) or _navigates(right)
        case TypeTest(operand=operand) | Unary(operand=operand):
            return _navigates(operand)
        case Indexer(focus=focus):
            return _navigates(focus)
    return False


def generalize(method: Generalize, place: Place, *, strict: bool) -> Callable[[Any, Item], Any]:
    """The operation at a place: (value, the node as an item) to the new value. Strictly, what cannot be decided is cleared."""
    cases = [
        (compiled(condition, by_identity=strict), compiled(value, by_identity=strict))
        for condition, value in method.cases
    ]

    def work(value: Any, item: Item) -> Any:
        text_of(value)  # refuses text of nothing but white space
        context = [item]
        for condition, result in cases:
            decided = truth(condition(context))
            if decided is None and strict:
                return UNSET
            if decided is not False:
                return _value(result(context))
        return UNSET if method.other_values == "redact" else value

    def _value(items: list[Item]) -> Any:
        if not items:
            return UNSET
        if len(items) > 1:
            raise LineError("a case gives several values")
        found = items[0].value
        return UNSET if found is None else place.fit(found)

    return work


def generalize_text(method: Generalize, place: Place) -> Operation | None:
    """The same for the usual rule set: a single case that always holds and only cuts or rewrites the text of the value.

    None for all other rules; twice as fast as going through FHIRPath's collections.
    """
    if len(method.cases) != 1 or place.type not in (*STRING_TYPES, "date", "dateTime", "time"):
        return None
    condition, value = method.cases[0]
    chain = _text_chain(value, place.type in STRING_TYPES)
    if chain is None or not isinstance(condition, This):
        return None

    def work(value: Any) -> Any:
        text: str | None = text_of(value)
        for function in chain:
            text = function(text)
            if text is None:
                return UNSET
        return place.fit(text)

    return work


def _text_chain(expression: Expression | None, is_text: bool) -> list[Callable[[Any], str | None]] | None:
    """The functions that make the value of `$this`, one after the other; is_text: a date has to go through toString() first."""
    match expression:
        case This() if is_text:
            return []
        case Call(focus=This(), name="toString"):
            return []
        case Call(focus=Call() | This() as focus, name="substring" | "replaceMatches", arguments=arguments):
            before = _text_chain(focus, is_text)
            literals = [
                a.value for a in arguments if isinstance(a, Literal) and a.kind in ("string", "integer")
            ]
            if before is None or len(literals) < len(arguments):
                return None
            work = text_function(expression)
            values = [int(v) if expression.name == "substring" else v for v in literals]
            return [*before, lambda text: work(text, *values)]  # type: ignore[list-item,return-value]
    return None
