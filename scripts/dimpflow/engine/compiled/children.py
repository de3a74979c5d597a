"""Source for the children of a node in a compiled walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dimpflow.engine.compiled.primitives import Action, action, on_element
from dimpflow.engine.compiled.selection import Arrival
from dimpflow.engine.items import ValueItem
from dimpflow.engine.labels import GONE, REMOVE
from dimpflow.engine.methods import Place, Work, work_of
from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.perturb import NUMBERS
from dimpflow.engine.methods.place import Operation, checked, place_of
from dimpflow.engine.methods.redact import clear
from dimpflow.fhir.model import Node, has_sibling, sibling
from dimpflow.fhir.table import PRIMITIVE, RESOURCE_TYPES, Element
from dimpflow.ruleset.rules import Keep, Perturb, Redact, Remove, Substitute

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
        each = compiler.walked(child, "x" if element.many else "v")
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
        lines = [f"v = o.{element.attr}", "if v is not U:", f"    y, q = {nested}(v)"]
        if compiler.tools.strict and parent.type == "Bundle.entry":
            # an entry without its resource would still name it
            lines.append(f"    e = q & {GONE}")
        return [*lines, f"    o.{element.attr} = U if q & {GONE} else y", f"    r |= q & ~{GONE}"]

    def _drop(self, element: Element, child: Arrival, checks: list[str]) -> list[str]:
        """The whole element goes, once it is known to be FHIR."""
        number = "len(v)" if element.many else "1"
        return [
            f"v = o.{element.attr}",
            "if v is not U:",
            *("    " + line for line in checks),
            *("    " + line for line in self.compiler.counts(child, number, worked=True)),
            f"    o.{element.attr} = U",
            f"    r |= {self.compiler.bit(child)}",
        ]

    # ---- primitives --------------------------------------------------------------------------------------------

    def _primitive(self, parent: Arrival, element: Element, child: Arrival) -> list[str]:
        compiler = self.compiler
        place = place_of(parent.type, element)
        beside = compiler.full and has_sibling(parent.type, element)
        places = compiler.checks.places(parent.type, element, "o")
        if not child.settled:
            lines = [*places, f"r |= {self._each(element, child, place, beside)}(o)"]
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
            gone = [*compiler.counts(child, worked=True), f"{other} = U", f"r |= {compiler.bit(child)}"]
            checks = compiler.checks.beside(element, "o")
            return [*checks, f"if {other} is not U:", *("    " + line for line in gone), *plain]
        lines = [f"if {other} is not U:", f"    r |= {self._each(element, child, place, True)}(o)"]
        return [*lines, "else:", *("    " + line for line in plain)] if plain else lines

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
        return self.compiler.bind("each", on_element(element, self._action(child, place), beside))

    def _values(self, element: Element, child: Arrival, place: Place) -> list[str]:
        """Source for values with nothing beside them; empty if they stay, need no check and are not counted."""
        compiler = self.compiler
        work = self.work(child, place)
        checks = compiler.checks.value(element, "o")
        if isinstance(compiler.walks.method(child), Remove) or (work and work.function is clear):
            return self._drop(element, child, checks)
        number = "len(v)" if element.many else "1"
        counts = compiler.counts(child, number, worked=work is not None)
        if work is None:
            if not counts:
                return checks
            return [*checks, f"v = o.{element.attr}", "if v is not U:", *("    " + line for line in counts)]
        lines = [*checks, f"v = o.{element.attr}", "if v is not U:", *("    " + line for line in counts)]
        return lines + ["    " + line for line in self._changed(element, child, place, work)]

    def _changed(self, element: Element, child: Arrival, place: Place, work: Work) -> list[str]:
        compiler = self.compiler
        operation = compiler.bind("value", self._plain_function(place, work))
        target, level = f"o.{element.attr}", compiler.level(child)
        if work.paired and element.many:
            return [
                f"n = [{operation}(x) for x in v if x is not None]",
                f"{target} = [y for y, q in n if y is not U] or U",
                f"for y, q in n: r |= q << {level}",
            ]
        if work.paired:
            return [f"{target}, q = {operation}(v)", f"r |= q << {level}" if level else "r |= q"]
        if element.many:
            changed = f"[y for y in [{operation}(x) for x in v if x is not None] if y is not U] or U"
        else:
            changed = f"{operation}(v)"
        return [f"{target} = {changed}", f"r |= {work.bit << level}"]

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

    def _action(self, arrival: Arrival, place: Place) -> Action:
        """What is done to one value and what stands beside it."""
        compiler, walks = self.compiler, self.compiler.walks
        if not arrival.settled:
            mask = compiler.mask(arrival)
            ask: Callable[[Any, Any], int] = compiler.scope[
                compiler.define("mask", f"def {{name}}(o, b):\n    return {mask}")
            ]
            targets = Cache(lambda mask: self._action(compiler.answered(arrival, mask), place), lasting=True)

            def asking(value: Any, other: Any) -> tuple[Any, Any, int]:
                done: tuple[Any, Any, int] = targets[ask(value, other)](value, other)
                return done

            return asking
        method = walks.method(arrival)
        rule = arrival.taken.rule if arrival.taken else 0
        return action(
            place=place,
            work=self.work(arrival, place),
            check=checked(place),
            level=compiler.level(arrival),
            remove=REMOVE << compiler.level(arrival) if isinstance(method, Remove) else 0,
            beside=self._beside(arrival, walks.beside(arrival)) if compiler.full else None,
            aside=self._beside(arrival, walks.aside(arrival, PRIMITIVE)) if self._perturbs(arrival) else None,
            matched=None
            if arrival.selected is None
            else _counter(compiler.counters.matched, arrival.selected),
            changed=None
            if arrival.taken is None or isinstance(method, Keep)
            else _counter(compiler.counters.changed, rule),
        )

    def _perturbs(self, arrival: Arrival) -> bool:
        """Whether a number is perturbed beside which something may stand that then is not."""
        compiler = self.compiler
        perturbed = isinstance(compiler.walks.method(arrival), Perturb) and arrival.type in NUMBERS
        return perturbed and compiler.full and not compiler.tools.strict

    def _beside(self, arrival: Arrival, other: Arrival) -> Callable[[Node], int]:
        """The walk of what stands beside a primitive, or at least its check."""
        compiler = self.compiler
        replaced = isinstance(compiler.walks.method(arrival), Substitute)
        if compiler.walks.busy(other) and not replaced:
            return compiler.walk(other)
        check = compiler.checks.first(PRIMITIVE)

        def only_checked(node: Node) -> int:
            check(node)
            return GONE if replaced else 0

        return only_checked


def _counter(counts: list[int], rule: int) -> Callable[[], None]:
    def count() -> None:
        counts[rule] += 1

    return count
