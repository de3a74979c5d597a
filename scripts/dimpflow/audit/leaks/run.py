"""The leak check over files, in several processes.

Memory of a process: what 16 MB of the import give, or a block of the result with what is
remembered of earlier ones; the hashes lie in files that are mapped. It grows neither with the import nor with the result.
"""

import multiprocessing
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar, cast

from dimpflow.atomic import write_errors
from dimpflow.audit.leaks.kinds import KINDS
from dimpflow.audit.leaks.match import Matcher
from dimpflow.audit.leaks.scan import Scanner
from dimpflow.audit.leaks.store import ENDING, Part, Sizes, merge
from dimpflow.audit.leaks.tally import Tally, rows
from dimpflow.audit.leaks.values import Gatherer
from dimpflow.errors import ConfigError, InputError, OutputError
from dimpflow.keys import derive
from dimpflow.ndjson import blocks, line_range, open_input, read_errors
from dimpflow.sources import Compression

_PIECE = 16 << 20  # bytes that a process gets at a time; of the import, whose hashes are in memory at once
BLOCK = 1 << 19  # bytes that are searched at once; larger ones fall out of the processor's caches
_PATH = re.compile(r"[A-Za-z]\w*(\.[A-Za-z?]\w*)*(\.\*)?")

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")

_Piece = tuple[Path, int, Path]
"""A file of the import, where the piece begins, where its hashes go."""
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
    key: bytes
    sizes: Sizes
    common_from: int

    def matcher(self) -> Matcher:
        return Matcher(self.folder, self.key, self.sizes)


def check_leaks(
    imported: Sequence[Path],
    result: Path,
    *,
    key: bytes,
    work: Path,
    processes: int,
    tolerated: Sequence[str] = (),
    common_from: int = 5,
) -> LeakReport:
    """Look for the identifying values of `imported` (NDJSON) in `result` (.ndjson, .ndjson.gz, .ndjson.zst).

    key: for the hashes, random or the job's own; work: a folder for them (rights 0700) in the identifying zone, which is gone in
    the end; tolerated: paths as in findings, `Encounter.identifier.value`, or `Organization.*` for all below.

    Raises:
        ConfigError: a tolerated path is none.
        InputError: a file cannot be read, or has a line that is not JSON.
        OutputError: no room for the hashes.
    """
    for path in tolerated:
        if not _PATH.fullmatch(path):
            raise ConfigError(
                f"tolerated paths of the leak check: {path!r} is none; write Encounter.identifier.value or Organization.*"
            )
    hash_key = derive(key, "leaks")
    with _private_folder(work):
        parts = list(_gathered(_pieces(imported, work), hash_key, processes))
        merge(parts, work)
        sizes = Sizes()
        for part in parts:
            sizes.add(part.sizes)
        setup = _Setup(work, hash_key, sizes, common_from)
        total = Tally(common_from)
        for tally in _scanned(result, setup, processes):
            total.add(tally)
        with setup.matcher() as matcher:
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


def _gather(gatherer: Gatherer, piece: _Piece) -> Part:
    """Put the hashes of a piece of the import on the disk."""
    path, at, out = piece
    try:
        for lines in blocks(path, at, at + _PIECE):
            gatherer.take(lines)
    except ValueError:
        raise InputError(f"{path}: a line is not JSON; remove the file and run again") from None
    return gatherer.collected().write(out)


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


def _stretch_blocks(stretch: _Stretch) -> Iterator[bytes]:
    if isinstance(stretch, bytes):
        yield stretch
        return
    path, start = stretch
    first, last = line_range(path, start, start + _PIECE)
    with read_errors(path), open(path, "rb") as file:
        file.seek(first)
        yield from _blocks(lambda size: file.read(min(size, last - file.tell())))


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
_scanner: Scanner
"""Of this process, if it is one of several."""


def _start_gathering(key: bytes) -> None:
    global _gatherer
    _gatherer = Gatherer(key)


def _gather_here(piece: _Piece) -> Part:
    return _gather(_gatherer, piece)


def _gathered(pieces: Iterable[_Piece], key: bytes, processes: int) -> Iterator[Part]:
    """The hashes of the import, in parts."""
    if processes <= 1:
        yield from map(partial(_gather, Gatherer(key)), pieces)
    else:
        yield from _in_processes(processes, _gather_here, pieces, _start_gathering, key)


def _start_scanning(setup: _Setup) -> None:
    global _scanner
    _scanner = Scanner(setup.matcher().__enter__(), setup.common_from)


def _scan_here(stretch: _Stretch) -> Tally:
    return _scan(_scanner, stretch)


def _scan(scanner: Scanner, stretch: _Stretch) -> Tally:
    total = Tally(scanner.common_from)
    for block in _stretch_blocks(stretch):
        total.add(scanner.take(block))
    return total


def _scanned(result: Path, setup: _Setup, processes: int) -> Iterator[Tally]:
    """What each piece of the result holds."""
    if processes <= 1:
        with setup.matcher() as matcher:
            yield from map(partial(_scan, Scanner(matcher, setup.common_from)), _stretches(result))
    else:
        yield from _in_processes(processes, _scan_here, _stretches(result), _start_scanning, setup)


def _in_processes(
    processes: int, work: Callable[[T], R], pieces: Iterable[T], start: Callable[[S], None], setup: S
) -> Iterator[R]:
    """`map` in processes of their own, in order, with a few pieces on their way. They are forked: their hashes must be the same."""
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(processes, context, start, (setup,)) as pool:
            on_their_way: deque[Future[R]] = deque()
            for piece in pieces:
                on_their_way.append(pool.submit(work, piece))
                if len(on_their_way) > 2 * processes:
                    yield on_their_way.popleft().result()
            while on_their_way:
                yield on_their_way.popleft().result()
    except BrokenExecutor:
        raise OutputError(
            "a process of the leak check was killed (out of memory?); run again with fewer cores"
        ) from None
