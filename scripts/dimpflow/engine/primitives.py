"""What is done to a primitive that may have something beside it, or whose rule depends on a predicate.

The compiled walk treats plain values in line; these functions serve everything else. They take and give a value and what
stands beside it (an Element Struct), UNSET or None where there is none.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from dimpflow.engine.labels import GONE
from dimpflow.errors import LineError
from dimpflow.fhir.model import Node, sibling
from dimpflow.fhir.table import Element

Action = Callable[[Any, Any], tuple[Any, Any, int]]
"""(value, beside) to (value, beside, operations)."""

_NUMBER_START = frozenset(b"-0123456789")


def check_number(raw: Any) -> None:
    """LineError unless a decimal, which was decoded unread, is a JSON number."""
    if bytes(raw)[0] not in _NUMBER_START:
        raise LineError("expected a number for a decimal")


def _absent(value: Any) -> bool:
    return value is UNSET or value is None


def action(
    *,
    operation: Callable[[Any], Any] | None,
    bit: int,
    remove: bool,
    beside: Callable[[Node], int] | None,
    matched: Callable[[], None] | None,
    changed: Callable[[], None] | None,
) -> Action:
    """The action of a settled primitive.

    operation: None leaves the value; bit: what it records; remove: everything goes at once; beside: the walk of what
    stands beside, None if there is nothing to do there.
    """

    def act(value: Any, other: Any) -> tuple[Any, Any, int]:
        operations = 0
        if matched is not None:
            matched()
        if remove:
            if changed is not None:
                changed()
            return UNSET, UNSET, bit
        if operation is not None and not _absent(value):
            value = operation(value)
            operations = bit
            if changed is not None:
                changed()
        if beside is not None and not _absent(other):
            done = beside(other)
            if done & GONE:
                other = UNSET
            operations |= done & ~GONE
        return value, other, operations

    return act


def clear(value: Any) -> Any:
    """The operation of redact."""
    return UNSET


def on_element(element: Element, act: Action, beside: bool) -> Callable[[Node], int]:
    """An action for the element of an object, one value or many; what is left empty goes."""
    attr = element.attr
    other_attr = sibling(attr) if beside else None

    def one(node: Node) -> int:
        value = getattr(node, attr)
        other = getattr(node, other_attr) if other_attr else UNSET
        if value is UNSET and other is UNSET:
            return 0
        value, other, operations = act(value, other)
        setattr(node, attr, value)
        if other_attr:
            setattr(node, other_attr, other)
        return operations

    def many(node: Node) -> int:
        values = getattr(node, attr)
        others = getattr(node, other_attr) if other_attr else UNSET
        if values is UNSET and others is UNSET:
            return 0
        left = [] if values is UNSET else values
        right = [] if others is UNSET else others
        count = max(len(left), len(right))
        operations, pairs = 0, []
        for i in range(count):
            value, other, done = act(left[i] if i < len(left) else None, right[i] if i < len(right) else None)
            operations |= done
            if not (_absent(value) and _absent(other)):
                pairs.append((None if value is UNSET else value, None if other is UNSET else other))
        new_values, new_others = [p[0] for p in pairs], [p[1] for p in pairs]
        setattr(node, attr, UNSET if all(v is None for v in new_values) else new_values)
        if other_attr:
            setattr(node, other_attr, UNSET if all(o is None for o in new_others) else new_others)
        return operations

    return many if element.many else one
