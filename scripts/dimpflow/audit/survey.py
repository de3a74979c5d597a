"""What a walk through all lines of an import and of its result has seen: their links, and where each line begins.

It lies on the disk, in the identifying zone: 8 bytes for each reference and each resource, 16 for each line.
"""

import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import numpy as np

from dimpflow.atomic import write_errors
from dimpflow.audit.links import LinkStore
from dimpflow.audit.walking import hasher_of, type_numbers
from dimpflow.native.types import Integers, Numbers
from dimpflow.ndjson import read_errors


class Seen(NamedTuple):
    """In a piece of a file. lines: rows of where in the file a line begins, and the number of its type, 0 if that is not known."""

    links: list[Numbers]
    lines: list[Integers]


@dataclass(frozen=True)
class Span:
    """A line of a file, and the white space behind it. start, end: in bytes."""

    path: Path
    start: int
    end: int


class Reader:
    """Reads spans, of files that it keeps open; a context manager."""

    def __init__(self) -> None:
        self._open: dict[Path, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            os.close(file)

    def __call__(self, span: Span) -> bytes:
        """InputError."""
        with read_errors(span.path):
            file = self._open.get(span.path)
            if file is None:
                file = self._open[span.path] = os.open(span.path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(file, span.end - span.start, span.start)


class LineIndex:
    """Where the lines of a file begin. folder: for what is known of them."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._kept = folder / "lines"

    def add(self, lines: Iterable[Integers]) -> None:
        """Those that follow the ones before. OutputError."""
        with write_errors(self._kept), open(self._kept, "ab") as file:
            for rows in lines:
                file.write(rows.data)

    def rows(self) -> Integers:
        """Of all lines, as in `Seen`; read from the disk as far as they are needed."""
        if not self._kept.exists() or not self._kept.stat().st_size:
            return np.empty((0, 2), np.int64)
        with read_errors(self._kept), open(self._kept, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(data, np.int64).reshape(-1, 2)

    def spans(self, numbers: Iterable[int]) -> Iterator[Span]:
        """Of lines by their numbers, from 0."""
        rows = self.rows()
        size = self._path.stat().st_size
        for number in numbers:
            end = int(rows[number + 1, 0]) if number + 1 < len(rows) else size
            yield Span(self._path, int(rows[number, 0]), end)

    def lines_of(self, types: Iterable[str]) -> Iterator[bytes]:
        """The lines whose type is one of these, or not known, in order. InputError."""
        rows = self.rows()
        known = type_numbers()
        wanted = np.isin(rows[:, 1], [0, *(known[type_] for type_ in types if type_ in known)])
        edges = [0, *(np.flatnonzero(np.diff(wanted)) + 1).tolist(), len(rows)]
        with read_errors(self._path), open(self._path, "rb") as file:
            for first, last in pairwise(edges):
                if first < last and wanted[first]:
                    file.seek(int(rows[first, 0]))
                    for _ in range(first, last):
                        yield file.readline()


class Side:
    """An import, or a result."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.links = LinkStore(folder)
        self._files: dict[Path, LineIndex] = {}

    def add(self, path: Path, seen: Seen) -> None:
        """What was seen in the next piece of a file. OutputError."""
        self.links.add(seen.links)
        self.index(path).add(seen.lines)

    def index(self, path: Path) -> LineIndex:
        """Of one of its files."""
        if path not in self._files:
            folder = self._folder / f"file-{len(self._files)}"
            with write_errors(folder):
                folder.mkdir()
            self._files[path] = LineIndex(path, folder)
        return self._files[path]


class Survey:
    """Of both sides; a context manager, at whose end all that was kept is gone. work: a folder in the identifying zone."""

    def __init__(self, work: Path, key: bytes) -> None:
        self.hasher = hasher_of(key)
        self._folder = TemporaryDirectory(dir=work, prefix="survey-")
        before, after = (Path(self._folder.name) / name for name in ("before", "after"))
        for folder in (before, after):
            folder.mkdir()
        self.before, self.after = Side(before), Side(after)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()
