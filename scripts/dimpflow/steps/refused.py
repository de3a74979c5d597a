"""Lines that cannot be de-identified: what is said of them, and where they go."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dimpflow.atomic import AtomicFile
from dimpflow.errors import LineError
from dimpflow.ndjson import blocks
from dimpflow.steps.whole_lines import whole_lines

_SHOWN = 20
"""Refused lines that an error lists."""

Refused = tuple[int, LineError]
"""A line's number in its shard, from 0, and why it is refused."""

log = logging.getLogger(__name__)


def described(imported: Path, start: int, refused: Sequence[Refused]) -> list[str]:
    """The first of them as `file:line: reason`; start: where the shard begins in the file, in bytes."""
    before = sum(len(lines) for lines in blocks(imported, 0, start)) if start else 0
    return [f"{imported}:{before + number + 1}: {error}" for number, error in refused[:_SHOWN]]


def refusal(imported: Path, start: int, refused: Sequence[Refused]) -> str:
    """The message with which a job ends."""
    lines = described(imported, start, refused)
    way_out = "mend the data, or set import.on_invalid: quarantine to set such lines aside"
    if len(refused) == 1:
        return f"{lines[0]}; {way_out}"
    listed = f", the first {_SHOWN} are" if len(refused) > _SHOWN else ""
    return "\n".join([f"{imported}: {len(refused)} lines refused; {way_out}{listed}:", *lines])


def set_aside(
    shard: Path,
    chunks: list[tuple[int, int]],
    refused: Sequence[Refused],
    rejected: Path,
    imported: Path,
    start: int,
) -> None:
    """Writes refused lines, as they came, to a file of their own in the identifying zone."""
    for text in described(imported, start, refused):
        log.warning("%s; set aside", text)
    log.warning("%s: %d lines set aside in %s", imported, len(refused), rejected)
    wanted, number = {n for n, _ in refused}, 0
    with AtomicFile(rejected, 0o600, dir_mode=0o700) as target:
        for lines in whole_lines(shard, chunks):
            for line in lines:
                if number in wanted:
                    target.write(line + b"\n")
                number += 1
