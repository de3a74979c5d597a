"""Imported lines beside the lines that they became: one line in is one line out, but for those that were refused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dimpflow.audit.survey import LineIndex, Reader, Side, Span, Survey
from dimpflow.errors import InputError
from dimpflow.native.types import Integers
from dimpflow.ndjson import open_input
from dimpflow.sources import Compression


@dataclass(frozen=True)
class Imported:
    """An imported file. refused: numbers of its lines, from 0, that have no line in the result."""

    path: Path
    refused: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Pair:
    """number: of the line in the result, from 0; after: the line itself if the result is packed."""

    number: int
    before: Span
    after: Span | bytes

    def lines(self, read: Reader) -> tuple[bytes, bytes]:
        """Both. InputError."""
        return read(self.before), self.after if isinstance(self.after, bytes) else read(self.after)


def every(
    step: int, imported: Sequence[Imported], result: Path, compression: Compression, survey: Survey
) -> Iterator[Pair]:
    """Each so many-th line, from the first. InputError: one of the sides has more lines."""
    counts = [_kept(source, survey.before) for source in imported]
    total = sum(map(len, counts))
    afters: Iterator[Span | bytes] = (
        _packed(result, compression, step, total)
        if compression
        else _plain(result, survey.after.index(result), step, total)
    )
    first = 0
    for source, kept in zip(imported, counts, strict=True):
        wanted = range(-first % step, len(kept), step)
        befores = survey.before.index(source.path).spans(kept[wanted.start :: step].tolist())
        for at, before in zip(wanted, befores, strict=True):
            yield Pair(first + at, before, next(afters))
        first += len(kept)
    for _ in afters:  # what is packed is counted to its end
        raise _unlike(result)


def refused(imported: Sequence[Imported], survey: Survey) -> Iterator[bytes]:
    """The lines without one in the result. InputError."""
    with Reader() as read:
        for source in imported:
            yield from map(read, survey.before.index(source.path).spans(sorted(source.refused)))


def _kept(source: Imported, side: Side) -> Integers:
    """The numbers of the lines of a file that have one in the result."""
    numbers = np.arange(len(side.index(source.path).rows()))
    return np.delete(numbers, [number for number in source.refused if number < len(numbers)])


def _plain(result: Path, index: LineIndex, step: int, total: int) -> Iterator[Span]:
    if len(index.rows()) != total:
        raise _unlike(result)
    return index.spans(range(0, total, step))


def _packed(result: Path, compression: Compression, step: int, total: int) -> Iterator[bytes]:
    count = 0
    with open_input(result, compression) as file:
        for line in file:
            if count % step == 0 and count < total:
                yield line
            count += 1
    if count != total:
        raise _unlike(result)


def _unlike(result: Path) -> InputError:
    return InputError(
        f"{result}: not as many lines as were imported and not refused; run again, and if this stays, report it"
    )
