"""Which nodes a rule selects, decided while walking down a resource (specification of the rules, sections 2.2 and 2.3).

A path is a list of steps. An *item* is a rule on its way down: it says which step comes next. Because a node belongs to the
first rule that reaches it, and a rule holds for all below the node it selected, the rule that is in effect at a node is the
one with the smallest rank of all that selected it or a node above it in the same resource. So all rules run in one walk from
the top; only predicates have to look at the data, everything else follows from the types.
"""

from dataclasses import dataclass
from typing import NamedTuple

from dimpflow.errors import RuleSetError
from dimpflow.fhir.table import Element, type_name
from dimpflow.ruleset.ast import Call, Expression, Literal, Member, This, TypeTest
from dimpflow.ruleset.rules import Rule

OUTER = 1_000_000
"""What a rank loses on its way into a nested resource: rules of the outer resource come first, in whatever order."""


class Step(NamedTuple):
    """kind: child, byType, type (go on only for that type) or where; name: of the child or type."""

    kind: str
    name: str = ""
    condition: Expression | None = None


class Item(NamedTuple):
    """A rule on its way. rank: smaller wins; rule: index in the rule set; step: index of the step that comes next."""

    rank: int
    rule: int
    step: int


class Taken(NamedTuple):
    """The rule in effect at a node."""

    rank: int
    rule: int


def steps_of(rule: Rule) -> tuple[Step, ...]:
    """The steps of a rule's path; none for a rule that selects the resource itself."""
    return tuple(_steps(rule.expression)) if rule.expression is not None else ()


def _steps(expression: Expression | None) -> list[Step]:
    match expression:
        case None | This():
            return []
        case Member(focus=focus, name=name):
            return [*_steps(focus), Step("type" if name[0].isupper() else "child", name)]
        case TypeTest(operand=operand, type=type_):
            return [*_steps(operand), Step("ofType", type_)]
        case Call(focus=focus, name="nodesByType", arguments=(Literal(value=str() as name),)):
            return [*_steps(focus), Step("byType", name)]
        case Call(focus=focus, name="where", arguments=(condition,)):
            return [*_steps(focus), Step("where", condition=condition)]
    raise RuleSetError(f"{type(expression).__name__.lower()} is not available in a path")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A node as the walk reaches it, as far as types tell.

    type: its type key, or primitive type; below: items that wait for its children; taken: the rule in effect;
    selected: the rule that selected this very node, None if the one in effect came from above;
    open: items that wait for a predicate.
    """

    type: str
    below: frozenset[Item]
    taken: Taken | None
    selected: int | None
    open: frozenset[Item]

    @property
    def settled(self) -> bool:
        """Whether no predicate needs to be asked."""
        return not self.open


class Selector:
    """The steps of all rules, and how items move along them."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self.steps = tuple(steps_of(rule) for rule in rules)

    def own_items(self, resource_type: str) -> frozenset[Item]:
        """The items with which the walk of a resource starts."""
        return frozenset(Item(i, i, 0) for i, rule in enumerate(self.rules) if rule.applies_to(resource_type))

    def condition(self, item: Item) -> Expression:
        """The predicate that an open item waits for."""
        condition = self.steps[item.rule][item.step].condition
        assert condition is not None
        return condition

    def arrive(self, type_: str, here: frozenset[Item], inherited: Taken | None = None) -> Arrival:
        """A node of a type, reached by the items `here`, below a node where `inherited` is in effect."""
        return self._move(type_, set(here), set(), inherited, None)

    def decide(self, arrival: Arrival, true: frozenset[Item]) -> Arrival:
        """The same node, now that the predicates of all open items were asked; `true` are those that passed."""
        here = {item._replace(step=item.step + 1) for item in true}
        return self._move(arrival.type, here, set(arrival.below), arrival.taken, arrival.selected)

    def _move(
        self, type_: str, here: set[Item], below: set[Item], taken: Taken | None, selected: int | None
    ) -> Arrival:
        name = type_name(type_)
        waiting: set[Item] = set()
        while here:
            item = here.pop()
            steps = self.steps[item.rule]
            if item.step == len(steps):
                if taken is None or item.rank < taken.rank:
                    taken, selected = Taken(item.rank, item.rule), item.rule
                continue
            step = steps[item.step]
            further = item._replace(step=item.step + 1)
            match step.kind:
                case "child":
                    below.add(item)
                case "byType":
                    below.add(item)
                    if step.name == name:
                        here.add(further)
                case "type":
                    if step.name in (name, "Resource", "DomainResource"):
                        here.add(further)
                case "ofType":
                    if step.name == name:
                        here.add(further)
                case _:
                    waiting.add(item)
        return Arrival(type_, _winning(below, taken), taken, selected, _winning(waiting, taken))

    def into(self, arrival: Arrival, child: Element) -> frozenset[Item]:
        """The items that go on from a settled node into one of its children; for a nested resource with outer ranks."""
        found = set()
        for item in arrival.below:
            step = self.steps[item.rule][item.step]
            if step.kind == "child" and step.name == child.name:
                found.add(item._replace(step=item.step + 1))
            elif step.kind == "byType" and not child.resource:
                found.add(item)
        if child.resource:
            return frozenset(item._replace(rank=item.rank - OUTER) for item in found)
        return frozenset(found)


def _winning(items: set[Item], taken: Taken | None) -> frozenset[Item]:
    """Items that can still win against the rule in effect."""
    return frozenset(items if taken is None else (item for item in items if item.rank < taken.rank))
