"""The identifying values of lines of an import, by the FHIR types that hold them (see `kinds`)."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import orjson

from dimpflow.audit.leaks import kinds
from dimpflow.audit.leaks.store import Collected
from dimpflow.audit.leaks.words import days, fold, words
from dimpflow.fhir.table import PRIMITIVE, RESOURCE_TYPES, elements

Json = dict[str, Any]

PERSONS = frozenset(("Patient", "RelatedPerson", "Person", "Practitioner"))
_HELD = ("HumanName", "ContactPoint", "Address", "Identifier", "Reference", "Bundle.entry", "Annotation")
_STAFF = "Practitioner"
_NAMES = frozenset(
    f"http://hl7.org/fhir/StructureDefinition/{name}"
    for name in (
        "patient-mothersMaidenName",
        "humanname-own-name",
        "humanname-partner-name",
        "humanname-mothers-family",
        "humanname-fathers-family",
    )
)
"""Extensions of FHIR R4 whose text is a family name."""
_KNOWN = 200_000
"""Texts that are remembered as done; ids come again in every reference to them."""


@cache
def _paths(key: str, full: bool) -> dict[str, str]:
    """The members of a type that can lead to a value, and their types; extensions only if `full`."""
    found = {}
    for element in elements(key):
        if element.primitive:
            if full and _leads(PRIMITIVE, full):
                found["_" + element.json] = PRIMITIVE
        elif _leads(element.type, full):
            found[element.json] = element.type
    if key == "Identifier":
        found.pop("assigner", None)  # who gave a number is no person, and has it with many others
    return found


@cache
def _leads(key: str, full: bool) -> bool:
    seen, todo = {key}, [key]
    while todo:
        one = todo.pop()
        if one in _HELD or one == "Resource":
            return True
        if one == "Extension" and not full:
            continue
        for element in elements(one):
            if not element.primitive and element.type not in seen:
                seen.add(element.type)
                todo.append(element.type)
    return False


class Gatherer:
    """Takes lines, collects the hashes of their values; what was collected before (ids above all) mostly not again."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._into = Collected(key)
        self._known: dict[kinds.Kind, set[str]] = {kind: set() for kind in kinds.KINDS}
        self._takers: dict[str, Callable[[Json], None]] = {
            "ContactPoint": self._contact_point,
            "Identifier": self._identifier,
            "Reference": self._reference,
            "Bundle.entry": self._entry,
            "Annotation": self._annotation,
        }

    def collected(self) -> Collected:
        """What came since the last call."""
        done, self._into = self._into, Collected(self._key)
        return done

    def take(self, line: bytes) -> None:
        """A resource or Bundle. ValueError: no JSON."""
        if line.strip():
            self._resource(orjson.loads(line), b'xtension"' in line, contained=False)

    def _resource(self, resource: Any, full: bool, *, contained: bool) -> None:
        if not isinstance(resource, dict) or resource.get("resourceType") not in RESOURCE_TYPES:
            return
        type_ = resource["resourceType"]
        id_ = resource.get("id")
        if isinstance(id_, str) and (not contained or kinds.is_strong(id_)):
            self._id(id_, kinds.ID)
        if type_ in PERSONS and isinstance(day := resource.get("birthDate"), str):
            for found in days(day):
                self._into.add(kinds.BIRTH_DATE, [found])
        borne: set[tuple[kinds.Kind, str]] = set()
        todo: list[tuple[Json, str]] = [(resource, type_)]
        while todo:
            node, key = todo.pop()
            if taker := self._takers.get(key):
                taker(node)
            elif key == "HumanName":
                borne.update(self._name(node, kinds.STAFF if type_ == _STAFF else kinds.NAME))
            elif key == "Address":
                borne.update(_places(node))
            elif key == "Extension" and node.get("url") in _NAMES:
                borne.update(self._name({"family": node.get("valueString")}, kinds.NAME))
            if not (paths := _paths(key, full)):
                continue
            for name, value in node.items():
                child = paths.get(name)
                if child is None:
                    continue
                for one in value if isinstance(value, list) else (value,):
                    if not isinstance(one, dict):
                        continue
                    if child == "Resource":
                        self._resource(one, full, contained=name == "contained")
                    else:
                        todo.append((one, child))
        # Each once for a resource, so that those who bear an ordinary name are counted and not how often it is written.
        for kind, text in borne:
            self._into.add(kind, text.split(" "))

    def _name(self, name: Json, kind: kinds.Kind) -> Iterator[tuple[kinds.Kind, str]]:
        family, given = _words(name.get("family")), [_words(one) for one in _list(name.get("given"))]
        all_given = [word for one in given for word in one]
        text = _untitled(_words(name.get("text")))
        first = given[0] if given else []
        for one, other in ((all_given, family), (family, all_given), (first, family), (family, first)):
            if one and other:
                yield kinds.FULL_NAME, " ".join(one + other)
        if len(text) > 1:
            yield kinds.FULL_NAME, " ".join(text)
        for word in {*family, *all_given, *text} - kinds.PARTICLES - kinds.TITLES:
            if len(word) > 2 and not word.isdigit():
                yield kind, word

    def _contact_point(self, point: Json) -> None:
        value = point.get("value")
        if isinstance(value, str) and self._new(kinds.PHONE, value):
            found = words(fold(value))
            if "@" in value:
                self._add(kinds.E_MAIL, found, words(fold(value.partition("@")[0])))
                return
            self._add(kinds.PHONE, found)
            if len(found) > 1 and found[0] in ("49", "0049"):  # as it is written inside the country
                self._add(kinds.PHONE, ["0" + found[1].removeprefix("0"), *found[2:]])

    def _identifier(self, identifier: Json) -> None:
        if isinstance(value := identifier.get("value"), str):
            self._id(value, kinds.IDENTIFIER)

    def _reference(self, reference: Json) -> None:
        target = reference.get("reference")
        if not isinstance(target, str):
            target = ""
        elif target not in self._known[kinds.ID]:
            self._target(target)
        display = reference.get("display")
        if (
            isinstance(display, str)
            and display not in self._known[kinds.FULL_NAME]
            and (reference.get("type") in PERSONS or not PERSONS.isdisjoint(target.split("/")))
        ):
            self._displayed(display)

    def _entry(self, entry: Json) -> None:
        request = entry.get("request")
        for url in (entry.get("fullUrl"), request.get("url") if isinstance(request, dict) else None):
            if isinstance(url, str):
                self._target(url)

    def _annotation(self, annotation: Json) -> None:
        if isinstance(author := annotation.get("authorString"), str):
            self._displayed(author)

    def _displayed(self, name: str) -> None:
        if self._new(kinds.FULL_NAME, name):
            found = _untitled(words(fold(name)))
            if len(found) > 1:  # a single one may be a function, such as "Hausarzt"
                self._add(kinds.FULL_NAME, found)

    def _target(self, target: str) -> None:
        """What a reference or address points at: the id at its end."""
        if target.startswith("#") or not self._new(kinds.ID, target):
            return
        path = target.partition("/_history/")[0]
        if path.startswith("urn:"):
            self._id(path.rpartition(":")[2], kinds.ID)
        elif "/" in path and "?" not in path:
            self._id(path.rpartition("/")[2], kinds.ID)

    def _id(self, text: str, kind: kinds.Kind) -> None:
        if self._new(kind, text):
            self._add(kind if kinds.is_strong(text) else kinds.SHORT_ID, words(fold(text)))

    def _new(self, kind: kinds.Kind, text: str) -> bool:
        known = self._known[kind]
        if text in known:
            return False
        if len(known) >= _KNOWN:
            known.clear()
        known.add(text)
        return True

    def _add(self, kind: kinds.Kind, found: list[str], rare: list[str] | None = None) -> None:
        if found:
            self._into.add(kind, found, rare)


def _places(address: Json) -> Iterator[tuple[kinds.Kind, str]]:
    """Lines with a house number, the street alone, postal code with city, the whole text."""
    for line in _list(address.get("line")):
        found = _words(line)
        number = next((at for at, word in enumerate(found) if at and word[0].isdigit()), 0)
        if number:
            yield kinds.ADDRESS, " ".join(found)
        street = found[:number] if number else found
        if sum(map(len, street)) >= 5 and street != ["postfach"]:
            yield kinds.STREET, " ".join(street)
    city, code = _words(address.get("city")), _words(address.get("postalCode"))
    if city and code:
        yield kinds.ADDRESS, " ".join(code + city)
    if len(text := _words(address.get("text"))) > 1:
        yield kinds.ADDRESS, " ".join(text)


def _words(text: Any) -> list[str]:
    return words(fold(text)) if isinstance(text, str) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _untitled(found: list[str]) -> list[str]:
    """Without titles before the name."""
    at = 0
    while at < len(found) and found[at] in kinds.TITLES:
        at += 1
    return found[at:]
