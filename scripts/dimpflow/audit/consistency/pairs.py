"""Imported lines beside the lines that they became: one line in is one line out, but for those that were refused."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dimpflow.audit.survey import LineIndex, Reader, Span, Survey
from dimpflow.errors import InputError
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

    def index(source: Imported) -> LineIndex:
        return survey.before.index(source.path)

    counts = [len(index(source).rows()) - len(source.refused) for source in imported]
    total = sum(counts)
    afters: Iterator[Span | bytes] = (
        _packed(result, compression, step, total)
        if compression
        else _plain(result, survey.after.index(result), step, total)
    )
    first = 0
    for source, count in zip(imported, counts, strict=True):
        wanted = range(-first % step, count, step)
        befores = index(source).spans(_numbers(source.refused, wanted))
        for at, before in zip(wanted, befores, strict=True):
            yield Pair(first + at, before, next(afters))
        first += count
    for _ in afters:  # what is packed is counted to its end
        raise _unlike(result)


def refused(imported: Sequence[Imported], survey: Survey) -> Iterator[bytes]:
    """The lines without one in the result. InputError."""
    with Reader() as read:
        for source in imported:
            yield from map(read, survey.before.index(source.path).spans(sorted(source.refused)))


def _numbers(refused: Iterable[int], wanted: range) -> list[int]:
    """The numbers of the wanted ones of those lines that are not refused."""
    gone = np.array(sorted(refused), np.int64)
    before = gone - np.arange(len(gone))  # how many are not refused before each that is
    places = np.arange(wanted.start, wanted.stop, wanted.step)
    numbers: list[int] = (places + before.searchsorted(places, "right")).tolist()
    return numbers


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
