"""Which nodes of the R4 model the rules select: a walk of all resource types in which predicates have no answer yet.

A rule gets the most when its own predicates hold and those of all other rules do not. So where predicates are asked, two kinds
of answers tell everything about a rule: none of them holds, or the one that it waits for. The same predicate of two rules has
the same answer at a node.
"""

from collections.abc import Iterable, Iterator, Sequence

from dimpflow.engine.compiled.selection import HOLDERS, OUTER, Arrival, Item, Selector
from dimpflow.engine.compiled.walks import Walks
from dimpflow.engine.methods import Tools
from dimpflow.fhir.table import RESOURCE_TYPES, Element
from dimpflow.ruleset.rules import Rule, RuleSet

Rules = frozenset[int]
"""Indices of rules."""
State = tuple[Arrival, Rules]
"""A node, and the rules of which to find out what they select from there on."""
Sightings = dict[int, dict[Arrival, None]]
"""By index of the rule: nodes that it selects and takes, in the order in which they were met."""

TYPES = tuple(sorted(RESOURCE_TYPES))
_DEEPEST = 2
"""Resources stand at most this deep in others (a contained one in a Bundle)."""


class Survey:
    """The walk for some rules of a rule set, over the model with extensions.

    alike: the same predicate of two rules has the same answer at a node. Not so where a rule between them may change what it
    looks at; each rule then waits for an answer of its own.
    """

    def __init__(self, rule_set: RuleSet, rules: Sequence[Rule], *, alike: bool = True) -> None:
        self.rule_set = rule_set
        self.rules = tuple(rules)
        self.alike = alike
        self.selector = Selector(self.rules)
        self.walks = Walks(self.selector, Tools(rule_set, _no_pseudonym), full=True)
        self.most_asked = 0
        """The largest number of predicates met at a node."""

    def root(self, type_: str) -> Arrival:
        """A resource."""
        return self.selector.arrive(type_, type_, self.selector.own_items(type_))

    def sightings(self, wanted: Rules, fully: Rules = frozenset(), *, first: bool = False) -> Sightings:
        """A node that each of the wanted rules selects and takes; a rule that is not there takes nothing, whatever the data.

        fully: rules of which all such nodes are wanted, but those in extensions and in nested resources. first: one node of
        one of the rules is enough.
        """
        found: Sightings = {}
        stack: list[State] = [(self.root(type_), wanted) for type_ in reversed(TYPES)]
        seen: set[State] = set()
        while stack:
            arrival, rules = stack.pop()
            state = arrival, rules.difference(found) | rules & fully
            if state in seen:
                continue
            seen.add(state)
            for node, rules in self.answers(*state):
                if node.selected is not None and node.selected in rules:
                    found.setdefault(node.selected, {})[node] = None
                    if first:
                        return found
                if node.type == "Extension":
                    rules = rules.difference(found)
                if self.goes_on(node, rules):
                    stack.extend(self._below(node, rules, found))
        return found

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
        self.most_asked = max(self.most_asked, len(groups))
        for group in groups.values():
            waiting = rules & {item.rule for item in group}
            if waiting:
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

    def _below(self, node: Arrival, rules: Rules, found: Sightings) -> Iterator[State]:
        for element, child in self.walks.children(node):
            if not element.resource:
                yield child, rules
                continue
            here = self.selector.into(node, element)
            outer = rules.difference(found) & {item.rule for item in here}
            if outer and min(here).rank < -_DEEPEST * OUTER:
                for rule in outer:  # no data are nested that deep, so it may select anything there
                    found.setdefault(rule, {})
            elif outer:
                yield from self._nested(element, here, outer)

    def _nested(self, element: Element, here: frozenset[Item], outer: Rules) -> Iterator[State]:
        for type_ in TYPES:
            items = self.selector.own_items(type_) | here
            yield self.selector.arrive(type_, element.name, items), outer


def takes_something(rule_set: RuleSet, earlier: Iterable[Rule], rule: Rule, *, alike: bool) -> bool:
    """Whether a rule takes any node when only these others stand before it."""
    rules = [*earlier, rule]
    return bool(Survey(rule_set, rules, alike=alike).sightings(frozenset((len(rules) - 1,)), first=True))


def _no_pseudonym(domain: str, original: str) -> str:
    raise AssertionError("a linter sees no data")
