"""The identifying values of lines of an import, by the FHIR types that hold them (see `kinds`)."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import orjson

from dimpflow.audit.leaks import kinds
from dimpflow.audit.leaks.kinds import Kind
from dimpflow.audit.leaks.paths import PERSONS, paths
from dimpflow.audit.leaks.store import Collected
from dimpflow.audit.leaks.typed import Bundle, decoded, found
from dimpflow.audit.leaks.words import days, fold, words
from dimpflow.fhir.table import RESOURCE_TYPES

Json = dict[str, Any]
Borne = set[tuple[Kind, str]]
"""Kinds and words of values, each once for a resource, so that those who bear an ordinary name are counted and not how often it is
written."""

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
_PLAIN = re.compile(r"(?:[A-Za-z]++/[A-Za-z0-9\-.]++\n?)*+")
_TAILS = re.compile(r"/([A-Za-z0-9\-.]+)")
_TARGET = "target"
"""Kind of what is no value itself: references as they stand."""
_KNOWN = 200_000
"""Texts that are remembered as done; ids come again in every reference to them."""


class Gatherer:
    """Takes lines, collects the hashes of their values; what was collected before (ids above all) mostly not again."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._into = Collected(key)
        self._known: dict[Kind | str, set[str]] = {kind: set() for kind in (*kinds.KINDS, _TARGET)}
        self._ids: dict[Kind, list[str]] = defaultdict(list)
        self._borne: dict[Kind, list[str]] = defaultdict(list)

    def collected(self) -> Collected:
        """What came since the last call."""
        for kind, texts in self._ids.items():
            self._into.add_ids(kind, texts)
        for kind, texts in self._borne.items():
            self._into.add_all(kind, texts)
        self._ids.clear()
        self._borne.clear()
        done, self._into = self._into, Collected(self._key)
        return done

    def take(self, lines: Iterable[bytes]) -> None:
        """Resources or Bundles. ValueError: no JSON."""
        found.clear()
        ids: list[str] = []
        targets: list[str] = []
        for line in lines:
            self._take(line, ids, targets, contained=False)
        self._ids[kinds.ID] += self._all_new(kinds.ID, ids)
        self._ids[kinds.IDENTIFIER] += self._all_new(kinds.IDENTIFIER, found.identifiers)
        targets += [one.reference for one in found.references]
        self._targets(self._all_new(_TARGET, targets))
        names = self._known[kinds.FULL_NAME]
        for one in found.references:
            if one.display and one.display not in names:
                self._shown(one.display, one.type, one.reference)
        for author in found.authors:
            self._displayed(author)
        for value in self._all_new(kinds.PHONE, found.points):
            self._contact_point(value)
        found.clear()

    def _take(self, resource: bytes, ids: list[str], targets: list[str], *, contained: bool) -> None:
        taken = decoded(resource)
        if taken is None:
            if resource.strip():
                self._apart(orjson.loads(resource), b'xtension"' in resource, contained=contained)
            return
        type_, one = taken
        if not contained or kinds.is_strong(one.id):
            ids.append(one.id)
        if one.birthDate and type_ in PERSONS:
            self._born(one.birthDate)
        if found.names or found.addresses:
            borne: Borne = set()
            for name in found.names:
                borne |= _name(name.family, name.given, name.text, type_ == _STAFF)
            for address in found.addresses:
                borne.update(_places(address.line, address.city, address.postalCode, address.text))
            found.names.clear()
            found.addresses.clear()
            self._bears(borne)
        for inner in one.contained:
            self._take(bytes(inner), ids, targets, contained=True)
        if type(one) is Bundle:
            for entry in one.entry:
                targets += (entry.fullUrl, entry.request.url if entry.request else "")
                self._take(bytes(entry.resource), ids, targets, contained=False)

    def _apart(self, resource: Any, full: bool, *, contained: bool) -> None:
        """Walk through a resource. full: extensions too."""
        type_ = _text(resource.get("resourceType")) if isinstance(resource, dict) else ""
        if type_ not in RESOURCE_TYPES:
            return
        id_ = _text(resource.get("id"))
        if not contained or kinds.is_strong(id_):
            self._id(id_, kinds.ID)
        if type_ in PERSONS:
            self._born(_text(resource.get("birthDate")))
        borne: Borne = set()
        todo: list[tuple[Json, str]] = [(resource, type_)]
        while todo:
            node, key = todo.pop()
            self._node(node, key, type_ == _STAFF, borne)
            if not (members := paths(key, full)):
                continue
            for name, value in node.items():
                child = members.get(name)
                if child is None:
                    continue
                for one in value if isinstance(value, list) else (value,):
                    if not isinstance(one, dict):
                        continue
                    if child == "Resource":
                        self._apart(one, full, contained=name == "contained")
                    else:
                        todo.append((one, child))
        self._bears(borne)

    def _node(self, node: Json, key: str, staff: bool, borne: Borne) -> None:
        """What an element of a type holds itself."""
        match key:
            case "ContactPoint":
                if self._new(kinds.PHONE, value := _text(node.get("value"))):
                    self._contact_point(value)
            case "Identifier":
                self._id(_text(node.get("value")), kinds.IDENTIFIER)
            case "Reference":
                target = _text(node.get("reference"))
                self._target(target)
                self._shown(_text(node.get("display")), _text(node.get("type")), target)
            case "Bundle.entry":
                request = node.get("request")
                self._target(_text(node.get("fullUrl")))
                self._target(_text(request.get("url") if isinstance(request, dict) else None))
            case "Annotation":
                self._displayed(_text(node.get("authorString")))
            case "HumanName":
                borne |= _name(
                    _text(node.get("family")), _texts(node.get("given")), _text(node.get("text")), staff
                )
            case "Address":
                city, code, text = (_text(node.get(name)) for name in ("city", "postalCode", "text"))
                borne.update(_places(_texts(node.get("line")), city, code, text))
            case "Extension" if _text(node.get("url")) in _NAMES:
                borne |= _name(_text(node.get("valueString")), (), "", False)

    def _bears(self, borne: Borne) -> None:
        for kind, text in borne:
            self._borne[kind].append(text)

    def _born(self, day: str) -> None:
        for one in days(day):
            self._borne[kinds.BIRTH_DATE].append(one)

    def _contact_point(self, value: str) -> None:
        parts = words(fold(value))
        if "@" in value:
            self._add(kinds.E_MAIL, parts, words(fold(value.partition("@")[0])))
            return
        self._add(kinds.PHONE, parts)
        if len(parts) > 1 and parts[0] in ("49", "0049"):  # as it is written inside the country
            self._add(kinds.PHONE, ["0" + parts[1].removeprefix("0"), *parts[2:]])

    def _shown(self, display: str, type_: str, target: str) -> None:
        """What is displayed for a reference: a name if that is to a person."""
        if type_ in PERSONS or not PERSONS.isdisjoint(target.split("/")):
            self._displayed(display)

    def _displayed(self, name: str) -> None:
        if self._new(kinds.FULL_NAME, name):
            parts = _untitled(words(fold(name)))
            if len(parts) > 1:  # a single one may be a function, such as "Hausarzt"
                self._add(kinds.FULL_NAME, parts)

    def _targets(self, new: set[str]) -> None:
        """What references point at; nearly all are a type and an id."""
        joined = "\n".join(new)
        if _PLAIN.fullmatch(joined):
            self._ids[kinds.ID] += self._all_new(kinds.ID, _TAILS.findall(joined))
            return
        for target in new:
            self._pointed(target)

    def _target(self, target: str) -> None:
        if self._new(_TARGET, target):
            self._pointed(target)

    def _pointed(self, target: str) -> None:
        """What a reference or address points at: the id at its end."""
        if target.startswith("#"):
            return
        path = target.partition("/_history/")[0]
        if path.startswith("urn:"):
            self._id(path.rpartition(":")[2], kinds.ID)
        elif "/" in path and "?" not in path:
            self._id(path.rpartition("/")[2], kinds.ID)

    def _id(self, text: str, kind: Kind) -> None:
        if self._new(kind, text):
            self._ids[kind].append(text)

    def _new(self, kind: Kind | str, text: str) -> bool:
        known = self._known[kind]
        if text in known:
            return False
        if len(known) >= _KNOWN:
            known.clear()
        known.add(text)
        return True

    def _all_new(self, kind: Kind | str, texts: list[str]) -> set[str]:
        known = self._known[kind]
        new = set(texts) - known
        if len(known) >= _KNOWN:
            known.clear()
        known |= new
        return new

    def _add(self, kind: Kind, parts: list[str], rare: list[str] | None = None) -> None:
        if parts:
            self._into.add(kind, parts, rare)


