"""Source for the children of a node in a compiled walk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from dimpflow.engine.compiled.counting import beside_step, step
from dimpflow.engine.compiled.primitives import Action, action, on_element
from dimpflow.engine.compiled.selection import Arrival
from dimpflow.engine.items import ValueItem
from dimpflow.engine.labels import GONE, REMOVE
from dimpflow.engine.methods import Place, Work, work_of
from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.perturb import NUMBERS
from dimpflow.engine.methods.place import Operation, checked, place_of
from dimpflow.engine.methods.redact import clear
from dimpflow.engine.tally import CHANGED, MATCHED, WITHIN, Asked, Layout, NewTally, new_part
from dimpflow.fhir.model import Node, has_sibling, sibling
from dimpflow.fhir.table import PRIMITIVE, RESOURCE_TYPES, Element
from dimpflow.ruleset.rules import CryptoHash, Keep, Perturb, Redact, Remove, Substitute

if TYPE_CHECKING:
    from dimpflow.engine.compiled.compile import Compiler


class Children:
    """Source for one child at a time, by what it is and what the rules do to it."""

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler

    def source(self, parent: Arrival, element: Element, child: Arrival) -> list[str]:
        """Source for one element of the object `o`; it adds what was done to `r`."""
        if element.resource:
            return self._nested(parent, element)
        if element.primitive:
            return self._primitive(parent, element, child)
        return self._object(element, child)

    # ---- complex nodes and nested resources -------------------------------------------------------------------

    def _object(self, element: Element, child: Arrival) -> list[str]:
        compiler, walks = self.compiler, self.compiler.walks
        method = walks.method(child)
        if child.settled and (
            (isinstance(method, Remove) and walks.removable(child))
            or (isinstance(method, Redact) and walks.clears(child))
        ):
            return self._drop(element, child, compiler.checks.part(element, "o"))
        if not walks.busy(child):
            return compiler.checks.part(element, "o")
        each = compiler.walked(child, "x" if element.many else "v", element)
        each = compiler.counting.around(child, step(element), each)
        if not walks.vanishes(child):
            body = [f"    {line}" for line in each] + ["    r |= q"]
            loop = ["for x in v:", *body] if element.many else [line[4:] for line in body]
            return [f"v = o.{element.attr}", "if v is not U:", *("    " + line for line in loop)]
        if element.many:
            return [
                f"v = o.{element.attr}",
                "if v is not U:",
                "    gone = None",
                "    for x in v:",
                *("        " + line for line in each),
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
            *("    " + line for line in each),
            "    if q:",
            f"        if q & {GONE}:",
            f"            q ^= {GONE}",
            f"            o.{element.attr} = U",
            "        r |= q",
        ]

    def _nested(self, parent: Arrival, element: Element) -> list[str]:
        compiler = self.compiler
        into = compiler.selector.into(parent, element)
        nested = compiler.bind("nested", compiler.nested(into, element))
        before, after = compiler.around_nested
        if element.many:
            return [
                f"v = o.{element.attr}",
                "if v is not U:",
                "    n = []",
                *("    " + line for line in before),
                "    for x in v:",
                f"        y, q = {nested}(x)",
                f"        if q & {GONE}: q ^= {GONE}",
                "        else: n.append(y)",
                "        r |= q",
                *("    " + line for line in after),
                f"    o.{element.attr} = n or U",
            ]
        lines = [
            f"v = o.{element.attr}",
            "if v is not U:",
            *("    " + line for line in before),
            f"    y, q = {nested}(v)",
            *("    " + line for line in after),
        ]
        if compiler.tools.strict and parent.type == "Bundle.entry":
            # an entry without its resource would still name it
            lines.append(f"    e = q & {GONE}")
        return [*lines, f"    o.{element.attr} = U if q & {GONE} else y", f"    r |= q & ~{GONE}"]

    def _drop(self, element: Element, child: Arrival, checks: list[str]) -> list[str]:
        """The whole element goes, once it is known to be FHIR."""
        return [
            f"v = o.{element.attr}",
            "if v is not U:",
            *("    " + line for line in checks),
            *("    " + line for line in self._gone(element, child, "len(v)" if element.many else "1")),
            f"    o.{element.attr} = U",
            f"    r |= {self.compiler.bit(child)}",
        ]

    def _gone(self, element: Element, child: Arrival, number: str) -> list[str]:
        """Source that counts what is taken out; what stands in something removed does not count."""
        if child.selected is None and isinstance(self.compiler.walks.method(child), Remove):
            return []
        return self.compiler.counting.both(child, step(element), number)

    # ---- primitives --------------------------------------------------------------------------------------------

    def _primitive(self, parent: Arrival, element: Element, child: Arrival) -> list[str]:
        compiler = self.compiler
        place = place_of(parent.type, element)
        beside = compiler.full and has_sibling(parent.type, element)
        places = compiler.checks.places(parent.type, element, "o")
        if not child.settled:
            lines = [*places, f"r |= {self._each(element, child, place, beside)}"]
        else:
            lines = self._values(element, child, place)
            if beside:
                lines = [*places, *self._with_beside(element, child, place, lines)]
        if element.name == "id" and parent.type in RESOURCE_TYPES and compiler.subject.needs_root:
            taken = -1 if child.taken is None else child.taken.rule
            lines.append(f"if not S.depth: S.root_new = o.{element.attr}; S.root_rule = {taken}")
        return lines

    def _with_beside(self, element: Element, child: Arrival, place: Place, plain: list[str]) -> list[str]:
        compiler = self.compiler
        if not compiler.walks.busy(child) and not self._settled_work(child):
            return [*plain, *compiler.checks.beside(element, "o")]
        other = f"o.{sibling(element.attr)}"
        if self._all_goes(child, place):
            return self._drop_both(element, child)
        lines = [f"if {other} is not U:", f"    r |= {self._each(element, child, place, True)}"]
        return [*lines, "else:", *("    " + line for line in plain)] if plain else lines

    def _drop_both(self, element: Element, child: Arrival) -> list[str]:
        """The values go with all that stands beside them, once both are known to be FHIR."""
        value, other, checks = f"o.{element.attr}", f"o.{sibling(element.attr)}", self.compiler.checks
        number = "max(len(v or ()), len(n or ()))" if element.many else "1"
        return [
            *checks.beside(element, "o"),
            *checks.value(element, "o"),
            f"v, n = {value}, {other}",
            "if v is not U or n is not U:",
            *("    " + line for line in self._gone(element, child, number)),
            f"    {value} = {other} = U",
            f"    r |= {self.compiler.bit(child)}",
        ]

    def _all_goes(self, child: Arrival, place: Place) -> bool:
        """Whether a value goes with all that stands beside it."""
        walks = self.compiler.walks
        method, other = walks.method(child), walks.beside(child)
        if isinstance(method, Remove):
            return walks.removable(other)
        work = self.work(child, place) if isinstance(method, Redact) else None
        return work is not None and work.function is clear and walks.clears(other)

    def _settled_work(self, child: Arrival) -> bool:
        return not isinstance(self.compiler.walks.method(child), Keep) or child.selected is not None

    def _each(self, element: Element, child: Arrival, place: Place, beside: bool) -> str:
        compiler = self.compiler
        act, tally = self._action(element, child, place, within=compiler.counting.holds(child))
        name = compiler.bind("each", on_element(element, act, beside))
        return f"{name}(o, {compiler.counting.layout.part('', tally)})"

    def _values(self, element: Element, child: Arrival, place: Place) -> list[str]:
        """Source for values with nothing beside them; empty if they stay, need no check and are not counted."""
        compiler = self.compiler
        work = self.work(child, place)
        checks = compiler.checks.value(element, "o")
        if isinstance(compiler.walks.method(child), Remove) or (work and work.function is clear):
            return self._drop(element, child, checks)
        if work is not None:
            lines = [*checks, f"v = o.{element.attr}", "if v is not U:"]
            return lines + ["    " + line for line in self._changed(element, child, place, work)]
        counts = compiler.counting.matched(child, step(element), "len(v)" if element.many else "1")
        if not counts:
            return checks
        return [*checks, f"v = o.{element.attr}", "if v is not U:", *("    " + line for line in counts)]

    def _changed(self, element: Element, child: Arrival, place: Place, work: Work) -> list[str]:
        compiler = self.compiler
        operation = compiler.bind("value", self._plain_function(place, work))
        target, level = f"o.{element.attr}", compiler.level(child)
        if element.many:
            before, after = compiler.counting.worked_on_all(child, step(element))
            lines = [*before, f"n = [{operation}(x) for x in v if x is not None]"]
            if work.paired:
                lines += [f"for y, q in n: r |= q << {level}", "n = [y for y, q in n]"]
            lines += [after, f"{target} = [y for y in n if y is not U] or U"]
        else:
            method = compiler.walks.method(child)
            hashed = isinstance(method, CryptoHash) and method.truncate is None and not place.is_reference
            first, last = compiler.counting.worked(child, step(element), surely=hashed)
            given = [f"n = {operation}(v)"]
            if work.paired:
                given = [f"n, q = {operation}(v)", f"r |= q << {level}" if level else "r |= q"]
            lines = [*first, *given, *last, f"{target} = n"]
        return lines if work.paired else [*lines, f"r |= {work.bit << level}"]

    def _plain_function(self, place: Place, work: Work) -> Operation:
        """The operation on a value with nothing beside it."""
        if not work.item:
            return work.function

        def on_value(value: Any) -> Any:
            return work.function(value, ValueItem(value, place.type, place.name))

        return (
            on_value if place.type == "decimal" else Cache(on_value).__getitem__
        )  # Raw values cannot be keys

    def work(self, arrival: Arrival, place: Place) -> Work | None:
        """The operation at a settled primitive; None where the value stays."""
        if arrival.taken is None:
            return None
        compiler = self.compiler
        return work_of(compiler.walks.method(arrival), place, compiler.tools, compiler.context(arrival))

    def _action(
        self, element: Element, arrival: Arrival, place: Place, *, within: bool
    ) -> tuple[Action, NewTally]:
        """What is done to one value and what stands beside it, and what makes a tally for that. within: as a part of a whole resource
        that a rule took, a change counts for it."""
        compiler, walks = self.compiler, self.compiler.walks
        if not arrival.settled:
            mask = compiler.mask(arrival)
            ask: Callable[[Any, Any], int] = compiler.scope[
                compiler.define("mask", f"def {{name}}(o, b):\n    return {mask}")
            ]
            taken = arrival.taken

            def answered(mask: int) -> tuple[Action, NewTally]:
                found = compiler.answered(arrival, mask)
                return self._action(element, found, place, within=within and found.taken == taken)

            def asking(value: Any, other: Any, tally: Any) -> tuple[Any, Any, int]:
                act, own = tally[ask(value, other)]
                done: tuple[Any, Any, int] = act(value, other, own)
                return done

            return asking, partial(Asked, Cache(answered, lasting=True).__getitem__)
        method, layout = walks.method(arrival), Layout()
        rule = arrival.taken.rule if arrival.taken else 0
        counted = layout.count(WITHIN, rule, step(element)) if within else 0
        matched = 0
        if arrival.selected is not None:
            matched = layout.count(MATCHED, arrival.selected, step(element))
            counted = layout.count(CHANGED, arrival.selected, step(element))
        act = action(
            place=place,
            work=self.work(arrival, place),
            check=checked(place),
            level=compiler.level(arrival),
            remove=REMOVE << compiler.level(arrival) if isinstance(method, Remove) else 0,
            beside=self._beside(element, arrival, walks.beside(arrival), layout) if compiler.full else None,
            aside=self._beside(element, arrival, walks.aside(arrival, PRIMITIVE), layout)
            if self._perturbs(arrival)
            else None,
            ticks=compiler.counters.ticks,
            rule=rule,
            matched=matched,
            changed=0 if isinstance(method, Keep) else counted,
        )
        return act, layout.tally

    def _perturbs(self, arrival: Arrival) -> bool:
        """Whether a number is perturbed beside which something may stand that then is not."""
        compiler = self.compiler
        perturbed = isinstance(compiler.walks.method(arrival), Perturb) and arrival.type in NUMBERS
        return perturbed and compiler.full and not compiler.tools.strict

    def _beside(
        self, element: Element, arrival: Arrival, other: Arrival, layout: Layout
    ) -> Callable[[Node, Any], int]:
        """The walk of what stands beside a primitive, or at least its check; with the tally of the primitive."""
        compiler = self.compiler
        replaced = isinstance(compiler.walks.method(arrival), Substitute)
        if compiler.walks.busy(other) and not replaced:
            walk, tally = compiler.walk(other)
            index = layout.add_part(beside_step(element), tally)
            return lambda node, k: walk(node, k[index] or new_part(k, index))
        check = compiler.checks.first(PRIMITIVE)

        def only_checked(node: Node, _: Any) -> int:
            check(node)
            return GONE if replaced else 0

        return only_checked
