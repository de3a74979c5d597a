"""The texts of a resource and where they stand: FHIR paths without indexes, and what a text may be at such a place."""

from collections.abc import Iterator
from enum import Enum, auto
from functools import cache
from typing import Any, NamedTuple

from dimpflow.fhir.compartment import PATIENT_ELEMENTS
from dimpflow.fhir.table import PRIMITIVE, RESOURCE_TYPES, elements, is_type, member_names

Json = dict[str, Any]


class Nature(Enum):
    """What stands at a place."""

    PERSONAL = auto()
    """Names, addresses, numbers of people; what else is displayed for them."""
    ID = auto()
    """Ids, what refers to them, and identifiers."""
    LABEL = auto()
    """Codes, what is displayed for them, units, addresses of vocabularies."""
    TEXT = auto()
    """All other texts."""
    BIRTH = auto()
    """Birth dates, and dates in extensions of persons."""
    DATE = auto()
    """Dates of events."""
    TYPE = auto()
    """The type of a resource, if it is none."""


class Place(NamedTuple):
    """A text. path: nothing in it comes from the resource but names that FHIR R4 has; owner: whose it is; number: a whole number, not a text."""

    path: str
    text: str
    nature: Nature
    owner: str
    number: bool = False


_PERSONAL = frozenset(("HumanName", "ContactPoint", "Address", "Reference", "Identifier"))
_CODED = frozenset(
    ("Coding", "CodeableConcept", "Quantity", "Age", "Duration", "Count", "Distance", "SampledData")
)
_DATES = frozenset(("date", "dateTime", "instant", "time"))
_LABELS = frozenset(("code", "uri", "url", "canonical", "oid"))
_IDS = frozenset(
    (
        ("Reference", "reference"),
        ("Identifier", "value"),
        ("Bundle.entry", "fullUrl"),
        ("Bundle.entry.request", "url"),
    )
)
_PERSONS = frozenset(("Patient", "RelatedPerson", "Person", "Practitioner"))
_NAMES = member_names()
_A_NUMBER = 10_000_000  # shorter ones are results and sizes
_UNKNOWN = "?"
"""In paths: a member that FHIR R4 does not have; its name may be anything."""


@cache
def _members(key: str) -> dict[str, tuple[str, Nature]]:
    """By the members of a type: their type, '' for texts, and what texts are there."""
    found: dict[str, tuple[str, Nature]] = {}
    for element in elements(key) if is_type(key) else ():
        if not element.primitive:
            found[element.json] = (element.type, Nature.TEXT)
            continue
        found["_" + element.json] = (PRIMITIVE, Nature.TEXT)
        found[element.json] = ("", _nature(key, element.json, element.type))
    return found


def _nature(key: str, name: str, type_: str) -> Nature:
    if (key, name) in _IDS or (key in RESOURCE_TYPES and name == "id"):
        return Nature.ID
    if name == "birthDate":
        return Nature.BIRTH
    if type_ in _DATES:
        return Nature.DATE
    if type_ in _LABELS or key in _CODED:
        return Nature.LABEL
    return Nature.PERSONAL if key in _PERSONAL else Nature.TEXT


def places(line: Json) -> Iterator[Place]:
    """All texts of a resource, of the resources in it, and whole numbers of 8 digits or more. What is contained, or an entry,
    has paths of its own type."""
    yield from _resource(line, "")


def _resource(resource: Json, owner: str) -> Iterator[Place]:
    named = resource.get("resourceType")
    type_ = named if isinstance(named, str) and named in RESOURCE_TYPES else ""
    owner = owner or _owner(resource, type_)
    start = type_ or "resource"
    if not type_ and isinstance(named, str):
        yield Place(f"{start}.resourceType", named, Nature.TYPE, owner)
    # Innermost last, so that the order is that of the text; it does not matter for counts.
    todo: list[tuple[Json, str, str, bool]] = [(resource, type_, start, False)]
    while todo:
        node, key, path, extension = todo.pop()
        members = _members(key)
        for name, value in node.items():
            if name == "resourceType" and node is resource:
                continue
            child, nature = members.get(name) or ("?", Nature.TEXT)
            bare = name.removeprefix("_")
            here = f"{path}.{bare if bare in _NAMES else _UNKNOWN}"
            if bare not in _NAMES:
                yield Place(here, name, Nature.TEXT, owner)
            if extension and nature is Nature.DATE and type_ in _PERSONS:
                nature = Nature.BIRTH
            for one in _flat(value):
                if isinstance(one, str):
                    yield Place(here, one, nature, owner)
                elif isinstance(one, dict):
                    if child == "Resource" or (child == "?" and "resourceType" in one):
                        inside = "" if key.startswith(("Bundle", "Parameters")) else owner
                        yield from _resource(one, inside)
                    else:
                        inner = child or PRIMITIVE
                        todo.append((one, inner, here, extension or inner == "Extension"))
                elif isinstance(one, int) and abs(one) >= _A_NUMBER:
                    yield Place(here, str(abs(one)), nature, owner, True)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    else:
        yield value


def _owner(resource: Json, type_: str) -> str:
    """Whose a resource is: the end of the reference to its patient; else the resource itself."""
    if type_ != "Patient":
        for name in PATIENT_ELEMENTS:
            for one in _flat(resource.get(name)):
                target = one.get("reference") if isinstance(one, dict) else None
                if isinstance(target, str) and target and not target.startswith("#"):
                    return target.rpartition("/")[2].rpartition(":")[2]
    return str(resource.get("id", ""))
