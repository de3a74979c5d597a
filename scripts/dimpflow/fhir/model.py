"""Strict typed objects for FHIR R4 JSON, made from the element table when a type is first needed.

One msgspec Struct per type key. They refuse unknown members, wrong JSON types, wrong cardinality, empty text and lists, and
codes outside the value set that an element is bound to, all while decoding (at the speed of an untyped parser), and give
definition order while encoding. Absent members are `msgspec.UNSET`. Decimals stay the bytes that they were (FHIR R4 section
2.24.0.1: precision counts); nested resources stay raw bytes too, to be decoded one by one. What stands beside a primitive (`_birthDate`, FHIR R4 section 2.6.2.3) is the attribute `u_birthDate`.

There are two models. The *plain* one has no extensions and nothing beside primitives: most resources fit, are decoded and
walked faster, and a resource that does not fit is refused, so that nothing can be overlooked. The *full* one has all.
"""

from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from dimpflow.fhir.table import PRIMITIVE, RESOURCE_TYPES, Element, codes, elements, is_type

Node = Any
"""An instance of one of the Structs made here; their fields are known at run time only."""

_INTEGER = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
_JSON_TYPES: dict[str, Any] = {
    "boolean": bool,
    "integer": _INTEGER,
    "positiveInt": _INTEGER,
    "unsignedInt": _INTEGER,
    "decimal": Raw,
}
"""Python types of the primitives; all others are JSON strings."""

_TEXT = Annotated[str, Meta(min_length=1)]
_NOT_EMPTY = Meta(min_length=1)

EXTRAS = ("extension", "modifierExtension")
"""Elements that only the full model has."""

_structs: dict[tuple[str, bool], Any] = {}


def sibling(attr: str) -> str:
    """The attribute of what stands beside the primitive `attr`."""
    return "u_" + attr


def has_sibling(key: str, element: Element) -> bool:
    """Whether anything can stand beside an element: beside primitives, but element ids and Extension.url (attributes in XML)."""
    bare = (element.name == "id" and element.type == "string") or (
        key == "Extension" and element.name == "url"
    )
    return element.primitive and not bare


def fields(key: str, full: bool) -> tuple[Element, ...]:
    """The elements of a type that a model has, in definition order."""
    return tuple(e for e in elements(key) if full or e.name not in EXTRAS)


def _define(key: str, full: bool) -> None:
    """Makes the Struct of one type key, its field types still open."""
    members: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for element in fields(key, full):
        members.append((element.attr, Any, UNSET))
        names[element.attr] = element.json
        if full and has_sibling(key, element):
            members.append((sibling(element.attr), Any, UNSET))
            names[sibling(element.attr)] = "_" + element.json
    resource = key in RESOURCE_TYPES
    _structs[key, full] = msgspec.defstruct(
        key.replace(".", "_"),
        members,
        module=__name__,
        rename=names,
        forbid_unknown_fields=True,
        gc=False,  # no cycles: nothing for the collector to find
        tag_field="resourceType" if resource else None,
        tag=key if resource else None,
    )


def _resolve(key: str, full: bool) -> None:
    """Fills in the field types; every Struct that they name is made by now."""
    annotations = _structs[key, full].__annotations__
    for element in fields(key, full):
        if element.resource:
            inner: Any = Raw
        elif element.primitive:
            inner = _json_type(element)
        else:
            inner = _structs[element.type, full]
        if element.many and element.primitive and full and inner is not Raw:
            # null holds the place of a value that has only something beside it
            inner = Annotated[list[inner | None], _NOT_EMPTY]
        elif element.many:
            inner = Annotated[list[inner], _NOT_EMPTY]
        annotations[element.attr] = inner | UnsetType
        if full and has_sibling(key, element):
            beside: Any = _structs[PRIMITIVE, True]
            if element.many:
                beside = Annotated[list[beside | None], _NOT_EMPTY]
            annotations[sibling(element.attr)] = beside | UnsetType


def _json_type(element: Element) -> Any:
    if element.codes:
        return Literal[tuple(sorted(codes(element.codes)))]
    return _JSON_TYPES.get(element.type, _TEXT)


def struct(key: str, full: bool = True) -> Any:
    """The Struct of a type key; made, with all that it refers to, at the first call. KeyError for an unknown key."""
    if (key, full) not in _structs:
        new, queue = [], [key, PRIMITIVE]
        while queue:
            name = queue.pop()
            if (name, full) in _structs:
                continue
            _define(name, full)
            new.append(name)
            queue.extend(e.type for e in fields(name, full) if not e.resource and is_type(e.type))
        for name in new:
            _resolve(name, full)
    return _structs[key, full]


@cache
def decoder(resource_type: str, full: bool = True) -> "msgspec.json.Decoder[Any]":
    """The strict decoder of a resource type. KeyError if it is no R4 resource."""
    if resource_type not in RESOURCE_TYPES:
        raise KeyError(resource_type)
    return msgspec.json.Decoder(struct(resource_type, full))
