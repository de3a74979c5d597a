"""Rules to Python functions: one walk per kind of node, made when the first such node is met.

A function is made from source text, which is three times as fast as interpreting a plan node by node. The text holds names
from the element table and numbers only; whatever comes from a rule set (literals, patterns) is bound as an object.

A walk changes its node in place and returns the operations that took place, with GONE where nothing is left of the node.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from dimpflow.engine.conflicts import refuse_conflicts
from dimpflow.engine.labels import CRYPTO_HASH, GENERALIZE, GONE, LEVEL, PSEUDONYMIZE, REDACT, REMOVE
from dimpflow.engine.methods import Place, Tools, value_operation
from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.predicates import PredicateSource
from dimpflow.engine.primitives import Action, action, check_number, clear, on_element
from dimpflow.engine.run_state import Counters, Subject
from dimpflow.engine.selection import OUTER, Arrival, Item, Selector
from dimpflow.engine.walks import Walks, beside
from dimpflow.errors import RuleSetError
from dimpflow.fhir.model import Node, has_sibling, sibling, struct
from dimpflow.fhir.table import RESOURCE_TYPES, Element, type_name
from dimpflow.ruleset.rules import CryptoHash, Generalize, Keep, Pseudonymize, Redact, Remove

Walk = Callable[[Node], int]
Nested = Callable[[Any], tuple[Any, int]]
"""A nested resource's raw bytes to its new ones and the operations."""

_BITS: dict[type, int] = {
    Redact: REDACT,
    Remove: REMOVE,
    CryptoHash: CRYPTO_HASH,
    Generalize: GENERALIZE,
    Pseudonymize: PSEUDONYMIZE,
}


_CLEARING = sum((REDACT | REMOVE | GENERALIZE | PSEUDONYMIZE) << level * LEVEL for level in range(3))
"""Operations after which nothing may be left of a node; resources stand at most three deep (Bundle, entry, contained)."""


