"""The lines of a shard in the portions in which a service is asked for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from dimpflow.bundles import peek
from dimpflow.errors import LineError
from dimpflow.ndjson import blocks


@dataclass(frozen=True, slots=True)
class Packing:
    """How many single resources go together, and how many bytes of them; 1 for each alone. numbered: entries have ids."""

    most: int = 1
    bytes: int = 1 << 20
    numbered: bool = False


class Batch(NamedTuple):
    """Lines that are sent together. first: the number of its first line in the shard, a cut Bundle counted as one line, from 0;
    left: of a chunk of a Bundle, how many of its chunks follow."""

    number: int
    kind: Literal["one", "pack", "chunk"]
    first: int
    lines: list[bytes]
    left: int = 0


def batches(shard: Path, chunks: list[tuple[int, int]], packing: Packing) -> Iterator[Batch]:
    """In the order of the lines. chunks: of each cut Bundle the number of its first line in the file, and its chunks."""
    runs = dict(chunks)
    number = first = size = at = left = 0  # left: chunks of a Bundle that are still to come
    together: list[bytes] = []
    for lines in blocks(shard):
        for line in lines:
            left = left or runs.pop(at, 0)
            at += 1
            alone = left or packing.most < 2 or not _packable(line)
            if together and (alone or len(together) == packing.most or size + len(line) > packing.bytes):
                yield Batch(number, "pack", first, together)
                number, first, together, size = number + 1, first + len(together), [], 0
            if not alone:
                together.append(line)
                size += len(line)
                continue
            kind: Literal["one", "chunk"] = "chunk" if left else "one"
            left = max(left - 1, 0)
            yield Batch(number, kind, first, [line], left)
            number += 1
            first += not left
    if together:
        yield Batch(number, "pack", first, together)


def _packable(line: bytes) -> bool:
    """Whether a line is a resource that is no container of others, and no request of its own to the service."""
    try:
        return peek(line) not in ("Bundle", "Parameters")
    except LineError:
        return False
