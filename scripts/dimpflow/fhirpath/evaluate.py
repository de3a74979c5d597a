"""FHIRPath expressions as Python closures from a context (the collection that `$this` is) to a collection.

Evaluated as the FHIR Pseudonymizer's library does it (specification of the rules, section 2.4), which differs from FHIRPath
2.0.0 in what shows in its output. A failure is a LineError: the resource cannot be processed.
"""

from collections.abc import Callable
from decimal import Decimal

from dimpflow.errors import LineError, RuleSetError
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
)
from dimpflow.fhirpath.items import FALSE, STRING_TYPES, TRUE, Computed, Item
from dimpflow.fhirpath.numbers import plain, subtract
from dimpflow.fhirpath.operators import (
    NUMBERS,
    Items,
    calculate,
    equal,
    equivalent,
    member,
    ordered,
    single,
    truth,
    union,
)
from dimpflow.fhirpath.texts import text_function

Function = Callable[[Items], Items]

_LITERAL_KINDS = {
    "string": "String",
    "boolean": "Boolean",
    "date": "Date",
    "dateTime": "DateTime",
    "time": "Time",
}


def result_of(value: bool | None) -> Items:
    """A truth value as a collection."""
    return [] if value is None else [TRUE if value else FALSE]


def compiled(expression: Expression, *, by_identity: bool = False) -> Function:
    """The function of an accepted expression. by_identity: `|` tells nodes by identity, not by value."""
    return _Compiler(by_identity).function(expression)


class _Compiler:
    def __init__(self, by_identity: bool) -> None:
        self.by_identity = by_identity

    def function(self, expression: Expression | None) -> Function:
        match expression:
            case None | This():
                return lambda context: context
            case Empty():
                return lambda context: []
            case Literal():
                constant: Items = [_literal(expression)]
                return lambda context: constant
            case Member(focus=focus, name=name):
                return _member(self.function(focus), name)
            case TypeTest(operator=operator, operand=operand, type=type_):
                return _type_test(operator, self.function(operand), type_)
            case Indexer(focus=focus, index=Literal(value=value)):
                inner, at = self.function(focus), int(value)
                return lambda context: inner(context)[at : at + 1]
            case Unary(operand=operand):
                return _negated(self.function(operand))
            case Binary(operator="and" | "or" | "xor" | "implies" as operator, left=left, right=right):
                return _logic(operator, self.function(left), self.function(right))
            case Binary(operator=operator, left=left, right=right):
                return self.binary(operator, self.function(left), self.function(right))
            case Call():
                return self.call(expression)
        raise RuleSetError(f"{type(expression).__name__.lower()} is not supported")

    def binary(self, operator: str, left: Function, right: Function) -> Function:
        match operator:
            case "=":
                return lambda context: result_of(equal(left(context), right(context)))
            case "!=":
                return lambda context: result_of(_not(equal(left(context), right(context))))
            case "~":
                return lambda context: result_of(equivalent(left(context), right(context)))
            case "!~":
                return lambda context: result_of(not equivalent(left(context), right(context)))
            case "<" | "<=" | ">" | ">=":
                return lambda context: result_of(ordered(operator, left(context), right(context)))
            case "in":
                return lambda context: result_of(member(left(context), right(context)))
            case "contains":
                return lambda context: result_of(member(right(context), left(context)))
            case "|":
                return lambda context: union(left(context), right(context), by_identity=self.by_identity)
        return lambda context: calculate(operator, left(context), right(context))

    def call(self, call: Call) -> Function:
        focus, arguments = self.function(call.focus), call.arguments
        match call.name:
            case "nodesByType" | "nodesByName":
                literal = arguments[0]
                assert isinstance(literal, Literal)
                return _nodes(focus, call.name == "nodesByType", str(literal.value))
            case "where":
                test = self.function(arguments[0])
                return lambda context: [item for item in focus(context) if truth(test([item])) is True]
            case "select":
                inner = self.function(arguments[0])
                return lambda context: [one for item in focus(context) for one in inner([item])]
            case "exists" if arguments:
                test = self.function(arguments[0])
                return lambda context: result_of(any(truth(test([i])) is True for i in focus(context)))
            case "all":
                return _all(focus, self.function(arguments[0]))
            case "iif":
                return _iif(focus, [self.function(argument) for argument in arguments])
            case "exists":
                return lambda context: result_of(bool(focus(context)))
            case "empty":
                return lambda context: result_of(not focus(context))
            case "not":
                return lambda context: result_of(_not(truth(focus(context))))
            case "count":
                return lambda context: [Computed("Integer", len(focus(context)))]
            case "first":
                return lambda context: focus(context)[:1]
            case "last":
                return lambda context: focus(context)[-1:]
            case "children":
                return lambda context: [child for item in focus(context) for child in item.children()]
            case "descendants":
                return lambda context: [below for item in focus(context) for below in item.descendants()]
            case "toString":
                return lambda context: _to_string(focus(context))
        return _text_call(call, focus, [self.function(argument) for argument in arguments])


