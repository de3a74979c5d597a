"""How far a run is, how fast, and how long it may still take. Where that cannot be told it is None, not a wild guess."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from dimpflow.jobs.listing import Job
from dimpflow.jobs.moments import moment, seconds_between
from dimpflow.layout import JobFolder

_LEAST_UNITS = 2  # sources or shards that this run has finished in a step before anything is told from them
_LEAST_SECONDS = 5.0
_EXTRACTION = ("torch_job", "progress", "patients", "batches", "batches_done")


@dataclass(frozen=True)
class StepProgress:
    """A step of a job: sources, shards or files done, of how many; counts as far as the step has them. rate: lines a second that
    this run has done; seconds_left: of this step; extraction: what TORCH says of its job."""

    name: str
    done: int
    total: int
    started: str | None
    finished: str | None
    lines: int | None
    rejected: int | None
    bytes: int | None
    rate: float | None
    seconds_left: float | None
    extraction: Mapping[str, Any]


@dataclass(frozen=True)
class _Made:
    """What this run has made in a step. names: its sources, as far as import goes."""

    units: int = 0
    lines: int = 0
    names: frozenset[str] = frozenset()


class ProgressReader:
    """Looks at a job, again and again; a file is read once as long as it does not change."""

    def __init__(self) -> None:
        self._lines: dict[Path, tuple[int, int]] = {}

    def steps(self, job: Job) -> list[StepProgress]:
        """Its steps in the order of the work; rates and times left only as long as it runs."""
        return [self._step(job, name) for name in job.steps]

    def _step(self, job: Job, name: str) -> StepProgress:
        step = job.steps[name]
        made, seconds = _Made(), 0.0
        begun = step["started"] if job.state == "running" and name in ("import", "split", "dimp") else None
        # a step whose first job began in an earlier run has done nothing in this one
        if begun and job.started and job.updated and moment(begun) >= moment(job.started):
            made = self._made(job, name)
            seconds = seconds_between(begun, step["finished"] or job.updated)
        return StepProgress(
            name,
            step["done"],
            step["total"],
            step["started"],
            step["finished"],
            step.get("lines"),
            step.get("rejected"),
            step.get("bytes"),
            made.lines / seconds if made.lines and seconds else None,
            self._left(job, name, made, seconds) if step["done"] < step["total"] else None,
            {key: step[key] for key in _EXTRACTION if key in step},
        )

    def _left(self, job: Job, name: str, made: _Made, seconds: float) -> float | None:
        """Seconds that a step still needs: of import by the bytes of its sources, of the others by lines."""
        if made.units < _LEAST_UNITS or seconds < _LEAST_SECONDS:
            return None
        if name == "import":
            sizes = _sizes(job.folder)
            there = {path.stem for path in (job.folder / "import").glob("*.json")}
            done = sum(sizes.get(source, 0) for source in made.names)
            rest = sum(size for source, size in sizes.items() if source not in there)
            return seconds * rest / done if done else None
        imported, step = job.steps["import"], job.steps[name]
        if imported["done"] < imported["total"] or not made.lines:
            return None
        left: int = imported.get("lines", 0) - step.get("lines", 0) - step.get("rejected", 0)
        return seconds * max(left, 0) / made.lines

    def _made(self, job: Job, name: str) -> _Made:
        """The counts of this run alone; `lines` of the status has those of earlier runs too."""
        assert job.started
        begin = moment(job.started).timestamp()
        units, lines, names = 0, 0, set()
        for path, at in _facts_of(job.folder, name):
            if at / 1e9 >= begin:
                units, lines = units + 1, lines + self._lines_of(path, at)
                names.add(path.stem)
        return _Made(units, lines, frozenset(names))

    def _lines_of(self, path: Path, at: int) -> int:
        """Lines that went through, or were set aside."""
        if self._lines.get(path, (0, 0))[0] != at:
            facts = _json(path)
            known = [facts.get(key, 0) for key in ("lines", "rejected")]
            self._lines[path] = (at, sum(number for number in known if type(number) is int))
        return self._lines[path][1]


def seconds_left(steps: list[StepProgress]) -> float | None:
    """Of the run: what its last long step still needs, for the steps before it end earlier."""
    by_name = {step.name: step for step in steps}
    last = by_name.get("dimp") or by_name.get("import")
    return last.seconds_left if last else None


def _facts_of(folder: Path, step: str) -> Iterator[tuple[Path, int]]:
    """The small files that a step leaves, with the time of each in nanoseconds."""
    pattern = "*.json" if step == "import" else "*/*.json"
    for path in (folder / step).glob(pattern):
        with suppress(FileNotFoundError):
            yield path, os.stat(path).st_mtime_ns


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of each source, as the inventory has found it."""
    listed = _json(JobFolder(folder).side_file("_all")).get("sources", [])
    with suppress(KeyError, TypeError):
        return {str(one["source"]): int(one["bytes"]) for one in listed}
    return {}


def _json(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        facts = orjson.loads(path.read_bytes())
        if isinstance(facts, dict):
            return facts
    return {}
