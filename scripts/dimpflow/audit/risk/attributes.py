"""Which elements are looked at: paths over FHIR R4, checked against its element table.

    path    = type "." element *("." element) [":" detail]
    detail  = "year" / number

Elements have their FHIR names; `Patient.deceased` means each of its types. All values that a path reaches count, whatever
the list they stand in. `:year` takes the year of a date, `:3` the first three characters of a text. Only quasi-identifiers
have a detail, and they are elements of Patient.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dimpflow.errors import ConfigError
from dimpflow.fhir.compartment import PATIENT_ELEMENTS
from dimpflow.fhir.table import PRIMITIVE_TYPES, RESOURCE_TYPES, Element, elements

DEFAULT_QUASI_IDENTIFIERS = ("Patient.birthDate:year", "Patient.gender", "Patient.address.postalCode")
DEFAULT_SENSITIVE = ("Condition.code.coding.code",)

Kind = Literal["date", "prefix", "other"]
Values = tuple[str, ...]
Steps = tuple[tuple[str, ...], ...]

_DATES = frozenset({"date", "dateTime", "instant"})
_NO_PREFIX = _DATES | {"boolean", "integer", "decimal", "positiveInt", "unsignedInt", "time"}
_PATH = re.compile(r"([A-Z][A-Za-z]*)((?:\.[a-z][A-Za-z0-9]*)+)(?::([A-Za-z0-9]+))?")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_YEAR = re.compile(r"\d{4}(?!\d)")
_LONGEST = 64  # characters of a prefix


@dataclass(frozen=True, slots=True)
class QuasiIdentifier:
    """What an outsider may know of a patient.

    path: as configured; name: for people; steps: per step the JSON members to follow; kind: what makes it coarser, a date its
    precision, a `prefix` (such as a postal code) its length; year: only the year of a date; length: only so many characters.
    """

    path: str
    name: str
    steps: Steps
    kind: Kind
    year: bool = False
    length: int | None = None

    def values(self, patient: Any) -> Values:
        """The distinct values of a Patient as parsed JSON, sorted."""
        return tuple(sorted({self._cut(text) for text in texts(patient, self.steps)}))

    def _cut(self, text: str) -> str:
        if self.year:
            return text[:4] if _YEAR.match(text) else text
        return text[: self.length]


@dataclass(frozen=True, slots=True)
class Sensitive:
    """What nobody should learn of a patient: a path in resources of one type, and the elements that say whose they are."""

    path: str
    type: str
    steps: Steps
    whose: tuple[str, ...]

    def values(self, resource: Any) -> Values:
        """The distinct values of a resource as parsed JSON, sorted; together they count as one value (a diagnosis may be coded
        in several systems)."""
        return tuple(sorted(set(texts(resource, self.steps))))


def quasi_identifier(text: str, where: str = "quasi-identifier") -> QuasiIdentifier:
    """Read a path such as `Patient.gender`, `Patient.birthDate:year` or `Patient.address.postalCode:3`.

    where: the configuration key, for messages.

    Raises:
        ConfigError: it does not follow the grammar, is not in FHIR R4, or the detail does not suit the element.
    """
    say = f"{where}: '{text}'"
    type_, names, detail = _split(text, say)
    if type_ != "Patient":
        raise ConfigError(f"{say} is not an element of Patient; quasi-identifiers are")
    steps, types = _resolved(type_, names, say)
    name = " ".join(_CAPITAL.sub(" ", step).lower() for step in names)
    kind: Kind = "date" if types & _DATES else "prefix" if names[-1] == "postalCode" else "other"
    if not detail:
        return QuasiIdentifier(text, name, steps, kind)
    if detail == "year":
        if kind != "date":
            raise ConfigError(f"{say}: only a date has a year; leave ':year' away")
        return QuasiIdentifier(text, f"{name} (year)", steps, kind, year=True)
    if not re.fullmatch(r"[1-9]\d?", detail) or int(detail) > _LONGEST:
        raise ConfigError(f"{say}: after the colon stands 'year' or a number of characters, 1 to {_LONGEST}")
    if types & _NO_PREFIX:
        raise ConfigError(f"{say}: only texts are cut by a number of characters; dates have ':year'")
    plural = "character" if detail == "1" else f"{detail} characters"
    return QuasiIdentifier(text, f"{name} (first {plural})", steps, "prefix", length=int(detail))


def sensitive_value(text: str, where: str = "sensitive value") -> Sensitive:
    """Read a path such as `Condition.code.coding.code`.

    Raises:
        ConfigError: as of quasi_identifier; or resources of this type do not say whose they are.
    """
    say = f"{where}: '{text}'"
    type_, names, detail = _split(text, say)
    if detail:
        raise ConfigError(f"{say}: only quasi-identifiers are cut; leave ':{detail}' away")
    steps, _ = _resolved(type_, names, say)
    references = {element.json for element in elements(type_) if element.type == "Reference"}
    whose = tuple(name for name in PATIENT_ELEMENTS if name in references)
    if not whose and type_ != "Patient":
        raise ConfigError(f"{say}: a {type_} has no element that says whose it is; take another type")
    return Sensitive(text, type_, steps, whose)


def texts(resource: Any, steps: Steps) -> Iterator[str]:
    """All primitive values at a path of parsed JSON, as texts; true and false as JSON has them."""
    nodes = [resource]
    for names in steps:
        below: list[Any] = []
        for node in nodes:
            if isinstance(node, dict):
                for name in names:
                    child = node.get(name)
                    if isinstance(child, list):
                        below += child
                    elif child is not None:
                        below.append(child)
        nodes = below
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, bool):
            yield "true" if node else "false"
        elif isinstance(node, int | float):
            yield str(node)


def _split(text: str, say: str) -> tuple[str, list[str], str]:
    match = _PATH.fullmatch(text)
    if not match:
        raise ConfigError(f"{say} is not a path such as Patient.gender or Patient.birthDate:year")
    if match[1] not in RESOURCE_TYPES:
        raise ConfigError(f"{say}: FHIR R4 has no resource type {match[1]}")
    return match[1], match[2][1:].split("."), match[3] or ""


def _resolved(type_: str, names: Sequence[str], say: str) -> tuple[Steps, frozenset[str]]:
    """The JSON members of each step, and the primitive types at the end."""
    types = {type_}
    steps: list[tuple[str, ...]] = []
    for name in names:
        found: list[Element] = [
            element
            for key in sorted(types - PRIMITIVE_TYPES)
            for element in elements(key)
            if element.name == name
        ]
        if not found:
            raise ConfigError(f"{say}: FHIR R4 has no element '{name}' there")
        steps.append(tuple(dict.fromkeys(element.json for element in found)))
        types = {element.type for element in found}
    if not types <= PRIMITIVE_TYPES:
        raise ConfigError(f"{say}: '{names[-1]}' has elements of its own; say which of them")
    return tuple(steps), frozenset(types)
