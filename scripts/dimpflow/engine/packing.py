"""Whether single resources may be sent to a FHIR Pseudonymizer together in a Bundle, with the same answers as alone.

Such a Bundle, `{"resourceType":"Bundle","type":"collection","entry":[{"resource":...},...]}`, has four kinds of nodes only:
itself, its type, entries and their resources. So what a path may select in it is found by following the path over these
nodes, predicates taken for true where they may be. The service applies all rules to the Bundle first and then to each
resource (specification of the rules, section 2.2). A resource gets what it gets alone if the first round leaves the entries and
all in the resources alone, and the second does nothing that depends on what is around a resource: the id of the outermost
one, its own name as a node, and whether there is something to remove it from.

Always as the service does it: strict mode does not exist there.
"""

from collections.abc import Iterator
from enum import Enum

from dimpflow.fhir.table import RESOURCE_TYPES
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
    parts,
)
from dimpflow.ruleset.rules import (
    CryptoHash,
    DateShift,
    Decrypt,
    Encrypt,
    Generalize,
    Keep,
    Pseudonymize,
    Remove,
    Rule,
    RuleSet,
    Substitute,
)


class _Kind(Enum):
    BUNDLE = "the Bundle"
    TYPE = "its type"
    ENTRY = "one of its entries"
    NUMBER = "the id of an entry"
    RESOURCE = "a resource that stands in an entry, or alone"
    INSIDE = "something in such a resource"
    VALUE = "a computed value"


_Kinds = frozenset[_Kind]

_NOTHING: _Kinds = frozenset()
_VALUE: _Kinds = frozenset((_Kind.VALUE,))
_BUNDLE: _Kinds = frozenset((_Kind.BUNDLE,))
_SINGLE: _Kinds = frozenset((_Kind.RESOURCE,))

_CHILDREN: dict[_Kind, dict[str, _Kind]] = {
    _Kind.BUNDLE: {"type": _Kind.TYPE, "entry": _Kind.ENTRY},
    _Kind.ENTRY: {"id": _Kind.NUMBER, "resource": _Kind.RESOURCE},
}
"""By FHIR name; below a resource there may be anything, below all else nothing."""

_BUNDLE_PREFIXES = ("", "Resource", "DomainResource", "Bundle")
_TYPES = {_Kind.BUNDLE: "Bundle", _Kind.TYPE: "code", _Kind.ENTRY: "BackboneElement", _Kind.NUMBER: "string"}
_NAMES = {
    _Kind.NUMBER: "id",
    _Kind.BUNDLE: "Bundle",
    _Kind.TYPE: "type",
    _Kind.ENTRY: "entry",
    _Kind.RESOURCE: "resource",
}

_OTHER_CODES = (CryptoHash, Encrypt, Decrypt, Substitute, Generalize, Pseudonymize)
"""Methods that may make something of Bundle.type that its value set does not have; the service refuses such a result."""

_EMPTY_TO_EMPTY = (
    "not", "toString", "substring", "startsWith", "endsWith", "contains", "matches", "replaceMatches",
)  # fmt: skip
"""Functions that give nothing where they are applied to nothing; all others with values say something then, too."""

_FALSE_OR_EMPTY = ("=", "!=", "<", "<=", ">", ">=", "in", "contains")
"""Operators that are not true where a side is empty."""


def why_not_packed(rule_set: RuleSet) -> str:
    """Why single resources may not be sent to a FHIR Pseudonymizer together in a Bundle, in words for the author of the rules;
    '' if each one's answer is provably the same as alone.

    It holds for resources that are neither Bundles nor Parameters, in a Bundle of type `collection` without id, whose entries
    hold a resource and nothing else, or an id too where `entry_ids_stay`. The Bundle as a whole may still be refused where its resources alone are not.
    """
    keyed = rule_set.parameters.shift_offset is None and not rule_set.parameters.shift_prefix
    type_is_taken = False
    for rule in rule_set.rules:
        reason = _why_dates(rule) if keyed else ""
        if not reason and rule.resource_type in _BUNDLE_PREFIXES:
            reason = _why_bundle(rule, type_is_taken)
            type_is_taken = type_is_taken or rule.expression in (None, Member(None, "type"))
        if not reason and rule.resource_type != "Bundle":
            reason = _why_single(rule)
        if reason:
            return f"{rule.title} {reason}"
    return ""


def entry_ids_stay(rule_set: RuleSet) -> bool:
    """Whether ids that number the entries of such a Bundle come back as they are, so that they tell the order of the answers."""
    taken = {_Kind.BUNDLE, _Kind.ENTRY, _Kind.NUMBER}
    return not any(
        rule.applies_to("Bundle")
        and not isinstance(rule.method, Keep)
        and _selected(rule.expression, _BUNDLE) & taken
        for rule in rule_set.rules
    )


def _why_dates(rule: Rule) -> str:
    if isinstance(rule.method, DateShift) and rule.method.offset is None:
        return (
            "shifts dates by the id of the outermost resource, which would be the Bundle; "
            "set parameters.dateShiftKeyPrefix or parameters.dateShiftFixedOffsetInDays"
        )
    return ""


