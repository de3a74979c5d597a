"""Operators on items and collections (FHIRPath 2.0.0, section 6; specification of the rules, section 2.4).

Results are True, False, or None for the empty collection (undecidable).
"""

from decimal import Decimal
from typing import Any

from dimpflow.errors import LineError
from dimpflow.fhirpath import numbers
from dimpflow.fhirpath.items import MOMENTS, Computed, Item
from dimpflow.fhirpath.moments import Moment, compare, parse

Items = list[Item]
NUMBERS = ("Integer", "Decimal")
_DATES = ("Date", "DateTime")


def truth(items: Items) -> bool | None:
    """A collection as a condition: a single boolean is itself, anything else that is not empty is true."""
    if not items:
        return None
    if len(items) == 1 and items[0].kind == "Boolean":
        return bool(items[0].value)
    return True


def single(items: Items, what: str) -> Item:
    """The only item of a collection that is not empty."""
    if len(items) > 1:
        raise LineError(f"{what} needs a single item, but the path gives several")
    return items[0]


def _moments(left: Item, right: Item) -> tuple[Moment, Moment, bool] | None:
    if (left.kind == right.kind and left.kind in MOMENTS) or (left.kind in _DATES and right.kind in _DATES):
        one, other = parse(left.kind, left.value), parse(right.kind, right.value)
        if one and other:
            return one, other, left.kind == "Time"
    return None


def equal_items(left: Item, right: Item) -> bool | None:
    """`=` of two items; nodes without a value are compared by their children."""
    if not left.kind and not right.kind:
        ours, theirs = left.children(), right.children()
        if [c.name for c in ours] != [c.name for c in theirs]:
            return False
        return _all_equal(ours, theirs)
    if not left.kind or not right.kind:
        return False
    moments = _moments(left, right)
    if moments:
        order = compare(moments[0], moments[1], time=moments[2])
        return None if order is None else order == 0
    if left.kind in NUMBERS and right.kind in NUMBERS:
        return bool(left.value == right.value)
    return left.kind == right.kind and bool(left.value == right.value)


def _all_equal(left: Items, right: Items) -> bool | None:
    for one, other in zip(left, right, strict=True):
        result = equal_items(one, other)
        if result is not True:
            return result
    return True


def equal(left: Items, right: Items) -> bool | None:
    """`=` of two collections: pairwise; another number of items is false."""
    if not left or not right:
        return None
    return _all_equal(left, right) if len(left) == len(right) else False


def _folded(text: str) -> str:
    return text.lower().translate({9: " ", 10: " ", 13: " "})


def _decimals(number: int | Decimal) -> int:
    exponent = Decimal(number).as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def equivalent_items(left: Item, right: Item) -> bool:
    """`~` of two items."""
    if not left.kind and not right.kind:
        return _matched(left.children(), right.children(), names=True)
    if left.kind in NUMBERS and right.kind in NUMBERS:
        decimals = min(_decimals(left.value), _decimals(right.value))
        one, other = (numbers.to_decimals(Decimal(item.value), decimals) for item in (left, right))
        return one == other
    if left.kind != right.kind:
        return False
    if left.kind == "String":
        return _folded(left.value) == _folded(right.value)
    return equal_items(left, right) is True


def _matched(left: Items, right: Items, *, names: bool = False) -> bool:
    """Whether each item has an equivalent one on the other side, none used twice."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for one in left:
        found = next(
            (o for o in rest if (not names or o.name == one.name) and equivalent_items(one, o)), None
        )
        if found is None:
            return False
        rest = [o for o in rest if o is not found]
    return True


def equivalent(left: Items, right: Items) -> bool:
    """`~` of two collections, in any order; never undecidable."""
    return _matched(left, right)


def ordered(operator: str, left: Items, right: Items) -> bool | None:
    """`<`, `<=`, `>` and `>=`. LineError where the two cannot be compared."""
    if not left or not right:
        return None
    one, other = single(left, operator), single(right, operator)
    moments = _moments(one, other)
    order: int | None
    if moments:
        order = compare(moments[0], moments[1], time=moments[2])
    elif one.kind in NUMBERS and other.kind in NUMBERS:
        order = (one.value > other.value) - (one.value < other.value)
    elif one.kind == other.kind == "String":
        first, second = (i.value.encode("utf-16-be", "surrogatepass") for i in (one, other))
        order = (first > second) - (first < second)
    else:
        raise LineError(f"{operator} cannot compare what stands on its two sides")
    if order is None:
        return None
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def member(wanted: Items, items: Items) -> bool:
    """`in`: whether one of the items equals the wanted one; false if there is none."""
    if not wanted:
        return False
    one = single(wanted, "in")
    return any(equal_items(item, one) is True for item in items)


def union(left: Items, right: Items, *, by_identity: bool) -> Items:
    """`|`: without duplicates. by_identity: a node is a duplicate only of itself, not of a node with an equal value."""
    kept: Items = []
    for item in [*left, *right]:
        if not any(_duplicate(item, other, by_identity=by_identity) for other in kept):
            kept.append(item)
    return kept


def _duplicate(item: Item, other: Item, *, by_identity: bool) -> bool:
    if by_identity and (item.identity is not None or other.identity is not None):
        return bool(item.identity == other.identity)
    if item.kind != other.kind or (not item.kind and item.type != other.type):
        return False
    return equal_items(item, other) is True


def calculate(operator: str, left: Items, right: Items) -> Items:
    """`+ - * / div`; `+` joins two texts as well."""
    if not left or not right:
        return []
    one, other = single(left, operator), single(right, operator)
    if operator == "+" and one.kind == other.kind == "String":
        return [Computed("String", one.value + other.value)]
    if one.kind not in NUMBERS or other.kind not in NUMBERS:
        raise LineError(f"{operator} cannot calculate with what stands on its two sides")
    return _calculated(operator, one.value, other.value, one.kind == other.kind == "Integer")


def _calculated(operator: str, left: Any, right: Any, whole: bool) -> Items:
    one, other = Decimal(left), Decimal(right)
    if operator in ("/", "div") and not other:
        return []
    function = {
        "+": numbers.add,
        "-": numbers.subtract,
        "*": numbers.multiply,
        "/": numbers.divide,
        "div": numbers.divide,
    }[operator]
    result = function(one, other)
    if result is None:
        raise LineError(f"the result of {operator} is too large")
    if operator == "div" or (whole and operator != "/"):
        return [Computed("Integer", int(result))]
    return [Computed("Decimal", result)]
