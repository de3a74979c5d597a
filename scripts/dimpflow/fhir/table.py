"""The FHIR R4 element table: per type its elements in definition order (FHIR R4 4.0.1, made by scripts/build_fhir_table.py).

A *type key* names a type as the definitions do: `Patient`, `HumanName`, and for backbone elements their path,
`Patient.contact`. Choice elements (`value[x]`) stand here once per allowed type, as JSON spells them (`valueQuantity`), with
the base name (`value`) as their FHIR name.
"""

import keyword
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

_FILE = Path(__file__).with_name("r4.json")
_DATA: dict[str, Any] = orjson.loads(_FILE.read_bytes())

RESOURCE_TYPES: frozenset[str] = frozenset(_DATA["resources"])
PRIMITIVE_TYPES: frozenset[str] = frozenset(_DATA["primitives"])
_ANONYMOUS: frozenset[str] = frozenset(_DATA["anonymous"])
_ABSTRACT = frozenset({"Resource", "DomainResource", "Element", "BackboneElement"})

PRIMITIVE = "Element"
"""Type key of what stands beside a primitive value (`_birthDate`): `id` and `extension`."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type.

    name: FHIR name (`value` for `valueQuantity`); json: member name in JSON; attr: attribute of the typed object;
    type: type key, primitive type name, or `Resource` for a nested resource; many: a JSON array; codes: id of the value set
    that a code must be from, '' where any text may stand; choice: whether it is one variant of a choice element.
    """

    name: str
    json: str
    attr: str
    type: str
    many: bool
    codes: str = ""
    choice: bool = False

    @property
    def primitive(self) -> bool:
        """Whether it holds a primitive value (so that `_name` may stand beside it)."""
        return self.type in PRIMITIVE_TYPES

    @property
    def resource(self) -> bool:
        """Whether it holds nested resources (contained, Bundle.entry.resource, ...)."""
        return self.type == "Resource"


def _attribute(name: str) -> str:
    return name + "_" if keyword.iskeyword(name) else name


@cache
def elements(key: str) -> tuple[Element, ...]:
    """The elements of a type key in definition order. KeyError for an unknown key."""
    found = []
    for name, types, many, *bound in _DATA["types"][key]:
        if isinstance(types, str):
            found.append(Element(name, name, _attribute(name), types, many, *bound))
            continue
        for type_ in types:
            json = name + type_[0].upper() + type_[1:]
            found.append(Element(name, json, _attribute(json), type_, many, choice=True))
    return tuple(found)


@cache
def codes(value_set: str) -> frozenset[str]:
    """The codes of a value set that an element is bound to. KeyError for an unknown one."""
    return frozenset(_DATA["codes"][value_set])


def type_keys() -> tuple[str, ...]:
    """All complex types, backbone elements and resources."""
    return tuple(_DATA["types"])


def is_type(key: str) -> bool:
    """Whether the table knows this complex type or resource."""
    return key in _DATA["types"]


def type_name(key: str) -> str:
    """The FHIR type name of a type key: `Patient.contact` is a `BackboneElement`, parts of data types are `Element`."""
    if "." not in key:
        return key
    return "Element" if key in _ANONYMOUS else "BackboneElement"


@cache
def type_names() -> frozenset[str]:
    """Every name that an instance can carry as its type: resources, data types, primitives."""
    return (
        frozenset(type_name(k) for k in _DATA["types"] if k not in _ABSTRACT) | PRIMITIVE_TYPES | {"Element"}
    )


@cache
def member_names() -> frozenset[str]:
    """All names that members have in JSON, without the `_` of what stands beside a primitive value."""
    return frozenset(element.json for key in type_keys() for element in elements(key))
