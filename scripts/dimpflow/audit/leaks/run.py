"""The leak check over files, in several processes.

Memory of a process: what 16 MB of the import give, or a block of the result with what is
remembered of earlier ones; the hashes lie in files that are mapped. It grows neither with the import nor with the result.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson

from dimpflow.atomic import write_errors
from dimpflow.audit.leaks.kinds import KINDS
from dimpflow.audit.leaks.match import Matcher
from dimpflow.audit.leaks.scan import Scanner
from dimpflow.audit.leaks.store import ENDING, Part, Sizes, merge
from dimpflow.audit.leaks.tally import Tally, rows
from dimpflow.audit.leaks.values import Gatherer
from dimpflow.audit.processes import in_processes
from dimpflow.audit.survey import Seen, Survey
from dimpflow.audit.walking import Walker, hasher_of, links_and_lines
from dimpflow.errors import ConfigError, InputError
from dimpflow.native.hashing import Hasher
from dimpflow.native.types import Integers, Numbers
from dimpflow.ndjson import line_range, open_input, read_errors
from dimpflow.sources import Compression

_PIECE = 16 << 20  # bytes that a process gets at a time; of the import, whose hashes are in memory at once
BLOCK = 1 << 19  # bytes that are searched at once; larger ones fall out of the processor's caches
_PATH = re.compile(r"[A-Za-z]\w*(\.[A-Za-z?]\w*)*(\.\*)?")

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")

_Piece = tuple[Path, int, Path]
"""A file of the import, where the piece begins, where its hashes go."""
_Gathered = tuple[Part, Path, Seen]
_Scanned = tuple[Tally, Seen]
_Stretch = tuple[Path, int] | bytes
"""The result and where a piece of it begins, or lines of it themselves."""


@dataclass(frozen=True)
class LeakReport:
    """What was looked for and found, in counts. looked_for: different values by kind; findings: what must not be there;
    tolerated: the same at paths that are allowed; common: words of the language and codes that are values as well."""

    lines: int
    bytes: int
    looked_for: dict[str, int]
    findings: list[dict[str, Any]]
    tolerated: list[dict[str, Any]]
    common: list[dict[str, Any]]
    common_from: int

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def as_facts(self) -> dict[str, Any]:
        """Plain JSON; no value in it."""
        return {
            "passed": self.passed,
            "lines": self.lines,
            "bytes": self.bytes,
            "looked_for": self.looked_for,
            "findings": self.findings,
            "tolerated": self.tolerated,
            "common": self.common,
            "common_from": self.common_from,
        }


@dataclass(frozen=True)
class _Setup:
    """What a process must know to search."""

    folder: Path
    hasher: Hasher
    sizes: Sizes
    common_from: int
    surveyed: bool

    def matcher(self) -> Matcher:
        return Matcher(self.folder, self.hasher, self.sizes)


def check_leaks(
    imported: Sequence[Path],
    result: Path,
    *,
    key: bytes,
    work: Path,
    processes: int,
    tolerated: Sequence[str] = (),
    common_from: int = 5,
    survey: Survey | None = None,
) -> LeakReport:
    """Look for the identifying values of `imported` (NDJSON) in `result` (.ndjson, .ndjson.gz, .ndjson.zst).

    key: for the hashes, random or the job's own; work: a folder for them (rights 0700) in the identifying zone, which is gone in
    the end; tolerated: paths as in findings, `Encounter.identifier.value`, or `Organization.*` for all below; survey: takes what is
    seen of both on the way.

    Raises:
        ConfigError: a tolerated path is none.
        InputError: a file cannot be read, or has a line that is not JSON.
        OutputError: no room for the hashes.
    """
    for one in tolerated:
        if not _PATH.fullmatch(one):
            raise ConfigError(
                f"tolerated paths of the leak check: {one!r} is none; write Encounter.identifier.value or Organization.*"
            )
    hasher = hasher_of(key)
    with _private_folder(work):
        parts = []
        for part, path, seen in _gathered(_pieces(imported, work), hasher, processes):
            parts.append(part)
            if survey:
                survey.before.add(path, seen)
        merge(parts, work)
        sizes = Sizes()
        for part in parts:
            sizes.add(part.sizes)
        setup = _Setup(work, hasher, sizes, common_from, survey is not None)
        total = Tally(common_from)
        for tally, seen in _scanned(result, setup, processes):
            total.add(tally)
            if survey:
                survey.after.add(result, seen)
        matcher = setup.matcher()
        looked_for = {kind.name: matcher.kinds[kind].distinct() for kind in KINDS}
    found, common = total.judged()
    allowed = Counter({where: n for where, n in found.items() if _is_allowed(where[0], tolerated)})
    return LeakReport(
        total.lines, total.bytes, looked_for, rows(found - allowed), rows(allowed), rows(common), common_from
    )


def _is_allowed(path: str, tolerated: Iterable[str]) -> bool:
    return any(path == one or (one.endswith(".*") and f"{path}.".startswith(one[:-1])) for one in tolerated)


@contextmanager
def _private_folder(work: Path) -> Iterator[None]:
    """The folder for the hashes; what a run that was killed has left in it goes first."""
    with write_errors(work):
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        work.chmod(0o700)
    _remove_hashes(work)
    try:
        yield
    finally:
        _remove_hashes(work)
        with suppress(OSError):
            work.rmdir()


def _remove_hashes(work: Path) -> None:
    with write_errors(work):
        for file in work.glob(f"*{ENDING}"):
            file.unlink()


def _pieces(imported: Sequence[Path], work: Path) -> Iterator[_Piece]:
    number = count()
    for path in imported:
        with read_errors(path):
            size = os.stat(path).st_size
        for at in range(0, size, _PIECE):
            yield path, at, work / f"part-{next(number)}{ENDING}"


def _gather(gatherer: Gatherer, piece: _Piece) -> _Gathered:
    """Put the hashes of a piece of the import on the disk."""
    path, at, out = piece
    seen = Seen([], [])
    try:
        for start, block in _stretch_blocks((path, at)):
            for links, others, lines in gatherer.take(block):
                _add(seen, links, others, lines, start)
    except orjson.JSONDecodeError:
        raise InputError(f"{path}: a line is not JSON; remove the file and run again") from None
    return gatherer.collected().write(out), path, seen


def _add(seen: Seen, links: Numbers, others: Numbers, lines: Integers, start: int) -> None:
    """start: of the block with these lines."""
    lines[:, 0] += start
    seen.links.extend((links, others))
    seen.lines.append(lines)


def _stretches(result: Path) -> Iterator[_Stretch]:
    """A result in pieces that somebody else can read; what is packed is read here."""
    ending = result.suffix.removeprefix(".")
    with read_errors(result):
        if ending in ("gz", "zst"):
            with open_input(result, cast(Compression, ending)) as file:
                yield from _blocks(file.read)
        else:
            for at in range(0, result.stat().st_size, _PIECE):
                yield result, at


def _stretch_blocks(stretch: _Stretch) -> Iterator[tuple[int, bytes]]:
    """Blocks, and where they begin in the file, which is not known of those of packed ones."""
    if isinstance(stretch, bytes):
        yield 0, stretch
        return
    path, start = stretch
    first, last = line_range(path, start, start + _PIECE)
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


_gatherer: Gatherer
_search: "_Search"
"""Of this process, if it is one of several."""


def _start_gathering(hasher: Hasher) -> None:
    global _gatherer
    _gatherer = Gatherer(hasher)


def _gather_here(piece: _Piece) -> _Gathered:
    return _gather(_gatherer, piece)


def _gathered(pieces: Iterable[_Piece], hasher: Hasher, processes: int) -> Iterator[_Gathered]:
    """The hashes of the import, in parts."""
    if processes <= 1:
        yield from map(partial(_gather, Gatherer(hasher)), pieces)
    else:
        yield from in_processes(processes, _gather_here, pieces, _start_gathering, hasher)


class _Search:
    """What a process does with a piece of the result."""

    def __init__(self, setup: _Setup) -> None:
        matcher = setup.matcher()
        self._scanner = Scanner(matcher, setup.common_from)
        self._walker = Walker(matcher.hash) if setup.surveyed else None
        self._hash = matcher.hash

    def __call__(self, stretch: _Stretch) -> _Scanned:
        total = Tally(self._scanner.common_from)
        seen = Seen([], [])
        for start, block in _stretch_blocks(stretch):
            total.add(self._scanner.take(block))
            if self._walker:
                for links, others, lines in links_and_lines(block, self._walker, self._hash):
                    _add(seen, links, others, lines, start)
        return total, seen


def _start_scanning(setup: _Setup) -> None:
    global _search
    _search = _Search(setup)


def _scan_here(stretch: _Stretch) -> _Scanned:
    return _search(stretch)


def _scanned(result: Path, setup: _Setup, processes: int) -> Iterator[_Scanned]:
    """What each piece of the result holds."""
    if processes <= 1:
        yield from map(_Search(setup), _stretches(result))
    else:
        yield from in_processes(processes, _scan_here, _stretches(result), _start_scanning, setup)
