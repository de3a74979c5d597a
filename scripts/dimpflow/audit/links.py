"""All references of a result and all that they could lead to, counted: how many, to how many things, and how many of these are there.

Of a reference or thing there is only a hash with a key that nobody knows (see `native.walk` for its lowest bits). They go to the disk,
in parts by their highest bits, so that memory holds one part at a time: 8 bytes for each reference and each resource.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dimpflow.atomic import write_errors
from dimpflow.audit.distinct import counted, distinct
from dimpflow.audit.walking import NODE, NODE_OF_PATIENT, REFERENCE_MASK
from dimpflow.native.types import Integers, Numbers
from dimpflow.ndjson import read_errors

PARTS = 16
_VALUE, _NODE, _KIND = np.uint64(REFERENCE_MASK), np.uint64(NODE), np.uint64(NODE_OF_PATIENT)


@dataclass(frozen=True)
class Links:
    """things: that stand there themselves; references; meant: distinct things that references mean; resolved: references to what
    stands there; per_patient: for each number of references to a patient, how many patients have it."""

    things: int
    references: int
    meant: int
    resolved: int
    per_patient: Counter[int]

    @property
    def to_patients(self) -> int:
        """References to patients that stand there."""
        return sum(count * patients for count, patients in self.per_patient.items())


class LinkStore:
    """The hashes of one side on the disk. folder: in the identifying zone; it is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = [folder / f"links-{part:02}" for part in range(PARTS)]
        self._less: list[Numbers] = []

    def add(self, pieces: Iterable[Numbers]) -> None:
        """OutputError."""
        with write_errors(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = np.sort(_joined(pieces))
        edges = numbers.searchsorted([np.uint64((part << 64) // PARTS) for part in range(1, PARTS)])
        for path, part in zip(self._paths, np.split(numbers, edges), strict=True):
            if len(part):
                with write_errors(path), open(path, "ab", opener=_private) as file:
                    file.write(part.data)

    def remove(self, pieces: Iterable[Numbers]) -> None:
        """What is not to count, of what was added or will be; kept in memory."""
        self._less += pieces

    def clear(self) -> None:
        """Forget all. OutputError."""
        with write_errors(self._folder), suppress(FileNotFoundError):
            shutil.rmtree(self._folder)

    def links(self) -> Links:
        """What all of it says together."""
        less = np.sort(_joined(self._less))
        things = references = meant = resolved = 0
        per_patient: Counter[int] = Counter()
        for path in self._paths:
            numbers, counts = counted(np.sort(_numbers(path)))
            first, last = less.searchsorted(numbers), less.searchsorted(numbers, "right")
            counts = counts - (last - first)
            numbers, counts = numbers[counts > 0], counts[counts > 0]
            is_node = (numbers & _NODE) != 0
            referred, times = numbers[~is_node], counts[~is_node]
            nodes = distinct(np.sort(numbers[is_node] & _VALUE))
            patients = numbers[(numbers & _KIND) == _KIND] & _VALUE
            things += len(nodes)
            references += int(times.sum())
            meant += len(referred)
            resolved += int(_times(nodes, referred, times).sum())
            per_patient.update(_times(patients, referred, times).tolist())
        return Links(things, references, meant, resolved, per_patient)


def _private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _times(wanted: Numbers, numbers: Numbers, times: Integers) -> Integers:
    """How often each of the wanted numbers is there. numbers: sorted."""
    found = np.zeros(len(wanted), np.int64)
    place = numbers.searchsorted(wanted)
    there = np.flatnonzero(place < len(numbers))
    there = there[numbers[place[there]] == wanted[there]]
    found[there] = times[place[there]]
    return found


def _joined(pieces: Iterable[Numbers]) -> Numbers:
    every = list(pieces)
    return np.concatenate(every) if every else np.empty(0, np.uint64)


def _numbers(path: Path) -> Numbers:
    if not path.exists():
        return np.empty(0, np.uint64)
    with read_errors(path):
        return np.fromfile(path, np.uint64)
