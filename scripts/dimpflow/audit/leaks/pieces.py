"""Files of lines in pieces that several processes can read, and these in blocks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from dimpflow.ndjson import line_range, open_input, read_errors
from dimpflow.sources import Compression

PIECE = 16 << 20  # bytes that a process gets at a time; of the import, whose hashes are in memory at once
BLOCK = 1 << 20  # bytes that are looked at at once; larger ones fall out of the processor's caches

Stretch = tuple[Path, int] | bytes
"""A file and where a piece of it begins, or lines of it themselves."""


def stretches(result: Path) -> Iterator[Stretch]:
    """A result in pieces that somebody else can read; what is packed is read here."""
    ending = result.suffix.removeprefix(".")
    with read_errors(result):
        if ending in ("gz", "zst"):
            with open_input(result, cast(Compression, ending)) as file:
                yield from _blocks(file.read)
        else:
            for at in range(0, result.stat().st_size, PIECE):
                yield result, at


def stretch_blocks(stretch: Stretch) -> Iterator[tuple[int, bytes]]:
    """Blocks, and where they begin in the file, which is not known of those of packed ones."""
    if isinstance(stretch, bytes):
        yield 0, stretch
        return
    path, start = stretch
    first, last = line_range(path, start, start + PIECE)
    with read_errors(path), open(path, "rb") as file:
        file.seek(first)
        at = first
        for block in _blocks(lambda size: file.read(min(size, last - file.tell()))):
            yield at, block
            at += len(block)


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
