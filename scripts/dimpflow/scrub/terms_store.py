"""The terms of all patients of a job in one file: sorted lines, so that one patient's are found without reading the rest.

A line is the id as JSON, a tab, the encoded terms. The file identifies patients: it belongs into the identifying zone.
"""

import heapq
import mmap
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from dimpflow.atomic import AtomicFile
from dimpflow.errors import InputError
from dimpflow.ndjson import read_errors
from dimpflow.scrub.automaton import Automaton
from dimpflow.scrub.gather import merged

REMEMBERED = 1_000
"""Patients whose terms are kept ready, some 15 kB each."""

Row = tuple[str, bytes]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode


def write_terms(path: Path, parts: Iterable[Iterable[Row]]) -> int:
    """Writes rows, each part sorted by the id, as one file (0600, its folder 0700); the number of patients.

    Memory does not grow with their number. The terms of a patient who is in several parts are joined. OutputError.
    """
    count = 0
    with AtomicFile(path, 0o600, dir_mode=0o700, durable=False) as file:
        for id_, rows in groupby(heapq.merge(*parts, key=itemgetter(0)), itemgetter(0)):
            file.write(_encode(id_) + b"\t" + merged([terms for _, terms in rows]) + b"\n")
            count += 1
    return count


def read_terms(path: Path) -> Iterator[Row]:
    """The rows of a file, in order. InputError."""
    with read_errors(path), path.open("rb") as file:
        for line in file:
            yield _row(line, path)


class TermsStore:
    """Reads a file of terms as the engine wants it: `store(id)`. The engine of one process has one. InputError."""

    def __init__(self, path: Path, remembered: int = REMEMBERED) -> None:
        self._path = path
        with read_errors(path), path.open("rb") as file:
            file.seek(0, 2)
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""
        self._automaton = lru_cache(remembered)(self._build)

    def __call__(self, patient: str) -> Automaton | None:
        """The terms of a patient; None for one that is not known."""
        return self._automaton(patient)

    def forget(self) -> None:
        """Empty what is kept ready, as if no patient had come yet."""
        self._automaton.cache_clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.forget()
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    def _build(self, patient: str) -> Automaton | None:
        terms = self._find(patient)
        if terms is None:
            return None
        try:
            return Automaton(terms)
        except (msgspec.DecodeError, ValueError):
            raise _broken(self._path) from None

    def _find(self, patient: str) -> bytes | None:
        """The encoded terms of a patient, by bisection over the bytes: the line that a place lies in is compared."""
        data, low, high = self._data, 0, len(self._data)
        while low < high:
            start = data.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = data.find(b"\n", start)
            if end < 0:
                raise _broken(self._path)
            tab = data.find(b"\t", start, end)
            if tab < 0:
                raise _broken(self._path)
            found = _id(data[start:tab], self._path)
            if found == patient:
                return data[tab + 1 : end]
            low, high = (end + 1, high) if found < patient else (low, start)
        return None


def _row(line: bytes, path: Path) -> Row:
    id_, tab, terms = line.rstrip(b"\n").partition(b"\t")
    if not tab:
        raise _broken(path)
    return _id(id_, path), terms


def _id(data: bytes, path: Path) -> str:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _broken(path) from None


def _broken(path: Path) -> InputError:
    return InputError(f"{path}: not a file of terms, or cut short; remove it and run again")
