"""What expressions work on: elements of a resource, whoever holds them, and computed values."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.fhirpath.moments import in_data

STRING_TYPES = frozenset(
    ("string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown", "base64Binary", "xhtml")
)
"""FHIR types that FHIRPath sees as strings; dates and times have types of their own there."""

_KINDS = {
    "boolean": "Boolean",
    "integer": "Integer",
    "positiveInt": "Integer",
    "unsignedInt": "Integer",
    "decimal": "Decimal",
    "date": "Date",
    "dateTime": "DateTime",
    "instant": "DateTime",
    "time": "Time",
}
"""FHIR primitive types to FHIRPath's (FHIR R4, section 2.22.1); all others are String."""

MOMENTS = ("Date", "DateTime", "Time")


class Item(ABC):
    """A node or a value."""

    __slots__ = ()

    @property
    @abstractmethod
    def type(self) -> str:
        """FHIR type name, or the name of a FHIRPath type of a computed value."""

    @property
    @abstractmethod
    def value(self) -> Any:
        """str (trimmed), bool, int or Decimal; dates and times as text; None where there is no value."""

    @property
    def name(self) -> str:
        """FHIR name of the element; of the root its resource type."""
        return ""

    @property
    def kind(self) -> str:
        """FHIRPath type of the value, '' where there is none. What is no date counts as String, whatever it should be."""
        value = self.value
        if value is None:
            return ""
        kind = _KINDS.get(self.type, "String")
        return kind if kind not in MOMENTS or in_data(kind, value) else "String"

    @property
    def identity(self) -> Any:
        """Equal for two items that are the same node; None for computed values."""
        return None

    def children(self) -> list["Item"]:
        """All children in definition order, those of primitives (id, extension) too."""
        return []

    def named(self, name: str) -> list["Item"]:
        """The children of a FHIR name."""
        return [child for child in self.children() if child.name == name]

    def descendants(self, *, enter: bool = True) -> Iterator["Item"]:
        """All that is below, in pre-order. enter: also nested resources."""
        for child in self.children():
            if enter or not child.is_resource:
                yield child
                yield from child.descendants(enter=enter)

    def of_type(self, type_: str) -> list["Item"]:
        """The node itself and all below it that are of exactly that type, in pre-order, not in nested resources."""
        found = [self] if self.type == type_ else []
        return found + [node for node in self.descendants(enter=False) if node.type == type_]

    @property
    def is_resource(self) -> bool:
        return self.type in RESOURCE_TYPES


class Computed(Item):
    """A value that no element holds. kind: Boolean, String, Integer, Decimal, Date, DateTime or Time."""

    __slots__ = ("_kind", "_value")

    def __init__(self, kind: str, value: str | bool | int | Decimal) -> None:
        self._kind = kind
        self._value = value

    @property
    def type(self) -> str:
        return self._kind

    @property
    def kind(self) -> str:
        return self._kind

    @property
    def value(self) -> Any:
        return self._value


TRUE, FALSE = Computed("Boolean", True), Computed("Boolean", False)
