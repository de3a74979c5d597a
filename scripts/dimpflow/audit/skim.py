"""Goes quickly through a file of lines of which few are looked at.

Nothing is imported here that takes long to load: what needs only this can begin while others still load.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dimpflow.audit.pieces import blocks

_TYPE = b'{"resourceType":"'


@dataclass(frozen=True)
class Lines:
    """Some lines of a file. first: the number of the first of them, from 0; starts, ends: of each in the block."""

    first: int
    block: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __getitem__(self, place: int) -> bytes:
        """One of them, with its end."""
        return self.block[self.starts[place] : self.ends[place]]

    def of_types(self, types: Iterable[str]) -> Iterator[bytes]:
        """Those whose type is one of these; and those of which that is not seen at once, since it does not stand first."""
        wanted = [b'%b%b"' % (_TYPE, type_.encode()) for type_ in types]
        width = max(map(len, wanted))
        data = np.frombuffer(self.block, np.uint8)
        heads = data[np.minimum(self.starts[:, None] + np.arange(width), len(data) - 1)]
        found = ~_begins(heads, _TYPE)
        for one in wanted:
            found |= _begins(heads, one)
        return map(self.__getitem__, np.flatnonzero(found).tolist())


def skim(path: Path) -> Iterator[Lines]:
    """All lines of a file (.ndjson, .ndjson.gz, .ndjson.zst). InputError."""
    first = 0
    for block in blocks(path):
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 0x0A) + 1
        if not len(ends) or ends[-1] < len(block):
            ends = np.append(ends, len(block))
        starts = np.zeros_like(ends)
        starts[1:] = ends[:-1]
        yield Lines(first, block, starts, ends)
        first += len(ends)


def _begins(heads: NDArray[np.uint8], text: bytes) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (heads[:, : len(text)] == np.frombuffer(text, np.uint8)).all(axis=1)
    return found
