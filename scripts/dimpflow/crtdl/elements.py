"""What an `attributeRef` leads to in FHIR R4: profiles narrow types and add slices, but never add elements."""

from dataclasses import dataclass
from typing import Literal

from dimpflow.fhir.table import PRIMITIVE_TYPES, RESOURCE_TYPES, Element, elements, is_type

Fault = Literal["", "no-resource", "unknown", "choice", "typeless"]

_EVERYWHERE = frozenset({"id", "extension", "value"})
"""What stands below a primitive in a StructureDefinition."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an element id leads. types: the types that the element can have, empty if it cannot be told.

    fault: `no-resource`: does not begin with a resource type; `unknown`: no such element; `choice`: the element is a choice, whose
    id ends in `[x]`; `typeless`: the element has no type of its own, it refers to another one (contentReference). part: where.
    """

    types: frozenset[str]
    fault: Fault = ""
    part: str = ""


def resolve(ref: str) -> Target:
    """Follows an element id through the R4 definitions, slice names (`:name`) being left out.

    Source: torch-crtdl.md 2.1 and 2.3; FHIR R4 section 2.29.0.4 (ElementDefinition.id).
    """
    first, *rest = ref.split(".")
    if first.partition(":")[0] not in RESOURCE_TYPES:
        return Target(frozenset(), "no-resource", first)
    types = frozenset({first})
    for number, segment in enumerate(rest):
        if not types or any(t == "Resource" for t in types):
            return Target(frozenset())
        name, _, piece = segment.partition(":")
        found = [(key, element) for key in types for element in _below(key) if name in _ids(element)]
        if not found:
            if name in _EVERYWHERE and any(key in PRIMITIVE_TYPES for key in types):
                types = frozenset()
                continue
            spelt = any(e.choice and name in (e.name, e.json) for key in types for e in _below(key))
            return Target(frozenset(), "choice" if spelt else "unknown", name)
        slices = [pair for pair in found if pair[1].choice and pair[1].json == piece]
        chosen = slices or found
        if number == len(rest) - 1 and all(
            "." in e.type and e.type != f"{key}.{e.name}" for key, e in chosen
        ):
            return Target(frozenset(), "typeless", name)
        types = frozenset(element.type for _, element in chosen)
    return Target(types)


def _below(key: str) -> tuple[Element, ...]:
    return elements(key) if is_type(key) else ()


def _ids(element: Element) -> tuple[str, ...]:
    return (f"{element.name}[x]",) if element.choice else (element.name,)
