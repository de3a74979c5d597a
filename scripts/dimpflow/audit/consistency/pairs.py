"""Each imported line beside the line that it became: one line in is one line out, but for those that were refused.

Files are cut at the same lines on both sides, by their line ends alone; who works on a piece reads it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dimpflow.errors import InputError
from dimpflow.ndjson import open_input, read_errors
from dimpflow.sources import Compression


@dataclass(frozen=True)
class Imported:
    """An imported file. refused: numbers of its lines, from 0, that have no line in the result."""

    path: Path
    refused: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Piece:
    """Some lines of a file. start, end: in bytes; data: them themselves, of a packed file; refused: numbers, from 0, of lines of the
    piece that do not count."""

    path: Path
    start: int
    end: int
    refused: frozenset[int] = frozenset()
    data: bytes | None = None

    def lines(self) -> list[bytes]:
        """Without line ends. InputError."""
        lines = self._bytes().split(b"\n")
        if not lines[-1]:
            lines.pop()
        if self.refused:
            return [line for number, line in enumerate(lines) if number not in self.refused]
        return lines

    def _bytes(self) -> bytes:
        if self.data is not None:
            return self.data
        with read_errors(self.path), open(self.path, "rb") as file:
            file.seek(self.start)
            return file.read(self.end - self.start)


@dataclass(frozen=True)
class Pair:
    """first: number of the first line in the result, from 0; count: of the lines on each side."""

    first: int
    count: int
    before: Piece
    after: Piece


def paired(imported: Sequence[Imported], result: Path, compression: Compression, size: int) -> Iterator[Pair]:
    """All lines, up to `size` imported ones at a time. InputError: one of the sides has more lines."""
    first = 0
    cut = _Cut(result, compression)
    for source in imported:
        number = 0
        before = _Cut(source.path, "")
        while piece := before.take(size):
            count, start, end, _ = piece
            refused = frozenset(n - number for n in source.refused if number <= n < number + count)
            number += count
            wanted = count - len(refused)
            got, at, to, data = cut.take(wanted) or (0, 0, 0, None)
            if got != wanted:
                raise _unlike(result)
            yield Pair(
                first, wanted, Piece(source.path, start, end, refused), Piece(result, at, to, data=data)
            )
            first += wanted
    if cut.take(1):
        raise _unlike(result)


def _unlike(result: Path) -> InputError:
    return InputError(
        f"{result}: not as many lines as were imported and not refused; run again, and if this stays, report it"
    )


class _Cut:
    """A file whose lines are counted off."""

    _BLOCK = 1 << 22

    def __init__(self, path: Path, compression: Compression) -> None:
        self._file = open_input(path, compression)
        self._packed = bool(compression)
        self._rest = b""
        self._at = 0

    def take(self, count: int) -> tuple[int, int, int, bytes | None] | None:
        """The next lines, `count` if there are as many: their number, where they begin and end, and themselves if the file is packed;
        None at its end."""
        lines, end = 0, 0
        while lines < count:
            found = self._rest.find(b"\n", end)
            if found < 0:
                more = self._file.read(self._BLOCK)
                if not more:
                    lines, end = (lines + 1, len(self._rest)) if end < len(self._rest) else (lines, end)
                    break
                self._rest = self._rest + more
                continue
            lines, end = lines + 1, found + 1
        if not lines:
            return (0, self._at, self._at, b"" if self._packed else None) if count == 0 else None
        taken, self._rest = self._rest[:end], self._rest[end:]
        start, self._at = self._at, self._at + end
        return lines, start, self._at, taken if self._packed else None
