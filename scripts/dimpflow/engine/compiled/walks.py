"""What the walk of a resource comes to, worked out from the types before any data are seen.

Answers questions about a node that the compiler asks all the time: is there anything to do at or below it, and can it be
thrown away as a whole? Both are searches over the types below a node; recursive types (Extension, Reference) end them
because a node seen before is not followed again.
"""

from collections.abc import Callable, Iterator

from dimpflow.engine.compiled.selection import Arrival, Selector, Taken
from dimpflow.engine.methods import Tools
from dimpflow.fhir.model import fields
from dimpflow.fhir.table import PRIMITIVE, PRIMITIVE_TYPES, Element, type_name
from dimpflow.ruleset.rules import (
    VALUE_METHODS,
    CryptoHash,
    Decrypt,
    Encrypt,
    Keep,
    Method,
    Pseudonymize,
    Redact,
)


class Walks:
    """Questions about arrivals in the full model, or in the plain one."""

    def __init__(self, selector: Selector, tools: Tools, full: bool) -> None:
        self.selector = selector
        self.tools = tools
        self.full = full
        self._children: dict[Arrival, list[tuple[Element, Arrival]]] = {}
        self._busy: dict[Arrival, bool] = {}
        self._uniform: dict[Arrival, bool] = {}
        self._spared: dict[Arrival, bool] = {}
        self._removable: dict[Arrival, bool] = {}
        self._replaceable: dict[Arrival, bool] = {}
        self._vanishing: dict[Arrival, bool] = {}

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

    def children(self, arrival: Arrival) -> list[tuple[Element, Arrival]]:
        """The children of a settled node, with how the walk reaches them (nested resources without their own rules)."""
        known = self._children.get(arrival)
        if known is None:
            known = self._children[arrival] = list(self._arriving(arrival))
        return known

    def _arriving(self, arrival: Arrival) -> Iterator[tuple[Element, Arrival]]:
        if arrival.type in PRIMITIVE_TYPES:
            if not self.full:
                return
            arrival = self.beside(arrival)
        for element in fields(arrival.type, self.full):
            inherited = None if element.resource else arrival.taken
            here = self.selector.into(arrival, element)
            yield element, self.selector.arrive(element.type, element.name, here, inherited)

    def beside(self, primitive: Arrival) -> Arrival:
        """What stands beside a primitive value, as a node: it has the primitive's children and rule."""
        taken = primitive.taken
        if taken and self.tools.strict and isinstance(self.method(primitive), VALUE_METHODS):
            taken = None
        return Arrival(PRIMITIVE, "", primitive.below, taken, None, frozenset())

    def aside(self, arrival: Arrival, type_: str = "") -> Arrival:
        """A node, or what stands beside a value, of which the rule in effect wants nothing more: what it has perturbed is done."""
        assert arrival.taken is not None
        rank = arrival.taken.rank
        earlier = frozenset(item for item in arrival.below if item.rank < rank)
        return Arrival(type_ or arrival.type, arrival.name, earlier, None, None, frozenset())

    def busy(self, arrival: Arrival) -> bool:
        """Whether the walk has anything to do at the node or below it, beside checking values."""
        return self._search(arrival, self._busy, self._acts)

    def uniform(self, arrival: Arrival) -> bool:
        """Whether the method in effect holds for everything below, so that the node can be treated as a whole."""
        taken = arrival.taken
        return not self._search(
            arrival,
            self._uniform,
            lambda node: not node.settled or node.type == "Resource" or node.taken != taken,
        )

    def clears(self, arrival: Arrival) -> bool:
        """Whether nothing of a redacted node can survive."""
        return self.uniform(arrival) and not self._spares_below(arrival)

    def removable(self, arrival: Arrival) -> bool:
        """Whether a node can be taken out at once: no other rule does anything below it, not even in a nested resource (whose
        own rules never get to run)."""
        taken = arrival.taken
        return not self._search(arrival, self._removable, lambda node: _otherwise_taken(node, taken))

    def vanishes(self, arrival: Arrival) -> bool:
        """Whether nothing may be left of a node."""
        return self._search(arrival, self._vanishing, self._may_clear)

    def _may_clear(self, node: Arrival) -> bool:
        method = self.method(node)
        hashed = isinstance(method, CryptoHash) and method.truncate != 0
        if self.tools.strict and node.type == "Resource":
            return True  # what is removed takes the entry along
        return not node.settled or not (hashed or isinstance(method, Keep | Encrypt | Decrypt))

    def replaceable(self, arrival: Arrival) -> bool:
        """Whether a node can be replaced at once: no rule, not even the one in effect, does anything below it."""
        taken = arrival.taken

        def works(node: Arrival) -> bool:
            return (
                not node.settled
                or node.type == "Resource"
                or node.taken != taken
                or node.selected is not None
            )

        return not any(self._search(child, self._replaceable, works) for _, child in self.children(arrival))

    def _spares_below(self, arrival: Arrival) -> bool:
        known = self._spared.get(arrival)
        if known is None:
            known = self._spared[arrival] = any(
                element.primitive and self.tools.spares(element.type, element.name, type_name(node.type))
                for node in self._below(arrival)
                for element, _ in self.children(node)
            )
        return known

    def _below(self, arrival: Arrival) -> Iterator[Arrival]:
        seen, stack = {arrival}, [arrival]
        while stack:
            node = stack.pop()
            yield node
            for element, child in self.children(node):
                if not element.resource and child not in seen:
                    seen.add(child)
                    stack.append(child)

    def _acts(self, node: Arrival) -> bool:
        return (
            not node.settled
            or node.selected is not None
            or node.type == "Resource"  # nested resources have rules of their own
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


def _otherwise_taken(node: Arrival, taken: Taken | None) -> bool:
    if node.type == "Resource":
        return bool(node.open or node.below or node.taken)
    return not node.settled or node.taken != taken
