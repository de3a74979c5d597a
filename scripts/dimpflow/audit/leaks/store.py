"""Sorted files of 64-bit keyed hashes: written in parts, merged, looked up where they lie. No text goes to the disk.

Memory: a part holds what a piece of the import gives; merging takes about 50 MB at a time, by ranges of hashes, and the filter 64 MB
at most, whatever the total.
"""

import mmap
import os
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dimpflow.atomic import write_errors
from dimpflow.audit.distinct import distinct
from dimpflow.audit.leaks.kinds import ANCHORS, BIRTH_DATE, KINDS, SHORT_ID, Kind, is_strong
from dimpflow.audit.words import fold, words
from dimpflow.native.filters import OTHERS, put_into_filter
from dimpflow.native.hashing import Hasher
from dimpflow.native.ids import LONGEST_WORD, MOST_WORDS
from dimpflow.native.types import Bytes, Numbers
from dimpflow.ndjson import read_errors

ENDING = ".hashes"
_AT_ONCE = 1 << 20
"""Hashes that are sorted in memory at once."""


@dataclass(frozen=True)
class Part:
    """A file with the hashes of a piece of the import. sections: by the name of the kind, where its hashes begin (counted in hashes)
    and how many."""

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

    def mark(self, lengths: Bytes, anchors: Bytes) -> None:
        """Those at which there is a mark."""
        self.lengths.update(np.flatnonzero(lengths).tolist())
        self.anchors.update(np.flatnonzero(anchors).tolist())


class Collected:
    """The hashes of a piece of the import. found: each kind in pieces of its own."""

    def __init__(self, hasher: Hasher) -> None:
        self._hash = hasher
        self.found: dict[Kind, list[Numbers]] = defaultdict(list)
        self.sizes = Sizes()

    def add(self, kind: Kind, values: Sequence[str], rare: Sequence[str] | None = None) -> None:
        """Values, each by its words with blanks between them; of the ordinary kinds it counts how often they come.

        rare: for each, those of its words of which one stands for it, if not all may.
        """
        lengths, sizes = np.zeros(MOST_WORDS + 1, np.uint8), np.zeros(LONGEST_WORD + 1, np.uint8)
        whole, seen = self._hash.each_in_words([value.encode() for value in values], lengths, sizes)
        self.found[kind].append(whole)
        if rare:
            _, seen = self._hash.each_in_words(
                [value.encode() for value in rare], np.zeros_like(lengths), sizes
            )
        if kind is SHORT_ID:
            self.sizes.short = max(self.sizes.short, *(2 * len(value.encode()) for value in values))
        if kind.everywhere:
            self.found[ANCHORS].append(seen)
            self.sizes.mark(lengths, sizes)

    def add_ids(self, kind: Kind, ids: Iterable[str]) -> None:
        """Ids or identifiers; those that are too short to be told from other texts are short ids."""
        strong: list[str] = []
        short: list[str] = []
        for one in ids:
            if found := " ".join(words(fold(one))):
                (strong if is_strong(one) else short).append(found)
        if strong:
            self.add(kind, strong)
        if short:
            self.add(SHORT_ID, short)

    def numbers(self, kind: Kind) -> Numbers:
        """All of a kind, sorted; each once, but for the ordinary kinds."""
        pieces = self.found[kind]
        every = np.concatenate(pieces) if pieces else np.empty(0, np.uint64)
        return np.sort(every) if kind.ordinary else distinct(np.sort(every))

    def write(self, path: Path) -> Part:
        """Put all on the disk, sorted."""
        sections: dict[str, tuple[int, int]] = {}
        at = 0
        with private_file(path) as write:
            for kind in (*KINDS, ANCHORS):
                numbers = self.numbers(kind)
                write(numbers)
                sections[kind.name] = (at, len(numbers))
                at += len(numbers)
        return Part(path, sections, self.sizes)


@contextmanager
def private_file(path: Path) -> Iterator[Callable[[Numbers], object]]:
    """A new file of hashes that only its owner may read."""
    with write_errors(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            yield lambda numbers: file.write(np.ascontiguousarray(numbers).data)


def merge(parts: Sequence[Part], folder: Path) -> None:
    """One file for each kind, of those of all parts, which go, and a filter."""
    opened = [_opened(part) for part in parts]
    _write_filters(opened, folder)
    for kind in (*KINDS, ANCHORS):
        sections = [one[kind.name] for one in opened]
        steps = sum(map(len, sections)) // _AT_ONCE + 1
        edges = [np.uint64((step << 64) // steps) for step in range(1, steps)]
        cuts = [[0, *section.searchsorted(edges).tolist(), len(section)] for section in sections]
        with private_file(_file(folder, kind)) as write:
            for step in range(steps):
                every = [one[cut[step] : cut[step + 1]] for one, cut in zip(sections, cuts, strict=True)]
                numbers = np.concatenate(every) if every else np.empty(0, np.uint64)
                write(np.sort(numbers) if kind.ordinary else distinct(np.sort(numbers)))
    for part in parts:
        with write_errors(part.path):
            part.path.unlink()


def _opened(part: Part) -> dict[str, Numbers]:
    numbers = _numbers(part.path)
    return {name: numbers[start : start + count] for name, (start, count) in part.sections.items()}


_FILTERS = (f"letters{ENDING}", f"others{ENDING}")
_LARGEST = 28


def _write_filters(parts: Sequence[dict[str, Numbers]], folder: Path) -> None:
    """Filters for anchors, birth dates and short ids: 32 bits or more for each, 32 MB at most."""
    kinds = [kind.name for kind in (ANCHORS, BIRTH_DATE, SHORT_ID)]
    for file, wanted in zip(_FILTERS, (0, OTHERS), strict=True):
        pieces = [one for part in parts for kind in kinds if len(one := _of_filter(part[kind], kind, wanted))]
        power = min(max(10, (32 * sum(map(len, pieces))).bit_length()), _LARGEST)
        bits = np.zeros(1 << power >> 6, np.uint64)
        for one in pieces:
            put_into_filter(bits, one)
        with private_file(folder / file) as write:
            write(bits)


def _of_filter(numbers: Numbers, kind: str, wanted: int) -> Numbers:
    """Those hashes that belong into a filter; what is no word belongs to the others."""
    if kind != ANCHORS.name:
        numbers = numbers | np.uint64(OTHERS)
    found: Numbers = numbers[numbers & np.uint64(OTHERS) == wanted]
    return found


def opened_filters(folder: Path) -> tuple[Numbers, Numbers]:
    """What says quickly of most hashes that they are none of an anchor, a birth date or a short id; see `native.filters`."""
    letters, others = (_numbers(folder / file) for file in _FILTERS)
    return letters, others


def _numbers(path: Path) -> Numbers:
    """The hashes of a file, read from the disk as far as they are needed, as long as somebody holds them."""
    with read_errors(path), open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return np.empty(0, np.uint64)
        found: Numbers = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint64)
    return found


def _file(folder: Path, kind: Kind) -> Path:
    return folder / f"{kind.name.replace(' ', '-')}{ENDING}"


class Hashes:
    """The merged file of a kind, opened for look-ups; read from the disk as far as it is needed."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self._array = _numbers(_file(folder, kind))
        self._numbers = self._array.data  # quicker for one at a time

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
        every = self._array
        steps = range(0, len(every), _AT_ONCE)
        return min(len(every), 1) + sum(
            int(np.count_nonzero(np.diff(every[step : step + _AT_ONCE + 1]))) for step in steps
        )
