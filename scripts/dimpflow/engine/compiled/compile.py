"""Rules to Python functions: one walk per kind of node, made when the first such node is met.

A function is made from source text, which is three times as fast as interpreting a plan node by node. The text holds names
from the element table and numbers only; whatever comes from a rule set (literals, patterns) is bound as an object.

A walk changes its node in place and returns the operations that took place, with GONE where nothing is left of the node. It counts
in a tally (dimpflow.engine.tally).
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from operator import ne
from typing import Any

from dimpflow.engine.compiled.checks import Checks
from dimpflow.engine.compiled.children import Children
from dimpflow.engine.compiled.counting import Counting, around_nested, step
from dimpflow.engine.compiled.predicates import PredicateSource
from dimpflow.engine.compiled.selection import NOWHERE, OUTER, Arrival, Item, Selector
from dimpflow.engine.compiled.tables import Lookup, lookup, table_source
from dimpflow.engine.compiled.walks import Walks
from dimpflow.engine.kinds import Made
from dimpflow.engine.labels import CRYPTO_HASH, ENCRYPT, GONE, LEVEL
from dimpflow.engine.methods import BITS, Context, Tools
from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.perturb import QUANTITIES
from dimpflow.engine.methods.place import Place
from dimpflow.engine.methods.substitute import replacement
from dimpflow.engine.run_state import Counters, Subject
from dimpflow.engine.tally import Asked, Layout, NewTally, new_part
from dimpflow.errors import LineError, RuleSetError
from dimpflow.fhir.model import Node, fields, has_sibling, sibling, struct
from dimpflow.fhir.table import RESOURCE_TYPES, Element
from dimpflow.ruleset.rules import CryptoHash, Keep, Perturb, Pseudonymize, Redact, Remove, Substitute

Nested = Callable[[Any], tuple[Any, int]]
"""A nested resource's raw bytes to its new ones and the operations."""

_IN_LINE = ("Coding", "CodeableConcept", "Reference", "Period")
"""Types whose walks may stand in line; there are many of them in every resource."""
_LONGEST = 40
"""Lines that may."""
_LOCAL = re.compile(r"(?<![.\w'])((?:o|r|v|q|x|y\d?|n|e|c|t\d*|gone)_*)(?!\w)")
"""The local names of a body; each level in line gives them one more underscore."""
_SLOT = re.compile(r"(?<=\bk\[)\d+(?=\])|(?<=\bnew\(k, )\d+(?=\))")
"""Where a body counts; in line it does so in the tally of the body around it, further behind."""

_LEVELS = 3
"""Resources stand at most three deep (Bundle, entry, contained)."""


