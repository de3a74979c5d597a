"""Collects the terms of all patients of a job, from the lines of its sources."""

import sys
from collections.abc import Iterator

import msgspec

from dimpflow.bundles import peek
from dimpflow.errors import LineError
from dimpflow.scrub.automaton import Automaton
from dimpflow.scrub.people import People, displayed, may_name
from dimpflow.scrub.terms import Terms, names_of, terms_of


class _Entry(msgspec.Struct, gc=False):
    fullUrl: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"null")


class _Bundle(msgspec.Struct, gc=False):
    entry: list[_Entry] = []


class _Head(msgspec.Struct, gc=False):
    resourceType: str = ""
    id: str = ""


_BUNDLE = msgspec.json.Decoder(_Bundle)
_HEAD = msgspec.json.Decoder(_Head)
_READ = msgspec.json.Decoder()
_UUID = "urn:uuid:"
_PERSONS = frozenset(("Patient", "Practitioner", "RelatedPerson", "Person"))


class TermsGatherer:
    """Takes lines, gives the terms of the patients in them, and of the people whom their resources name. A patient that comes more
    than once has the terms of all."""

    def __init__(self) -> None:
        self._found: dict[str, bytes] = {}
        self._others: dict[str, bytes] = {}
        """By patients: the people whom their resources describe or name."""
        self._staff: dict[str, bytes] = {}
        """By practitioners: their names."""
        self._treated_by: dict[str, set[str]] = {}
        """By patients: the practitioners that their resources refer to."""
        self._ids: dict[str, str] = {}
        """By `urn:uuid:` (without that) of patients in Bundles: their ids."""

    def take(self, line: bytes) -> None:
        """A resource or Bundle; what is neither, or broken, is passed over, since the engine refuses it and says where.

        A line that names nobody costs some searches for words.
        """
        try:
            self._take(line, "", {})
        except (LineError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """(id of the patient, encoded terms), sorted by the id."""
        for id_ in sorted(self._found):
            yield id_, self._all_of(id_)

    def terms(self, patient: str) -> Automaton | None:
        """Those of a patient that was taken, for the engine where all input is in memory; None for one that was not."""
        return Automaton(self._all_of(patient)) if patient in self._found else None

    def _take(self, data: bytes, url: str, urls: dict[str, str]) -> None:
        type_ = peek(data)
        if type_ == "Bundle":
            self._bundle(data)
            return
        if type_ == "Patient":
            self._patient(data, url)
        elif type_ == "Practitioner":
            found = names_of(_READ.decode(data))
            _add(self._staff, _HEAD.decode(data).id.strip(), found)
            return
        if type_ == "RelatedPerson" or may_name(data) or (urls and _UUID.encode() in data):
            self._people(People(_READ.decode(data), urls))

    def _bundle(self, line: bytes) -> None:
        entries = _BUNDLE.decode(line).entry
        held = [
            (entry.fullUrl.strip(), bytes(entry.resource)) for entry in entries if entry.resource != b"null"
        ]
        urls = {}
        for url, data in held:
            if url.startswith(_UUID) and peek(data) in _PERSONS:
                head = _HEAD.decode(data)
                urls[url] = f"{head.resourceType}/{head.id.strip() or url.removeprefix(_UUID)}"
        for url, data in held:
            self._take(data, url, urls)

    def _patient(self, data: bytes, url: str) -> None:
        """By the id, and by the `urn:uuid:` under which the resources of the same Bundle refer to it."""
        terms, id_ = terms_of(data), _HEAD.decode(data).id.strip()
        uuid = url.removeprefix(_UUID) if url.startswith(_UUID) else ""
        for one in {id_, uuid} - {""}:
            _add(self._found, one, terms)
        if id_ and uuid:
            self._ids[uuid] = id_

    def _people(self, people: People) -> None:
        if people.terms != Terms():
            _add(self._others, people.owner, people.terms)
        for id_, names in people.staff.items():
            self._treated_by.setdefault(people.owner, set()).add(sys.intern(id_))
            for name in names:
                _add(self._staff, id_, displayed(name))

    def _all_of(self, patient: str) -> bytes:
        id_ = self._ids.get(patient, patient)
        found = [self._found[patient]]
        if id_ in self._others:
            found.append(self._others[id_])
        staff = self._treated_by.get(id_, set())
        return merged(found + [self._staff[one] for one in sorted(staff) if one in self._staff])


def _add(place: dict[str, bytes], key: str, terms: Terms) -> None:
    """Put terms to those that are there already."""
    new = terms.encode()
    place[key] = merged([place[key], new]) if key in place else new


def merged(found: list[bytes]) -> bytes:
    """The terms of one patient from several places."""
    first, *others = found
    if all(other == first for other in others):
        return first
    terms = Terms.decode(first)
    for other in others:
        terms.add(Terms.decode(other))
    return terms.encode()