def _name(family: str, given: Iterable[str | None], text: str, staff: bool) -> Borne:
    """A HumanName: the usual orders of its parts, and each part alone."""
    kind = kinds.STAFF if staff else kinds.NAME
    last, firsts = _words(family), [_words(one) for one in given]
    all_given = tuple(word for one in firsts for word in one)
    whole = _untitled(list(_words(text)))
    first = firsts[0] if firsts else ()
    found: Borne = set()
    if last:
        for one in {all_given, first} - {()}:
            found.add((kinds.FULL_NAME, " ".join(one + last)))
            found.add((kinds.FULL_NAME, " ".join(last + one)))
    if len(whole) > 1:
        found.add((kinds.FULL_NAME, " ".join(whole)))
    for word in {*last, *all_given, *whole} - kinds.PARTICLES - kinds.TITLES:
        if len(word) > 2 and not word.isdigit():
            found.add((kind, word))
    return found


def _places(lines: Iterable[str | None], city: str, code: str, text: str) -> Iterator[tuple[Kind, str]]:
    """An Address: lines with a house number, the street alone, postal code with city, the whole text."""
    for line in lines:
        parts = _words(line)
        number = next((at for at, word in enumerate(parts) if at and word[0].isdigit()), 0)
        if number:
            yield kinds.ADDRESS, " ".join(parts)
        street = parts[:number] if number else parts
        if sum(map(len, street)) >= 5 and street != ("postfach",):
            yield kinds.STREET, " ".join(street)
    if city and code and (place := _words(city)) and (area := _words(code)):
        yield kinds.ADDRESS, " ".join(area + place)
    if len(parts := _words(text)) > 1:
        yield kinds.ADDRESS, " ".join(parts)


@lru_cache(1 << 14)
def _words(text: str | None) -> tuple[str, ...]:
    return tuple(words(fold(text))) if text else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _untitled(parts: list[str]) -> list[str]:
    """Without titles before the name."""
    at = 0
    while at < len(parts) and parts[at] in kinds.TITLES:
        at += 1
    return parts[at:]
