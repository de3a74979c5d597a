"""Which nodes a rule selects, decided while walking down a resource (specification of the rules, sections 2.2 and 2.3).

A path is a list of steps. An *item* is a rule on its way down: it says which step comes next. Because a node belongs to the
first rule that reaches it, and a rule holds for all below the node it selected, the rule that is in effect at a node is the
one with the smallest rank of all that selected it or a node above it in the same resource. So all rules run in one walk from
the top; only predicates have to look at the data, everything else follows from the types.

Paths that cannot be followed this way (a union by value, first(), an index, iif, ...) have no steps here.
"""

from dataclasses import dataclass
from typing import NamedTuple

from dimpflow.fhir.table import RESOURCE_TYPES, Element, elements, type_keys, type_name
from dimpflow.fhirpath.ast import Binary, Call, Expression, Literal, Member, This, TypeTest
from dimpflow.fhirpath.check import may_fail
from dimpflow.ruleset.rules import VALUE_METHODS, Remove, Rule, Substitute

OUTER = 1_000_000
"""What a rank loses on its way into a nested resource: rules of the outer resource come first, in whatever order."""


def _holders() -> frozenset[str]:
    """Types below which nested resources can stand; the rule in effect at a node does not hold in those."""
    found: set[str] = set()
    grown = True
    while grown:
        grown = False
        for key in type_keys():
            if key not in found and any(e.resource or e.type in found for e in elements(key)):
                found.add(key)
                grown = True
    return frozenset(found)


HOLDERS = _holders()


class Step(NamedTuple):
    """One step of a path.

    kind: child, byType and byName (the node and all below it that fit, not in nested resources), below (all below, nested
    resources too), any (children of any name), type and ofType (go on only for that type), where; name: of the child or type.
    """

    kind: str
    name: str = ""
    condition: Expression | None = None


Way = tuple[Step, ...]


class Item(NamedTuple):
    """A rule on its way. rank: smaller wins; rule: index in the rule set; way: which of its ways; step: the one that comes next."""

    rank: int
    rule: int
    way: int
    step: int


class Taken(NamedTuple):
    """The rule in effect at a node."""

    rank: int
    rule: int


class _NoSteps(Exception):
    """The path cannot be followed step by step."""


def ways_of(rule: Rule) -> tuple[Way, ...] | None:
    """The steps of a rule's path, for each of its alternatives; None for a path that cannot be followed so.

    A rule that selects the resource itself has one way without steps. A union of paths gives alternatives only in strict
    mode, where it is one of nodes; by value, it depends on all nodes at once.
    """
    if rule.expression is None:
        return ((),)
    try:
        return tuple(_ways(rule.expression, rule.strict))
    except _NoSteps:
        return None


def _ways(expression: Expression | None, strict: bool) -> list[Way]:
    match expression:
        case None | This():
            return [()]
        case Member(focus=focus, name=name):
            return _then(focus, Step("type" if name[:1].isupper() else "child", name), strict)
        case TypeTest(operator="as" | "ofType", operand=operand, type=type_):
            return _then(operand, Step("ofType", type_), strict)
        case Call(focus=focus, name="nodesByType", arguments=(Literal(value=str() as name),)):
            return _then(focus, Step("byType", name), strict)
        case Call(focus=focus, name="nodesByName", arguments=(Literal(value=str() as name),)):
            return _then(focus, Step("byName", name), strict)
        case Call(focus=focus, name="where", arguments=(condition,)):
            return _then(focus, Step("where", condition=condition), strict)
        case Call(focus=focus, name="descendants"):
            return _then(focus, Step("below"), strict)
        case Call(focus=focus, name="children"):
            return _then(focus, Step("any"), strict)
        case Call(focus=focus, name="select", arguments=(inner,)):
            return [one + other for one in _ways(focus, strict) for other in _ways(inner, strict)]
        case Binary(operator="|", left=left, right=right) if strict:
            return [*_ways(left, strict), *_ways(right, strict)]
    raise _NoSteps


