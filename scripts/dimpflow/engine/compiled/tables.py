"""Several predicates that ask for codes in the same place, answered by one look.

Rule sets tell identifiers apart by their codings: `type.coding.where(system='...' and code='MR').exists()`, and the same for
VN, GKV and so on. Asked one after the other, each goes through the codings again. Here the values that any of them compares
are the key of one memory, which holds the answers to all.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from dimpflow.engine.compiled.predicates import PredicateSource, into
from dimpflow.engine.methods.cache import Cache
from dimpflow.fhir.table import PRIMITIVE_TYPES, Element
from dimpflow.fhirpath.ast import Binary, Call, Expression, Literal, Member, This
from dimpflow.fhirpath.items import STRING_TYPES


class Lookup(NamedTuple):
    """A predicate of that form. path: the elements up to the node that is looked for; names: those that are compared there."""

    path: tuple[Element, ...]
    names: frozenset[str]
    criterion: Expression


def lookup(source: PredicateSource, condition: Expression, type_: str) -> Lookup | None:
    """The parts of a predicate of that form; None for others."""
    match condition:
        case Call(
            focus=Call(focus=Member() as path, name="where", arguments=(criterion,)),
            name="exists",
            arguments=(),
        ):
            pass
        case Call(focus=Member() as path, name="exists", arguments=(criterion,)):
            pass
        case _:
            return None
    elements = _elements(source, path, type_)
    if elements is None:
        return None
    names = _compared(source, criterion, elements[-1].type)
    return Lookup(elements, names, criterion) if names else None


def _elements(source: PredicateSource, path: Expression | None, type_: str) -> tuple[Element, ...] | None:
    names: list[str] = []
    while isinstance(path, Member):
        names.insert(0, path.name)
        path = path.focus
    if not (path is None or isinstance(path, This)):
        return None
    found = []
    for name in names:
        element = source.only(type_, name)
        if element is None or element.resource or element.type in PRIMITIVE_TYPES:
            return None
        found.append(element)
        type_ = element.type
    return tuple(found)


def _compared(source: PredicateSource, criterion: Expression, type_: str) -> frozenset[str]:
    """The names of the texts that a criterion compares with literals; none if it does anything else."""
    match criterion:
        case Binary(operator="and" | "or", left=left, right=right):
            sides = [_compared(source, side, type_) for side in (left, right)]
            return sides[0] | sides[1] if all(sides) else frozenset()
        case Binary(operator="=", left=Member(focus=None, name=name), right=Literal(kind="string")):
            element = source.only(type_, name)
            if element is not None and not element.many and element.type in STRING_TYPES:
                return frozenset((name,))
    return frozenset()


def table_source(
    source: PredicateSource, lookups: Iterable[tuple[int, Lookup]], path: tuple[Element, ...]
) -> str:
    """Source of a function that gives the bits of all true predicates of one path, for a node in `o`."""
    asked = list(lookups)
    names = sorted(frozenset[str]().union(*(one.names for _, one in asked)))
    places = [source.only(path[-1].type, name) for name in names]

    def answers(values: tuple[Any, ...]) -> int:
        given = {n: v.strip() if isinstance(v, str) else None for n, v in zip(names, values, strict=True)}
        return sum(bit for bit, one in asked if _holds(one.criterion, given))

    table = source.bind("table", Cache(answers))
    lines, here = ["def {name}(o):", "    m = 0"], "o"
    for depth, element in enumerate(path):
        lines += into(element, here, f"v{depth}", depth + 1)
        here = f"v{depth}"
    key = ", ".join(f"{here}.{place.attr}" for place in places if place is not None)
    lines.append(f"{'    ' * (len(path) + 1)}m |= {table}[{key},]")
    return "\n".join([*lines, "    return m"])


def _holds(criterion: Expression, given: dict[str, str | None]) -> bool:
    match criterion:
        case Binary(operator="and", left=left, right=right):
            return _holds(left, given) and _holds(right, given)
        case Binary(operator="or", left=left, right=right):
            return _holds(left, given) or _holds(right, given)
        case Binary(left=Member(name=name), right=Literal(value=value)):
            return given[name] == value
    raise AssertionError(criterion)
