"""Imported lines beside the lines that they became: one line in is one line out, but for those that were refused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dimpflow.audit.skim import skim


@dataclass(frozen=True)
class Imported:
    """An imported file. refused: numbers of its lines, from 0, that have no line in the result."""

    path: Path
    refused: frozenset[int] = frozenset()


class Every:
    """Each so many-th line of the import that has one in the result, with the number of that, from the first; an iterator.

    total: how many lines the result must have, once all were gone through.
    """

    def __init__(self, step: int, imported: Sequence[Imported]) -> None:
        self.total = 0
        self._step, self._imported = step, imported
        self._lines = self._every()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return self._lines

    def __next__(self) -> tuple[int, bytes]:
        return next(self._lines)

    def _every(self) -> Iterator[tuple[int, bytes]]:
        for source in self._imported:
            gone = np.array(sorted(source.refused), np.int64)
            for lines in skim(source.path):
                kept = np.arange(len(lines.ends))
                if len(gone):
                    kept = kept[~np.isin(kept + lines.first, gone)]
                for place in range(-self.total % self._step, len(kept), self._step):
                    yield self.total + place, lines[kept[place]]
                self.total += len(kept)


def refused(imported: Sequence[Imported]) -> Iterator[bytes]:
    """The lines without one in the result. InputError."""
    for source in imported:
        for lines in skim(source.path) if source.refused else ():
            yield from (
                lines[n - lines.first]
                for n in sorted(source.refused)
                if 0 <= n - lines.first < len(lines.ends)
            )
