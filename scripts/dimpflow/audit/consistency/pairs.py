"""Each imported line beside the line that it became: one line in is one line out, but for those that were refused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from dimpflow.errors import InputError
from dimpflow.ndjson import blocks, open_input
from dimpflow.sources import Compression


@dataclass(frozen=True)
class Imported:
    """An imported file. refused: numbers of its lines, from 0, that have no line in the result."""

    path: Path
    refused: frozenset[int] = frozenset()


class Pairs(NamedTuple):
    """Lines that belong together. first: number of the first one in the result, from 0."""

    first: int
    before: list[bytes]
    after: list[bytes]


def paired(
    imported: Sequence[Imported], result: Path, compression: Compression, size: int
) -> Iterator[Pairs]:
    """All pairs, `size` at a time. InputError: one of the sides has more lines."""
    sources = chain.from_iterable(map(_lines, imported))
    first = 0
    with open_input(result, compression) as file:
        while True:
            after = _stripped(islice(file, size))
            before = list(islice(sources, len(after) or 1))
            if len(before) != len(after):
                raise InputError(
                    f"{result}: not as many lines as were imported and not refused; run again, and if this stays, report it"
                )
            if not after:
                return
            yield Pairs(first, before, after)
            first += len(after)


def _stripped(lines: Iterator[bytes]) -> list[bytes]:
    return [line.rstrip(b"\r\n") for line in lines]


def _lines(source: Imported) -> Iterator[bytes]:
    number = 0
    for lines in blocks(source.path):
        start, number = number, number + len(lines)
        if source.refused:
            yield from (line for n, line in enumerate(lines, start) if n not in source.refused)
        else:
            yield from lines
