"""Which nodes of the R4 model the rules select: a walk of all resource types in which predicates have no answer yet.

A rule gets the most when its own predicates hold and those of all other rules do not. So where predicates are asked, two kinds
of answers tell everything about a rule: none of them holds, or the one that it waits for. The same predicate of two rules has
the same answer at a node.
"""

from collections.abc import Iterator, Sequence

from dimpflow.engine.compiled.selection import HOLDERS, OUTER, Arrival, Item, Selector, ways_of
from dimpflow.engine.compiled.walks import Walks
from dimpflow.engine.methods import Tools
from dimpflow.fhir.table import RESOURCE_TYPES, Element
from dimpflow.fhirpath.ast import Expression
from dimpflow.ruleset.rules import Rule, RuleSet

Rules = frozenset[int]
"""Indices of rules."""
State = tuple[Arrival, Rules]
"""A node, and the rules of which to find out what they select from there on."""
Sightings = dict[int, dict[Arrival, None]]
"""By index of the rule: nodes that it selects and takes, in the order in which they were met."""

TYPES = tuple(sorted(RESOURCE_TYPES))
MOST_ASKED = 24
"""Different predicates up to which rules are looked at together."""

_DEEPEST = 2
"""Resources stand at most this deep in others (a contained one in a Bundle)."""


class TooMuch(Exception):
    """The rules have so many conditions on so many nodes that a walk would take too long."""


class Effort:
    """How many nodes walks may still look at; counted, so that the same rule set always gets the same findings."""

    def __init__(self, left: int = 8_000) -> None:
        self.left = left

    def spend(self) -> None:
        """One more node. TooMuch if there were enough."""
        self.left -= 1
        if self.left < 0:
            raise TooMuch


class _Walks(Walks):
    """Walks that count."""

    effort = Effort()

    def children(self, arrival: Arrival) -> list[tuple[Element, Arrival]]:
        self.effort.spend()
        return super().children(arrival)


class Survey:
    """The walk for some rules of a rule set, over the model with extensions.

    wanted: the rules of which to find out something; all, if it is not given. alike: the same predicate of two rules has the
    same answer at a node. Not so where a rule between them may change what it looks at; each rule then waits for an answer of
    its own.
    """

    def __init__(
        self, rule_set: RuleSet, rules: Sequence[Rule], wanted: Rules | None = None, *, alike: bool = True
    ) -> None:
        self.rules = tuple(rules)
        self.wanted = frozenset(range(len(self.rules))) if wanted is None else wanted
        self.alike = alike
        self.selector = Selector(self.rules)
        self.walks = _Walks(self.selector, Tools(rule_set, _no_pseudonym), full=True)

    def allow(self, effort: Effort) -> None:
        """From here on the walks may look at so many nodes."""
        self.walks.effort = effort

    def root(self, type_: str) -> Arrival:
        """A resource."""
        return self.selector.arrive(type_, type_, self.selector.own_items(type_))

    def look(self, found: Sightings, fully: Rules = frozenset(), *, first: bool = False) -> None:
        """Finds a node that each of the wanted rules selects and takes; a rule of which there is none takes nothing, whatever
        the data.

        fully: rules of which more such nodes are wanted, but not those in extensions and in nested resources. first: one node
        of one of the rules is enough. TooMuch if it takes too long; what was found by then counts.
        """
        stack = [(self.root(type_), self.wanted, fully) for type_ in reversed(TYPES)]
        seen: dict[tuple[Arrival, Rules], list[Rules]] = {}
        while stack:
            arrival, rules, more = stack.pop()
            rules = rules.difference(found) | rules & more
            known = seen.setdefault((arrival, more), [])
            if any(rules <= others for others in known):
                continue
            known.append(rules)
            if arrival.type == "Extension":
                more = frozenset()
            for node, left in self.answers(arrival, rules):
                if node.selected is not None and node.selected in left:
                    found.setdefault(node.selected, {})[node] = None
                    if first:
                        return
                if self.goes_on(node, left):
                    stack.extend(self._below(node, left, more, found))

    def unanswered(self, arrival: Arrival) -> Arrival:
        """The node if no predicate holds."""
        return arrival if arrival.settled else self.selector.decide(arrival, frozenset())

    def answers(self, arrival: Arrival, rules: Rules) -> Iterator[State]:
        """What a node can become: first if no predicate holds, then by each predicate that one of the rules waits for."""
        if arrival.settled:
            yield arrival, rules
            return
        yield self.unanswered(arrival), rules
        groups: dict[object, set[Item]] = {}
        for item in sorted(arrival.open):
            condition = self.selector.condition(item)
            groups.setdefault(condition if self.alike else (condition, item.rule), set()).add(item)
        for group in groups.values():
            waiting = rules & {item.rule for item in group}
            if waiting:
                self.walks.effort.spend()
                yield from self.answers(self.selector.decide(arrival, frozenset(group)), waiting)

    def goes_on(self, node: Arrival, rules: Rules) -> bool:
        """Whether one of the rules can still take something below a node."""
        taken = node.taken
        return any(
            item.rule in rules
            and (
                taken is None
                or item.rank < taken.rank
                or node.type in HOLDERS
                or self.rules[taken.rule].strict
            )
            for item in node.below
        )

    def _below(
        self, node: Arrival, rules: Rules, more: Rules, found: Sightings
    ) -> Iterator[tuple[Arrival, Rules, Rules]]:
        for element, child in self.walks.children(node):
            if not element.resource:
                yield child, rules, more
                continue
            here = self.selector.into(node, element)
            deep = {item for item in here if item.rank < -_DEEPEST * OUTER}
            for item in deep:  # no data are nested that deep, so it may select anything there
                if item.rule in rules:
                    found.setdefault(item.rule, {})
            here -= deep
            outer = rules.difference(found) & {item.rule for item in here}
            for type_ in TYPES if outer else ():
                items = self.selector.own_items(type_) | here
                yield self.selector.arrive(type_, element.name, items), outer, frozenset()


def surveys(rule_set: RuleSet) -> list[Survey]:
    """Surveys that tell about each rule of a rule set once. A rule with a condition minds only rules without one and those with
    its own, so a rule set with many conditions is looked at in parts, or each node would have to answer all of them."""
    parts: list[tuple[set[Expression], list[int]]] = [(set(), [])]
    always: list[int] = []
    for i, rule in enumerate(rule_set.rules):
        asked = _conditions(rule)
        if not asked:
            always.append(i)
            continue
        related = [part for part in parts if part[0] & asked]
        parts = [part for part in parts if part not in related]
        conditions, rules = asked.union(*(c for c, _ in related)), [i for _, r in related for i in r] + [i]
        if not related and parts and len(parts[-1][0]) + len(asked) <= MOST_ASKED:
            more, others = parts.pop()
            conditions, rules = more | conditions, others + rules
        parts.append((conditions, rules))
    found = []
    for number, (_, own) in enumerate(parts):
        chosen = sorted([*always, *own])
        wanted = own if number else chosen
        found.append(
            Survey(
                rule_set,
                [rule_set.rules[i] for i in chosen],
                frozenset(chosen.index(i) for i in wanted),
            )
        )
    return found


def _conditions(rule: Rule) -> set[Expression]:
    steps = (step for way in ways_of(rule) or () for step in way)
    return {step.condition for step in steps if step.condition is not None}


def _no_pseudonym(domain: str, original: str) -> str:
    raise AssertionError("a linter sees no data")
