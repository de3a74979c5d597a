"""results: the parts of a job in order, as one file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dimpflow.atomic import Level
from dimpflow.errors import InputError
from dimpflow.ndjson import AtomicFile, copy_range, read_errors


@dataclass(frozen=True)
class Digest:
    """What was written; `bytes` and `sha256` are those before compression."""

    lines: int
    bytes: int
    sha256: str
    file_sha256: str


def join_results(
    parts: Sequence[Path],
    out: Path,
    *,
    compression: Literal["", "gz", "zst"] = "",
    level: Level = "default",
    mode: int = 0o644,
) -> Digest:
    """Join plain files of lines.

    Raises:
        InputError: a part does not end with a line end, so that two lines would become one.
    """
    lines = 0
    with AtomicFile(out, mode, compression, level) as target:
        for part in parts:
            _check_end(part)
            lines += copy_range(part, target)
    return Digest(lines, target.bytes, target.sha256, target.file_sha256)


def _check_end(part: Path) -> None:
    with read_errors(part), open(part, "rb") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                raise InputError(f"{part} ends in the middle of a line; remove it and run again")