def _why_bundle(rule: Rule, type_is_taken: bool) -> str:
    """What the rule would do to a Bundle that it must not. type_is_taken: an earlier rule has taken Bundle.type for certain."""
    selected = _selected(rule.expression, _BUNDLE)
    method = rule.method
    if selected & {_Kind.RESOURCE, _Kind.INSIDE}:
        return "reaches from a Bundle into the resources of its entries"
    if isinstance(method, Remove | Substitute) and selected & {_Kind.BUNDLE, _Kind.ENTRY}:
        return "may take entries out of a Bundle"
    if _Kind.VALUE in selected:
        return "may give a value that is no element, so that the service would refuse the Bundle"
    if isinstance(method, Pseudonymize) and method.value_from and selected & {_Kind.BUNDLE, _Kind.ENTRY}:
        return "would make a pseudonym of a Bundle"
    if isinstance(method, _OTHER_CODES) and selected & {_Kind.BUNDLE, _Kind.TYPE} and not type_is_taken:
        return (
            "may change Bundle.type, so that the service would refuse the Bundle; keep Bundle.type above it"
        )
    return ""


def _why_single(rule: Rule) -> str:
    """What the rule does to a resource that is not the same in an entry."""
    if rule.expression is not None:
        for name in sorted(set(_names_asked(rule.expression))):
            if name == "resource" or name in RESOURCE_TYPES:
                where = "in a Bundle" if name == "resource" else "alone"
                return f"asks for nodes of the name {name}, which a resource itself has only {where}"
    if isinstance(rule.method, Remove | Substitute) and _Kind.RESOURCE in _selected(rule.expression, _SINGLE):
        return "takes a resource as a whole, which the service does not do in a Bundle as it does alone"
    return ""


def _names_asked(expression: Expression) -> Iterator[str]:
    """The names that nodesByName() asks for, wherever it stands."""
    if isinstance(expression, Call) and expression.name == "nodesByName":
        yield _text(expression.arguments)
    for part in parts(expression):
        yield from _names_asked(part)


def _text(arguments: tuple[Expression, ...]) -> str:
    assert isinstance(arguments[0], Literal)
    return str(arguments[0].value)


# ---- what a path may select, at most ----------------------------------------------------------------------------------


def _selected(expression: Expression | None, context: _Kinds) -> _Kinds:
    """The kinds of nodes that an expression may give, applied to nodes of the context's kinds. Nothing only if it gives nothing."""
    match expression:
        case None | This():
            return context
        case Empty():
            return _NOTHING
        case Member(focus=focus, name=name):
            found = _selected(focus, context)
            return _of_type(name, found) if name[:1].isupper() else _named(name, found)
        case TypeTest(operator="as" | "ofType", operand=operand, type=type_):
            return _of_type(type_, _selected(operand, context))
        case TypeTest(operand=operand):
            return _VALUE if _selected(operand, context) else _NOTHING
        case Indexer(focus=focus):
            return _selected(focus, context)
        case Binary(operator="|", left=left, right=right):
            return _selected(left, context) | _selected(right, context)
        case Call(focus=focus, name=name, arguments=arguments):
            return _called(name, arguments, _selected(focus, context))
    return _VALUE


def _called(name: str, arguments: tuple[Expression, ...], focus: _Kinds) -> _Kinds:
    match name:
        case "first" | "last":
            return focus
        case "where":
            return frozenset(kind for kind in focus if _may_hold(arguments[0], frozenset((kind,))))
        case "select":
            return _selected(arguments[0], focus)
        case "iif":
            return frozenset[_Kind]().union(*(_selected(branch, focus) for branch in arguments[1:]))
        case "children":
            return _children(focus)
        case "descendants":
            return _below(focus, enter=True)
        case "nodesByType":
            return _of_type(_text(arguments), focus | _below(focus, enter=False)) - _VALUE
        case "nodesByName":
            wanted, all_ = _text(arguments), focus | _below(focus, enter=False)
            return frozenset(kind for kind in all_ if _NAMES.get(kind, wanted) == wanted) - _VALUE
    return _NOTHING if name in _EMPTY_TO_EMPTY and not focus else _VALUE


def _children(kinds: _Kinds) -> _Kinds:
    known = frozenset(child for kind in kinds for child in _CHILDREN.get(kind, {}).values())
    return known | {_Kind.INSIDE} if kinds & {_Kind.RESOURCE, _Kind.INSIDE} else known


def _named(name: str, kinds: _Kinds) -> _Kinds:
    return frozenset(
        child
        for child in _children(kinds)
        if child is _Kind.INSIDE or any(_CHILDREN.get(kind, {}).get(name) is child for kind in kinds)
    )


def _below(kinds: _Kinds, *, enter: bool) -> _Kinds:
    """All below. enter: also resources in entries, from outside."""
    found = _NOTHING
    level = kinds
    while level:
        level = _children(level) - found
        level = level if enter else level - _SINGLE
        found |= level
    return found


def _of_type(name: str, kinds: _Kinds) -> _Kinds:
    """Those that may be of a type, or of none that is known here."""
    if name in ("Resource", "DomainResource"):
        return kinds - _VALUE
    others = {_Kind.RESOURCE: name in RESOURCE_TYPES, _Kind.INSIDE: True, _Kind.VALUE: True}
    return frozenset(kind for kind in kinds if others.get(kind) or _TYPES.get(kind) == name)


def _may_hold(predicate: Expression, context: _Kinds) -> bool:
    """Whether a predicate may be true. It is not where it is empty."""
    match predicate:
        case Binary(operator="and", left=left, right=right):
            return _may_hold(left, context) and _may_hold(right, context)
        case Binary(operator="or", left=left, right=right):
            return _may_hold(left, context) or _may_hold(right, context)
        case Binary(operator=operator, left=left, right=right) if operator in _FALSE_OR_EMPTY:
            return bool(_selected(left, context)) and bool(_selected(right, context))
        case Call(focus=focus, name="exists", arguments=arguments):
            found = _selected(focus, context)
            if not arguments:
                return bool(found)
            return any(_may_hold(arguments[0], frozenset((kind,))) for kind in found)
    return bool(_selected(predicate, context))
