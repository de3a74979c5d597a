"""Predicates as Python source, for the forms that rule sets use most; ten times as fast as evaluating them in general.

`where(...)` only asks whether a predicate is true, so false and empty need not be told apart here. What has no form of its
own is evaluated by `fhirpath.evaluate`, so the two always agree.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from dimpflow.bundles import peek
from dimpflow.engine.items import ObjectItem, ValueItem
from dimpflow.engine.methods.cache import Cache
from dimpflow.errors import LineError
from dimpflow.fhir.model import EXTRAS, has_sibling, sibling
from dimpflow.fhir.table import PRIMITIVE_TYPES, Element, elements
from dimpflow.fhirpath.ast import Binary, Call, Expression, Literal, Member, This, TypeTest
from dimpflow.fhirpath.check import may_fail
from dimpflow.fhirpath.evaluate import compiled
from dimpflow.fhirpath.items import STRING_TYPES
from dimpflow.fhirpath.operators import truth

Bind = Callable[[str, Any], str]
"""(prefix, object) to the name under which generated source finds the object."""

Define = Callable[[str, str], str]
"""(prefix, source of a function whose name is `{name}`) to its name."""


_MOST_STEPS = 15
"""Python has a limit of 20 loops in one another."""


class PredicateSource:
    """Source of predicates on nodes of the full model, or of the plain one."""

    def __init__(self, full: bool, by_identity: bool, bind: Bind, define: Define) -> None:
        self.full = full
        self.by_identity = by_identity
        self.bind = bind
        self.define = define

    def true(self, expression: Expression, type_: str, name: str, node: str) -> str:
        """An expression in Python that is true when the predicate is, for the node in the variable `node`; what stands beside
        a primitive is in the variable `b`."""
        found = self._form(expression, type_, node)
        if found:
            return found
        general = self._general(expression, type_, name)
        return f"{self.bind('true', general)}({node}{', b' if type_ in PRIMITIVE_TYPES else ''})"

    def _form(self, expression: Expression, type_: str, node: str) -> str | None:
        match expression:
            case Binary(operator="and", right=right) if may_fail(right):
                return None  # it is asked, and may fail, also where the left side is empty
            case Binary(operator="and" | "or" as operator, left=left, right=right):
                sides = [self._form(left, type_, node), self._form(right, type_, node)]
                return f"({sides[0]} {operator} {sides[1]})" if all(sides) else None
            case Binary(operator="=", left=This(), right=Literal(value=str() as text, kind="string")):
                return f"{self._equals(text)}[{node}]" if type_ in STRING_TYPES else None
            case Binary(
                operator="=", left=Member() as path, right=Literal(kind="string" | "boolean", value=value)
            ):
                return self._equal(path, value, type_, node)
            case Call(focus=Expression() as focus, name="exists", arguments=()):
                return self._called(self._exists(focus, type_), node)
            case Call(focus=focus, name="exists", arguments=(_,) as criterion):
                return self._called(self._exists(Call(focus, "where", criterion), type_), node)
            case Call(focus=Expression() as focus, name="empty"):
                return _negated(self._called(self._exists(focus, type_), node))
            case Call(focus=Call(name="exists" | "empty") as inner, name="not"):
                return _negated(self._form(inner, type_, node))
            case Call(focus=Member() as path, name="startsWith", arguments=(Literal(value=str() as text),)):
                return self._called(self._starts_with(path, text, type_), node)
            case TypeTest(operator="is", operand=Member(focus=None, name=name), type=wanted):
                element = self.only(type_, name)
                if element and element.resource and not element.many:
                    place, test = f"{node}.{element.attr}", self.bind("is", _is(wanted))
                    return f"({place} is not U and {test}({place}))"
        return None

    def _called(self, source: str | None, node: str) -> str | None:
        return f"{self.define('test', source)}({node})" if source else None

    def _equals(self, text: str) -> str:
        """A memory of which values are the text: white space around them does not count."""
        return self.bind("equals", Cache(lambda value: isinstance(value, str) and value.strip() == text))

    def _equal(self, path: Member, value: Any, type_: str, node: str) -> str | None:
        if path.focus is None:
            element = self.only(type_, path.name)
            if element and not element.many and _comparable(element, value):
                if isinstance(value, str) and not element.codes:
                    return f"{self._equals(value)}[{node}.{element.attr}]"
                return f"{node}.{element.attr} == {self.bind('literal', value)}"
        steps = self._steps(path, type_)
        if steps is None or not isinstance(value, str) or not _comparable(steps[-1][0], value):
            return None
        element, key, lines, here, depth = self._walked(steps)
        pad = "    " * depth
        if element.many:
            return None
        present = self._present(element, key, here)
        lines += [f"{pad}if {present}:", f"{pad}    n += 1", f"{pad}    v = {here}.{element.attr}"]
        body = ["def {name}(o):", "    n = 0", *lines, f"    return n == 1 and {self._equals(value)}[v]"]
        return self._called("\n".join(body), node)

    def _starts_with(self, path: Member, text: str, type_: str) -> str | None:
        steps = self._steps(path, type_)
        if steps is None or any(e.many for e, _ in steps) or steps[-1][0].type not in STRING_TYPES:
            return None
        element, key, lines, here, depth = self._walked(steps)
        test = self.bind("starts", _starts(text))
        pad = "    " * depth
        lines.append(f"{pad}if {self._present(element, key, here)}:")
        lines.append(f"{pad}    return {test}({here}.{element.attr})")
        return "\n".join(["def {name}(o):", *lines, "    return False"])

    def only(self, type_: str, name: str) -> Element | None:
        """The element of that name if there is exactly one (choice elements are several)."""
        if type_ in PRIMITIVE_TYPES or type_ == "Resource" or name[:1].isupper():
            return None
        found = [e for e in elements(type_) if e.name == name]
        if len(found) != 1 or (name in EXTRAS and not self.full):
            return None
        return found[0]

    def _steps(self, path: Expression | None, type_: str) -> list[tuple[Element, str]] | None:
        """The elements on a plain path that ends at a primitive, each with the type that it belongs to; None for other paths."""
        names: list[str] = []
        while isinstance(path, Member):
            names.insert(0, path.name)
            path = path.focus
        if not (path is None or isinstance(path, This)) or len(names) > _MOST_STEPS:
            return None
        found: list[tuple[Element, str]] = []
        for name in names:
            element = self.only(type_, name)
            if element is None or element.resource:
                return None
            found.append((element, type_))
            type_ = element.type
        return found if type_ in PRIMITIVE_TYPES else None

    def _walked(self, steps: list[tuple[Element, str]]) -> tuple[Element, str, list[str], str, int]:
        """Source that goes along all but the last of the steps: that one, its owner, the lines, the variable, the depth."""
        lines: list[str] = []
        depth, here = 1, "o"
        for number, (element, _) in enumerate(steps[:-1]):
            lines += into(element, here, f"v{number}", depth)
            here = f"v{number}"
            depth += 1
        return *steps[-1], lines, here, depth

    def _present(self, element: Element, key: str, node: str) -> str:
        """Whether a primitive is there, be it only by what stands beside it."""
        value = f"{node}.{element.attr} is not U"
        if self.full and has_sibling(key, element):
            return f"({value} or {node}.{sibling(element.attr)} is not U)"
        return value

    def _exists(self, path: Expression, type_: str) -> str | None:
        """A function that looks for one node on a path; None if the path is not a plain one through objects."""
        steps: list[Expression] = []
        inner: Expression | None = path
        while isinstance(inner, Member | Call):
            steps.insert(0, inner)
            inner = inner.focus
        if not (inner is None or isinstance(inner, This)) or len(steps) > _MOST_STEPS:
            return None
        lines, depth, node = ["def {name}(o):"], 1, "o"
        for number, step in enumerate(steps):
            pad = "    " * depth
            if isinstance(step, Member):
                element = self.only(type_, step.name)
                if element is None or element.resource:
                    return None
                if element.primitive:
                    if number < len(steps) - 1:
                        return None
                    lines.append(f"{pad}if {self._present(element, type_, node)}:")
                else:
                    lines += into(element, node, f"v{number}", depth)
                node, type_ = f"v{number}", element.type
            elif isinstance(step, Call) and step.name == "where":
                form = None if may_fail(step.arguments[0]) else self._form(step.arguments[0], type_, node)
                if form is None:
                    return None
                lines.append(f"{pad}if {form}:")
            else:
                return None
            depth += 1
        return "\n".join([*lines, "    " * depth + "return True", "    return False"])

    def _general(self, expression: Expression, type_: str, name: str) -> Callable[..., bool]:
        function = compiled(expression, by_identity=self.by_identity)
        if type_ in PRIMITIVE_TYPES:
            return lambda value, beside: truth(function([ValueItem(value, type_, name, beside)])) is True
        return lambda node: truth(function([ObjectItem(node, type_, name)])) is True


def _negated(source: str | None) -> str | None:
    return f"(not {source})" if source else None


def into(element: Element, here: str, node: str, depth: int) -> list[str]:
    pad = "    " * depth
    if element.many:
        return [f"{pad}for {node} in {here}.{element.attr} or ():"]
    return [f"{pad}{node} = {here}.{element.attr}", f"{pad}if {node} is not U:"]


def _is(wanted: str) -> Callable[[Any], bool]:
    return lambda raw: peek(bytes(raw)) == wanted


def _starts(text: str) -> Callable[[Any], bool]:
    def starts(value: Any) -> bool:
        if value is UNSET:
            raise LineError("startsWith() needs a text, but there is only an extension")
        return bool(value.strip().startswith(text))

    return starts


def _comparable(element: Element, value: Any) -> bool:
    return element.type in STRING_TYPES if isinstance(value, str) else element.type == "boolean"
