"""FHIRPath predicates and values as Python closures over typed nodes (FHIRPath 2.0.0; specification of the rules, 2.4).

Expressions are compiled for one type at a time. Since the type table says what every child is, a path becomes a list of
*branches*, one for each type that its result can have; only the nodes themselves are looked at when it runs. Logic is
three-valued: True, False, and None for the empty collection.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec import UNSET

from dimpflow.bundles import peek
from dimpflow.engine.dotnet import replacement, translate
from dimpflow.errors import LineError, RuleSetError
from dimpflow.fhir.model import sibling
from dimpflow.fhir.table import PRIMITIVE_TYPES, Element, elements, type_name
from dimpflow.ruleset.ast import Binary, Call, Expression, Literal, Member, This, TypeTest

Truth = Callable[[Any], bool | None]
Items = Callable[[Any], list[Any]]
Value = Callable[[Any], str | bool | None]

STRING_TYPES = frozenset(
    ("string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown", "base64Binary", "xhtml")
)
"""FHIR types that FHIRPath sees as strings; dates and times have types of their own there."""


class Branch(NamedTuple):
    """What a path gives where its result is of one type: the nodes, or the values of primitives (None: no value)."""

    type: str
    items: Items


def branches(expression: Expression | None, key: str) -> list[Branch]:
    """A path as seen from a node of the type `key`."""
    match expression:
        case None | This():
            return [Branch(key, lambda node: [node])]
        case Member(focus=focus, name=name):
            return [b for outer in branches(focus, key) for b in _child(outer, name)]
        case TypeTest(operator="as" | "ofType", operand=operand, type=type_):
            return [b for b in branches(operand, key) if type_name(b.type) == type_]
        case Call(focus=focus, name="where", arguments=(condition,)):
            return [Branch(b.type, _filter(b.items, truth(condition, b.type))) for b in branches(focus, key)]
        case Call(focus=focus, name="toString"):
            return [Branch("string", _texts(b)) for b in branches(focus, key)]
    raise RuleSetError(f"{type(expression).__name__.lower()} is not available as a path")


def _child(outer: Branch, name: str) -> list[Branch]:
    if name[0].isupper():
        return [outer] if name in (type_name(outer.type), "Resource", "DomainResource") else []
    if outer.type == "Resource":
        raise RuleSetError(
            f"a predicate cannot look at {name} of a nested resource in this version of the engine"
        )
    if outer.type in PRIMITIVE_TYPES:
        if name in ("id", "extension"):
            raise RuleSetError(
                f"a predicate cannot look at {name} of a primitive value in this version of the engine"
            )
        return []
    return [Branch(e.type, _step(outer.items, e)) for e in elements(outer.type) if e.name == name]


def _step(outer: Items, element: Element) -> Items:
    get = attrgetter(element.attr)
    if element.many:

        def many(node: Any) -> list[Any]:
            found: list[Any] = []
            for item in outer(node):
                value = get(item)
                if value is not UNSET:
                    found.extend(value)
            return found

        return many
    beside = sibling(element.attr) if element.primitive else ""

    def one(node: Any) -> list[Any]:
        found = []
        for item in outer(node):
            value = get(item)
            if value is not UNSET:
                found.append(value)
            elif beside and getattr(item, beside, UNSET) is not UNSET:
                found.append(None)
        return found

    return one


def _filter(items: Items, condition: Truth) -> Items:
    return lambda node: [item for item in items(node) if condition(item) is True]


def _texts(branch: Branch) -> Items:
    convert = text_of(branch.type)
    return lambda node: [convert(item) for item in branch.items(node) if item is not None]


def text_of(type_: str) -> Callable[[Any], str]:
    """toString() of a primitive: booleans as FHIRPath writes them, numbers and dates as they stand."""
    if type_ == "boolean":
        return lambda value: "true" if value else "false"
    if type_ == "decimal":
        return lambda value: bytes(value).decode()
    return str


def truth(expression: Expression, key: str) -> Truth:
    """A predicate as seen from a node of the type `key`."""
    match expression:
        case Literal(value=bool() as constant):
            return lambda node: constant
        case Binary(operator="and", left=left, right=right):
            return _and(truth(left, key), truth(right, key))
        case Binary(operator="or", left=left, right=right):
            return _or(truth(left, key), truth(right, key))
        case Binary(operator="=", left=left, right=Literal(value=value)):
            return _equal(left, key, value)
        case TypeTest(operator="is", operand=operand, type=type_):
            return _is(branches(operand, key), type_)
        case Call(focus=focus, name="exists", arguments=()):
            return _exists(branches(focus, key))
        case Call(focus=focus, name="exists", arguments=arguments):
            return _exists(branches(Call(focus, "where", arguments), key))
        case Call(focus=focus, name="startsWith", arguments=(Literal(value=str() as prefix),)):
            return _starts_with(branches(focus, key), prefix)
        case Literal():
            return lambda node: True
    return _non_empty(branches(expression, key))


def _and(left: Truth, right: Truth) -> Truth:
    def both(node: Any) -> bool | None:
        first = left(node)
        if first is False:
            return False
        second = right(node)
        if second is False:
            return False
        return True if first and second else None

    return both


def _or(left: Truth, right: Truth) -> Truth:
    def either(node: Any) -> bool | None:
        first = left(node)
        if first is True:
            return True
        second = right(node)
        if second is True:
            return True
        return None if first is None or second is None else False

    return either


def _collect(found: list[Branch], node: Any) -> list[tuple[str, Any]]:
    return [(branch.type, item) for branch in found for item in branch.items(node)]


def _equal(left: Expression, key: str, value: str | bool) -> Truth:
    """`path = literal`: another number of items than one is false, none is empty; other types are never equal."""
    found = branches(left, key)
    comparable = STRING_TYPES if isinstance(value, str) else {"boolean"}
    if isinstance(left, Member) and left.focus is None and len(found) == 1 and found[0].type in comparable:
        element = next(e for e in elements(key) if e.name == left.name)
        if not element.many:  # the usual case, four times as fast as the general one
            get = attrgetter(element.attr)

            def scalar(node: Any) -> bool | None:
                actual = get(node)
                return None if actual is UNSET else actual == value

            return scalar

    def equal(node: Any) -> bool | None:
        items = _collect(found, node)
        if not items:
            return None
        type_, actual = items[0]
        return len(items) == 1 and type_ in comparable and actual == value

    return equal


def _is(found: list[Branch], wanted: str) -> Truth:
    def test(node: Any) -> bool | None:
        items = _collect(found, node)
        if not items:
            return None
        if len(items) > 1:
            raise LineError("`is` needs a single item, but the path gives several")
        type_, item = items[0]
        return (peek(bytes(item)) if type_ == "Resource" else type_name(type_)) == wanted

    return test


def _exists(found: list[Branch]) -> Truth:
    if len(found) == 1:
        items = found[0].items
        return lambda node: bool(items(node))
    return lambda node: any(branch.items(node) for branch in found)


def _non_empty(found: list[Branch]) -> Truth:
    """A path as a predicate: its value if it is one boolean, else true when it gives anything, else empty."""

    def test(node: Any) -> bool | None:
        items = _collect(found, node)
        if len(items) == 1 and items[0][0] == "boolean" and items[0][1] is not None:
            return bool(items[0][1])
        return True if items else None

    return test


def _starts_with(found: list[Branch], prefix: str) -> Truth:
    def test(node: Any) -> bool | None:
        items = _collect(found, node)
        if not items:
            return None
        type_, item = items[0]
        if len(items) > 1 or type_ not in STRING_TYPES:
            raise LineError("startsWith() needs a single text")
        return None if item is None else str(item).startswith(prefix)

    return test


def value_of(expression: Expression, type_: str) -> Value:
    """The value of a case of generalize, as a function of `$this`, a primitive of the type `type_`."""
    return _value(expression, type_)[0]


def _value(expression: Expression, type_: str) -> tuple[Value, bool]:
    """The function, and whether what it gives is text for FHIRPath (a date is not until toString())."""
    match expression:
        case This():
            return _native(type_), type_ in STRING_TYPES
        case Literal(value=constant):
            return (lambda node: constant), isinstance(constant, str)
        case Call(focus=Expression() as focus, name="toString"):
            inner, text = _value(focus, type_)
            convert = str if text else text_of(type_)
            return (lambda node: None if (v := inner(node)) is None else convert(v)), True
        case Call(focus=Expression() as focus, name=name, arguments=arguments):
            inner, text = _value(focus, type_)
            return _text_function(name, arguments, inner, text), True
    raise RuleSetError(f"{type(expression).__name__.lower()} is not available as a value")


def _native(type_: str) -> Value:
    if type_ == "decimal":
        return lambda node: bytes(node).decode()
    return lambda node: node


def _text_function(name: str, arguments: tuple[Expression, ...], inner: Value, text: bool) -> Value:
    literals: list[Any] = [a.value for a in arguments if isinstance(a, Literal)]
    if name == "substring":
        start, length = int(literals[0]), int(literals[1]) if len(literals) > 1 else None

        def work(value: str) -> str | None:
            if start >= len(value):
                return None
            return value[start:] if length is None else value[start : start + length]

    else:
        pattern, new = translate(literals[0]), replacement(literals[1])

        def work(value: str) -> str | None:
            return pattern.sub(new, value)

    def apply(node: Any) -> str | None:
        value = inner(node)
        if value is None:
            return None
        if not text:
            raise LineError(f"{name}() needs a text; write $this.toString().{name}(...)")
        return work(str(value))

    return apply
