"""Strict typed objects for FHIR R4 JSON, made from the element table when a type is first needed.

One msgspec Struct per type key. They refuse unknown members, wrong JSON types and wrong cardinality while decoding (at the
speed of an untyped parser), and give definition order while encoding. Absent members are `msgspec.UNSET`. Decimals stay
the bytes that they were (FHIR R4 section 2.24.0.1: precision counts); nested resources stay raw bytes too, to be decoded
one by one. What stands beside a primitive (`_birthDate`, FHIR R4 section 2.6.2.3) is the attribute `u_birthDate`.
"""

from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from dimpflow.fhir.table import PRIMITIVE, RESOURCE_TYPES, Element, elements, is_type

Node = Any
"""An instance of one of the Structs made here; their fields are known at run time only."""

_JSON_TYPES: dict[str, type] = {
    "boolean": bool,
    "integer": int,
    "positiveInt": int,
    "unsignedInt": int,
    "decimal": Raw,
}
"""Python types of the primitives; all others are JSON strings."""

_structs: dict[str, Any] = {}


def sibling(attr: str) -> str:
    """The attribute of what stands beside the primitive `attr`."""
    return "u_" + attr


def _define(key: str) -> None:
    """Makes the Struct of one type key, its field types still open."""
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for element in elements(key):
        fields.append((element.attr, Any, UNSET))
        names[element.attr] = element.json
        if element.primitive and not _bare(key, element):
            fields.append((sibling(element.attr), Any, UNSET))
            names[sibling(element.attr)] = "_" + element.json
    tag = {"tag_field": "resourceType", "tag": key} if key in RESOURCE_TYPES else {}
    _structs[key] = msgspec.defstruct(
        key.replace(".", "_"),
        fields,
        module=__name__,
        rename=names,
        forbid_unknown_fields=True,
        gc=False,
        **tag,
    )


def _bare(key: str, element: Element) -> bool:
    """Element ids and Extension.url are attributes in FHIR's XML form: nothing can stand beside them."""
    return (element.name == "id" and element.type == "string") or (
        key == "Extension" and element.name == "url"
    )


def _resolve(key: str) -> None:
    """Fills in the field types; every Struct that they name is made by now."""
    annotations = _structs[key].__annotations__
    for element in elements(key):
        if element.resource:
            inner: Any = Raw
        elif element.primitive:
            inner = _JSON_TYPES.get(element.type, str)
        else:
            inner = _structs[element.type]
        if element.many and element.primitive:
            # null holds the place of a value that has only something beside it; a Raw takes null as it is
            inner = list[inner] if inner is Raw else list[inner | None]
        elif element.many:
            inner = list[inner]
        annotations[element.attr] = inner | UnsetType
        if sibling(element.attr) in annotations:
            beside = _structs[PRIMITIVE]
            annotations[sibling(element.attr)] = (list[beside | None] if element.many else beside) | UnsetType


def struct(key: str) -> Any:
    """The Struct of a type key; made, with all that it refers to, at the first call. KeyError for an unknown key."""
    if key not in _structs:
        new, queue = [], [key, PRIMITIVE]
        while queue:
            name = queue.pop()
            if name in _structs:
                continue
            _define(name)
            new.append(name)
            queue.extend(e.type for e in elements(name) if not e.resource and is_type(e.type))
        for name in new:
            _resolve(name)
    return _structs[key]


@cache
def decoder(resource_type: str) -> "msgspec.json.Decoder[Any]":
    """The strict decoder of a resource type. KeyError if it is no R4 resource."""
    if resource_type not in RESOURCE_TYPES:
        raise KeyError(resource_type)
    return msgspec.json.Decoder(struct(resource_type))
