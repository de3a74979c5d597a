"""Sorted files of 64-bit keyed hashes: written in parts, merged, looked up where they lie. No text goes to the disk.

Memory: a part holds what a piece of the import gives; merging takes about 50 MB at a time, by ranges of hashes, and the filter 64 MB at most,
whatever the total.
"""

import mmap
import os
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path

from dimpflow.atomic import write_errors
from dimpflow.audit.leaks.kinds import ANCHORS, KINDS, LONG, LONGEST, SHORT_ID, Kind, anchor, is_strong
from dimpflow.audit.leaks.words import fold, in_words, words
from dimpflow.ndjson import read_errors

ENDING = ".hashes"
_AT_ONCE = 1 << 20
"""Hashes that are sorted in memory at once."""
MASK = (1 << 64) - 1


def hasher(key: bytes) -> Callable[[bytes], int]:
    """A hash of 64 bits that nobody can compute without the key: Python's SipHash (PEP 456), the key before the data; ten times as
    fast as BLAKE2. It is another one in a process that was not forked from this one."""
    return lambda data: hash(key + data) & MASK


@dataclass(frozen=True)
class Part:
    """A file with the hashes of a piece of the import. sections: by the name of the kind, where its hashes begin (counted in hashes) and how many."""

    path: Path
    sections: dict[str, tuple[int, int]]
    sizes: "Sizes"


@dataclass
class Sizes:
    """How large values are, so that most texts need not be looked up. lengths: numbers of words; anchors: bytes of the words by which
    values are noticed; short: bytes of the longest short id, twice."""

    lengths: set[int] = field(default_factory=set)
    anchors: set[int] = field(default_factory=set)
    short: int = 0

    def add(self, other: "Sizes") -> None:
        """Those of others too."""
        self.lengths |= other.lengths
        self.anchors |= other.anchors
        self.short = max(self.short, other.short)


@dataclass
class Collected:
    """The hashes of a piece of the import."""

    key: bytes
    once: dict[Kind, set[int]] = field(default_factory=lambda: defaultdict(set))
    many: dict[Kind, "array[int]"] = field(default_factory=lambda: defaultdict(lambda: array("Q")))
    sizes: Sizes = field(default_factory=Sizes)

    def __post_init__(self) -> None:
        self.hash = hasher(self.key)

    def add(self, kind: Kind, found: list[str], rare: list[str] | None = None) -> None:
        """A value, by its words. rare: those of which one stands for it, if not all may."""
        found = found[:LONGEST]
        whole = " ".join(found).encode()
        number = self.hash(whole)
        if kind.ordinary:
            self.many[kind].append(number)
        else:
            self.once[kind].add(number)
        if kind is SHORT_ID:
            self.sizes.short = max(self.sizes.short, 2 * len(whole))
        if kind.everywhere:
            self.sizes.lengths.add(len(found))
            seen = anchor(rare or found).encode()
            self.sizes.anchors.add(len(seen))
            self.once[ANCHORS].add(number if len(found) == 1 else self.hash(seen))

    def add_all(self, kind: Kind, values: Iterable[str]) -> None:
        """Many values, each by its words with blanks between them; of ordinary ones it counts how often they come."""
        counts = Counter(values)
        numbers = self._add([value.encode() for value in counts], kind)
        if kind.ordinary:
            self.many[kind].extend(chain.from_iterable(map(repeat, numbers, counts.values())))
        else:
            self.once[kind].update(numbers)

    def add_ids(self, kind: Kind, ids: Sequence[str]) -> None:
        """Many ids or identifiers; those that are too short to be told from other texts are short ids."""
        strong = [one for one in ids if is_strong(one)]
        if len(strong) < len(ids):
            for one in set(ids).difference(strong):
                if found := words(fold(one)):
                    self.add(SHORT_ID, found)
        self.once[kind].update(self._add(in_words(strong), kind))

    def _add(self, values: Sequence[bytes], kind: Kind) -> list[int]:
        """The hashes of values; `add` for many at once."""
        key, numbers, anchors, sizes = self.key, [], self.once[ANCHORS], self.sizes
        gaps = {value.count(b" ") for value in values}
        if max(gaps, default=0) >= LONGEST:
            values = [b" ".join(value.split(b" ")[:LONGEST]) for value in values]
            gaps = {min(gap, LONGEST - 1) for gap in gaps}
        if not kind.everywhere:
            return [hash(key + value) & MASK for value in values]
        sizes.lengths.update(gap + 1 for gap in gaps)
        for value in values:
            numbers.append(number := hash(key + value) & MASK)
            seen = value[value.rfind(b" ") + 1 :]
            if len(seen) < len(value):
                if len(seen) < LONG:
                    seen = anchor(value.split(b" "))
                number = hash(key + seen) & MASK
            anchors.add(number)
            sizes.anchors.add(len(seen))
        return numbers

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
        return Part(path, sections, self.sizes)


@contextmanager
def private_file(path: Path) -> Iterator[Callable[["array[int]"], object]]:
    """A new file of hashes that only its owner may read."""
    with write_errors(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            yield lambda numbers: file.write(memoryview(numbers).cast("B"))


def merge(parts: Sequence[Part], folder: Path) -> None:
    """One file for each kind, of those of all parts, which go, and a filter for the anchors."""
    _write_filter(parts, folder)
    for kind in (*KINDS, ANCHORS):
        total = sum(part.sections[kind.name][1] for part in parts)
        steps = total // _AT_ONCE + 1
        with private_file(_file(folder, kind)) as write:
            for step in range(steps):
                low, high = (step << 64) // steps, ((step + 1) << 64) // steps
                numbers = array("Q")
                for part in parts:
                    numbers.extend(_between(part, kind, low, high))
                # in order it is made of runs, which are quick to sort
                write(array("Q", sorted(numbers) if kind.ordinary else dict.fromkeys(sorted(numbers))))
    for part in parts:
        with write_errors(part.path):
            part.path.unlink()


_FILTER = f"filter{ENDING}"
_LARGEST = 26


def _write_filter(parts: Sequence[Part], folder: Path) -> None:
    """A byte for every 2^n hashes: 1 if one of them is an anchor's. At least eight times as many as anchors, 64 MB at most."""
    total = sum(part.sections[ANCHORS.name][1] for part in parts)
    power = min(max(10, (8 * total).bit_length()), _LARGEST)
    shift = 64 - power
    path = folder / _FILTER
    with private_file(path) as write:
        bits = array("Q", [0]) * ((1 << power) // 8)
        with memoryview(bits) as whole, whole.cast("B") as slots:
            for part in parts:
                for number in _between(part, ANCHORS, 0, MASK + 1):
                    slots[number >> shift] = 1
        write(bits)


class Filter:
    """What says quickly that a hash is no anchor's. bits: a byte for hashes with the same highest bits, all but `shift`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        path = folder / _FILTER
        with read_errors(path), open(path, "rb") as file:
            self.bits = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.shift = 65 - len(self.bits).bit_length()


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
