"""Which elements no rule takes, worked out for all resource types: a walk in which no predicate holds.

Beside each node goes what it would be if a predicate at it or above it held, so that it can be told which rules would have
taken an element. What stands in extensions is not looked at one by one.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dimpflow.engine.compiled.selection import Arrival
from dimpflow.engine.methods.place import DATES
from dimpflow.engine.methods.scrub import TEXTS
from dimpflow.fhir.table import Element
from dimpflow.lint.identifying import EXTENSION, kind_of
from dimpflow.lint.survey import TYPES, Rules, State, Survey
from dimpflow.ruleset.rules import DateShift, Keep, Perturb, Scrub


class Leaf(NamedTuple):
    """A primitive element of a type, in whatever resource. owner: a type key; choice: whether it may have other types, too."""

    owner: str
    name: str
    type: str
    choice: bool
    kind: str


class Clear(NamedTuple):
    """Where a leaf is in clear. unless: numbers of rules, of whose conditions one has to hold for the leaf not to be; none if
    that is not so everywhere."""

    types: list[str]
    unless: frozenset[int]


class _Node(NamedTuple):
    """A node if no predicate holds, and what it would be by each predicate."""

    arrival: Arrival
    otherwise: frozenset[State]


_Left = tuple[Leaf, frozenset[int]]


class Leaves:
    """The walk; what was found out about a node once serves all resource types. asked: rules whose predicates to look at."""

    def __init__(self, survey: Survey, asked: Rules) -> None:
        self.survey = survey
        self.asked = asked
        self._known: dict[_Node, tuple[list[_Left], list[_Node]]] = {}

    def in_clear(self) -> dict[Leaf, Clear]:
        """The identifying leaves that no rule takes; one that a `keep` takes is meant to stay."""
        found: dict[Leaf, dict[str, list[frozenset[int]]]] = {}
        for type_ in TYPES:
            for leaf, unless in self._of_type(type_):
                found.setdefault(leaf, {}).setdefault(type_, []).append(unless)
        return {leaf: Clear(list(where), _everywhere(where.values())) for leaf, where in found.items()}

    def _of_type(self, type_: str) -> Iterator[_Left]:
        root = self._node(self.survey.root(type_), frozenset())
        seen, stack = {root}, [root]
        while stack:
            left, following = self._look(stack.pop())
            yield from left
            for node in following:
                if node not in seen:
                    seen.add(node)
                    stack.append(node)

    def _node(self, arrival: Arrival, others: Iterable[State]) -> _Node:
        states = [state for other in others for state in self.survey.answers(*other)]
        if not arrival.settled:
            states += list(self.survey.answers(arrival, self.asked))[1:]
        kept = (s for s in states if self._takes(s) or self.survey.goes_on(*s))
        return _Node(self.survey.unanswered(arrival), frozenset(kept))

    def _takes(self, state: State) -> bool:
        arrival, rules = state
        return arrival.taken is not None and arrival.taken.rule in rules

    def _look(self, node: _Node) -> tuple[list[_Left], list[_Node]]:
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._looked(node)
        return known

    def _looked(self, node: _Node) -> tuple[list[_Left], list[_Node]]:
        children = self.survey.walks.children
        owner = node.arrival.type
        others = [(children(arrival), rules) for arrival, rules in node.otherwise]
        left: list[_Left] = []
        following: list[_Node] = []
        for i, (element, child) in enumerate(children(node.arrival)):
            if element.resource or (owner == element.type == "Extension"):
                continue
            kind = kind_of(owner, element) if element.primitive else ""
            if element.primitive and not kind:
                continue
            inner = self._node(child, [(beside[i][1], rules) for beside, rules in others])
            if not self._in_clear(inner.arrival, element):
                continue
            if element.type == "Extension":
                left += [(leaf, unless) for leaf, unless in self._look(inner)[0] if leaf.kind == EXTENSION]
            elif element.primitive:
                left.append((_leaf(owner, element, kind), self._unless(inner, element)))
            else:
                following.append(inner)
        return left, following

    def _in_clear(self, arrival: Arrival, element: Element) -> bool:
        """Whether no rule takes the element, or only one that does nothing to an element of its type. Of an element with parts:
        whether that may be so of any of them."""
        if arrival.taken is None:
            return True
        method = self.survey.walks.method(arrival)
        if isinstance(method, DateShift):
            return element.type not in DATES
        if isinstance(method, Scrub):
            return element.type not in TEXTS
        return isinstance(method, Perturb)

    def _unless(self, leaf: _Node, element: Element) -> frozenset[int]:
        """Rules that take the leaf if a condition holds, and do something to it."""
        return frozenset(
            self.survey.rules[arrival.taken.rule].number
            for arrival, rules in leaf.otherwise
            if arrival.taken is not None
            and arrival.taken.rule in rules
            and not isinstance(self.survey.walks.method(arrival), Keep)
            and not self._in_clear(arrival, element)
        )


def _leaf(owner: str, element: Element, kind: str) -> Leaf:
    return Leaf(owner, element.name, element.type, element.choice, kind)


def _everywhere(where: Iterable[list[frozenset[int]]]) -> frozenset[int]:
    places = [unless for one in where for unless in one]
    return frozenset[int]().union(*places) if all(places) else frozenset()
