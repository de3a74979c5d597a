"""dimp: one shard, de-identified by the embedded engine; for every line in, one line out, in the same order."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson

from dimpflow.atomic import AtomicFile
from dimpflow.engine.engine import Engine
from dimpflow.errors import InputError, LineError
from dimpflow.ndjson import read_errors, write_json
from dimpflow.steps.refused import refusal, set_aside
from dimpflow.steps.whole_lines import whole_lines

log = logging.getLogger(__name__)

_BATCH = 64
"""Lines that are written at once: larger batches fall out of the processor's caches, smaller ones cost calls."""


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
    engine.take_unknown()
    rejected.unlink(missing_ok=True)
    with AtomicFile(out) as target:
        for lines in _batches(whole_lines(shard, facts["chunks"])):
            done = run.take(lines)
            if done:
                target.write(b"\n".join(done) + b"\n")
        if run.refused:
            if on_invalid == "fail":
                raise InputError(refusal(imported, facts["start"], run.refused))
            set_aside(shard, facts["chunks"], run.refused, rejected, imported, facts["start"])
        if run.lines != facts["lines"]:
            raise InputError(
                f"{shard}: {run.lines} lines, but its index says {facts['lines']}; remove both and run again"
            )
    content = {
        "lines": run.lines - len(run.refused),
        "rejected": len(run.refused),
        **({"refused": [number for number, _ in run.refused]} if run.refused else {}),
        "bytes": target.bytes,
        "sha256": target.sha256,
        "resources": engine.take_resources(),
        "rules": [count._asdict() for count in engine.take_counts()],
    }
    if unknown := engine.take_unknown():
        content["unknown_texts"] = unknown
        log.warning(
            "%d texts were not scrubbed but removed (or kept, if a rule says so): nobody knows whose they are",
            unknown,
        )
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


def _batches(blocks_of_lines: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    for lines in blocks_of_lines:
        for start in range(0, len(lines), _BATCH):
            yield lines[start : start + _BATCH]
