"""A file on its way to the disk: it outlives the process that fetches it, and is examined while it grows."""

import fcntl
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from dimpflow.atomic import write_errors
from dimpflow.ndjson import read_errors, write_json

_BLOCK = 1 << 18
_LOOK = 1.0
"""Seconds between looks whether another process is done."""

log = logging.getLogger(__name__)


class ContentError(Exception):
    """A file that is not what it should be. line: from 1; reason: without content."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class Checker(Protocol):
    """Looks at the bytes of a file, in order. Both raise ContentError."""

    def feed(self, block: bytes) -> None:
        """The next bytes."""

    def finish(self) -> int:
        """There are no more: the number of lines. A last line without its end is a fault."""


class PartFile:
    """The bytes that came so far, in `.<name>.part` beside the target, and in `.<name>.part.json` what they belong to.

    source: the address without its query; size: bytes; validator: a strong ETag or a Last-Modified, "" where the rest cannot be
    fetched by itself; total: bytes of the whole file, None if unknown. Folder 0700, files 0600. One process at a time.
    """

    def __init__(self, target: Path, source: str) -> None:
        self.target = target
        self.size = 0
        self.validator = ""
        self.total: int | None = None
        self.fd = -1
        self._path = target.with_name(f".{target.name}.part")
        self._side = target.with_name(f".{target.name}.part.json")
        self._source = source
        self._renamed = False

    @contextmanager
    def opened(self, sleep: Callable[[float], None]) -> Iterator[None]:
        """Waits, by `sleep`, while another process has it."""
        with write_errors(self.target):
            folder = self.target.parent
            folder.mkdir(parents=True, exist_ok=True)
            if (rights := folder.stat().st_mode & 0o777) & 0o077:
                folder.chmod(rights & 0o700)
        self._lock(sleep)
        try:
            self._recall()
            yield
        finally:
            if not self._renamed and not self.resumable:
                with suppress(OSError):
                    self._side.unlink(missing_ok=True)
                    self._path.unlink()
            os.close(self.fd)

    @property
    def resumable(self) -> bool:
        """Whether the rest can be fetched by itself."""
        return self.size > 0 and bool(self.validator)

    def _lock(self, sleep: Callable[[float], None]) -> None:
        waited = False
        while True:
            with write_errors(self.target):
                self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self.fd)
                if not waited:
                    log.warning("%s: another process downloads it; waiting for its end", self.target.name)
                waited = True
                sleep(_LOOK)
                continue
            except OSError:
                pass  # a file system without locks
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self.fd), self._path.stat()):
                    return
            os.close(self.fd)  # it was renamed to its target while we waited

    def _recall(self) -> None:
        """What an earlier process left."""
        size = os.fstat(self.fd).st_size
        try:
            noted = json.loads(self._side.read_bytes())
            validator, total = noted["validator"], noted["total"]
            belongs = noted["url"] == self._source and isinstance(validator, str)
        except (OSError, ValueError, KeyError, TypeError):
            return
        if belongs and (total is None or (isinstance(total, int) and size <= total)):
            self.size, self.validator, self.total = size, validator, total

    def begin(self, validator: str, total: int | None) -> None:
        """From the first byte on."""
        self.forget()
        self.validator, self.total = validator, total
        if validator:
            note = {"url": self._source, "validator": validator, "total": total}
            write_json(self._side, note, 0o600, dir_mode=0o700, durable=False)

    def forget(self) -> None:
        """What came is of no use."""
        with write_errors(self.target):
            self._side.unlink(missing_ok=True)  # first: a note must never belong to other bytes
            os.ftruncate(self.fd, 0)
        self.size, self.validator, self.total = 0, "", None

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        with write_errors(self.target):
            while view:
                written = os.pwrite(self.fd, view, self.size)
                self.size += written
                view = view[written:]

    def last_byte(self) -> bytes:
        with read_errors(self._path):
            return os.pread(self.fd, 1, self.size - 1)

    def settle(self) -> None:
        """Waits until all is on the disk."""
        with write_errors(self.target):
            os.fsync(self.fd)

    def rename(self) -> None:
        """To its target."""
        with write_errors(self.target):
            os.replace(self._path, self.target)
            self._renamed = True
            self._side.unlink(missing_ok=True)

    def block(self, at: int, end: int) -> bytes:
        """Bytes from `at` on, to `end` at most."""
        with read_errors(self._path):
            data = os.pread(self.fd, min(_BLOCK, end - at), at)
            if not data:
                raise EOFError
            return data


class Examiner:
    """Reads a part file from its start while it grows, in a thread: the digest, and what a checker says.

    It follows on the disk (that is, in the system's cache), so a fast connection does not wait for it, nothing is queued in memory,
    and bytes of an earlier process go the same way.
    """

    def __init__(self, part: PartFile, checker: Checker | None) -> None:
        self._part = part
        self._checker = checker
        self._digest: Any = hashlib.sha256()
        self._lines = 0
        self._there = part.size
        self._whole = self._stopped = False
        self._error: BaseException | None = None
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def grown(self) -> None:
        """The file has; ContentError if a fault was found already."""
        if self._error is not None:
            raise self._error
        with self._news:
            self._there = self._part.size
            self._news.notify()

    def result(self) -> tuple[str, int]:
        """Of the whole file: SHA-256 as hex digits, and lines (0 without a checker). ContentError."""
        with self._news:
            self._whole = True
            self._news.notify()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._digest.hexdigest(), self._lines

    def stop(self) -> None:
        with self._news:
            self._stopped = True
            self._news.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            at = 0
            while (end := self._wait(at)) > at:
                block = self._part.block(at, end)
                self._digest.update(block)
                if self._checker is not None:
                    self._checker.feed(block)
                at += len(block)
            if self._checker is not None and not self._stopped:
                self._lines = self._checker.finish()
        except BaseException as error:  # the other thread raises it
            self._error = error

    def _wait(self, at: int) -> int:
        """Where the file ends now; `at` when there is no more to do."""
        with self._news:
            self._news.wait_for(lambda: self._there > at or self._whole or self._stopped)
            return at if self._stopped else self._there
