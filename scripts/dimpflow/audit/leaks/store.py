"""Sorted files of 64-bit keyed hashes: written in parts, merged, looked up where they lie. No text goes to the disk.

Memory: a part holds what 32 MB of import give; merging takes about 50 MB at a time, by ranges of hashes, whatever the total.
"""

import hashlib
import mmap
import os
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dimpflow.atomic import write_errors
from dimpflow.audit.leaks.kinds import ANCHORS, KINDS, LONGEST, SHORT_ID, Kind, anchor
from dimpflow.ndjson import read_errors

ENDING = ".hashes"
_AT_ONCE = 1 << 20
"""Hashes that are sorted in memory at once."""
_WIDTH = 8  # bytes


def hasher(key: bytes) -> Callable[[bytes], int]:
    """BLAKE2b (RFC 7693), keyed, as a number of 64 bits."""
    start = hashlib.blake2b(digest_size=_WIDTH, key=key)
    order = sys.byteorder

    def number(data: bytes) -> int:
        state = start.copy()
        state.update(data)
        return int.from_bytes(state.digest(), order)

    return number


@dataclass(frozen=True)
class Part:
    """A file with the hashes of a piece of the import. sections: by the name of the kind, where its hashes begin (counted in hashes) and how many."""

    path: Path
    sections: dict[str, tuple[int, int]]
    lengths: frozenset[int]
    longest_short: int


@dataclass
class Collected:
    """The hashes of a piece of the import."""

    key: bytes
    once: dict[Kind, set[int]] = field(default_factory=lambda: defaultdict(set))
    many: dict[Kind, "array[int]"] = field(default_factory=lambda: defaultdict(lambda: array("Q")))
    lengths: set[int] = field(default_factory=set)
    longest_short: int = 0

    def __post_init__(self) -> None:
        self.hash = hasher(self.key)

    def add(self, kind: Kind, words: list[str], rare: list[str] | None = None) -> None:
        """A value. rare: the words of which one stands for it, if not all may."""
        words = words[:LONGEST]
        number = self.hash(" ".join(words).encode())
        if kind.ordinary:
            self.many[kind].append(number)
        else:
            self.once[kind].add(number)
        if kind is SHORT_ID:
            self.longest_short = max(self.longest_short, 2 * len(" ".join(words).encode()))
        if kind.everywhere:
            self.lengths.add(len(words))
            self.once[ANCHORS].add(number if len(words) == 1 else self.hash(anchor(rare or words).encode()))

    def write(self, path: Path) -> Part:
        """Put all on the disk, sorted."""
        sections: dict[str, tuple[int, int]] = {}
        at = 0
        with private_file(path) as write:
            for kind in (*KINDS, ANCHORS):
                numbers = array("Q", sorted(self.many[kind] if kind.ordinary else self.once[kind]))
                write(numbers)
                sections[kind.name] = (at, len(numbers))
                at += len(numbers)
        return Part(path, sections, frozenset(self.lengths), self.longest_short)


@contextmanager
def private_file(path: Path) -> Iterator[Callable[["array[int]"], object]]:
    """A new file of hashes that only its owner may read."""
    with write_errors(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            yield lambda numbers: file.write(memoryview(numbers).cast("B"))


def merge(parts: Sequence[Part], folder: Path) -> None:
    """One file for each kind, of those of all parts, which go."""
    for kind in (*KINDS, ANCHORS):
        total = sum(part.sections[kind.name][1] for part in parts)
        steps = total // _AT_ONCE + 1
        with private_file(_file(folder, kind)) as write:
            for step in range(steps):
                low, high = (step << 64) // steps, ((step + 1) << 64) // steps
                numbers = array("Q")
                for part in parts:
                    numbers.extend(_between(part, kind, low, high))
                write(array("Q", sorted(numbers if kind.ordinary else set(numbers))))
    for part in parts:
        with write_errors(part.path):
            part.path.unlink()


def _between(part: Part, kind: Kind, low: int, high: int) -> "array[int]":
    start, count = part.sections[kind.name]
    numbers = array("Q")
    if count:
        with read_errors(part.path), open(part.path, "rb") as file, mapped(file.fileno()) as view:
            section = view[start : start + count]
            numbers.frombytes(section[bisect_left(section, low) : bisect_left(section, high)].tobytes())
            section.release()
    return numbers


@contextmanager
def mapped(fd: int) -> Iterator["memoryview[int]"]:
    """The hashes of an open file."""
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
        whole = memoryview(data)
        view = whole.cast("Q")
        try:
            yield view
        finally:
            view.release()
            whole.release()


def _file(folder: Path, kind: Kind) -> Path:
    return folder / f"{kind.name.replace(' ', '-')}{ENDING}"


class Hashes:
    """The merged file of a kind, opened for look-ups; read from the disk as far as it is needed."""

    def __init__(self, folder: Path, kind: Kind, stack: ExitStack) -> None:
        path = _file(folder, kind)
        with read_errors(path), open(path, "rb") as file:
            empty = not os.fstat(file.fileno()).st_size
            self._numbers: Sequence[int] = () if empty else stack.enter_context(mapped(file.fileno()))

    def __contains__(self, number: int) -> bool:
        numbers = self._numbers
        at = bisect_left(numbers, number)
        return at < len(numbers) and numbers[at] == number

    def __len__(self) -> int:
        return len(self._numbers)

    def count(self, number: int) -> int:
        """How often it was added, for ordinary kinds: how many people bear it."""
        return bisect_right(self._numbers, number) - bisect_left(self._numbers, number)

    def distinct(self) -> int:
        """Different ones among them."""
        return sum(1 for _ in _runs(self._numbers))


def _runs(numbers: Iterable[int]) -> Iterator[int]:
    last = -1
    for number in numbers:
        if number != last:
            yield number
        last = number
