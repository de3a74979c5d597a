"""The logs of a job as one: in the order of time, and further as they grow."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([A-Z]+) (.*)")
_HEAD = 128  # bytes by which a log is known again; the first line has a time in it


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log. log: the file's name without its ending, which begins with the rule's; when and level are those of the
    line before where a line has none of its own."""

    log: str
    when: str
    level: str
    text: str


@dataclass
class _Log:
    """A log as far as it was read. rest: what is there of a line whose end is not yet written."""

    name: str
    at: int = 0
    changed: int = 0
    head: bytes = b""
    rest: bytes = b""
    when: str = ""
    level: str = ""
    lines: list[Line] = field(default_factory=list)


class Logs:
    """All logs of a job whose names begin with `prefix`; `errors`: only their lines of level ERROR."""

    def __init__(self, folder: Path, prefix: str = "", *, errors: bool = False) -> None:
        self._folder = folder / "logs"
        self._prefix = prefix
        self._errors = errors
        self._logs: dict[str, _Log] = {}

    @property
    def names(self) -> list[str]:
        """The logs that are there, without their endings."""
        return sorted(name for name, _ in self._files())

    def new_lines(self, *, last: bool = False) -> list[Line]:
        """What was written since the last call, in the order of time. A log that was made anew is read anew. last: nothing more
        will come, so a line without an end is whole."""
        found: list[Line] = []
        for name, path in self._files():
            known = self._logs.setdefault(name, _Log(name))
            with suppress(OSError):  # Snakemake removes a log before its job starts again
                self._read(known, path)
            if last and known.rest:
                self._take(known, known.rest)
                known.rest = b""
            found += known.lines
            known.lines = []
        return sorted(found, key=lambda line: line.when)  # stable: lines of one second stay in their order

    def _files(self) -> Iterator[tuple[str, Path]]:
        with suppress(OSError):
            for name in sorted(os.listdir(self._folder)):
                if name.endswith(".log") and name.startswith(self._prefix):
                    yield name.removesuffix(".log"), self._folder / name

    def _read(self, log: _Log, path: Path) -> None:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            size, changed = status.st_size, status.st_mtime_ns
            if (size, changed) == (log.at, log.changed):
                return
            head = file.read(_HEAD)
            if size < log.at or not head.startswith(
                log.head
            ):  # the inode says nothing, a new file often gets the old one
                log.at, log.rest, log.when, log.level = 0, b"", "", ""
            log.head, log.changed = head, changed
            file.seek(log.at)
            data = log.rest + file.read(size - log.at)
            log.at = size
        *lines, log.rest = data.split(b"\n")
        for line in lines:
            self._take(log, line)

    def _take(self, log: _Log, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace")
        if match := _LINE.fullmatch(text):
            log.when, log.level, text = match[1], match[2], match[3]
        if text and (log.level == "ERROR" or not self._errors):
            log.lines.append(Line(log.name, log.when, log.level, text))
