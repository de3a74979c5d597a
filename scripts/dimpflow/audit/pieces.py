"""Files of lines in pieces that several processes can read, and these in blocks."""

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

from dimpflow.ndjson import line_range, open_input, read_errors
from dimpflow.sources import compression_of

PIECE = 16 << 20  # bytes that a process gets at a time; of the import, whose hashes are in memory at once
BLOCK = 1 << 20  # bytes that are looked at at once; larger ones fall out of the processor's caches

Stretch = tuple[Path, int] | bytes
"""A file and where a piece of it begins, or lines of it themselves."""


def stretches(result: Path) -> Iterator[Stretch]:
    """A result in pieces that somebody else can read; what is packed is read here."""
    if compression_of(result):
        yield from blocks(result)
        return
    with read_errors(result):
        size = result.stat().st_size
    for at in range(0, size, PIECE):
        yield result, at


def stretch_blocks(stretch: Stretch) -> Iterator[bytes]:
    """The blocks of a piece."""
    if isinstance(stretch, bytes):
        yield stretch
        return
    path, start = stretch
    first, last = line_range(path, start, start + PIECE)
    if first == last:
        return
    with read_errors(path), open(path, "rb") as file:
        start = first - first % mmap.ALLOCATIONGRANULARITY
        data = mmap.mmap(file.fileno(), last - start, access=mmap.ACCESS_READ, offset=start)
    at, last = first - start, last - start
    while at < last:
        end = last if last - at <= BLOCK else data.rfind(b"\n", at, at + BLOCK) + 1
        if not end:  # a longer line
            end = data.find(b"\n", at + BLOCK, last) + 1 or last
        yield data[at:end]
        at = end


def blocks(path: Path) -> Iterator[bytes]:
    """The blocks of a whole file (.ndjson, .ndjson.gz, .ndjson.zst). InputError."""
    with read_errors(path), open_input(path, compression_of(path)) as file:
        yield from _blocks(file.read)


def _blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Blocks of whole lines, of about `BLOCK` bytes, or of one longer line."""
    rest: list[bytes] = []
    while data := read(BLOCK):
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            rest.append(data)
            continue
        yield b"".join((*rest, head, newline))
        rest = [tail] if tail else []
    if rest:
        yield b"".join(rest)
