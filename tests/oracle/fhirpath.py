"""The evaluator: a syntax tree and a context give a collection of nodes and computed values (2.4)."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from . import equality
from .equality import Item, value_of
from .errors import Refused
from .fhirpath_parser import (
    Call,
    Computed,
    Empty,
    Expression,
    Index,
    Literal,
    Match,
    Minus,
    Name,
    Nodes,
    Operation,
    This,
    TypeTest,
)
from .node import Node, value_text
from .regex import from_units, to_units
from .temporal import Temporal

Items = Sequence[Item]

_STRING_TYPES = frozenset(
    ["string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown", "base64Binary", "xhtml"],
)


def evaluate(expression: Expression, this: Items) -> list[Item]:
    """The result, with `this` as `$this` and as the start of every path."""
    match expression:
        case Literal(item):
            return [item]
        case Empty():
            return []
        case This():
            return list(this)
        case Name(focus, name):
            return [found for item in evaluate(focus, this) for found in _by_name(item, name)]
        case Index(focus, position):
            return evaluate(focus, this)[position : position + 1]
        case TypeTest(focus, operator, type_name):
            return _type_test(evaluate(focus, this), operator, type_name)
        case Nodes(focus, function, wanted):
            return _nodes(evaluate(focus, this), function, wanted)
        case Match(focus, regex, replacement):
            text = _text(evaluate(focus, this))
            if text is None:
                return []
            if replacement is None:
                return _boolean(regex.is_match(text))
            return [Computed("String", regex.replace(text, replacement))]
        case Call():
            return _call(expression, evaluate(expression.focus, this), this)
        case Minus(operand):
            return _minus(evaluate(operand, this))
        case Operation(operator, left, right):
            if operator in {"and", "or", "xor", "implies"}:
                return _boolean(_logical(operator, left, right, this))
            return _operation(operator, evaluate(left, this), evaluate(right, this))


def truth(items: Items) -> bool | None:
    """What a collection says as a condition; None is empty."""
    if not items:
        return None
    typed = value_of(items[0]) if len(items) == 1 else None
    if typed is not None and isinstance(typed[1], bool):
        return typed[1]
    return True


def item_text(item: Item) -> str | None:
    """`toString()` of one item; None without value."""
    typed = value_of(item)
    if typed is None:
        return None
    value = typed[1]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.text if isinstance(value, Temporal) else value_text(value)


def _boolean(value: bool | None) -> list[Item]:
    return [] if value is None else [Computed("Boolean", value)]


# --- names and types ---


def _by_name(item: Item, name: str) -> list[Node]:
    """A child lookup, or identity for a type name (2.4)."""
    if not isinstance(item, Node):
        return []
    if name[:1].isupper() and name in {item.type_name, "Resource", "DomainResource"}:
        return [item]
    return item.named(name)


def _type_name(item: Item) -> str:
    return item.type_name if isinstance(item, Node) else item.kind


def _type_test(items: Items, operator: str, type_name: str) -> list[Item]:
    if operator != "is":
        return [item for item in items if _type_name(item) == type_name]
    if len(items) > 1:
        raise Refused("is: more than one item")
    return _boolean(_type_name(items[0]) == type_name if items else None)


def _nodes(items: Items, function: str, wanted: str) -> list[Item]:
    return [
        node
        for item in items
        if isinstance(item, Node)
        for node in _within_resource(item)
        if wanted == (node.type_name if function == "nodesByType" else node.name)
    ]


def _within_resource(node: Node) -> Iterator[Node]:
    """The node and its descendants, but no nested resource."""
    yield node
    for child in node.children:
        if not child.is_resource:
            yield from _within_resource(child)


# --- functions ---


def _call(call: Call, focus: list[Item], this: Items) -> list[Item]:
    match call.function, call.arguments:
        case "where", (condition,):
            return [item for item in focus if truth(evaluate(condition, [item])) is True]
        case "exists", ():
            return _boolean(bool(focus))
        case "exists", (condition,):
            return _boolean(any(truth(evaluate(condition, [item])) is True for item in focus))
        case "all", (condition,):
            for item in focus:
                result = truth(evaluate(condition, [item]))
                if result is not True:
                    return _boolean(result)
            return _boolean(True)
        case "select", (projection,):
            return [found for item in focus for found in evaluate(projection, [item])]
        case "iif", (condition, then, *otherwise):
            if truth(evaluate(condition, focus)) is True:
                return evaluate(then, focus)
            return evaluate(otherwise[0], focus) if otherwise else []
        case "empty", _:
            return _boolean(not focus)
        case "not", _:
            result = truth(focus)
            return _boolean(None if result is None else not result)
        case "count", _:
            return [Computed("Integer", len(focus))]
        case "first", _:
            return focus[:1]
        case "last", _:
            return focus[-1:]
        case "children", _:
            return [child for item in focus if isinstance(item, Node) for child in item.children]
        case "descendants", _:
            return [below for item in focus if isinstance(item, Node) for below in item.descendants()]
        case "toString", _:
            return _to_string(focus)
        case "substring", _:
            return _substring(focus, call.arguments, this)
        case _:
            return _test_text(call.function, focus, call.arguments[0], this)


def _to_string(focus: Items) -> list[Item]:
    if len(focus) > 1:
        raise Refused("toString: more than one item")
    text = item_text(focus[0]) if focus else None
    return [] if text is None else [Computed("String", text)]


def _text(focus: Items) -> str | None:
    """What a string function works on; None for nothing."""
    if not focus:
        return None
    if len(focus) > 1:
        raise Refused("a string function on more than one item")
    item = focus[0]
    is_text = item.kind == "String" if isinstance(item, Computed) else item.type_key in _STRING_TYPES
    if not is_text or item.value is None:
        raise Refused("a string function on something else")
    return str(item.value)


def _argument(expression: Expression, kind: str, this: Items) -> object:
    """The value of an argument, which the surrounding context gives; None for nothing."""
    items = evaluate(expression, this)
    if not items:
        return None
    typed = value_of(items[0])
    if len(items) > 1 or typed is None or typed[0] != kind:
        raise Refused(f"an argument is not one {kind}")
    return typed[1]


def _test_text(function: str, focus: Items, argument: Expression, this: Items) -> list[Item]:
    text = _text(focus)
    if text is None:
        return []
    wanted = _argument(argument, "String", this)
    if wanted is None:
        return []
    assert isinstance(wanted, str)
    if function == "startsWith":
        return _boolean(text.startswith(wanted))
    if function == "endsWith":
        return _boolean(text.endswith(wanted))
    assert function == "contains"
    return _boolean(wanted in text)


def _substring(focus: Items, arguments: Sequence[Expression], this: Items) -> list[Item]:
    text = _text(focus)
    if text is None:
        return []
    numbers = [_argument(argument, "Integer", this) for argument in arguments]
    if None in numbers:
        return []
    units = to_units(text)
    start, length = (*numbers, len(units))[:2]
    assert isinstance(start, int) and isinstance(length, int)
    if length < 0:
        raise Refused("substring: negative length")
    if start < 0 or start >= len(units):
        return []
    return [Computed("String", from_units(units[start : start + length]))]


# --- operators ---


def _logical(operator: str, left: Expression, right: Expression, this: Items) -> bool | None:
    """Three-valued; the right side is not looked at if the left decides."""
    one = truth(evaluate(left, this))
    if operator == "implies":
        one = None if one is None else not one  # a implies b: not a or b
        operator = "or"
    if operator != "xor":
        decisive = operator == "or"
        if one is decisive:
            return decisive
        two = truth(evaluate(right, this))
        if two is decisive:
            return decisive
        return None if one is None or two is None else not decisive
    two = truth(evaluate(right, this))
    return None if one is None or two is None else one != two


def _operation(operator: str, left: list[Item], right: list[Item]) -> list[Item]:
    if operator == "|":
        return equality.union(left, right)
    if operator == "in":
        return _boolean(equality.is_member(left, right))
    if operator == "contains":
        return _boolean(equality.is_member(right, left))
    if operator == "~":
        return _boolean(equality.equivalent(left, right))
    if operator == "!~":
        return _boolean(not equality.equivalent(left, right))
    if operator == "=":
        return _boolean(equality.equal(left, right))
    if operator == "!=":
        same = equality.equal(left, right)
        return _boolean(None if same is None else not same)
    if operator in {"<", "<=", ">", ">="}:
        return _boolean(equality.ordered(operator, left, right))
    return _arithmetic(operator, left, right)


def _number(items: Items) -> int | Decimal:
    typed = value_of(items[0]) if len(items) == 1 else None
    if typed is None or not equality.is_number(typed[0]):
        raise Refused("arithmetic needs single numbers")
    assert isinstance(typed[1], int | Decimal)
    return typed[1]


def _minus(items: Items) -> list[Item]:
    if not items:
        return []
    number = _number(items)
    if isinstance(number, int):
        return [Computed("Integer", -number)]
    return [
        Computed("Decimal", equality.net_decimal(-Fraction(number), equality.decimals_of(number))),
    ]


def _arithmetic(operator: str, left: Items, right: Items) -> list[Item]:
    if not left or not right:
        return []
    if operator == "+" and len(left) == len(right) == 1:
        texts = [value_of(left[0]), value_of(right[0])]
        if all(typed is not None and typed[0] == "String" for typed in texts):
            return [Computed("String", "".join(str(typed[1]) for typed in texts if typed is not None))]
    one, two = _number(left), _number(right)
    if operator in {"/", "div"}:
        if two == 0:
            return []
        if operator == "div":
            return [Computed("Integer", equality.truncated_quotient(one, two))]
        return [Computed("Decimal", equality.net_quotient(one, two))]
    exact_one, exact_two = Fraction(one), Fraction(two)
    decimals = max(equality.decimals_of(one), equality.decimals_of(two))
    if operator == "+":
        exact = exact_one + exact_two
    elif operator == "-":
        exact = exact_one - exact_two
    else:
        exact = exact_one * exact_two
        decimals = equality.decimals_of(one) + equality.decimals_of(two)
    if isinstance(one, int) and isinstance(two, int):
        return [Computed("Integer", int(exact))]
    return [Computed("Decimal", equality.net_decimal(exact, decimals))]
