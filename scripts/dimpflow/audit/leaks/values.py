"""The identifying values of lines of an import, by the FHIR types that hold them (see `kinds`)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from dimpflow.audit.leaks import kinds
from dimpflow.audit.leaks.kinds import Kind
from dimpflow.audit.leaks.people import FAMILY_NAMES, NUMBERS, STAFF, People, of_kind
from dimpflow.audit.leaks.store import Collected
from dimpflow.audit.paths import PERSONS, paths
from dimpflow.audit.walking import OWN_CODES, Code, Walker, other_links, type_numbers
from dimpflow.audit.words import days, fold, words
from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.native.hashing import Hasher
from dimpflow.native.marks import Marker
from dimpflow.native.types import Numbers

Json = dict[str, Any]
Borne = set[tuple[Kind, str]]
"""Kinds and words of values, each once for a resource, so that those who bear an ordinary name are counted and not how often it is
written."""

_NAMES = frozenset(f"http://hl7.org/fhir/StructureDefinition/{name}" for name in FAMILY_NAMES)
_TARGET = "target"
"""Kind of what is no value itself: references as they stand."""
_KNOWN = 200_000
"""Texts that are remembered as done; ids come again in every reference to them."""


class Gatherer:
    """Takes blocks of lines, collects the hashes of their values; what was collected before (ids above all) mostly not again."""

    def __init__(self, hasher: Hasher) -> None:
        self._hash = hasher
        self._marker, self._walker = Marker(), Walker(hasher)
        self._people = People(hasher, self._walker)
        self._into = Collected(hasher)
        self._known: dict[Kind | str, set[str]] = {kind: set() for kind in (*kinds.KINDS, _TARGET)}
        self._ids: dict[Kind, list[str]] = defaultdict(list)
        self._values: dict[Kind, list[str]] = defaultdict(list)
        self._locals: list[str] = []
        """Of each e-mail address, what is before the @."""
        self._borne: list[Numbers] = []
        """Rows as `People.take` gives them."""

    def collected(self) -> Collected:
        """What came since the last call."""
        self._put_borne()
        for kind, texts in self._ids.items():
            self._into.add_ids(kind, texts)
        for kind, texts in self._values.items():
            self._into.add(kind, texts, self._locals if kind is kinds.E_MAIL else None)
        for each in (self._ids, self._values, self._locals, self._borne):
            each.clear()
        done, self._into = self._into, Collected(self._hash)
        done.sizes.mark(self._walker.lengths, self._walker.sizes)
        return done

    def _put_borne(self) -> None:
        if not self._borne:
            return
        every, found = np.concatenate(self._borne), self._into.found
        for kind in NUMBERS:
            of_it = of_kind(every, kind)
            found[kind].append(of_it[:, 1])
            if kind.everywhere:
                found[kinds.ANCHORS].append(of_it[:, 2])

    def take(self, block: bytes) -> Iterator[Numbers]:
        """Whole lines, each a resource or Bundle; gives their links, as `links_of`. ValueError: no JSON."""
        for taken in self._walker.take(self._marker(block)):
            found = self._into.found
            found[kinds.ID].append(taken.ids)
            found[kinds.IDENTIFIER].append(taken.identifiers)
            found[kinds.ANCHORS].append(taken.anchors)
            self._borne += self._people.take(block, taken.events)
            borne, links = self._told(taken.events[taken.events[:, 0] > 0].tolist(), block)
            self._borne += self._rows(borne)
            yield taken.links
            yield links

    def _told(self, events: Iterable[list[int]], block: bytes) -> tuple[dict[int, Borne], Numbers]:
        """What the walk has told and nobody has done with: what resources bear, and links that the walk did not understand."""
        borne: dict[int, Borne] = defaultdict(set)
        links: list[int] = []
        for code, start, end, resource, type_ in events:
            data = block[start:end]
            if code == Code.HUMAN_NAME:
                borne[resource] |= _names_of(orjson.loads(data), type_ == type_numbers()[STAFF])
            elif code == Code.ADDRESS:
                borne[resource].update(_places_of(orjson.loads(data)))
            elif code == Code.EXTENSION:
                self._node(orjson.loads(data), "Extension", False, borne[resource])
            elif code == Code.REFERENCE:
                self._node(orjson.loads(data), "Reference", False, set())
            elif code == Code.LINE:
                self._apart(orjson.loads(data), b'xtension"' in data, contained=False)
            else:
                self._string(code, orjson.loads(b'"%b"' % data))
            if code < OWN_CODES:
                links += other_links(code, data, self._hash)
        return borne, np.array(links, np.uint64)

    def _rows(self, borne: dict[int, Borne]) -> Iterator[Numbers]:
        """The same as `People.take` gives."""
        values = [(resource, kind, text) for resource, found in borne.items() for kind, text in found]
        if values:
            resources, found_kinds, texts = zip(*values, strict=True)
            hashes = self._hash.each_in_words(
                [text.encode() for text in texts], self._walker.lengths, self._walker.sizes
            )
            numbers = np.array([NUMBERS[kind] for kind in found_kinds], np.uint64)
            yield np.column_stack((numbers, *hashes, np.array(resources, np.uint64)))

    def _string(self, code: int, text: str) -> None:
        match code:
            case Code.BIRTH_DATE:
                self._born(text)
            case Code.CONTACT_POINT:
                if self._new(kinds.PHONE, text):
                    self._contact_point(text)
            case Code.AUTHOR:
                self._displayed(text)
            case Code.OTHER_ID | Code.OTHER_IDENTIFIER:
                self._id(text, kinds.ID if code == Code.OTHER_ID else kinds.IDENTIFIER)
            case Code.OTHER_TARGET | Code.OTHER_REFERENCE:
                self._target(text)

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
            self._node(node, key, type_ == STAFF, borne)
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
                borne |= _names_of(node, staff)
            case "Address":
                borne.update(_places_of(node))
            case "Extension" if _text(node.get("url")) in _NAMES:
                borne |= _name(_text(node.get("valueString")), (), "", False)

    def _bears(self, borne: Borne) -> None:
        for kind, text in borne:
            self._values[kind].append(text)

    def _born(self, day: str) -> None:
        for one in days(day):
            self._values[kinds.BIRTH_DATE].append(one)

    def _contact_point(self, value: str) -> None:
        parts = words(fold(value))
        if "@" in value:
            if self._add(kinds.E_MAIL, parts):
                self._locals.append(" ".join(words(fold(value.partition("@")[0])) or parts))
            return
        self._add(kinds.PHONE, parts)
        if len(parts) > 1 and parts[0] in kinds.COUNTRY:  # as it is written inside the country
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

    def _add(self, kind: Kind, parts: list[str]) -> bool:
        if parts:
            self._values[kind].append(" ".join(parts))
        return bool(parts)


def _names_of(node: Json, staff: bool) -> Borne:
    return _name(_text(node.get("family")), _texts(node.get("given")), _text(node.get("text")), staff)


def _places_of(node: Json) -> Iterable[tuple[Kind, str]]:
    city, code, text = (_text(node.get(name)) for name in ("city", "postalCode", "text"))
    return _places(_texts(node.get("line")), city, code, text)


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
        if sum(map(len, street)) >= 5 and street != (kinds.PO_BOX,):
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
