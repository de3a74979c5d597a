"""What decoding does not check: one variant of each choice element, decimals, instants, base64, nested resources.

One function per type, made when it is first needed, for whatever a walk does not go through itself: what no rule reaches, and
what is taken out as a whole (a resource that is no FHIR is refused wherever its fault lies). Instants and base64 get their
usual form on the way.
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import UNSET
from msgspec.structs import astuple

from dimpflow.engine.methods.place import Place, check_number, checked
from dimpflow.engine.refusals import check_places
from dimpflow.errors import LineError
from dimpflow.fhir.model import Node, fields, has_sibling, sibling, struct
from dimpflow.fhir.primitives import KNOWN_DAYS, USUAL_TIME
from dimpflow.fhir.table import PRIMITIVE, Element

Check = Callable[[Node], None]
Nested = Callable[[Any], None]
"""Checks a nested resource's raw bytes."""

_MANY = 20
"""Variants of a choice element from which on they are counted otherwise."""
_INLINE = 8
"""Lines up to which the check of a part stands in line: a call costs as much as two of them."""


class Checks:
    """The check functions of the full model, or of the plain one. nested: what checks a nested resource."""

    def __init__(self, full: bool, nested: Nested) -> None:
        self.full = full
        self.scope: dict[str, Any] = {
            "U": UNSET,
            "number": check_number,
            "instant": checked(Place("", "instant", "")),
            "base64": checked(Place("", "base64Binary", "")),
            "days": KNOWN_DAYS,
            "usual": USUAL_TIME.fullmatch,
            "nested": nested,
            "choice": _choice,
            "members": astuple,
            "places": check_places,
        }
        self._needed: dict[str, bool] = {}

    def needed(self, key: str) -> bool:
        """Whether there is anything to check in an object of a type, or below it."""
        known = self._needed.get(key)
        if known is not None:
            return known
        seen, stack, found = {key}, [key], False
        while stack and not found:
            type_ = stack.pop()
            found = self._needed.get(type_, False) or bool(self.own(type_, "o"))
            for element in fields(type_, self.full):
                found = found or element.resource or bool(self.places(type_, element, "o"))
                found = found or (element.primitive and bool(self.value(element, "o")))
                if not element.primitive and not element.resource and element.type not in seen:
                    seen.add(element.type)
                    stack.append(element.type)
            if self.full and any(e.primitive for e in fields(type_, True)) and PRIMITIVE not in seen:
                seen.add(PRIMITIVE)
                stack.append(PRIMITIVE)
        if found:
            self._needed[key] = True
        else:
            self._needed |= dict.fromkeys(seen, False)
        return found

    def function(self, key: str) -> Check:
        """The function that checks an object of a type and all below it."""
        name = "check_" + key.replace(".", "_")
        if name not in self.scope:
            body = "\n    ".join(["pass", *self._source(key, "o", 0)])
            self.scope[name] = None  # recursive types find it when they run
            exec(compile(f"def {name}(o):\n    {body}", f"<{name}>", "exec"), self.scope)  # noqa: S102  names of the table only
        check: Check = self.scope[name]
        return check

    def first(self, key: str) -> Check:
        """The function, made at its first call: most types never come."""
        made: list[Check] = []

        def check(node: Node) -> None:
            if not made:
                made.append(self.function(key))
                self.scope[_first(key)] = made[0]
            made[0](node)

        return check

    def own(self, key: str, node: str) -> list[str]:
        """Source that checks the choice elements of an object."""
        groups: dict[str, list[Element]] = {}
        for element in fields(key, self.full):
            if element.choice:
                groups.setdefault(element.name, []).append(element)
        lines = []
        for group in groups.values():
            values = ", ".join(f"{node}.{e.attr}" for e in group)
            several = f"({values}).count(U) < {len(group) - 1}"
            primitives = [e for e in group if e.primitive] if self.full else []
            if primitives:
                besides = ", ".join(f"{node}.{sibling(e.attr)}" for e in primitives)
                several += f" or ({besides},).count(U) < {len(primitives)}"
            pairs = tuple((e.attr, sibling(e.attr) if e in primitives else "") for e in group)
            if len(group) > _MANY:
                several = self._several(key, group, node)
            lines += [f"if {several}:", f"    choice({node}, {pairs!r})"]
        return lines

    def _several(self, key: str, group: list[Element], node: str) -> str:
        """The same for many variants (an extension's value has 50): counting all members at once costs half of asking each."""
        names = struct(key, self.full).__struct_fields__
        own = {e.attr for e in group} | {sibling(e.attr) for e in group}
        others = [name for name in names if name not in own]
        present = f"{len(names)} - members({node}).count(U)"
        among = " + ".join(f"({node}.{name} is not U)" for name in others)
        usual = f"1 + ({node}.url is not U)" if "url" in others else "1"
        return f"{present} > {usual} and {present} - ({among}) > 1"

    def places(self, key: str, element: Element, node: str) -> list[str]:
        """Source that checks that null only holds places in a list of primitives; the plain model has no null."""
        if not (self.full and element.many and element.primitive and has_sibling(key, element)):
            return []
        values, others = f"{node}.{element.attr}", f"{node}.{sibling(element.attr)}"
        return [
            f"if {others} is not U or ({values} is not U and None in {values}): places({values}, {others})"
        ]

    def value(self, element: Element, node: str) -> list[str]:
        """Source that checks the values of a primitive element; none if there is nothing to check."""
        place = f"{node}.{element.attr}"
        if element.type == "decimal":
            one = "if not b',' < bytes(x) < b':': number(x)"
            if element.many:
                return [f"for x in {place} or ():", f"    {one}"]
            return [f"x = {place}", "if x is not U and not b',' < bytes(x) < b':': number(x)"]
        form = {"instant": "instant", "base64Binary": "base64"}.get(element.type)
        if form is None:
            return []
        if element.type == "instant" and not element.many:
            return [
                f"x = {place}",
                f"if x is not U and not (x[:10] in days and usual(x, 10)): {place} = instant(x)",
            ]
        if element.many:
            changed = f"[x if x is None else {form}(x) for x in {place}]"
            return [f"if {place} is not U: {place} = {changed}"]
        return [f"if {place} is not U: {place} = {form}({place})"]

    def _source(self, key: str, node: str, depth: int) -> Iterator[str]:
        yield from self.own(key, node)
        for element in fields(key, self.full):
            if element.primitive:
                yield from self.places(key, element, node)
                yield from self.value(element, node)
                if self.full and has_sibling(key, element) and self.needed(PRIMITIVE):
                    yield from self.beside(element, node)
            else:
                yield from self.part(element, node, depth)

    def beside(self, element: Element, node: str) -> list[str]:
        """Source that checks what stands beside a primitive element."""
        name = self.bound(PRIMITIVE)
        place = f"{node}.{sibling(element.attr)}"
        if element.many:
            return [f"for x in {place} or ():", f"    if x is not None: {name}(x)"]
        return [f"if {place} is not U: {name}({place})"]

    def part(self, element: Element, node: str, depth: int = 0) -> list[str]:
        """Source that checks a complex element or nested resources; none if there is nothing to check."""
        if not element.resource and not self.needed(element.type):
            return []
        place, part = f"{node}.{element.attr}", f"y{depth}"
        body = [f"{'nested' if element.resource else self.bound(element.type)}({part})"]
        if not element.resource and not self.full and depth < 3:
            source = list(self._source(element.type, part, depth + 1))
            body = source if len(source) <= _INLINE else body
        if element.many:
            return [f"for {part} in {place} or ():", *("    " + line for line in body)]
        return [f"{part} = {place}", f"if {part} is not U:", *("    " + line for line in body)]

    def bound(self, key: str) -> str:
        """The name under which generated source finds the check of a type."""
        name = _first(key)
        if name not in self.scope:
            self.scope[name] = self.first(key)
        return name


def _first(key: str) -> str:
    return "first_" + key.replace(".", "_")


def _choice(node: Node, pairs: tuple[tuple[str, str], ...]) -> None:
    """LineError if several variants of a choice element are there; a value and what stands beside it are one."""
    present = [
        attr
        for attr, other in pairs
        if getattr(node, attr) is not UNSET or (other and getattr(node, other) is not UNSET)
    ]
    if len(present) > 1:
        raise LineError("several variants of an element of which FHIR R4 allows one")
