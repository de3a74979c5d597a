"""Whether a rule's path can select anything in FHIR R4, worked out from the element table alone.

A path that names what FHIR does not have selects nothing, and the FHIR Pseudonymizer says nothing about it. Here it gets a
reason: what is unknown, and what was probably meant.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

from dimpflow.fhir.table import (
    PRIMITIVE,
    PRIMITIVE_TYPES,
    RESOURCE_TYPES,
    Element,
    elements,
    type_name,
    type_names,
)
from dimpflow.fhirpath.ast import Binary, Call, Empty, Expression, Indexer, Literal, Member, This, TypeTest
from dimpflow.ruleset.rules import Rule

Types = frozenset[str]
"""Type keys that a node can have; `Resource` stands for all resource types."""

_ANY = ("", "Resource", "DomainResource")
_SAME = ("first", "last", "where", "iif")


class _Never(Exception):
    """Nothing can be selected; the message is the reason."""


def why_never(rule: Rule) -> str:
    """Why the rule can never select anything, with a remedy; '' if it can."""
    try:
        context = _context(rule)
        if rule.expression is not None:
            _types(rule.expression, context)
    except _Never as never:
        return str(never)
    return ""


def selected_types(rule: Rule) -> Types:
    """The type keys of the nodes that the rule can select; none if it never matches."""
    try:
        context = _context(rule)
        return context if rule.expression is None else _types(rule.expression, context)
    except _Never:
        return frozenset()


def _context(rule: Rule) -> Types:
    if rule.resource_type in _ANY:
        return frozenset(("Resource",))
    if rule.resource_type in RESOURCE_TYPES:
        return frozenset((rule.resource_type,))
    name = rule.resource_type
    if name in type_names():
        raise _Never(f"{name} is no resource type; for a data type write nodesByType('{name}')")
    raise _Never(f"{name} is no resource type{_meant(name, RESOURCE_TYPES)}")


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1, 0.75)
    return f"; did you mean {close[0]}?" if close else ""


def _children(type_: str) -> tuple[Element, ...]:
    if type_ in PRIMITIVE_TYPES:
        return elements(PRIMITIVE)
    return elements(type_)


def _kinds(types: Types) -> Types:
    """With `Resource` replaced by all resource types."""
    return types - {"Resource"} | RESOURCE_TYPES if "Resource" in types else types


@cache
def _below_named(name: str, context: Types) -> Types:
    return frozenset(t for c in _kinds(context) for n, t in below(c) if n == name)


@cache
def _types_below(context: Types) -> Types:
    return frozenset(t for c in _kinds(context) for _, t in below(c))


@cache
def _below_all(context: Types) -> Types:
    return frozenset(t for c in _kinds(context) for _, t in below(c, enter=True))


@cache
def below(type_: str, *, enter: bool = False) -> frozenset[tuple[str, str]]:
    """(name, type key) of everything that can stand below a type. enter: in nested resources too."""
    found: set[tuple[str, str]] = set()
    seen, stack = {type_}, [type_]
    while stack:
        for element in _children(stack.pop()):
            if element.resource and not enter:
                continue
            found.add((element.name, element.type))
            for key in _kinds(frozenset((element.type,))):
                if key not in seen:
                    seen.add(key)
                    stack.append(key)
    return frozenset(found)


def _types(expression: Expression | None, context: Types) -> Types:
    """The types of what an expression selects from nodes of the context's types; _Never if that is nothing."""
    match expression:
        case None | This():
            return context
        case Member(focus=focus, name=name):
            return _member(name, _types(focus, context))
        case TypeTest(operator="as" | "ofType", operand=operand, type=type_):
            return _of_type(type_, _types(operand, context))
        case Binary(operator="|", left=left, right=right):
            return _either((left, right), context)
        case Indexer(focus=focus):
            return _types(focus, context)
        case Empty():
            raise _Never("{} is nothing")
        case Call(focus=focus, name=name, arguments=arguments):
            return _call(name, arguments, _types(focus, context))
    return frozenset()  # a computed value


def _either(branches: Iterable[Expression], context: Types) -> Types:
    found: set[str] = set()
    reasons = []
    for branch in branches:
        try:
            found |= _types(branch, context)
        except _Never as never:
            reasons.append(str(never))
    if not found and reasons:
        raise _Never("; ".join(reasons))
    return frozenset(found)


