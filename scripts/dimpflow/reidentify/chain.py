"""The log of re-identifications: append-only NDJSON in which each line holds the SHA-256 of the line before.

A line ends with its own hash, over what stands before it; `previous` is the SHA-256 of the whole line before, without its line
end (64 zeros for the first), so that `sha256sum` is enough to check it. Beside the log, `<name>.head` holds the number of lines and
the SHA-256 of the last, so that lines that are cut off at the end are missed, too.

Whoever may write both files can forge both; a central file that belongs to somebody else is what helps against that.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dimpflow.atomic import AtomicFile, write_errors
from dimpflow.errors import InputError
from dimpflow.ndjson import read_errors

LOG = "reidentifications.ndjson"
"""Name of the file in jobs/<job>/mappings/."""
FIRST = "0" * 64


class Fault(NamedTuple):
    """What is wrong with a log. line: number of the line from 1, 0 for the log as a whole."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}" if self.line else self.reason


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Adds a line, and returns when it is on the disk. Others that want to add wait.

    InputError: the chain is broken, so the log takes no more lines; OutputError: it cannot be written.
    """
    with _locked(path) as fd:
        data = _content(fd, path)
        faults = _faults(data, _head(path))
        if faults:
            raise InputError(
                f"{path}: {faults[0]}; this log of re-identifications has been tampered with or damaged, so nothing is "
                "re-identified; keep the file and its .head as they are for your data protection officer, under another name"
            )
        lines = data.split(b"\n")[:-1]
        line = _sealed({**record, "previous": _sha256(lines[-1]) if lines else FIRST})
        with write_errors(path):
            try:
                if os.write(fd, line + b"\n") != len(line) + 1:
                    raise OSError(errno.ENOSPC, "")  # the disk took a part only
                os.fsync(fd)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(fd, len(data))  # half a line would read as tampering
                raise
        with AtomicFile(_head_path(path), 0o600) as head:
            head.write(f"{len(lines) + 1} {_sha256(line)}\n".encode())


def verify_log(path: Path) -> list[Fault]:
    """What is wrong with a log: lines changed, removed, reordered or cut; none if it is whole. InputError: it cannot be read."""
    with read_errors(path):
        data = path.read_bytes()
    return _faults(data, _head(path))


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a log whose chain holds. InputError otherwise."""
    faults = verify_log(path)
    if faults:
        raise InputError(f"{path}: {faults[0]}")
    with read_errors(path):
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]


# ---- lines -------------------------------------------------------------------------------------------------------------


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _dumped(record: Mapping[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


def _sealed(record: Mapping[str, Any]) -> bytes:
    return _dumped({**record, "hash": _sha256(_dumped(record))})


def _faults(data: bytes, head: bytes | None) -> list[Fault]:
    lines = data.split(b"\n")
    faults = []
    if lines.pop():
        faults.append(Fault(len(lines) + 1, "cut: its end is missing"))
    expected = FIRST
    for number, line in enumerate(lines, 1):
        record = _record(line)
        if record is None:
            faults.append(Fault(number, "changed: it does not fit its own hash"))
        elif record.get("previous") != expected:
            faults.append(
                Fault(number, "it does not follow on the line before: a line was changed, removed or moved")
            )
        expected = _sha256(line)
    return faults + _head_faults(lines, head)


def _record(line: bytes) -> dict[str, Any] | None:
    """The record on a line; None if it is not, byte for byte, what was written."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    record = {key: value for key, value in found.items() if key != "hash"}
    return record if _sealed(record) == line else None


# ---- the head ------------------------------------------------------------------------------------------------------------


def _head_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.head")


def _head(path: Path) -> bytes | None:
    try:
        with read_errors(_head_path(path)):
            return _head_path(path).read_bytes()
    except InputError:
        if os.path.lexists(_head_path(path)):
            raise
        return None


def _head_faults(lines: list[bytes], head: bytes | None) -> list[Fault]:
    """The head names the last line, or the one before it: a crash may come between a line and its head."""
    fitting = [
        f"{count} {_sha256(lines[count - 1])}\n".encode()
        for count in (len(lines), len(lines) - 1)
        if count > 0
    ]
    if head in fitting or (head is None and len(lines) <= 1):
        return []
    if head is None:
        return [Fault(0, "its .head file is missing")]
    return [
        Fault(
            0,
            "its end is not what its .head file says: lines were removed at the end, or one of the files changed",
        )
    ]


# ---- the file --------------------------------------------------------------------------------------------------------------


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The log, open for adding and for nobody else; made if it is not there."""
    with write_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with write_errors(path):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _content(fd: int, path: Path) -> bytes:
    with read_errors(path):
        return os.pread(fd, os.fstat(fd).st_size, 0)
