"""The element table of FHIR R4: order, types and cardinality (2.1)."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parents[2] / "scripts" / "dimpflow" / "fhir" / "r4.json"
_TABLE = json.loads(_FILE.read_text(encoding="utf-8"))

RESOURCES: tuple[str, ...] = tuple(_TABLE["resources"])
PRIMITIVES: frozenset[str] = frozenset(_TABLE["primitives"])
CODES: dict[str, frozenset[str]] = {name: frozenset(codes) for name, codes in _TABLE["codes"].items()}
_ANONYMOUS = frozenset(_TABLE["anonymous"])


@dataclass(frozen=True)
class Row:
    """One element of a type."""

    name: str
    types: tuple[str, ...]
    is_choice: bool
    is_list: bool
    value_set: str | None

    def json_name(self, type_key: str) -> str:
        """The member that holds an element of that type: choice elements carry it in their name."""
        return self.name + type_key[0].upper() + type_key[1:] if self.is_choice else self.name


@cache
def rows(type_key: str) -> tuple[Row, ...]:
    """The elements of a type in definition order; a primitive has those of `Element`: id and extension."""
    if type_key in PRIMITIVES:
        type_key = "Element"
    return tuple(
        Row(
            name=name,
            types=tuple(types) if isinstance(types, list) else (types,),
            is_choice=isinstance(types, list),
            is_list=is_list,
            value_set=more[0] if more else None,
        )
        for name, types, is_list, *more in _TABLE["types"][type_key]
    )


@cache
def members(type_key: str) -> dict[str, tuple[Row, str]]:
    """JSON member name -> (row, type key of that variant)."""
    return {row.json_name(variant): (row, variant) for row in rows(type_key) for variant in row.types}


@cache
def place(type_key: str, name: str) -> int:
    """Where the element stands in the definition of the type."""
    return [row.name for row in rows(type_key)].index(name)


def type_name(type_key: str) -> str:
    """The FHIR type name that rules see (2.1)."""
    if "." not in type_key:
        return type_key
    return "Element" if type_key in _ANONYMOUS else "BackboneElement"