class Compiler:
    """Makes walks for one rule set, for resources of the full model or of the plain one."""

    def __init__(
        self,
        selector: Selector,
        full: bool,
        tools: Tools,
        counters: Counters,
        subject: Subject,
        nested: Callable[[frozenset[Item], Element], Nested],
        check_nested: Callable[[Any], None],
    ) -> None:
        self.selector = selector
        self.walks = Walks(selector, tools, full)
        self.full = full
        self.tools = tools
        self.counters = counters
        self.subject = subject
        self.nested = nested
        self.checks = Checks(full, check_nested)
        self.names: dict[Arrival, str] = {}
        self._bodies: dict[Arrival, tuple[list[str], Layout]] = {}
        self._layouts: dict[Arrival, Layout] = {}
        self.counting = Counting(NOWHERE, Keep())
        self.around_nested = around_nested(selector)
        self._open: set[Arrival] = set()
        self.compiled: set[Arrival] = set()
        self.clearing = _clearing(selector)
        self.children = Children(self)
        self.scope = self.checks.scope
        self.scope |= {
            "C": counters.ticks,
            "new": new_part,
            "unlike": ne,
            "S": subject,
        }
        self.predicates = PredicateSource(full, tools.strict, self.bind, self.define)

    # ---- the kinds of walk -------------------------------------------------------------------------------------

    def arrival(self, type_: str, name: str, outer: frozenset[Item]) -> Arrival:
        """A resource of that name, reached by its own rules and by the items `outer` of the resource around it."""
        return self.selector.arrive(type_, name, self.selector.own_items(type_) | outer)

    def walk(self, arrival: Arrival) -> Made:
        """The walk of any complex node."""
        if not arrival.settled:
            return self.scope[self.asking(arrival)], self.tally(arrival)
        name = self.name(arrival)
        self._compile(arrival, name)
        return self.scope[name], self._layouts[arrival].tally

    def tally(self, arrival: Arrival) -> NewTally:
        """What makes a tally for the walk of a node; only then is it compiled."""
        if not arrival.settled:
            return partial(
                Asked, Cache(lambda mask: self.walk(self.answered(arrival, mask)), lasting=True).__getitem__
            )
        return lambda: self.walk(arrival)[1]()

    def level(self, arrival: Arrival) -> int:
        """How many bits outward the rule in effect records what it does: it may be that of a resource further out."""
        return 0 if arrival.taken is None else LEVEL * -(arrival.taken.rank // OUTER)

    def bit(self, arrival: Arrival) -> int:
        """What the method in effect records, at its level."""
        return BITS.get(type(self.walks.method(arrival)), 0) << self.level(arrival)

    def context(self, arrival: Arrival) -> Context:
        """What operations at a node ask about the resource."""
        taken, subject = arrival.taken, self.subject
        assert taken is not None
        if self.tools.strict:
            prefix = subject.the_patient
        else:
            prefix = subject.prefix(-(taken.rank // OUTER), taken.rule)
        return Context(prefix, subject.the_identity, subject.the_id, subject.the_owner)

    # ---- predicates --------------------------------------------------------------------------------------------

    def asking(self, arrival: Arrival) -> str:
        """The name of a function that asks a node's predicates and goes on with the walk that the answers lead to."""
        return self.define(
            "ask", f"def {{name}}(o, k):\n    w, k = k[{self.mask(arrival)}]\n    return w(o, k)"
        )

    def _conditions(self, arrival: Arrival) -> list[frozenset[Item]]:
        """The open items, those with the same predicate together, in the order of the rules."""
        groups: dict[Any, set[Item]] = {}
        for item in sorted(arrival.open):
            groups.setdefault(self.selector.condition(item), set()).add(item)
        return [frozenset(group) for group in groups.values()]

    def mask(self, arrival: Arrival) -> str:
        """A Python expression for the answers to a node's predicates, one bit each; the node is `o`, what is beside it `b`."""
        bits = []
        tables: dict[tuple[Element, ...], list[tuple[int, Lookup]]] = {}
        for bit, group in enumerate(self._conditions(arrival)):
            condition = self.selector.condition(min(group))
            found = lookup(self.predicates, condition, arrival.type)
            if found:
                tables.setdefault(found.path, []).append((1 << bit, found))
                continue
            true = self.predicates.true(condition, arrival.type, arrival.name, "o")
            bits.append(f"({1 << bit} if {true} else 0)")
        for path, lookups in tables.items():
            bits.append(f"{self.define('look', table_source(self.predicates, lookups, path))}(o)")
        return " | ".join(bits)

    def answered(self, arrival: Arrival, mask: int) -> Arrival:
        """The node after its predicates were asked."""
        true = [group for bit, group in enumerate(self._conditions(arrival)) if mask >> bit & 1]
        return self.selector.decide(arrival, frozenset[Item]().union(*true))

    # ---- source text -------------------------------------------------------------------------------------------

    def bind(self, prefix: str, thing: Any) -> str:
        """A name under which a function can use an object."""
        name = f"{prefix}{len(self.scope)}"
        self.scope[name] = thing
        return name

    def define(self, prefix: str, source: str) -> str:
        """Compiles a function, written with `{name}` for its name, and gives that name."""
        name = self.bind(prefix, None)
        self._execute(source.replace("{name}", name), name)
        return name

    def _execute(self, source: str, name: str) -> None:
        exec(compile(source, f"<{name}>", "exec"), self.scope)  # noqa: S102  see the module's docstring

    def name(self, arrival: Arrival) -> str:
        """The name of a settled node's function; it is compiled at its first call, since most kinds of nodes never come."""
        if arrival not in self.names:

            def first(node: Node, tally: list[Any]) -> int:
                self._compile(arrival, name)
                done: int = self.scope[name](node, tally)
                return done

            name = self.names[arrival] = self.bind("walk", first)
        return self.names[arrival]

    def _compile(self, arrival: Arrival, name: str) -> None:
        if arrival not in self.compiled:
            # as defaults they are local names, which are found sooner
            head = f"def {name}(o, k, U=U, C=C):"
            body, self._layouts[arrival] = self._body(arrival)
            self._execute("\n    ".join([head, *body]), f"{name} {arrival.type}")
            self.compiled.add(arrival)

    def walked(self, arrival: Arrival, node: str, element: Element) -> list[str]:
        """Source that walks the node in a variable; what was done is then in `q`. Small bodies stand in line: they are the walks
        of most nodes, and a call costs as much as they do."""
        layout, path = self.counting.layout, step(element)
        if arrival.settled and arrival.type in _IN_LINE and arrival not in self._open:
            body, inner = self._bodies[arrival] = self._bodies.get(arrival) or self._inner_body(arrival)
            if len(body) <= _LONGEST and not any("return" in line for line in body[:-1]):
                moved = layout.adopt(inner, path)
                own = [_LOCAL.sub(r"\1_", line) for line in body]
                own = [_moved(line, moved) for line in own]
                return [f"o_ = {node}", *own[:-1], own[-1].replace("return", "q =", 1)]
        name = self.name(arrival) if arrival.settled else self.asking(arrival)
        return [f"q = {name}({node}, {layout.part(path, self.tally(arrival))})"]

    def _body(self, arrival: Arrival) -> tuple[list[str], Layout]:
        """The body of a settled complex node's function, and where it counts."""
        outer = self.counting
        self.counting = counting = Counting(arrival, self.walks.method(arrival))
        try:
            return self._source(arrival), counting.layout
        finally:  # rules that cannot be compiled fail in the same way again
            self.counting = outer

    def _inner_body(self, arrival: Arrival) -> tuple[list[str], Layout]:
        """The same, to stand in line; a node in itself does not."""
        self._open.add(arrival)
        try:
            return self._body(arrival)
        finally:
            self._open.remove(arrival)

    def _source(self, arrival: Arrival) -> list[str]:
        counting = self.counting
        method, resource = self.walks.method(arrival), arrival.type in RESOURCE_TYPES
        inner = resource and arrival.taken is not None and arrival.taken.rank >= 0
        if isinstance(method, Substitute):
            return self._substituted(arrival, method)
        removed = isinstance(method, Remove) and not inner
        whole = removed and self.walks.removable(arrival)
        if whole or (isinstance(method, Redact) and not resource and self.walks.clears(arrival)):
            check = self.check(arrival.type)
            counts = (
                counting.matched(arrival) if removed and arrival.selected is None else counting.both(arrival)
            )
            return [*check, *counts, f"return {self.bit(arrival) | GONE}"]
        lines = ["r = 0", *counting.before(), *self.checks.own(arrival.type, "o")]
        entry = self.tools.strict and arrival.type == "Bundle.entry"  # it goes with its resource
        lines += ["e = 0"] if entry else []
        itself = isinstance(method, Remove) and inner
        if itself:
            lines += self._removed_itself(arrival)
        else:
            removes = (
                removed and arrival.selected is not None
            )  # what stands in something removed does not count
            lines += counting.both(arrival) if removes else counting.itself(arrival)
        lines += self._perturbed(arrival) if isinstance(method, Perturb) else self._parts(arrival)
        if isinstance(method, Pseudonymize) and method.value_from:
            lines += self._text(arrival, method)
        if removed:  # once the rules before it have done their work
            return [*lines, f"return r | {self.bit(arrival) | GONE}"]
        if not entry and not self.walks.vanishes(arrival):
            return [*lines, *counting.after(), "return r"]
        if resource:
            gone = f" | ({GONE} if S.depth else 0)" if itself and self.tools.strict else ""
            return [*lines, *counting.after(), f"return r{gone}"]
        empty, left = self.bind("empty", struct(arrival.type, self.full)()), "r | e" if entry else "r"
        if isinstance(method, Redact):  # only this takes out what came empty
            assert arrival.taken is not None
            came_empty = f"if r == 0 and o == {empty}: C[{arrival.taken.rule}] += 1"
            gone = f"return r | {self.bit(arrival) | GONE} if o == {empty} else {left}"
            return [*lines, came_empty, *counting.after(), gone]
        return [
            *lines,
            *counting.after(),
            f"return r | {GONE} if r & {self.clearing} and o == {empty} else {left}",
        ]

    def _parts(self, arrival: Arrival) -> list[str]:
        """Source for all children of a node."""
        return [
            line
            for element, child in self.walks.children(arrival)
            for line in self.children.source(arrival, element, child)
        ]

    def _perturbed(self, arrival: Arrival) -> list[str]:
        """A quantity whose value is perturbed: nothing else in it is then; only the full model has other numbers there."""
        value = next((child for e, child in self.walks.children(arrival) if e.name == "value"), None)
        if not self.full or arrival.type not in QUANTITIES or value is None or value.taken != arrival.taken:
            return self._parts(arrival)
        lines = []
        for element, child in self.walks.children(self.walks.aside(arrival)):
            lines += self.children.source(arrival, element, value if element.name == "value" else child)
        return [
            "if o.value is not U:",
            *("    " + line for line in lines),
            "else:",
            *("    " + line for line in self._parts(arrival)),
        ]

    def _removed_itself(self, arrival: Arrival) -> list[str]:
        """A resource that a rule of its own removes: the outermost one is emptied; strictly, another one is taken out, which the
        FHIR Pseudonymizer cannot do."""
        assert arrival.taken is not None
        recorded = [*self.counting.both(arrival), f"r = {self.bit(arrival)}"]
        if self.tools.strict:
            return recorded
        title = self.selector.rules[arrival.taken.rule].title
        stuck = self.bind(
            "stuck", _raising(f"{title}: remove cannot take a resource out of the one around it")
        )
        return [f"if S.depth: {stuck}()", *recorded]

    def _substituted(self, arrival: Arrival, method: Substitute) -> list[str]:
        new = self.bind("new", lambda: self._replacement(method, arrival.type))
        copied = [f"o.{element.attr} = n.{element.attr}" for element in fields(arrival.type, self.full)]
        if self.full:
            copied += [f"o.{name} = n.{name}" for name in _siblings(arrival.type)]
        empty = self.bind("empty", struct(arrival.type, self.full)())
        gone = "" if arrival.type in RESOURCE_TYPES else f" | ({GONE} if o == {empty} else 0)"
        return [
            *self.check(arrival.type),
            *self.counting.both(arrival),
            f"n = {new}()",
            *copied,
            f"return {self.bit(arrival)}{gone}",
        ]

    def _replacement(self, method: Substitute, key: str) -> Node:
        node = replacement(method, key)
        Checks(True, self.checks.scope["nested"]).function(key)(node)
        return node

    def check(self, key: str) -> list[str]:
        """Source that checks a whole node of a type."""
        return [f"{self.checks.bound(key)}(o)"] if self.checks.needed(key) else []

    def _text(self, arrival: Arrival, method: Pseudonymize) -> list[str]:
        """A complex node that becomes one pseudonym carries it as its text."""
        text = next(
            (e for e, c in self.walks.children(arrival) if e.name == "text" and e.type == "string"), None
        )
        assert arrival.taken is not None
        if text is None:
            rule = self.selector.rules[arrival.taken.rule]
            raise RuleSetError(f"{rule.title}: valueFrom works on primitives, HumanName and Address")
        work = self.children.work(arrival, Place("text", "string", arrival.type))
        assert work is not None
        return [
            f"if o.{text.attr} is U:",
            f"    o.{text.attr} = {self.bind('pseudonym', work.function)}(None)",
            f"    if o.{text.attr} is not U:",
            f"        C[{arrival.taken.rule}] += 1",
            f"        r |= {self.bit(arrival)}",
        ]


def _moved(line: str, by: int) -> str:
    """A line that counts in another tally, further behind."""
    return _SLOT.sub(lambda index: str(int(index[0]) + by), line) if "k[" in line else line


def _clearing(selector: Selector) -> int:
    """Operations after which nothing may be left of a node; a hash leaves something, unless it is cut to nothing."""
    bits = sum(set(BITS.values())) & ~ENCRYPT
    if not any(isinstance(r.method, CryptoHash) and r.method.truncate == 0 for r in selector.rules):
        bits &= ~CRYPTO_HASH
    return sum(bits << level * LEVEL for level in range(_LEVELS))


def _raising(message: str) -> Callable[[], None]:
    def stop() -> None:
        raise LineError(message)

    return stop


def _siblings(key: str) -> Iterable[str]:
    return [sibling(e.attr) for e in fields(key, True) if has_sibling(key, e)]
