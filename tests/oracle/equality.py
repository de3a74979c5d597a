"""Values of items, and how they compare (2.4)."""

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from .errors import Refused
from .fhirpath_parser import Computed
from .node import INTEGERS, Node, Unworkable
from .temporal import Temporal, compare, read_temporal

Item = Node | Computed
TypedValue = tuple[str, bool | int | Decimal | str | Temporal]

_TEMPORAL_KINDS = {"date": "Date", "dateTime": "DateTime", "instant": "DateTime", "time": "Time"}
_NUMBERS = frozenset({"Integer", "Decimal"})
_DATES = frozenset({"Date", "DateTime"})


def value_of(item: Item) -> TypedValue | None:
    """Kind and value; None for complex nodes and primitives without value."""
    if isinstance(item, Computed):
        return item.kind, item.value
    value = item.value
    if value is None:
        return None
    if isinstance(value, bool):
        return "Boolean", value
    if item.type_key in INTEGERS:
        return "Integer", value
    if isinstance(value, Unworkable):
        raise Refused("a number that is too large to work with")
    if isinstance(value, Decimal):
        return "Decimal", value
    if item.type_key in _TEMPORAL_KINDS:
        kind = _TEMPORAL_KINDS[item.type_key]
        temporal = read_temporal(kind, str(value))
        if temporal is not None:
            return kind, temporal
    return "String", value


def is_number(kind: str) -> bool:
    """Whether values of that kind are counted with."""
    return kind in _NUMBERS


def _compared(left: TypedValue, right: TypedValue) -> int | str | None:
    """-1, 0, 1; None if undecidable; 'other' if the kinds do not go together."""
    (kind, one), (other_kind, two) = left, right
    if isinstance(one, Temporal) and isinstance(two, Temporal):
        if kind == other_kind or {kind, other_kind} == _DATES:
            return compare(one, two)
    elif isinstance(one, Temporal) or isinstance(two, Temporal):
        return "other"
    elif kind == other_kind == "String":
        units = str(one).encode("utf-16-be", "surrogatepass"), str(two).encode("utf-16-be", "surrogatepass")
        return (units[0] > units[1]) - (units[0] < units[1])
    elif kind == other_kind == "Boolean":
        return 0 if one == two else 1
    elif kind in _NUMBERS and other_kind in _NUMBERS:
        assert not isinstance(one, str) and not isinstance(two, str)
        return (one > two) - (one < two)
    return "other"


def equal_items(left: Item, right: Item) -> bool | None:
    """`=` of two items."""
    one, two = value_of(left), value_of(right)
    if one is not None and two is not None:
        result = _compared(one, two)
        return None if result is None else result == 0
    if one is not None or two is not None:
        return False
    assert isinstance(left, Node) and isinstance(right, Node)
    if len(left.children) != len(right.children):
        return False
    for child, other in zip(left.children, right.children, strict=True):
        same = equal_items(child, other) if child.name == other.name else False
        if same is not True:
            return same
    return True


