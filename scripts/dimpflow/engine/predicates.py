"""Predicates as Python source, for the forms that rule sets use most; ten times as fast as the closures of `expressions`.

`where(...)` only asks whether a predicate is true, so false and empty need not be told apart here. What has no form of its
own is left to a closure, so the two always agree.
"""

from collections.abc import Callable
from typing import Any

from dimpflow.engine.expressions import STRING_TYPES, truth
from dimpflow.errors import LineError
from dimpflow.fhir.table import PRIMITIVE_TYPES, Element, elements
from dimpflow.ruleset.ast import Binary, Call, Expression, Literal, Member, This
from dimpflow.ruleset.rules import Rule

Bind = Callable[[str, Any], str]
"""(prefix, object) to the name under which generated source finds the object."""


class PredicateSource:
    """Source of one rule's predicates. define: (prefix, source of a function whose name is `{name}`) to its name."""

    def __init__(self, rule: Rule, bind: Bind, define: Callable[[str, str], str]) -> None:
        self.rule = rule
        self.bind = bind
        self.define = define

    def true(self, expression: Expression, type_: str, node: str) -> str:
        """An expression in Python that is true when the predicate is, for the node in the variable `node`."""
        match expression:
            case Binary(operator="and" | "or" as operator, left=left, right=right):
                return f"({self.true(left, type_, node)} {operator} {self.true(right, type_, node)})"
            case Binary(operator="=", left=This(), right=Literal(value=str() as text)) if (
                type_ in STRING_TYPES
            ):
                return f"{node} == {self.bind('text', text)}"
            case Binary(operator="=", left=Member(focus=None, name=name), right=Literal(value=value)):
                element = _only(type_, name)
                if element and not element.many and _comparable(element, value):
                    return f"{node}.{element.attr} == {self.bind('text', value)}"
            case Call(focus=Expression() as focus, name="exists", arguments=()):
                source = self._exists(focus, type_)
                if source:
                    return f"{self.define('exists', source)}({node})"
        return f"({self.bind('truth', self._closure(expression, type_))}({node}) is True)"

    def _exists(self, path: Expression, type_: str) -> str | None:
        """A function that looks for one node on a path; None if the path is not a plain one through objects."""
        steps: list[Expression] = []
        inner: Expression | None = path
        while isinstance(inner, Member | Call):
            steps.insert(0, inner)
            inner = inner.focus
        if not (inner is None or isinstance(inner, This)):
            return None
        lines, depth, node = ["def {name}(o):"], 1, "o"
        for number, step in enumerate(steps):
            pad = "    " * depth
            if isinstance(step, Member):
                element = _only(type_, step.name)
                if element is None or element.resource or element.type in PRIMITIVE_TYPES:
                    return None
                here, node, type_ = node, f"v{number}", element.type
                if element.many:
                    lines.append(f"{pad}for {node} in {here}.{element.attr} or ():")
                else:
                    lines += [f"{pad}{node} = {here}.{element.attr}", f"{pad}if {node} is not U:"]
            elif isinstance(step, Call) and step.name == "where":
                lines.append(f"{pad}if {self.true(step.arguments[0], type_, node)}:")
            else:
                return None
            depth += 1
        return "\n".join([*lines, "    " * depth + "return True", "    return False"])

    def _closure(self, expression: Expression, type_: str) -> Callable[[Any], bool | None]:
        test = truth(expression, type_)
        number, path = self.rule.number, self.rule.path

        def ask(node: Any) -> bool | None:
            try:
                return test(node)
            except LineError as error:
                raise LineError(f"rule {number} ({path}): {error}") from None

        return ask


def _only(type_: str, name: str) -> Element | None:
    """The element of that name if there is exactly one (choice elements are several)."""
    if type_ in PRIMITIVE_TYPES or type_ == "Resource" or name[0].isupper():
        return None
    found = [e for e in elements(type_) if e.name == name]
    return found[0] if len(found) == 1 else None


def _comparable(element: Element, value: Any) -> bool:
    return element.type in STRING_TYPES if isinstance(value, str) else element.type == "boolean"