def _literal(literal: Literal) -> Computed:
    if literal.kind in _LITERAL_KINDS:
        return Computed(_LITERAL_KINDS[literal.kind], literal.value)
    if literal.kind == "integer":
        return Computed("Integer", int(literal.value))
    return Computed("Decimal", Decimal(str(literal.value)))


def _member(focus: Function, name: str) -> Function:
    if not name[:1].isupper():
        return lambda context: [child for item in focus(context) for child in item.named(name)]
    if name in ("Resource", "DomainResource"):
        return lambda context: [item for item in focus(context) if not isinstance(item, Computed)]
    return lambda context: [
        item for item in focus(context) if item.type == name and not isinstance(item, Computed)
    ]


def _type_test(operator: str, focus: Function, type_: str) -> Function:
    if operator != "is":
        return lambda context: [item for item in focus(context) if item.type == type_]

    def test(context: Items) -> Items:
        items = focus(context)
        return result_of(single(items, "is").type == type_) if items else []

    return test


def _negated(focus: Function) -> Function:
    def negate(context: Items) -> Items:
        items = focus(context)
        if not items:
            return []
        item = single(items, "-")
        if item.kind not in NUMBERS:
            raise LineError("- needs a number")
        negative = -item.value if isinstance(item.value, int) else subtract(Decimal(0), item.value)
        if negative is None:
            raise LineError("the result of - is too large")
        return [Computed(item.kind, negative)]

    return negate


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _logic(operator: str, left: Function, right: Function) -> Function:
    """Three-valued; where the left side decides, the right one is not evaluated."""

    def evaluate(context: Items) -> Items:
        one = truth(left(context))
        if operator == "and" and one is False:
            return [FALSE]
        if (operator == "or" and one is True) or (operator == "implies" and one is False):
            return [TRUE]
        other = truth(right(context))
        match operator:
            case "and":
                return [FALSE] if other is False else result_of(True if one and other else None)
            case "or":
                return [TRUE] if other is True else result_of(None if None in (one, other) else False)
            case "xor":
                return [] if one is None or other is None else result_of(one != other)
        return [TRUE] if other is True else result_of(None if None in (one, other) else False)

    return evaluate


def _all(focus: Function, test: Function) -> Function:
    def evaluate(context: Items) -> Items:
        for item in focus(context):
            value = truth(test([item]))
            if value is not True:
                return result_of(value)
        return [TRUE]

    return evaluate


def _iif(focus: Function, arguments: list[Function]) -> Function:
    def evaluate(context: Items) -> Items:
        items = focus(context)
        if truth(arguments[0](items)) is True:
            return arguments[1](items)
        return arguments[2](items) if len(arguments) > 2 else []

    return evaluate


def _nodes(focus: Function, by_type: bool, wanted: str) -> Function:
    """nodesByType() and nodesByName(): each item and all below it, without entering nested resources."""
    if by_type:
        return lambda context: [
            node for item in focus(context) if not isinstance(item, Computed) for node in item.of_type(wanted)
        ]

    def by_name(context: Items) -> Items:
        found = []
        for item in focus(context):
            found += [item] if item.name == wanted else []
            found += [below for below in item.descendants(enter=False) if below.name == wanted]
        return found

    return by_name


def _to_string(items: Items) -> Items:
    if not items:
        return []
    item = single(items, "toString()")
    value = item.value
    if value is None:
        return []
    if isinstance(value, bool):
        return [Computed("String", "true" if value else "false")]
    return [Computed("String", plain(value) if isinstance(value, Decimal) else str(value))]


def _text_call(call: Call, focus: Function, arguments: list[Function]) -> Function:
    work = text_function(call)
    what = f"{call.name}()"
    kind = "Integer" if call.name == "substring" else "String"

    def evaluate(context: Items) -> Items:
        items = focus(context)
        if not items:
            return []
        text = _text(single(items, what), what)
        values = []
        for argument in arguments:
            found = argument(context)
            if not found:
                return []
            item = single(found, what)
            if item.kind != kind:
                raise LineError(f"{what} cannot work with its argument")
            values.append(item.value)
        result = work(text, *values)
        if result is None:
            return []
        return result_of(result) if isinstance(result, bool) else [Computed("String", result)]

    return evaluate


def _text(item: Item, what: str) -> str:
    is_text = item.kind == "String" and (isinstance(item, Computed) or item.type in STRING_TYPES)
    if not is_text:
        raise LineError(f"{what} needs a text; a date or number has to go through toString() first")
    return str(item.value)
