"""What is done to a primitive that may have something beside it, or whose rule depends on a predicate.

The compiled walk treats plain values in line; these functions serve everything else. They take and give a value and what
stands beside it (an Element Struct), UNSET or None where there is none.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from dimpflow.engine.items import ValueItem
from dimpflow.engine.labels import GONE
from dimpflow.engine.methods import Work
from dimpflow.engine.methods.place import Operation, Place
from dimpflow.fhir.model import Node, sibling
from dimpflow.fhir.table import Element

Action = Callable[[Any, Any, Any], tuple[Any, Any, int]]
"""(value, beside, tally) to (value, beside, operations)."""


def absent(value: Any) -> bool:
    """Whether there is no value: not given, or only its place in a list held."""
    return value is UNSET or value is None


def action(
    *,
    place: Place,
    work: Work | None,
    check: Operation | None,
    level: int,
    remove: int,
    beside: Callable[[Node, Any], int] | None,
    aside: Callable[[Node, Any], int] | None,
    ticks: list[int],
    rule: int,
    matched: int,
    changed: int,
) -> Action:
    """The action of a settled primitive.

    work: None leaves the value; check: what a value has to pass first; level: by how many bits its operations are moved;
    remove: everything goes at once, and this is recorded; beside: the walk of what stands beside, None if there is nothing to
    do there; aside: the same, where a value was there; ticks, rule: which of them moves where the rule in effect changes
    something; matched, changed: where in its tally the primitive is counted, 0 for nowhere.
    """
    always = work is not None and work.always

    def act(value: Any, other: Any, tally: Any) -> tuple[Any, Any, int]:
        operations = 0
        before = ticks[rule]
        if matched:
            tally[matched] += 1
        present = not absent(value)
        if check is not None and present:
            value = check(value)
        if work is not None and (present or always):
            new, done = _worked(work, place, value, other)
            operations = done << level
            if always or new != value:
                ticks[rule] += 1
            value = new
        if beside is not None and not absent(other):
            done = (aside if aside is not None and present else beside)(other, tally)
            if done & GONE:
                other = UNSET
            operations |= done & ~GONE
        if changed and (remove or ticks[rule] != before):
            tally[changed] += 1
        if remove:
            return UNSET, UNSET, operations | remove
        return value, other, operations

    return act


def _worked(work: Work, place: Place, value: Any, beside: Any) -> tuple[Any, int]:
    if work.item:
        item = ValueItem(value, place.type, place.name, beside)
        return work.function(value, item), work.bit
    if work.paired:
        done: tuple[Any, int] = work.function(value)
        return done
    return work.function(value), work.bit


def on_element(element: Element, act: Action, beside: bool) -> Callable[[Node, Any], int]:
    """An action for the element of an object, one value or many; what is left empty goes."""
    attr = element.attr
    other_attr = sibling(attr) if beside else None

    def one(node: Node, tally: Any) -> int:
        value = getattr(node, attr)
        other = getattr(node, other_attr) if other_attr else UNSET
        if value is UNSET and other is UNSET:
            return 0
        value, other, operations = act(value, other, tally)
        setattr(node, attr, value)
        if other_attr:
            setattr(node, other_attr, other)
        return operations

    def many(node: Node, tally: Any) -> int:
        values = getattr(node, attr)
        others = getattr(node, other_attr) if other_attr else UNSET
        if values is UNSET and others is UNSET:
            return 0
        left = [] if values is UNSET else values
        right = [] if others is UNSET else others
        operations, pairs = 0, []
        for i in range(max(len(left), len(right))):
            value, other = left[i] if i < len(left) else None, right[i] if i < len(right) else None
            if value is None and other is None:
                continue
            value, other, done = act(value, other, tally)
            operations |= done
            if not (absent(value) and absent(other)):
                pairs.append((None if value is UNSET else value, None if other is UNSET else other))
        new_values, new_others = [p[0] for p in pairs], [p[1] for p in pairs]
        setattr(node, attr, UNSET if all(v is None for v in new_values) else new_values)
        if other_attr:
            setattr(node, other_attr, UNSET if all(o is None for o in new_others) else new_others)
        return operations

    return many if element.many else one
