"""What a service has answered so far, kept on the disk: a job that is killed or fails does not ask for it again.

A file of records, each one line of JSON (batch, digests, bytes) and then the answers, a line each. Records come in the order in
which answers came. A record that is not whole, or not what its digest says, ends the file: it and what follows is cut off.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from dimpflow.atomic import write_errors

_VERSION = 1


class _Record(NamedTuple):
    at: int
    bytes: int
    sent: str


class Journal:
    """The answers to batches by number. identity: of everything that an answer depends on but the lines themselves; answers of
    another identity are thrown away."""

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._head = json.dumps({"version": _VERSION, "identity": identity}).encode() + b"\n"
        self._records: dict[int, _Record] = {}

    def __enter__(self) -> Self:
        with write_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(fd, "r+b")
            end = self._read()
            self._file.seek(end)
            self._file.truncate()
            if not end:
                self._file.write(self._head)
            self._file.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._records)

    def has(self, batch: int, lines: Sequence[bytes]) -> bool:
        """Whether these lines have been answered as that batch."""
        record = self._records.get(batch)
        return record is not None and record.sent == _digest(lines)

    def add(self, batch: int, lines: Sequence[bytes], answers: Sequence[bytes]) -> None:
        """Notes the answers, with the lines that they are for; on the disk as far as another process is concerned."""
        data = b"\n".join(answers) + b"\n"
        facts = {
            "batch": batch,
            "sent": _digest(lines),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        head = json.dumps(facts).encode() + b"\n"
        with write_errors(self._path):
            at = self._file.seek(0, os.SEEK_END)
            self._file.write(head + data)
            self._file.flush()
        self._records[batch] = _Record(at + len(head), len(data), facts["sent"])  # type: ignore[arg-type]

    def answers(self, batch: int) -> list[bytes]:
        """The answers of a batch."""
        record = self._records[batch]
        self._file.seek(record.at)
        return self._file.read(record.bytes)[:-1].split(b"\n")

    def remove(self) -> None:
        """After the last answer has gone where it belongs."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> int:
        """Reads all records; where the last whole one ends."""
        if self._file.readline() != self._head:
            return 0
        end = self._file.tell()
        while True:
            head = self._file.readline()
            record = _parsed(head)
            if record is None:
                return end
            batch, sent, size, sha256 = record
            data = self._file.read(size)
            if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
                return end
            self._records[batch] = _Record(end + len(head), size, sent)
            end = self._file.tell()


def _parsed(line: bytes) -> tuple[int, str, int, str] | None:
    try:
        facts: dict[str, Any] = json.loads(line)
        return int(facts["batch"]), str(facts["sent"]), int(facts["bytes"]), str(facts["sha256"])
    except (ValueError, TypeError, KeyError):
        return None


def _digest(lines: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
        digest.update(b"\n")
    return digest.hexdigest()