class Compiler:
    """Makes walks for one rule set, for resources of the full model or of the plain one."""

    def __init__(
        self,
        selector: Selector,
        full: bool,
        tools: Tools,
        counters: Counters,
        nested: Callable[[frozenset[Item], bool], Nested],
    ) -> None:
        self.selector = selector
        self.walks = Walks(selector, full)
        self.full = full
        self.tools = tools
        self.counters = counters
        self.nested = nested
        self.subject = Subject()
        self.uses_subject = any(
            isinstance(r.method, Pseudonymize) and r.method.value_from for r in selector.rules
        )
        self.names: dict[Arrival, str] = {}
        self.compiled: set[Arrival] = set()
        self.scope: dict[str, Any] = {
"U": UNSET,
            "M": counters.matched,
            "C": counters.changed,
            "B": counters.both,
            "S": self.subject,
            "number": check_number,
        }  # fmt: skip

    # ---- the three kinds of walk -------------------------------------------------------------------------------

    def resource(self, type_: str, outer: frozenset[Item]) -> Walk:
        """The walk of a resource, reached by the items `outer` of the resource around it."""
        return self._walk(self.selector.arrive(type_, self.selector.own_items(type_) | outer))

    def _walk(self, arrival: Arrival) -> Walk:
        """The walk of any complex node."""
        if not arrival.settled:
            walk: Walk = self.scope[self._asking(arrival)]
            return walk
        name = self._name(arrival)
        self._compile(arrival, name)
        walk = self.scope[name]
        return walk

    def _bit(self, arrival: Arrival) -> int:
        """What the method in effect records: for the resource itself, or for the one so many levels out whose rule it is."""
        method = self.walks.method(arrival)
        if arrival.taken is None or isinstance(method, Keep):
            return 0
        return _BITS[type(method)] << LEVEL * -(arrival.taken.rank // OUTER)

    # ---- predicates --------------------------------------------------------------------------------------------

    def _asking(self, arrival: Arrival) -> str:
        """The name of a function that asks a node's predicates and goes on with the walk that the answers lead to."""
        targets = Cache(lambda mask: self._walk(self._answered(arrival, mask)))
        mask = self._mask(arrival, "o")
        return self._define(
            "ask", f"def {{name}}(o):\n    return {self._bind('targets', targets)}[{mask}](o)"
        )

    def _conditions(self, arrival: Arrival) -> list[frozenset[Item]]:
        """The open items, those with the same predicate together, in the order of the rules."""
        groups: dict[Any, set[Item]] = {}
        for item in sorted(arrival.open):
            groups.setdefault(self.selector.condition(item), set()).add(item)
        return [frozenset(group) for group in groups.values()]

    def _mask(self, arrival: Arrival, node: str) -> str:
        """A Python expression for the answers to a node's predicates, one bit each."""
        refuse_conflicts(self.walks, arrival)
        bits = []
        for bit, group in enumerate(self._conditions(arrival)):
            item = min(group)
            rule = self.selector.rules[item.rule]
            source = PredicateSource(rule, self._bind, self._define)
            try:
                true = source.true(self.selector.condition(item), arrival.type, node)
            except RuleSetError as error:
                raise RuleSetError(f"rule {rule.number} ({rule.path}): {error}") from None
            bits.append(f"({1 << bit} if {true} else 0)")
        return " | ".join(bits)

    def _answered(self, arrival: Arrival, mask: int) -> Arrival:
        true = [group for bit, group in enumerate(self._conditions(arrival)) if mask >> bit & 1]
        return self.selector.decide(arrival, frozenset[Item]().union(*true))

    # ---- primitives --------------------------------------------------------------------------------------------

    def _operation(self, arrival: Arrival, place: Place) -> Callable[[Any], Any] | None:
        """The value operation at a settled primitive; None where the value stays."""
        method = self.walks.method(arrival)
        if isinstance(method, Keep | Remove):
            return None
        if isinstance(method, Redact):
            return clear
        assert arrival.taken is not None
        rule = self.selector.rules[arrival.taken.rule]
        if isinstance(method, Pseudonymize) and method.value_from:
            return self._of_subject(method)
        return value_operation(rule, place, self.tools)

    def _of_subject(self, method: Pseudonymize) -> Callable[[Any], Any]:
        domain = method.domain_prefix + method.domain

        def pseudonym(value: Any) -> Any:
            id_ = self.subject.id
            return UNSET if id_ is None else method.prefix + self.tools.pseudonyms(domain, id_)

        return pseudonym

    def _action(self, arrival: Arrival, place: Place) -> Action:
        """What is done to one value and what stands beside it."""
        if not arrival.settled:
            ask: Callable[[Any], int] = self.scope[
                self._define("mask", f"def {{name}}(o):\n    return {self._mask(arrival, 'o')}")
            ]
            targets = Cache(lambda mask: self._action(self._answered(arrival, mask), place))

            def asking(value: Any, other: Any) -> tuple[Any, Any, int]:
                done: tuple[Any, Any, int] = targets[ask(None if value is UNSET else value)](value, other)
                return done

            return asking
        method = self.walks.method(arrival)
        other = beside(arrival)
        operation = self._operation(arrival, place)
        if operation is None and place.type == "decimal":
            operation = _checked
        return action(
            operation=operation,
            bit=self._bit(arrival),
            remove=isinstance(method, Remove),
            beside=self._walk(other) if self.full and self.walks.busy(other) else None,
            matched=None
            if arrival.selected is None
            else self._counter(self.counters.matched, arrival.selected),
            changed=self._counter(self.counters.changed, arrival.taken.rule)
            if arrival.taken and not isinstance(method, Keep)
            else None,
        )

    @staticmethod
    def _counter(counts: list[int], rule: int) -> Callable[[], None]:
        def count() -> None:
            counts[rule] += 1

        return count

    # ---- source text -------------------------------------------------------------------------------------------

    def _bind(self, prefix: str, thing: Any) -> str:
        """A name under which a function can use an object."""
        name = f"{prefix}{len(self.scope)}"
        self.scope[name] = thing
        return name

    def _define(self, prefix: str, source: str) -> str:
        """Compiles a function, written with `{name}` for its name, and gives that name."""
        name = self._bind(prefix, None)
        self._execute(source.replace("{name}", name), name)
        return name

    def _execute(self, source: str, name: str) -> None:
        exec(compile(source, f"<{name}>", "exec"), self.scope)  # noqa: S102  see the module's docstring

    def _name(self, arrival: Arrival) -> str:
        """The name of a settled node's function; it is compiled at its first call, since most kinds of nodes never come."""
        if arrival not in self.names:

            def first(node: Node) -> int:
                self._compile(arrival, name)
                done: int = self.scope[name](node)
                return done

            name = self.names[arrival] = self._bind("walk", first)
        return self.names[arrival]

    def _compile(self, arrival: Arrival, name: str) -> None:
        if arrival not in self.compiled:
            # as defaults they are local names, which are found sooner
            head = f"def {name}(o, U=U, M=M, C=C, B=B):"
            self._execute("\n    ".join([head, *self._source(arrival)]), f"{name} {arrival.type}")
            self.compiled.add(arrival)

    def _source(self, arrival: Arrival) -> list[str]:
        """The body of a settled complex node's function."""
        method, resource = self.walks.method(arrival), arrival.type in RESOURCE_TYPES
        if isinstance(method, Remove) and not (resource and arrival.taken and arrival.taken.rank >= 0):
            return [*self._counts(arrival, worked=True), f"return {self._bit(arrival) | GONE}"]
        if isinstance(method, Redact) and not resource and self.walks.uniform(arrival):
            return [*self._counts(arrival, worked=True), f"return {self._bit(arrival) | GONE}"]
        lines = ["r = 0", *self._counts(arrival, worked=False)]
        if resource and self.uses_subject:
            lines += ["subject = S.id", "S.id = None if o.id is U else o.id"]
        for element, child in self.walks.children(arrival):
            if self.walks.busy(child):
                lines += self._child(arrival, element, child)
        if isinstance(method, Pseudonymize) and method.value_from:
            lines += self._text(arrival, method)
        if resource:
            return [*lines, *(["S.id = subject"] if self.uses_subject else []), "return r"]
        empty = self._bind("empty", struct(arrival.type, self.full)())
        return [*lines, f"return r | {GONE} if r & {_CLEARING} and o == {empty} else r"]

    def _text(self, arrival: Arrival, method: Pseudonymize) -> list[str]:
        """A complex node that becomes one pseudonym carries it as its text."""
        text = next(
            (e for e, c in self.walks.children(arrival) if e.name == "text" and e.type == "string"), None
        )
        assert arrival.taken is not None
        if text is None:
            rule = self.selector.rules[arrival.taken.rule]
            raise RuleSetError(
                f"rule {rule.number} ({rule.path}): valueFrom works on primitives, HumanName and Address"
            )
        pseudonym = self._bind("pseudonym", self._of_subject(method))
        return [
            f"if o.{text.attr} is U:",
            f"    o.{text.attr} = {pseudonym}(None)",
            f"    if o.{text.attr} is not U:",
            f"        C[{arrival.taken.rule}] += 1",
            f"        r |= {self._bit(arrival)}",
        ]

    def _counts(self, arrival: Arrival, number: str = "1", *, worked: bool) -> list[str]:
        """Source that counts a node: as matched if a rule selected this very node, as changed if it is worked on."""
        if worked and arrival.taken is not None:
            return [f"{'C' if arrival.selected is None else 'B'}[{arrival.taken.rule}] += {number}"]
        return [] if arrival.selected is None else [f"M[{arrival.selected}] += {number}"]

    def _child(self, parent: Arrival, element: Element, child: Arrival) -> list[str]:
        if element.resource:
            nested = self.nested(self.selector.into(parent, element), element.name == "contained")
            return self._nested_child(element, self._bind("nested", nested))
        if element.primitive:
            return self._primitive_child(parent, element, child)
        method = self.walks.method(child)
        if (
            child.settled
            and isinstance(method, Remove | Redact)
            and (isinstance(method, Remove) or self.walks.uniform(child))
        ):
            return self._drop(element, child)
        walk = self._name(child) if child.settled else self._asking(child)
        if element.many:
            return [
                f"v = o.{element.attr}",
                "if v is not U:",
                "    gone = None",
                "    for x in v:",
                f"        q = {walk}(x)",
                "        if q:",
                "            r |= q",
                f"            if q & {GONE}:",
                "                gone = gone or set()",
                "                gone.add(id(x))",
                "    if gone:",
                f"        r ^= {GONE}",
                f"        o.{element.attr} = [x for x in v if id(x) not in gone] or U",
            ]
        return [
            f"v = o.{element.attr}",
            "if v is not U:",
            f"    q = {walk}(v)",
            "    if q:",
            f"        if q & {GONE}:",
            f"            q ^= {GONE}",
            f"            o.{element.attr} = U",
            "        r |= q",
        ]

    def _nested_child(self, element: Element, nested: str) -> list[str]:
        if element.many:
            return [
                f"v = o.{element.attr}",
                "if v is not U:",
                "    n = []",
                "    for x in v:",
                f"        y, q = {nested}(x)",
                f"        if q & {GONE}: q ^= {GONE}",
                "        else: n.append(y)",
                "        r |= q",
                f"    o.{element.attr} = n or U",
            ]
        return [
            f"v = o.{element.attr}",
            "if v is not U:",
            f"    y, q = {nested}(v)",
            f"    o.{element.attr} = U if q & {GONE} else y",
            f"    r |= q & ~{GONE}",
        ]

    def _drop(self, element: Element, child: Arrival) -> list[str]:
        """The whole element goes."""
        number = "len(v)" if element.many else "1"
        return [
            f"v = o.{element.attr}",
            "if v is not U:",
            *("    " + line for line in self._counts(child, number, worked=True)),
            f"    o.{element.attr} = U",
            f"    r |= {self._bit(child)}",
        ]

    def _primitive_child(self, parent: Arrival, element: Element, child: Arrival) -> list[str]:
        place = Place(element.name, element.type, type_name(parent.type))
        beside = self.full and has_sibling(parent.type, element)
        if not child.settled:
            return [f"r |= {self._each(element, child, place, beside)}(o)"]
        plain = self._plain_values(element, child, place)
        if not beside:
            return plain
        other = f"o.{sibling(element.attr)} is not U"
        lines = [f"if {other}:", f"    r |= {self._each(element, child, place, beside)}(o)"]
        return [*lines, "else:", *("    " + line for line in plain)] if plain else lines

    def _each(self, element: Element, child: Arrival, place: Place, beside: bool) -> str:
        return self._bind("each", on_element(element, self._action(child, place), beside))

    def _plain_values(self, element: Element, child: Arrival, place: Place) -> list[str]:
        """Source for values with nothing beside them; empty if they stay and are not even counted."""
        method = self.walks.method(child)
        if isinstance(method, Redact | Remove):
            return self._drop(element, child)
        number = "len(v)" if element.many else "1"
        keep = isinstance(method, Keep)
        counts = ["    " + line for line in self._counts(child, number, worked=not keep)]
        lines = [f"v = o.{element.attr}", "if v is not U:", *counts]
        if keep:
            if element.type == "decimal" and not element.many:
                # a decimal was decoded unread; of all JSON values only numbers start between these two characters
                lines += ['    if not b"," < bytes(v) < b":": number(v)']
            elif element.type == "decimal":
                lines += ["    for x in v: number(x)"]
            return lines if len(lines) > 2 else []
        operation = self._bind("value", self._operation(child, place))
        if element.many:
            changed = f"[y for y in [{operation}(x) for x in v if x is not None] if y is not U] or U"
        else:
            changed = f"{operation}(v)"
        return [*lines, f"    o.{element.attr} = {changed}", f"    r |= {self._bit(child)}"]


def _checked(value: Any) -> Any:
    check_number(value)
    return value
