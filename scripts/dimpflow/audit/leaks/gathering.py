"""What is known of an import, in a folder that only its owner may read: the hashes of its values, its links.

No text lies there. The key of the hashes does: whoever can read it can read the import beside it.
"""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import msgspec
import orjson

from dimpflow.atomic import AtomicFile, write_errors
from dimpflow.audit.leaks.store import ENDING, Part, Sizes, merge
from dimpflow.audit.leaks.values import Gatherer
from dimpflow.audit.pieces import PIECE, stretch_blocks
from dimpflow.audit.processes import in_processes
from dimpflow.audit.survey import Survey
from dimpflow.audit.walking import prepare
from dimpflow.errors import InputError
from dimpflow.native.hashing import Hasher
from dimpflow.native.types import Numbers
from dimpflow.ndjson import read_errors

_KEY, _SIZES = "key", "sizes.json"
_KEY_BYTES = 16

_Piece = tuple[Path, int, Path]
"""A file of the import, where the piece begins, where its hashes go."""
_Done = tuple[Part, list[Numbers]]
"""Hashes, links."""


@dataclass(frozen=True)
class Gathered:
    """folder: with the hashes; sizes: of the values; survey: of the import, and of its result once that is searched."""

    folder: Path
    hasher: Hasher
    sizes: Sizes
    survey: Survey


def gather(imported: Sequence[Path], folder: Path, processes: int) -> Gathered:
    """Put what is known of an import (NDJSON) into a folder in the identifying zone, which is made, or emptied before.

    The key of the hashes is a random one.

    Raises:
        InputError: a file cannot be read, or has a line that is not JSON.
        OutputError: no room for the hashes.
    """
    with write_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    clear(folder)
    key = secrets.token_bytes(_KEY_BYTES)
    hasher = Hasher(key)
    survey = Survey(folder, hasher)
    parts = []
    for part, links in _in_parts(_pieces(imported, folder), hasher, processes):
        parts.append(part)
        survey.before.add(links)
    merge(parts, folder)
    sizes = Sizes()
    for part in parts:
        sizes.add(part.sizes)
    with AtomicFile(folder / _KEY, 0o600, durable=False) as file:
        file.write(key)
    with AtomicFile(folder / _SIZES, 0o600, durable=False) as file:  # last: now all is there
        file.write(msgspec.json.encode(sizes))
    return Gathered(folder, hasher, sizes, survey)


def gathered(folder: Path) -> Gathered | None:
    """What was put there; None if that is not all there. What was seen of a result is forgotten. InputError."""
    if not (folder / _SIZES).is_file():
        return None
    with read_errors(folder):
        key, sizes = (folder / _KEY).read_bytes(), (folder / _SIZES).read_bytes()
    hasher = Hasher(key)
    survey = Survey(folder, hasher)
    survey.after.clear()
    return Gathered(folder, hasher, msgspec.json.decode(sizes, type=Sizes), survey)


def clear(folder: Path) -> None:
    """Remove all that is in the folder, at first what says that it is all there. OutputError."""
    with write_errors(folder):
        (folder / _SIZES).unlink(missing_ok=True)
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _pieces(imported: Sequence[Path], folder: Path) -> Iterator[_Piece]:
    number = count()
    for path in imported:
        with read_errors(path):
            size = os.stat(path).st_size
        for at in range(0, size, PIECE):
            yield path, at, folder / f"part-{next(number)}{ENDING}"


def _gather(gatherer: Gatherer, piece: _Piece) -> _Done:
    """Put the hashes of a piece of the import on the disk."""
    path, at, out = piece
    links: list[Numbers] = []
    try:
        for block in stretch_blocks((path, at)):
            links += gatherer.take(block)
    except orjson.JSONDecodeError:
        raise InputError(f"{path}: a line is not JSON; remove the file and run again") from None
    return gatherer.collected().write(out), links


def _in_parts(pieces: Iterable[_Piece], hasher: Hasher, processes: int) -> Iterator[_Done]:
    """The hashes of the import, in parts, and its links."""
    if processes <= 1:
        return map(partial(_gather, Gatherer(hasher)), pieces)
    prepare()
    return in_processes(processes, _gather_here, pieces, _start, hasher)


_gatherer: Gatherer
"""Of this process, if it is one of several."""


def _start(hasher: Hasher) -> None:
    global _gatherer
    _gatherer = Gatherer(hasher)


def _gather_here(piece: _Piece) -> _Done:
    return _gather(_gatherer, piece)
