"""All references of a result and all that they could lead to, counted: how many, to how many things, and how many of these are there.

They are found in the text itself, which is ten times as fast as to take it apart. Only hashes of the process go to the disk, in parts
by their first bits, so that memory holds one part at a time: 8 bytes for each reference and each resource.
"""

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from dimpflow.atomic import write_errors
from dimpflow.audit.consistency.references import mentions_in
from dimpflow.audit.consistency.structure import MASK
from dimpflow.ndjson import read_errors

PARTS = 64
_VALUE = MASK & ~3
_NODE, _NODE_OF_PATIENT = 1, 3
"""In the lowest bits of a hash: the thing itself stands here, and it is a patient. References have none of them."""
_PATIENT = b"Patient"
_REFERENCE = re.compile(rb'"reference"\s*:\s*"([^"]*)"')
_NAMED = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"\s*,\s*"id"\s*:\s*"([A-Za-z0-9\-.]+)"')
_PLAIN = rb"[A-Z][A-Za-z]++/[A-Za-z0-9\-.]++"
_IS_PLAIN = re.compile(_PLAIN)
_ALL_PLAIN = re.compile(rb"(?:%b\n)*+" % _PLAIN)
_HEAD = 160
"""Bytes in which the type and the id of a resource stand at its beginning (64 characters at most each)."""

Hashes = list["array[int]"]


def hashes_of(lines: Sequence[bytes]) -> Hashes:
    """What lines hold, by part."""
    text = b"\n".join(lines)
    holding: Sequence[bytes] = []
    if b'"contained"' in text:
        holding = [line for line in lines if b'"contained"' in line]
        lines = [line for line in lines if b'"contained"' not in line]
        text = b"\n".join(lines)
    found = _in_text(lines, text)
    if found is None:
        found, holding = [], [*holding, *lines]
    for line in holding:
        found += _in_one(line) or _in_tree(line)
    found.sort()
    edges = [bisect_left(found, part << 58) for part in range(PARTS)]
    return [array("Q", found[start:end]) for start, end in pairwise([*edges, len(found)])]


def _in_text(lines: Sequence[bytes], text: bytes) -> list[int] | None:
    """None where the text alone does not tell: an id that does not follow its type, a reference to what has no id but a uuid.
    text: the lines together."""
    types = text.count(b'"resourceType"')
    named = _NAMED.findall(b"\n".join([line[:_HEAD] for line in lines]) if types == len(lines) else text)
    if len(named) != types:
        return None
    references = _REFERENCE.findall(text)
    if not _ALL_PLAIN.fullmatch(b"\n".join([*references, b""])):
        return None
    nodes = [
        hash(b"/".join(one)) & _VALUE | (_NODE_OF_PATIENT if one[0] == _PATIENT else _NODE) for one in named
    ]
    return nodes + [hash(one) & _VALUE for one in references]


def _in_one(line: bytes) -> list[int]:
    """Of a resource that may hold contained ones, which nobody else refers to; empty where the text alone does not tell."""
    head = _NAMED.match(line, 1)
    if head is None or line[:1] != b"{" or b'"entry"' in line:
        return []
    found = [_node(b"/".join(head.groups()))]
    for text in _REFERENCE.findall(line):
        if _IS_PLAIN.fullmatch(text):
            found.append(hash(text) & _VALUE)
        elif not text.startswith(b"#"):
            return []
    return found


def _in_tree(line: bytes) -> list[int]:
    return [
        _node(value.encode()) if node else hash(value.encode()) & _VALUE
        for _, value, node in mentions_in(line)
        if not value.startswith("#")
    ]


def _node(value: bytes) -> int:
    return hash(value) & _VALUE | (_NODE_OF_PATIENT if value.startswith(b"Patient/") else _NODE)


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


class Store:
    """The hashes of one side on the disk. folder: in the identifying zone."""

    def __init__(self, folder: Path, name: str) -> None:
        self._paths = [folder / f"{name}-{part:02}" for part in range(PARTS)]

    def add(self, hashes: Hashes) -> None:
        """OutputError."""
        for path, numbers in zip(self._paths, hashes, strict=True):
            if numbers:
                with write_errors(path), open(path, "ab") as file:
                    numbers.tofile(file)

    def links(self) -> Links:
        """What all of it says together."""
        things = references = meant = resolved = 0
        per_patient: Counter[int] = Counter()
        for path in self._paths:
            if not path.exists():
                continue
            counts = Counter(_numbers(path))
            nodes = {known & _VALUE for known in counts if known & _NODE}
            referred = {known: count for known, count in counts.items() if not known & _NODE}
            things += len(nodes)
            references += sum(referred.values())
            meant += len(referred)
            for known, count in referred.items():
                if known in nodes:
                    resolved += count
            patients = (known & _VALUE for known in counts if known & ~_VALUE == _NODE_OF_PATIENT)
            per_patient.update(referred.get(known, 0) for known in patients)
        return Links(things, references, meant, resolved, per_patient)


def _numbers(path: Path) -> "array[int]":
    numbers = array("Q")
    with read_errors(path):
        numbers.frombytes(path.read_bytes())
    return numbers
