"""Typed objects as items for FHIRPath: what predicates look at in a compiled walk, before anything below is changed."""

from typing import Any

from msgspec import UNSET, Raw

from dimpflow.bundles import peek
from dimpflow.engine.methods.place import number_of
from dimpflow.errors import LineError
from dimpflow.fhir.model import EXTRAS, Node, decoder, has_sibling, sibling
from dimpflow.fhir.primitives import normal_base64, normal_instant
from dimpflow.fhir.table import PRIMITIVE, RESOURCE_TYPES, Element, elements, type_name
from dimpflow.fhirpath.items import Item

_FORMS = {"instant": normal_instant, "base64Binary": normal_base64}


class ObjectItem(Item):
    """A complex node."""

    __slots__ = ("_key", "_name", "_node")

    def __init__(self, node: Node, key: str, name: str) -> None:
        self._node = node
        self._key = key
        self._name = name

    @property
    def type(self) -> str:
        return type_name(self._key)

    @property
    def name(self) -> str:
        return self._name

    @property
    def value(self) -> None:
        return None

    @property
    def identity(self) -> Any:
        return id(self._node)

    def children(self) -> list[Item]:
        return [
            item for element in elements(self._key) for item in children_of(self._node, self._key, element)
        ]

    def named(self, name: str) -> list[Item]:
        return [
            item
            for element in elements(self._key)
            if element.name == name
            for item in children_of(self._node, self._key, element)
        ]


class ValueItem(Item):
    """A primitive node. beside: what stands beside its value, UNSET or None for nothing."""

    __slots__ = ("_beside", "_identity", "_name", "_type", "_value")

    def __init__(
        self, value: Any, type_: str, name: str = "", beside: Any = UNSET, identity: Any = None
    ) -> None:
        self._value = value
        self._type = type_
        self._name = name
        self._beside = beside
        self._identity = identity

    @property
    def type(self) -> str:
        return self._type

    @property
    def name(self) -> str:
        return self._name

    @property
    def value(self) -> Any:
        return seen(self._value, self._type)

    @property
    def identity(self) -> Any:
        return self._identity

    def children(self) -> list[Item]:
        if self._beside is UNSET or self._beside is None:
            return []
        return ObjectItem(self._beside, PRIMITIVE, self._name).children()


def seen(value: Any, type_: str) -> Any:
    """A raw value as FHIRPath sees it: text trimmed, in its usual form, numbers as Decimal, None for none."""
    if isinstance(value, str):
        text = value.strip()
        form = _FORMS.get(type_)
        return form(text) or text if form else text
    if isinstance(value, Raw):
        return number_of(value)
    return None if value is UNSET else value


def children_of(node: Node, key: str, element: Element) -> list[Item]:
    """The items that one element of an object holds."""
    value = getattr(node, element.attr, UNSET) if element.name in EXTRAS else getattr(node, element.attr)
    if not element.primitive:
        if value is UNSET:
            return []
        values = value if element.many else [value]
        if element.resource:
            return [NestedItem(raw, element.name) for raw in values]
        return [ObjectItem(one, element.type, element.name) for one in values]
    beside = getattr(node, sibling(element.attr), UNSET) if has_sibling(key, element) else UNSET
    if not element.many:
        if value is UNSET and beside is UNSET:
            return []
        return [ValueItem(value, element.type, element.name, beside, (id(node), element.attr, 0))]
    values = [] if value is UNSET else value
    others = [] if beside is UNSET else beside
    found: list[Item] = []
    for i in range(max(len(values), len(others))):
        one = values[i] if i < len(values) else None
        other = others[i] if i < len(others) else None
        if one is not None or other is not None:
            found.append(ValueItem(one, element.type, element.name, other, (id(node), element.attr, i)))
    return found


class NestedItem(Item):
    """A nested resource, decoded when something in it is looked at."""

    __slots__ = ("_data", "_name", "_object", "_type")

    def __init__(self, raw: Raw, name: str) -> None:
        self._data = bytes(raw)
        self._name = name
        self._type = peek(self._data)
        self._object: ObjectItem | None = None
        if self._type not in RESOURCE_TYPES:
            raise LineError("not a FHIR R4 resource")

    @property
    def type(self) -> str:
        return self._type

    @property
    def name(self) -> str:
        return self._name

    @property
    def value(self) -> None:
        return None

    @property
    def identity(self) -> Any:
        return id(self)

    def children(self) -> list[Item]:
        if self._object is None:
            self._object = ObjectItem(decoder(self._type).decode(self._data), self._type, self._name)
        return self._object.children()
