"""Source that counts what rules do, for the body of one walk.

An element counts as matched where a rule selected it, and as changed if the rule then did something to it or below it. What stands
below does not count for itself: it only moves the rule's tick (the list `C`), and the selected element compares it before and
after. Of a resource that a rule took as a whole, the elements right below are counted as well, since its path says nothing.

Rules start anew in a nested resource, so what they do there must not move the ticks of the resource around it.

Sources use the local names `k` (the tally), `c` and `t` (ticks before a node and before a part of it).
"""

from dimpflow.engine.compiled.selection import HOLDERS, Arrival, Selector, Way
from dimpflow.engine.tally import BOTH, CHANGED, MATCHED, UNCHANGED, WITHIN, Layout, Weights
from dimpflow.fhir.table import RESOURCE_TYPES, Element, elements, type_keys, type_name
from dimpflow.ruleset.rules import Keep, Method, Remove, Substitute


class Counting:
    """arrival, method: of the node whose walk it is."""

    def __init__(self, arrival: Arrival, method: Method) -> None:
        self.layout = Layout()
        works = arrival.selected is not None and not isinstance(method, Keep | Remove | Substitute)
        self._compared = arrival.selected if works else None
        self.whole = self._compared if arrival.type in RESOURCE_TYPES else None
        """The rule that took this whole resource and works on what is in it."""

    def before(self) -> list[str]:
        """Source before all else is done to the node."""
        return [] if self._compared is None else [f"c = C[{self._compared}]"]

    def after(self) -> list[str]:
        """Source after that."""
        rule = self._compared
        if rule is None:
            return []
        return [f"if C[{rule}] != c: {self._add(BOTH, rule)}", f"else: {self._add(MATCHED, rule)}"]

    def matched(self, node: Arrival, path: str = "", number: str = "1") -> list[str]:
        """Source that counts a node, or a number of such nodes. path: from the walk's node to it."""
        return [] if node.selected is None else [self._add(MATCHED, node.selected, path, number)]

    def itself(self, arrival: Arrival) -> list[str]:
        """Source that counts the walk's node, if `after` does not."""
        return self.matched(arrival) if self._compared is None else []

    def worked(self, node: Arrival, path: str, *, surely: bool) -> tuple[list[str], list[str]]:
        """Source that counts a value that is worked on, before and after that; what it was is in `v`, what it is in `n`. surely: it
        cannot stay what it was."""
        if surely:
            return self.both(node, path), []
        if node.selected is None:
            return [], [f"if n != v: {'; '.join(self.both(node, path))}"]
        same = self._add(UNCHANGED, node.selected, path)
        return [self._add(BOTH, node.selected, path)], [f"if n == v: {same}"]

    def worked_on_all(self, node: Arrival, path: str) -> tuple[list[str], str]:
        """The same for lists."""
        changed = "sum(map(unlike, v, n))"
        if node.selected is None:
            return [], f"if n != v: {'; '.join(self.both(node, path, changed))}"
        return self.matched(
            node, path, "len(v)"
        ), f"if n != v: {self._add(CHANGED, node.selected, path, changed)}"

    def both(self, node: Arrival, path: str = "", number: str = "1") -> list[str]:
        """Source that counts nodes as matched and changed, or as a change in what the rule took."""
        if node.selected is not None:
            return [self._add(BOTH, node.selected, path, number)]
        if node.taken is None:
            return []
        if node.taken.rule != self._compared or not path:
            return [f"C[{node.taken.rule}] += 1"]
        within = [] if self.whole is None else [self._add(WITHIN, self.whole, path, number)]
        return ["c = -1", *within]  # as good as a tick that has moved, and sooner done

    def holds(self, child: Arrival) -> bool:
        """Whether the rule that took the whole resource may be in effect at a child."""
        taken = child.taken
        return self.whole is not None and taken is not None and taken.rule == self.whole

    def around(self, child: Arrival, path: str, lines: list[str]) -> list[str]:
        """Source that walks a child, with what counts it as a changed part of a whole resource."""
        if not self.holds(child) or (child.settled and child.selected is not None):
            return lines
        rule = self.whole
        assert rule is not None
        return [f"t = C[{rule}]", *lines, f"if C[{rule}] != t: {self._add(WITHIN, rule, path)}"]

    def _add(self, weights: Weights, rule: int, path: str = "", number: str = "1") -> str:
        return f"k[{self.layout.count(weights, rule, path)}] += {number}"


def step(element: Element) -> str:
    """The path from a node to a child."""
    return f".{element.json}"


def beside_step(element: Element) -> str:
    """The path from a node to what stands beside a primitive child."""
    return f"._{element.json}"


def around_nested(selector: Selector) -> tuple[list[str], list[str]]:
    """Source before and after the walk of a nested resource: it puts back the ticks that a node around it may compare."""
    rules = [
        i
        for i, rule in enumerate(selector.rules)
        if not isinstance(rule.method, Keep | Remove | Substitute) and any(map(_may_hold, selector.ways[i]))
    ]
    before = [f"t{i} = C[{i}]" for i in rules]
    return before, [f"C[{i}] = t{i}" for i in rules]


def _may_hold(way: Way) -> bool:
    """Whether a way may lead to something in which a resource can stand."""
    steps = [step for step in way if step.kind != "where"]
    if not steps:
        return True
    last = steps[-1]
    if last.kind in ("below", "any"):
        return True
    return last.name in (_HOLDING_NAMES if last.kind in ("child", "byName") else _HOLDING_TYPES)


_HOLDING_TYPES = {"Resource", "DomainResource", *map(type_name, HOLDERS), *RESOURCE_TYPES}
_HOLDING_NAMES = {
    *RESOURCE_TYPES,
    *(e.name for key in type_keys() for e in elements(key) if e.resource or e.type in HOLDERS),
}
