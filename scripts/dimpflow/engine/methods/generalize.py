"""generalize: the value of the first case whose predicate is true or cannot be decided (specification, section 3.7)."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from dimpflow.engine.methods.place import Place, text_of
from dimpflow.errors import LineError
from dimpflow.fhirpath.ast import Binary, Call, Expression, Indexer, Member, TypeTest, Unary
from dimpflow.fhirpath.evaluate import compiled
from dimpflow.fhirpath.items import Item
from dimpflow.fhirpath.operators import truth
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
