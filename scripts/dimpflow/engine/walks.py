"""What the walk of a resource comes to, worked out from the types before any data are seen.

Answers two questions about a node that the compiler asks all the time: is there anything to do at or below it, and can it be
thrown away as a whole? Both are searches over the types below a node; recursive types (Extension, Reference) end them
because a node seen before is not followed again.
"""

from collections.abc import Callable, Iterator

from dimpflow.engine.selection import Arrival, Selector
from dimpflow.fhir.model import fields
from dimpflow.fhir.table import PRIMITIVE, PRIMITIVE_TYPES, Element
from dimpflow.ruleset.rules import Keep, Method, Pseudonymize, Redact


class Walks:
    """Questions about arrivals in the full model, or in the plain one."""

    def __init__(self, selector: Selector, full: bool) -> None:
        self.selector = selector
        self.full = full
        self._busy: dict[Arrival, bool] = {}
        self._uniform: dict[Arrival, bool] = {}

    def method(self, arrival: Arrival) -> Method:
        """What is done to the node: the method in effect, Keep where there is none.

        Below a node that became one pseudonym (value_from) everything else goes.
        """
        if arrival.taken is None:
            return Keep()
        method = self.selector.rules[arrival.taken.rule].method
        if isinstance(method, Pseudonymize) and method.value_from and arrival.selected is None:
            return Redact()
        return method

    def children(self, arrival: Arrival) -> Iterator[tuple[Element, Arrival]]:
        """The children of a settled node, with how the walk reaches them (nested resources without their own rules)."""
        if arrival.type in PRIMITIVE_TYPES:
            arrival = beside(arrival)
            if not self.full:
                return
        for element in fields(arrival.type, self.full):
            inherited = None if element.resource else arrival.taken
            yield element, self.selector.arrive(element.type, self.selector.into(arrival, element), inherited)

    def busy(self, arrival: Arrival) -> bool:
        """Whether the walk has anything to do at the node or below it."""
        return self._search(arrival, self._busy, self._acts)

    def uniform(self, arrival: Arrival) -> bool:
        """Whether the method in effect holds for everything below, so that the node can be treated as a whole."""
        taken = arrival.taken
        return not self._search(
            arrival,
            self._uniform,
            lambda node: not node.settled or node.type == "Resource" or node.taken != taken,
        )

    def _acts(self, node: Arrival) -> bool:
        return (
            not node.settled
            or node.selected is not None
            or node.type
            in ("decimal", "Resource")  # numbers are checked, nested resources have rules of their own
            or not isinstance(self.method(node), Keep)
        )

    def _search(self, start: Arrival, memory: dict[Arrival, bool], found: Callable[[Arrival], bool]) -> bool:
        known = memory.get(start)
        if known is not None:
            return known
        seen, stack = {start}, [start]
        while stack:
            node = stack.pop()
            if memory.get(node) or found(node):
                memory[start] = True
                return True
            for _, child in self.children(node) if node.type != "Resource" else ():
                if child not in seen:
                    seen.add(child)
                    stack.append(child)
        memory.update(dict.fromkeys(seen, False))
        return False


def beside(primitive: Arrival) -> Arrival:
    """What stands beside a primitive value, as a node: it has the primitive's children and rule."""
    return Arrival(PRIMITIVE, primitive.below, primitive.taken, None, frozenset())
