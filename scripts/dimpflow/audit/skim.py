"""Goes quickly through a file of lines of which few are looked at.

Nothing is imported here that takes long to load: what needs only this can begin while others still load.
"""

import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dimpflow.audit import pieces
from dimpflow.ndjson import read_errors
from dimpflow.sources import compression_of

_TYPE = b'{"resourceType":"'


@dataclass(frozen=True)
class Lines:
    """Some lines of a file. first: the number of the first of them, from 0; starts, ends: of each in the data."""

    first: int
    data: bytes | mmap.mmap
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __getitem__(self, place: int) -> bytes:
        """One of them, with its end."""
        return self.data[self.starts[place] : self.ends[place]]

    def of_types(self, types: Iterable[str]) -> Iterator[bytes]:
        """Those whose type is one of these; and those of which that is not seen at once, since it does not stand first."""
        found = ~self._begin(_TYPE)
        for type_ in types:
            found |= self._begin(b'%b%b"' % (_TYPE, type_.encode()))
        places = zip(self.starts[found].tolist(), self.ends[found].tolist(), strict=True)
        return (self.data[start:end] for start, end in places)

    def _begin(self, text: bytes) -> NDArray[np.bool_]:
        """Which of them begin with a text of 8 bytes or more; these are compared at once, from any place on."""
        last = len(self.data) - 8
        found = np.full(len(self.starts), last >= 0)
        if last >= 0:
            eights = np.ndarray((last + 1,), "<u8", self.data, strides=(1,))
            for at in (*range(0, len(text) - 8, 8), len(text) - 8):
                wanted = int.from_bytes(text[at : at + 8], "little")
                found &= eights[np.minimum(self.starts + at, last)] == wanted
        return found


def skim(path: Path) -> Iterator[Lines]:
    """All lines of a file (.ndjson, .ndjson.gz, .ndjson.zst), some at a time. Only while these are not yet asked for the next ones they
    can be read. InputError."""
    return _blocks(path) if compression_of(path) else _mapped(path)


def _blocks(path: Path) -> Iterator[Lines]:
    first = 0
    for block in pieces.blocks(path):
        ends = _behind_line_ends(np.frombuffer(block, np.uint8))
        if not len(ends) or ends[-1] < len(block):
            ends = np.append(ends, len(block))
        yield Lines(first, block, np.concatenate(([0], ends[:-1])), ends)
        first += len(ends)


def _mapped(path: Path) -> Iterator[Lines]:
    """Where the file lies, without a copy: half as costly."""
    with read_errors(path), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    first = start = given_back = 0
    for at in range(0, size, pieces.BLOCK):
        last = min(at + pieces.BLOCK, size)
        ends = _behind_line_ends(np.frombuffer(data, np.uint8, last - at, at)) + at
        if last == size and (not len(ends) or ends[-1] < size):
            ends = np.append(ends, size)
        if not len(ends):
            continue
        yield Lines(first, data, np.concatenate(([start], ends[:-1])), ends)
        first, start = first + len(ends), int(ends[-1])
        whole_pages = start - start % mmap.PAGESIZE
        if whole_pages > given_back:  # else the whole file would count as memory of this process
            data.madvise(mmap.MADV_DONTNEED, given_back, whole_pages - given_back)
            given_back = whole_pages


def _behind_line_ends(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.flatnonzero(data == 0x0A) + 1
    return found
