"""Collects the terms of all patients of a job, from the lines of its sources."""

from collections.abc import Iterator

import msgspec

from dimpflow.bundles import peek
from dimpflow.errors import LineError
from dimpflow.scrub.automaton import Automaton
from dimpflow.scrub.terms import Terms, terms_of


class _Entry(msgspec.Struct, gc=False):
    fullUrl: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"null")


class _Bundle(msgspec.Struct, gc=False):
    entry: list[_Entry] = []


class _Id(msgspec.Struct, gc=False):
    id: str = ""


_BUNDLE = msgspec.json.Decoder(_Bundle)
_ID = msgspec.json.Decoder(_Id)
_UUID = "urn:uuid:"


class TermsGatherer:
    """Takes lines, gives the terms of the patients in them. A patient that comes more than once has the terms of all."""

    def __init__(self) -> None:
        self._found: dict[str, bytes] = {}

    def take(self, line: bytes) -> None:
        """A resource or Bundle; what is neither, or broken, is passed over, since the engine refuses it and says where.

        A line without a Patient costs one search for that word.
        """
        if b"Patient" not in line and b"\\u" not in line:
            return
        try:
            type_ = peek(line)
            if type_ == "Patient":
                self._patient(line, "")
            elif type_ == "Bundle":
                self._bundle(line)
        except (LineError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """(id of the patient, encoded terms), sorted by the id."""
        yield from sorted(self._found.items())

    def terms(self, patient: str) -> Automaton | None:
        """Those of a patient that was taken, for the engine where all input is in memory; None for one that was not."""
        found = self._found.get(patient)
        return None if found is None else Automaton(Terms.decode(found))

    def _bundle(self, line: bytes) -> None:
        for entry in _BUNDLE.decode(line).entry:
            data = bytes(entry.resource)
            type_ = peek(data) if data != b"null" else ""
            if type_ == "Patient":
                self._patient(data, entry.fullUrl)
            elif type_ == "Bundle":
                self._bundle(data)

    def _patient(self, data: bytes, url: str) -> None:
        """By the id, and by the `urn:uuid:` under which the resources of the same Bundle refer to it."""
        terms = terms_of(data)
        uuid = url.strip().removeprefix(_UUID) if url.strip().startswith(_UUID) else ""
        for id_ in {_ID.decode(data).id.strip(), uuid} - {""}:
            self._found[id_] = (
                merged([self._found[id_], terms.encode()]) if id_ in self._found else terms.encode()
            )


def merged(found: list[bytes]) -> bytes:
    """The terms of one patient from several places."""
    first, *others = found
    if all(other == first for other in others):
        return first
    terms = Terms.decode(first)
    for other in others:
        terms.add(Terms.decode(other))
    return terms.encode()