def _then(focus: Expression | None, step: Step, strict: bool) -> list[Way]:
    return [(*way, step) for way in _ways(focus, strict)]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A node as the walk reaches it, as far as types tell.

    type: its type key, or primitive type; name: its FHIR name, if a rule asks for names; below: items that wait for its
    children; taken: the rule in effect; selected: the rule that selected this very node, None if the one in effect came from
    above; open: items that wait for a predicate.
    """

    type: str
    name: str
    below: frozenset[Item]
    taken: Taken | None
    selected: int | None
    open: frozenset[Item]

    @property
    def settled(self) -> bool:
        """Whether no predicate needs to be asked."""
        return not self.open


NOWHERE = Arrival("", "", frozenset(), None, None, frozenset())
"""No node: the walk of none."""


class Selector:
    """The steps of all rules, and how items move along them."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        found = [ways_of(rule) for rule in rules]
        self.general = frozenset(i for i, ways in enumerate(found) if ways is None)
        """Rules whose paths cannot be followed step by step."""
        self.ways = tuple(ways or () for ways in found)
        self._fails = tuple(tuple(map(_last_failing, ways)) for ways in self.ways)
        self._by_name = any(step.kind == "byName" for ways in self.ways for way in ways for step in way)

    def own_items(self, resource_type: str) -> frozenset[Item]:
        """The items with which the walk of a resource starts."""
        return frozenset(
            Item(i, i, way, 0)
            for i, rule in enumerate(self.rules)
            if rule.applies_to(resource_type)
            for way in range(len(self.ways[i]))
        )

    def step(self, item: Item) -> Step:
        """The step that comes next."""
        return self.ways[item.rule][item.way][item.step]

    def condition(self, item: Item) -> Expression:
        """The predicate that an open item waits for."""
        condition = self.step(item).condition
        assert condition is not None
        return condition

    def fails(self, item: Item) -> bool:
        """Whether a predicate from here on may fail, so that it has to be asked even if the rule cannot win any more."""
        return item.step <= self._fails[item.rule][item.way]

    def arrive(self, type_: str, name: str, here: frozenset[Item], inherited: Taken | None = None) -> Arrival:
        """A node of a type, reached by the items `here`, below a node where `inherited` is in effect."""
        return self._move(type_, name if self._by_name else "", set(here), set(), inherited, None)

    def decide(self, arrival: Arrival, true: frozenset[Item]) -> Arrival:
        """The same node, now that the predicates of all open items were asked; `true` are those that passed."""
        here = {_further(item) for item in true}
        return self._move(
            arrival.type, arrival.name, here, set(arrival.below), arrival.taken, arrival.selected
        )

    def _move(
        self,
        type_: str,
        name: str,
        here: set[Item],
        below: set[Item],
        taken: Taken | None,
        selected: int | None,
    ) -> Arrival:
        named = type_name(type_)
        waiting: set[Item] = set()
        while here:
            item = here.pop()
            way = self.ways[item.rule][item.way]
            if item.step == len(way):
                if taken is None or item.rank < taken.rank or self._again(item, taken):
                    taken, selected = Taken(item.rank, item.rule), item.rule
                continue
            step = way[item.step]
            match step.kind:
                case "child" | "below" | "any":
                    below.add(item)
                case "byType":
                    below.add(item)
                    if step.name == named:
                        here.add(_further(item))
                case "byName":
                    below.add(item)
                    if step.name == name:
                        here.add(_further(item))
                case "type":
                    if step.name in (named, "Resource", "DomainResource"):
                        here.add(_further(item))
                case "ofType":
                    if step.name == named:
                        here.add(_further(item))
                case _:
                    waiting.add(item)
        return Arrival(
            type_,
            name,
            self._winning(below, taken, type_),
            taken,
            selected,
            self._winning(waiting, taken, type_),
        )

    def _again(self, item: Item, taken: Taken) -> bool:
        """Whether a rule takes a node that it already took with the one above: only substitute replaces it once more."""
        return item.rank == taken.rank and isinstance(self.rules[item.rule].method, Substitute)

    def into(self, arrival: Arrival, child: Element) -> frozenset[Item]:
        """The items that go on from a settled node into one of its children; for a nested resource with outer ranks."""
        found = set()
        nested = child.resource
        for item in arrival.below:
            step = self.step(item)
            match step.kind:
                case "child":
                    if step.name == child.name:
                        found.add(_further(item))
                case "byType" | "byName":
                    if not nested:
                        found.add(item)
                case "any":
                    found.add(_further(item))
                case "below":
                    found |= {item, _further(item)}
        if nested:
            return frozenset(item._replace(rank=item.rank - OUTER) for item in found)
        return frozenset(found)

    def _winning(self, items: set[Item], taken: Taken | None, type_: str) -> frozenset[Item]:
        """Items that can still win against the rule in effect, here or in a nested resource, or fail."""
        if taken is None:
            return frozenset(items)
        rule = self.rules[taken.rule]
        if isinstance(rule.method, Remove) and type_ not in RESOURCE_TYPES:
            return frozenset(
                item for item in items if item.rank < taken.rank
            )  # later rules find nothing there
        if isinstance(rule.method, Substitute):
            # it works on each node that it selects, also on those that it has just replaced with the node above
            return frozenset(item for item in items if item.rank <= taken.rank or self.fails(item))
        if type_ in HOLDERS or (rule.strict and isinstance(rule.method, VALUE_METHODS)):
            return frozenset(items)  # strict methods on values leave what stands beside them to later rules
        return frozenset(item for item in items if item.rank < taken.rank or self.fails(item))


def _further(item: Item) -> Item:
    return Item(item.rank, item.rule, item.way, item.step + 1)


def _last_failing(way: Way) -> int:
    """The index of the last step whose predicate may fail; -1 for none."""
    return max((i for i, step in enumerate(way) if may_fail(step.condition)), default=-1)
