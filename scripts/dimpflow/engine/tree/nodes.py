"""A resource as a tree of nodes, from JSON and back (specification of the rules, sections 2.1, 2.5 and 2.8)."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import UNSET

from dimpflow.bundles import peek
from dimpflow.engine.items import seen
from dimpflow.engine.methods.place import Place, checked
from dimpflow.engine.refusals import NotStrictError, check_places, check_utf8, refusal
from dimpflow.errors import LineError
from dimpflow.fhir.model import Node as Typed
from dimpflow.fhir.model import decoder, has_sibling, sibling
from dimpflow.fhir.table import PRIMITIVE, PRIMITIVE_TYPES, RESOURCE_TYPES, Element, elements, type_name
from dimpflow.fhirpath.items import Item

_CHECKS = {kind: checked(Place("", kind, "")) for kind in ("decimal", "instant", "base64Binary")}


class Node(Item):
    """One element of a resource, or a resource.

    key: type key; element: what it is of its parent, None for the outermost resource; raw: value as the model holds it, None
    for none; at: its place in the parent, as in a JSON path; rule: index of the rule that took it; kept_empty: an object that
    came without content (of a primitive: what stands beside it), and no rule has cleared it; origin: of a resource, the typed
    object that it was made from.
    """

    __slots__ = ("at", "by_type", "element", "kept_empty", "key", "kids", "origin", "parent", "raw", "rule")

    def __init__(
        self, key: str, element: Element | None, parent: Node | None, at: str, raw: Any = None
    ) -> None:
        self.key = key
        self.element = element
        self.parent = parent
        self.at = at
        self.raw = raw
        self.kids: list[Node] = []
        self.rule: int | None = None
        self.kept_empty = False
        self.origin: Typed = None
        self.by_type: dict[str, list[Item]] | None = None

    @property
    def type(self) -> str:
        return type_name(self.key)

    @property
    def name(self) -> str:
        return self.key if self.element is None else self.element.name

    @property
    def value(self) -> Any:
        return seen(self.raw, self.key)

    @property
    def identity(self) -> Any:
        return id(self)

    @property
    def is_resource(self) -> bool:
        return self.key in RESOURCE_TYPES

    @property
    def primitive(self) -> bool:
        return self.key in PRIMITIVE_TYPES

    @property
    def contained(self) -> bool:
        return self.element is not None and self.element.name == "contained"

    @property
    def resource(self) -> Node:
        """The nearest resource around the node, or the node itself if it is one."""
        node = self
        while not node.is_resource and node.parent is not None:
            node = node.parent
        return node

    @property
    def path(self) -> str:
        """The JSON path of the node."""
        return "$" if self.parent is None else f"{self.parent.path}.{self.at}"

    @property
    def place(self) -> str:
        """Its path from the type of the nearest resource on, names as in the JSON, without indexes."""
        names: list[str] = []
        node = self
        while not node.is_resource and node.parent is not None and node.element is not None:
            names.append(f"_{node.element.json}" if names and node.primitive else node.element.json)
            node = node.parent
        return ".".join([node.key, *reversed(names)])

    def children(self) -> list[Item]:
        return list(self.kids)

    def of_type(self, type_: str) -> list[Item]:
        if not self.is_resource:
            return super().of_type(type_)
        if self.by_type is None:
            self.by_type = {self.type: [self]}
            for node in self.descendants(enter=False):
                self.by_type.setdefault(node.type, []).append(node)
        return self.by_type.get(type_, [])

    def changed_shape(self) -> None:
        """To be called when nodes come or go: what was remembered of the resource's nodes is no longer so."""
        self.resource.by_type = None

    def detach(self) -> None:
        """Take the node out of its parent."""
        if self.parent is not None:
            self.changed_shape()
            self.parent.changed_shape()
            self.parent.kids = [kid for kid in self.parent.kids if kid is not self]


def read(data: bytes, element: Element | None = None) -> Node:
    """The tree of a strictly read resource. NotStrictError or LineError, with the place, where it is none.

    element: what the resource is of the one around it, if that is not read.
    """
    try:
        check_utf8(data)
    except UnicodeDecodeError as error:
        raise refusal(error) from None
    return _resource(data, element, None, "")