def _member(name: str, context: Types) -> Types:
    if name[:1].isupper():
        if name in _ANY:
            return context
        found = frozenset(t for t in _kinds(context) if type_name(t) == name)
        if not found:
            hint = f"; for a data type write nodesByType('{name}')" if name in type_names() else ""
            raise _Never(f"{_called(context)} is no {name}{hint}")
        return found
    found = frozenset(e.type for t in _kinds(context) for e in _children(t) if e.name == name)
    if not found and context:
        raise _Never(_unknown(name, context))
    return found


def _unknown(name: str, context: Types) -> str:
    known = [e for t in _kinds(context) for e in _children(t)]
    spelt = next((e for e in known if e.json == name), None)
    where = _called(context)
    if spelt:
        kind = type_name(spelt.type)
        return f"{where} has no element {name}, which is how JSON writes it; say {spelt.name}.ofType({kind})"
    return f"{where} has no element {name}{_meant(name, {e.name for e in known})}"


def _called(context: Types) -> str:
    names = sorted(context)
    if names == ["Resource"]:
        return "a resource"
    return (
        names[0] if len(names) == 1 else f"none of {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
    )


def _of_type(type_: str, context: Types) -> Types:
    found = frozenset(t for t in _kinds(context) if type_name(t) == type_)
    if not found and context:
        if type_ not in type_names():
            raise _Never(f"{type_} is no FHIR type{_meant(type_, type_names())}")
        raise _Never(f"{_called(context)} is never a {type_}")
    return found


def _call(name: str, arguments: tuple[Expression, ...], context: Types) -> Types:
    if name == "nodesByType":
        return _nodes_by_type(str(_literal(arguments[0])), context)
    if name == "nodesByName":
        wanted = str(_literal(arguments[0]))
        found = _below_named(wanted, context) | {t for t in _kinds(context) if t == wanted}
        if not found:
            raise _Never(f"{_called(context)} has no element {wanted} anywhere")
        return found
    if name == "children":
        return frozenset(e.type for t in _kinds(context) for e in _children(t))
    if name == "descendants":
        return _below_all(context)
    if name == "select":
        return _types(arguments[0], context)
    if name == "iif":
        return _either(arguments[1:], context)
    if name == "where":
        _possible(arguments[0], context)
    return context if name in _SAME else frozenset()


def _literal(expression: Expression) -> str | bool:
    assert isinstance(expression, Literal)
    return expression.value


def _nodes_by_type(wanted: str, context: Types) -> Types:
    if wanted not in type_names():
        raise _Never(f"{wanted} is no FHIR type{_meant(wanted, type_names())}")
    if wanted in PRIMITIVE_TYPES or "." not in wanted:
        reached = {wanted} if "Resource" in context and _common(wanted) else set[str]()
    else:
        reached = set()
    if not reached:
        reached = {t for t in _types_below(context) if type_name(t) == wanted}
        reached |= {t for t in _kinds(context) if type_name(t) == wanted}
    if not reached:
        raise _Never(f"{_called(context)} holds no {wanted}")
    return frozenset(reached)


def _common(wanted: str) -> bool:
    """Whether every resource can hold the type, so that there is nothing to look for."""
    return any(type_name(t) == wanted for _, t in below("Basic")) and wanted not in (
        "BackboneElement",
        "Element",
    )


def _possible(predicate: Expression, context: Types) -> None:
    """_Never if a predicate of `where` can be true of no node: it asks for what FHIR does not have there."""
    match predicate:
        case Binary(operator="and", left=left, right=right):
            _possible(left, context)
            _possible(right, context)
        case Binary(operator="or", left=left, right=right):
            reasons = []
            for side in (left, right):
                try:
                    _possible(side, context)
                    return
                except _Never as never:
                    reasons.append(str(never))
            raise _Never("; ".join(reasons))
        case Binary(operator="=" | "~" | "in" | "<" | "<=" | ">" | ">=", left=left, right=right):
            _types(left, context)
            _types(right, context)
        case Member() | TypeTest(operator="as" | "ofType"):
            _types(predicate, context)
        case Call(focus=focus, name="exists" | "startsWith" | "endsWith" | "contains" | "matches"):
            found = _types(focus, context)
            if predicate.name == "exists" and predicate.arguments:
                _possible(predicate.arguments[0], found)