def equal(left: Sequence[Item], right: Sequence[Item]) -> bool | None:
    """`=` of two collections; None is empty."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    for one, two in zip(left, right, strict=True):
        same = equal_items(one, two)
        if same is not True:
            return same
    return True


def equivalent_items(left: Item, right: Item) -> bool:
    """`~` of two items."""
    one, two = value_of(left), value_of(right)
    if one is None and two is None:
        assert isinstance(left, Node) and isinstance(right, Node)
        return _all_paired(left.children, right.children, same_name=True)
    if one is None or two is None:
        return False
    if one[0] in _NUMBERS and two[0] in _NUMBERS:
        return _equivalent_numbers(one[1], two[1])
    if one[0] != two[0]:
        return False
    if isinstance(one[1], Temporal) and isinstance(two[1], Temporal):
        return len(one[1].parts) == len(two[1].parts) and compare(one[1], two[1]) == 0
    if isinstance(one[1], str) and isinstance(two[1], str):
        return _folded(one[1]) == _folded(two[1])
    return one[1] == two[1]


def equivalent(left: Sequence[Item], right: Sequence[Item]) -> bool:
    """`~` of two collections."""
    return _all_paired(left, right, same_name=False)


def _all_paired(left: Sequence[Item], right: Sequence[Item], *, same_name: bool) -> bool:
    """Whether each item on the left finds its own partner on the right."""
    if len(left) != len(right):
        return False
    free = list(right)
    for one in left:
        for two in free:
            if same_name and isinstance(one, Node) and isinstance(two, Node) and one.name != two.name:
                continue
            if equivalent_items(one, two):
                free.remove(two)
                break
        else:
            return False
    return True


def _folded(text: str) -> str:
    return text.lower().translate({ord(blank): " " for blank in "\t\r\n"})


def _equivalent_numbers(one: object, two: object) -> bool:
    assert isinstance(one, int | Decimal) and isinstance(two, int | Decimal)
    decimals = min(decimals_of(one), decimals_of(two))
    return round(Fraction(one), decimals) == round(Fraction(two), decimals)


def decimals_of(number: int | Decimal) -> int:
    """How many digits stand behind the decimal point."""
    if isinstance(number, int):
        return 0
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def ordered(operator: str, left: Sequence[Item], right: Sequence[Item]) -> bool | None:
    """`<`, `<=`, `>`, `>=`; None is empty."""
    if not left or not right:
        return None
    if len(left) > 1 or len(right) > 1:
        raise Refused(f"{operator} compares single values")
    one, two = value_of(left[0]), value_of(right[0])
    if one is None or two is None or "Boolean" in {one[0], two[0]}:
        raise Refused(f"{operator} on something without order")
    result = _compared(one, two)
    if isinstance(result, str):
        raise Refused(f"{operator} on {one[0]} and {two[0]}")
    if result is None:
        return None
    return {"<": result < 0, "<=": result <= 0, ">": result > 0, ">=": result >= 0}[operator]


def is_member(item: Sequence[Item], collection: Sequence[Item]) -> bool:
    """`in`."""
    if len(item) > 1:
        raise Refused("in: more than one item")
    return any(equal_items(item[0], other) is True for other in collection) if item else False


def union(left: Sequence[Item], right: Sequence[Item]) -> list[Item]:
    """`|`: by value, so nodes get lost that have the value of an earlier one."""
    result: list[Item] = []
    for item in [*left, *right]:
        if not any(_same_sort(item, kept) and equal_items(kept, item) is True for kept in result):
            result.append(item)
    return result


def _same_sort(left: Item, right: Item) -> bool:
    one, two = value_of(left), value_of(right)
    if one is not None and two is not None:
        return one[0] == two[0]
    if one is None and two is None:
        assert isinstance(left, Node) and isinstance(right, Node)
        return left.type_name == right.type_name
    return False


# --- arithmetic, as .NET's decimal does it ---

_MOST_DECIMALS = 28
_COEFFICIENTS = 2**96


def net_decimal(exact: Fraction, decimals: int) -> Decimal:
    """The number with so many decimals, or with as many as .NET can hold, rounded half to even."""
    for places in range(min(decimals, _MOST_DECIMALS), -1, -1):
        coefficient = round(exact * 10**places)
        if abs(coefficient) < _COEFFICIENTS:
            sign = 1 if coefficient < 0 else 0
            return Decimal((sign, tuple(map(int, str(abs(coefficient)))), -places))
    raise Refused("a number is too large")


def net_quotient(one: int | Decimal, two: int | Decimal) -> Decimal:
    """one / two: as few decimals as it takes, but not fewer than the dividend has more than the divisor."""
    exact = Fraction(one) / Fraction(two)
    fewest = max(0, decimals_of(one) - decimals_of(two))
    result = net_decimal(exact, _MOST_DECIMALS)
    while decimals_of(result) > fewest and result.as_tuple().digits[-1] == 0:
        result = net_decimal(Fraction(result), decimals_of(result) - 1)
    return result


def truncated_quotient(one: int | Decimal, two: int | Decimal) -> int:
    """`div`: .NET rounds the quotient before it cuts the decimals off."""
    return math.trunc(net_quotient(one, two))