def _resource(data: bytes, element: Element | None, parent: Node | None, at: str) -> Node:
    place = at if parent is None else f"{parent.path}.{at}"
    try:
        key = peek(data)
        if key not in RESOURCE_TYPES:
            raise LineError("not a FHIR R4 resource")
        typed = decoder(key).decode(data)
    except LineError as error:
        raise LineError(error.reason, (place or "$") + error.path.removeprefix("$")) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        found = refusal(error)
        raise NotStrictError(found.reason, (place or "$") + found.path.removeprefix("$")) from None
    node = Node(key, element, parent, at)
    node.origin = typed
    _fill(node, typed)
    return node


def build(typed: Typed, key: str, element: Element | None, parent: Node | None, at: str) -> Node:
    """The node of a typed object."""
    node = Node(key, element, parent, at)
    _fill(node, typed)
    return node


def _fill(node: Node, typed: Typed) -> None:
    seen_choice: dict[str, str] = {}
    for element in elements(node.key):
        found = _kids(node, typed, element)
        if found and element.choice and seen_choice.setdefault(element.name, element.json) != element.json:
            reason = "several variants of an element of which FHIR R4 allows one"
            raise LineError(reason, node.path)
        node.kids += found
    node.kept_empty = not node.kids


def _kids(node: Node, typed: Typed, element: Element) -> list[Node]:
    value = getattr(typed, element.attr)
    if element.primitive:
        beside = getattr(typed, sibling(element.attr)) if has_sibling(node.key, element) else UNSET
        return _primitives(node, element, value, beside)
    if value is UNSET:
        return []
    found = []
    for place, one in _places(element, value):
        if element.resource:
            found.append(_resource(bytes(one), element, node, place))
        else:
            found.append(build(one, element.type, element, node, place))
    return found


def _places(element: Element, value: Any) -> list[tuple[str, Any]]:
    if element.many:
        return [(f"{element.json}[{i}]", one) for i, one in enumerate(value)]
    return [(element.json, value)]


def _primitives(node: Node, element: Element, value: Any, beside: Any) -> list[Node]:
    if not element.many:
        if value is UNSET and beside is UNSET:
            return []
        return [_primitive(node, element, element.json, value, beside)]
    try:
        check_places(value, beside)
    except NotStrictError as error:
        raise NotStrictError(error.reason, f"{node.path}.{element.json}") from None
    values = [] if value is UNSET else value
    others = [] if beside is UNSET else beside
    return [
        _primitive(node, element, f"{element.json}[{i}]", one, other)
        for i, (one, other) in enumerate(zip_longest(values, others))
    ]


def _primitive(parent: Node, element: Element, at: str, value: Any, beside: Any) -> Node:
    node = Node(element.type, element, parent, at)
    if value is not UNSET and value is not None:
        check = _CHECKS.get(element.type)
        try:
            node.raw = check(value) if check else value
        except LineError as error:
            raise LineError(error.reason, node.path) from None
    if beside is not UNSET and beside is not None:
        node.kids = build(beside, PRIMITIVE, element, node, at).kids
        for kid in node.kids:
            kid.parent = node
        node.kept_empty = not node.kids
    return node


def prune(node: Node, *, shells: bool) -> None:
    """Take out what is left without content below a node. shells: contained resources of which nothing is left stay."""
    for kid in node.kids:
        prune(kid, shells=shells)
    node.kids = [kid for kid in node.kids if not _is_empty(kid, shells)]


def _is_empty(node: Node, shells: bool) -> bool:
    if node.raw is not None or node.kids or node.kept_empty:
        return False
    return not node.is_resource or (node.contained and not shells)


def write(node: Node) -> bytes:
    """Compact JSON in definition order."""
    return msgspec.json.encode(_object(node))


def _object(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {"resourceType": node.key} if node.is_resource else {}
    groups: dict[str, list[Node]] = {}
    for kid in node.kids:
        assert kid.element is not None
        groups.setdefault(kid.element.json, []).append(kid)
    for name, kids in groups.items():
        element = kids[0].element
        assert element is not None
        if not element.primitive:
            found[name] = [_object(kid) for kid in kids] if element.many else _object(kids[0])
            continue
        if any(kid.raw is not None for kid in kids):
            found[name] = [kid.raw for kid in kids] if element.many else kids[0].raw
        besides = [_object(kid) if kid.kids or kid.kept_empty else None for kid in kids]
        if any(beside is not None for beside in besides):
            found["_" + name] = besides if element.many else besides[0]
    return found
