"""dimp: one shard, de-identified by the embedded engine; for every line in, one line out, in the same order."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson

from dimpflow.atomic import AtomicFile
from dimpflow.bundles import join_entries
from dimpflow.engine.engine import Engine
from dimpflow.errors import InputError, LineError
from dimpflow.ndjson import blocks, read_errors, write_json

_SHOWN = 20
"""Refused lines that an error lists."""

_BATCH = 64
"""Lines that are written at once: larger batches fall out of the processor's caches, smaller ones cost calls."""

log = logging.getLogger(__name__)


def deidentify_shard(
    engine: Engine,
    shard: Path,
    index: Path,
    imported: Path,
    out: Path,
    counts: Path,
    *,
    on_invalid: Literal["fail", "quarantine"],
    rejected: Path,
) -> None:
    """Writes the de-identified lines of a shard, and beside them what was counted.

    imported: the file that the shard was cut from, in which errors name lines; rejected: with `quarantine`, where lines
    go that the engine refuses.

    Raises InputError where lines are refused: `file:line: reason at JSON path`, the first 20, nothing of their content;
    RuleSetError for rules that cannot be used on these resources.
    """
    with read_errors(index):
        facts: dict[str, Any] = orjson.loads(index.read_bytes())
    run = _ShardRun(engine)
    engine.take_counts()
    engine.take_resources()
    rejected.unlink(missing_ok=True)
    with AtomicFile(out) as target:
        for lines in _batches(_whole_lines(shard, facts["chunks"])):
            done = run.take(lines)
            if done:
                target.write(b"\n".join(done) + b"\n")
        if run.refused:
            if on_invalid == "fail":
                raise InputError(_refusal(imported, facts["start"], run))
            _set_aside(shard, facts["chunks"], run, rejected, imported, facts["start"])
        if run.lines != facts["lines"]:
            raise InputError(
                f"{shard}: {run.lines} lines, but its index says {facts['lines']}; remove both and run again"
            )
    content = {
        "lines": run.lines - len(run.refused),
        "rejected": len(run.refused),
        "bytes": target.bytes,
        "sha256": target.sha256,
        "resources": engine.take_resources(),
        "rules": [count._asdict() for count in engine.take_counts()],
    }
    write_json(counts, content, durable=False)


class _ShardRun:
    """De-identifies lines and keeps count of them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.lines = 0
        self.refused: list[tuple[int, LineError]] = []

    def take(self, lines: list[bytes]) -> list[bytes]:
        """The de-identified lines of a batch; refused ones are noted by their number in the shard, from 0."""
        deidentify = self.engine.deidentify
        done = []
        for line in lines:
            try:
                done.append(deidentify(line))
            except LineError as error:
                self.refused.append((self.lines, error))
            self.lines += 1
        return done


def _whole_lines(shard: Path, chunks: list[tuple[int, int]]) -> Iterator[list[bytes]]:
    """Blocks of lines as they were before split cut Bundles: the engine has no limit, and rules may look at a whole Bundle."""
    runs = dict(chunks)
    number, run, missing = 0, list[bytes](), 0
    for lines in blocks(shard):
        if not runs and not missing:
            yield lines
            continue
        whole = []
        for line in lines:
            missing = missing or runs.pop(number, 0)
            number += 1
            if not missing:
                whole.append(line)
                continue
            run.append(line)
            missing -= 1
            if not missing:
                whole.append(join_entries(run))
                run = []
        yield whole


def _batches(blocks_of_lines: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    for lines in blocks_of_lines:
        for start in range(0, len(lines), _BATCH):
            yield lines[start : start + _BATCH]


def _described(imported: Path, start: int, run: _ShardRun) -> list[str]:
    """The first refused lines as `file:line: reason`; the shard's first line number is only worked out now."""
    before = sum(len(lines) for lines in blocks(imported, 0, start)) if start else 0
    return [f"{imported}:{before + number + 1}: {error}" for number, error in run.refused[:_SHOWN]]


def _refusal(imported: Path, start: int, run: _ShardRun) -> str:
    lines = _described(imported, start, run)
    way_out = "mend the data, or set import.on_invalid: quarantine to set such lines aside"
    if len(run.refused) == 1:
        return f"{lines[0]}; {way_out}"
    listed = f", the first {_SHOWN} are" if len(run.refused) > _SHOWN else ""
    return "\n".join([f"{imported}: {len(run.refused)} lines refused; {way_out}{listed}:", *lines])


def _set_aside(
    shard: Path, chunks: list[tuple[int, int]], run: _ShardRun, rejected: Path, imported: Path, start: int
) -> None:
    for described in _described(imported, start, run):
        log.warning("%s; set aside", described)
    log.warning("%s: %d lines set aside in %s", imported, len(run.refused), rejected)
    wanted, number = {n for n, _ in run.refused}, 0
    with AtomicFile(rejected, 0o600, dir_mode=0o700) as target:
        for lines in _whole_lines(shard, chunks):
            for line in lines:
                if number in wanted:
                    target.write(line + b"\n")
                number += 1
