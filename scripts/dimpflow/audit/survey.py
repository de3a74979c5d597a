"""What a walk through all lines of an import and of its result has seen: their links, and where each line begins.

It lies on the disk, in the identifying zone: 8 bytes for each reference and each resource, 16 for each line.
"""

import mmap
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from dimpflow.atomic import write_errors
from dimpflow.audit.links import LinkStore, private
from dimpflow.audit.walking import type_numbers
from dimpflow.native.hashing import Hasher
from dimpflow.native.types import Integers, Numbers
from dimpflow.ndjson import read_errors


class Seen(NamedTuple):
    """In a piece of a file. lines: rows of where in the file a line begins, and the number of its type, 0 if that is not known."""

    links: list[Numbers]
    lines: list[Integers]

    def add(self, links: Numbers, others: Numbers, lines: Integers, start: int) -> None:
        """What `links_and_lines` gives of a block. start: of the block in the file."""
        lines[:, 0] += start
        self.links.extend((links, others))
        self.lines.append(lines)


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
    """Where the lines of a file begin. kept: the file for what is known of them."""

    def __init__(self, path: Path, kept: Path) -> None:
        self._path, self._kept = path, kept

    def add(self, lines: Iterable[Integers]) -> None:
        """Those that follow the ones before. OutputError."""
        with write_errors(self._kept), open(self._kept, "ab", opener=private) as file:
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
    """An import, or a result. folder: for what is seen of it; it is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.links = LinkStore(folder)

    def add(self, path: Path, seen: Seen) -> None:
        """What was seen in the next piece of a file. Files of a side have different names. OutputError."""
        with write_errors(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.links.add(seen.links)
        self.index(path).add(seen.lines)

    def index(self, path: Path) -> LineIndex:
        """Of one of its files."""
        return LineIndex(path, self._folder / f"{path.name}.lines")

    def clear(self) -> None:
        """Forget all. OutputError."""
        with write_errors(self._folder), suppress(FileNotFoundError):
            shutil.rmtree(self._folder)


class Survey:
    """Of both sides. folder: in the identifying zone; hasher: for the links."""

    def __init__(self, folder: Path, hasher: Hasher) -> None:
        self.hasher = hasher
        self.before, self.after = Side(folder / "before"), Side(folder / "after")
