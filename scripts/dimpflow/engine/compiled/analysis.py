"""Which resources cannot be done in one walk.

The FHIR Pseudonymizer applies one rule after the other, so a rule sees the result of the rules before it; one walk for all
rules asks each predicate on the unchanged resource. Where that could make a difference, and where what a rule does depends on
what earlier rules did below a node, the resource is left to the tree (engine/tree), which goes rule by rule.
"""

from collections.abc import Iterator
from itertools import combinations

from dimpflow.engine.compiled.reads import ANYTHING, Names, reads
from dimpflow.engine.compiled.selection import HOLDERS, Arrival, Item, Taken
from dimpflow.engine.compiled.walks import Walks
from dimpflow.engine.methods import needs_node
from dimpflow.engine.methods.perturb import QUANTITIES
from dimpflow.engine.methods.substitute import fits_plain
from dimpflow.fhir.table import PRIMITIVE_TYPES, RESOURCE_TYPES
from dimpflow.fhirpath.ast import Expression
from dimpflow.ruleset.rules import DateShift, Generalize, Keep, Perturb, Remove, Rule, Substitute


class Analysis:
    """Looks for such rules, for each kind of resource once; what was found harmless is not looked at again."""

    def __init__(self, walks: Walks) -> None:
        self.walks = walks
        self.selector = walks.selector
        self._harmless: set[Arrival] = set()
        self._known_changes: dict[tuple[Arrival, Names, bool], Taken | None] = {}

    def why_not(self, type_: str, root: Arrival) -> str:
        """Why a resource cannot be done in one walk, in words for the author of the rules; '' if it can."""
        rules = self.selector.rules
        for index in sorted(self.selector.general):
            if rules[index].applies_to(type_):
                return f"{rules[index].title} has a path that depends on all of its nodes at once"
        return self._root_id(root) or self._search(root)

    def _root_id(self, root: Arrival) -> str:
        """The date shift depends on the id as it is when its turn comes."""
        shifting = [r for r in self.selector.rules if isinstance(r.method, DateShift)]
        parameters = self.walks.tools.parameters
        if not shifting or parameters.shift_prefix or parameters.shift_offset is not None:
            return ""
        for settled in _answers(self.walks, root):
            for element, child in self.walks.children(settled):
                if element.name == "id" and not child.settled:
                    return (
                        f"{shifting[0].title} shifts dates by an id that a rule with a condition may change"
                    )
        return ""

    def _search(self, root: Arrival) -> str:
        seen, stack = {root}, [root]
        while stack:
            node = stack.pop()
            reason, following = self._look(node)
            if reason:
                return reason
            for other in following:
                if other not in seen and other not in self._harmless:
                    seen.add(other)
                    stack.append(other)
        self._harmless |= seen
        return ""

    def _look(self, node: Arrival) -> tuple[str, list[Arrival]]:
        """What is wrong at a node, and where to look next."""
        if not node.settled:
            return self._conflict(node), list(_answers(self.walks, node, together=2))
        if node.taken is not None:
            reason = self._depends(node)
            if reason:
                return reason, []
        if node.type == "Resource":
            return "", []
        return "", [child for _, child in self.walks.children(node)]

    def _depends(self, node: Arrival) -> str:
        """Whether the method in effect depends on what happens below the node."""
        method = self.walks.method(node)
        assert node.taken is not None
        title = self.selector.rules[node.taken.rule].title
        primitive = node.type in PRIMITIVE_TYPES
        below = self.walks.beside(node) if primitive else node
        if (
            isinstance(method, Substitute)
            and (not primitive or self.walks.full)
            and not self.walks.replaceable(below)
        ):
            return f"{title} merges its replacement with what earlier rules left"
        if isinstance(method, Substitute) and not self.walks.full and not fits_plain(method, node.type):
            return f"{title} puts extensions where there are none"
        if (
            isinstance(method, Remove)
            and node.type in HOLDERS - RESOURCE_TYPES
            and not self.walks.removable(node)
        ):
            return f"{title} removes a resource in which an earlier rule does something"
        perturbs = isinstance(method, Perturb) and self.walks.full and node.type in QUANTITIES
        if perturbs and any(
            e.name == "value" and not child.settled for e, child in self.walks.children(node)
        ):
            return f"{title} perturbs a quantity whose value another rule may take"
        if isinstance(method, Generalize) and primitive and node.below and needs_node(method):
            return f"{title} looks at what another rule may have changed"
        return ""

    def _conflict(self, node: Arrival) -> str:
        """A predicate that is asked at a node and may read what a rule of smaller rank changes at or below it."""
        for item in sorted(node.open):
            earlier = _only_before(node, item)
            for path in sorted(reads(self.selector.condition(item))):
                taken = self._change(earlier, path, self.selector.fails(item))
                if taken:
                    return _described(self.selector.rules[item.rule], self.selector.rules[taken.rule], path)
        return ""

    def _change(self, node: Arrival, path: Names, fails: bool) -> Taken | None:
        key = (node, path, fails)
        if key not in self._known_changes:
            self._known_changes[key] = next(self._changes(node, path, fails), None)
        return self._known_changes[key]

    def _changes(self, node: Arrival, path: Names, fails: bool) -> Iterator[Taken]:
        """Rules that may change something on a path below a node that they did not take themselves. fails: it matters also
        where an earlier rule took the node, since then the later one does nothing but may still fail."""
        for settled in _answers(self.walks, node):
            if fails and settled.taken is not None and not isinstance(self.walks.method(settled), Keep):
                yield settled.taken
            elif path and settled.taken == node.taken:
                yield from self._changed_children(settled, path, fails)

    def _changed_children(self, node: Arrival, path: Names, fails: bool) -> Iterator[Taken]:
        if path[0] == ANYTHING:
            for item in node.below:
                yield Taken(item.rank, item.rule)  # that any of them changes something there is likely enough
            return
        for element, child in self.walks.children(node):
            if element.name != path[0]:
                continue
            if element.resource:
                for item in self.selector.into(node, element):
                    yield Taken(item.rank, item.rule)
                continue
            for settled in _answers(self.walks, child):
                if settled.taken is not None and not isinstance(self.walks.method(settled), Keep):
                    yield settled.taken
                else:
                    taken = self._change(settled, path[1:], fails)
                    if taken:
                        yield taken


def _only_before(arrival: Arrival, item: Item) -> Arrival:
    """The node as it would be with only the rules before an item's rule."""
    taken = arrival.taken if arrival.taken and arrival.taken.rank < item.rank else None
    return Arrival(
        arrival.type,
        arrival.name,
        frozenset(other for other in arrival.below if other.rank < item.rank),
        taken,
        None,
        frozenset(other for other in arrival.open if other.rank < item.rank),
    )


def _answers(walks: Walks, arrival: Arrival, together: int = 1) -> Iterator[Arrival]:
    """What a node can become: with none of its predicates true, or as many as `together`. More of them only take nodes away
    from rules, so that they bring nothing new to look at."""
    if arrival.settled:
        yield arrival
        return
    groups: dict[Expression, set[Item]] = {}
    for item in arrival.open:
        groups.setdefault(walks.selector.condition(item), set()).add(item)
    for number in range(together + 1):
        for chosen in combinations(groups.values(), number):
            yield from _answers(walks, walks.selector.decide(arrival, frozenset().union(*chosen)), together)


def _described(later: Rule, earlier: Rule, path: Names) -> str:
    where = ".".join(name for name in path if name != ANYTHING) or "what is below"
    return f"{later.title} looks at {where}, which {earlier.title} may change before"
