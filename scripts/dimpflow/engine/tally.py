"""Where walks count: numbers in lists, one list for each path on which a walk has passed.

A compiled walk serves many places: the same code goes through `Patient.name` and `Practitioner.name`. So it does not know where it
is, but gets a list to count in, and hands on a list of the next path to each walk that it calls. What the numbers of a list mean
stands in its layout, which all lists of one walk share; the first thing in a list is its layout. Counting so costs no more than
counting by rule alone, and nothing has to be looked up by a path until all are added up.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

Weights: TypeAlias = tuple[int, int, int]
MATCHED: Weights = (1, 0, 0)
CHANGED: Weights = (0, 1, 0)
BOTH: Weights = (1, 1, 0)
UNCHANGED: Weights = (0, -1, 0)
"""Takes back half of BOTH."""
WITHIN: Weights = (0, 0, 1)

Counts: TypeAlias = dict[tuple[int, str], list[int]]
"""By index of the rule and path of the element (it begins with the type of the nearest resource; no indexes): elements that the rule
took there; those of them in which it changed something; elements that it changed something in as a part of a resource that it took
as a whole."""


class Slot(NamedTuple):
    """What stands at one place of a tally: a number, or another tally once `make` was called.

    path: below the node whose tally it is; rule: index; weights: what the number counts for.
    """

    path: str
    rule: int = -1
    weights: Weights = (0, 0, 0)
    make: "NewTally | None" = None


class Layout:
    """The slots of one walk, as source text asks for them; the tally is the local name `k` there."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []

    def count(self, weights: Weights, rule: int, path: str) -> int:
        """The index of a number."""
        return self._index(Slot(path, rule, weights))

    def part(self, path: str, make: "NewTally") -> str:
        """An expression for the tally of another walk; `new` is `new_part`."""
        index = self.add_part(path, make)
        return f"k[{index}] or new(k, {index})"

    def add_part(self, path: str, make: "NewTally") -> int:
        """The index of the tally of another walk."""
        return self._index(Slot(path, make=make))

    def adopt(self, other: "Layout", path: str) -> int:
        """Takes in the slots of a walk that stands in line; gives what its indexes have to be raised by."""
        moved = len(self.slots)
        self.slots += [slot._replace(path=path + slot.path) for slot in other.slots]
        return moved

    def tally(self) -> list[Any]:
        """A new tally."""
        return [self, *[None if slot.make else 0 for slot in self.slots]]

    def _index(self, slot: Slot) -> int:
        self.slots.append(slot)
        return len(self.slots)


class Asked(dict[int, tuple[Any, Any]]):
    """By the answers to the predicates at a node: what is done then, and the tally for it.

    answered: gives for the answers what is done and what makes its tally.
    """

    def __init__(self, answered: Callable[[int], tuple[Any, "NewTally"]]) -> None:
        super().__init__()
        self._answered = answered

    def __missing__(self, answers: int) -> tuple[Any, Any]:
        done, make = self._answered(answers)
        found = self[answers] = (done, make())
        return found


Tally: TypeAlias = list[Any] | Asked
NewTally: TypeAlias = Callable[[], Tally]


def new_part(tally: list[Any], index: int) -> Tally:
    """Makes the tally of a further path."""
    make = tally[0].slots[index - 1].make
    made: Tally = make()
    tally[index] = made
    return made


def add(counts: Counts, rule: int, path: str, number: int, weights: Weights) -> None:
    """Adds a number of elements."""
    known = counts.setdefault((rule, path), [0, 0, 0])
    for i, weight in enumerate(weights):
        known[i] += number * weight


def add_up(tally: Tally, path: str, counts: Counts) -> None:
    """Adds all that a tally and those below it have counted. path: of the node."""
    if isinstance(tally, Asked):
        for _, part in tally.values():
            add_up(part, path, counts)
        return
    for slot, value in zip(tally[0].slots, tally[1:], strict=True):
        if not value:
            continue
        if slot.make:
            add_up(value, path + slot.path, counts)
        else:
            add(counts, slot.rule, path + slot.path, value, slot.weights)
