"""The jobs of a folder, each in the state that its files tell; one that is broken or half written is told, never an error."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from dimpflow.audit.status import Status, read_status, was_stopped
from dimpflow.errors import InputError
from dimpflow.jobs.moments import moment, seconds_between, stamp
from dimpflow.jobs.tombstone import DELETED, DELETING, PRUNED, PRUNING, Tombstone, read_tombstone

JobState = Literal["running", "completed", "failed", "stopped", "unreadable", "deleting", "deleted"]

JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""As the configuration allows it for `job`."""
STEPS = (
    "extract",
    "download",
    "inventory",
    "import",
    "split",
    "terms",
    "gather",
    "mapping",
    "dimp",
    "results",
)
"""In the order of the work; a step that is not among them comes last."""
FOLDERS = ("torch", "download", "inventory", "import", "split", "gather", "mappings", "dimp")
"""One of these, or a status, makes a folder a job's. Not `logs` and the like, which other programs have too."""

_NO_STATUS = "there is no status.json: the run broke off at its very beginning, or the files are another's"
_BAD_STATUS = "status.json is damaged, or of another version of this workflow"
_BAD_TOMBSTONE = "deleted.json is damaged"
_UNFINISHED = "its deletion was interrupted; the same command finishes it"
_STALE = "an earlier deletion was interrupted, and the job ran again after it"


@dataclass(frozen=True)
class Job:
    """A folder with what it says. Times as "2026-11-22T20:00:00Z"; status: as read and checked, None if there is none that can be
    used; updated: the last sign of life; note: what a person should know besides."""

    name: str
    folder: Path
    state: JobState
    started: str | None = None
    updated: str | None = None
    finished: str | None = None
    errors: tuple[str, ...] = ()
    note: str = ""
    status: Status | None = None
    tombstone: Tombstone | None = None
    """Of a job that is deleted, or being deleted."""
    changed: float = field(default=0.0, compare=False)
    """When the folder itself changed last, as seconds; for the order of jobs that know no time."""

    @property
    def steps(self) -> Mapping[str, Status]:
        """Its steps in the order of the work."""
        steps: Mapping[str, Status] = self.status["steps"] if self.status else {}
        order = [*(step for step in STEPS if step in steps), *(step for step in steps if step not in STEPS)]
        return {step: steps[step] for step in order}

    @property
    def step(self) -> str | None:
        """The step it is at, or ended at: the first that is not finished; None after the last."""
        if self.state == "completed":
            return None
        return next((name for name, step in self.steps.items() if step["finished"] is None), None)

    @property
    def lines(self) -> int | None:
        """Lines imported so far; None if nobody knows."""
        return self._count("lines")

    @property
    def rejected(self) -> int | None:
        """Lines set aside by import and dimp."""
        return self._count("rejected", "dimp")

    @property
    def seconds(self) -> float | None:
        """How long the run took, or is taking."""
        end = self.finished or self.updated
        return seconds_between(self.started, end) if self.started and end else None

    def _count(self, key: str, *others: str) -> int | None:
        steps = self.steps
        if self.tombstone:
            steps = self.tombstone.get("counts", {})
        found = [steps[step][key] for step in ("import", *others) if key in steps.get(step, {})]
        return sum(found) if found else None


def list_jobs(jobs_dir: Path) -> list[Job]:
    """All jobs of a folder, newest first. What is no job's folder is left out.

    Raises:
        InputError: there is no such folder, or it cannot be read.
    """
    try:
        names = [name for name in os.listdir(jobs_dir) if JOB_NAME.fullmatch(name)]
    except OSError as error:
        raise InputError(
            f"{jobs_dir}: {os.strerror(error.errno or 0)}; give the folder of the jobs with --jobs-dir"
        ) from None
    jobs = [job for name in sorted(names) if (job := read_job(jobs_dir / name))]
    return sorted(jobs, key=_age, reverse=True)


def read_job(folder: Path) -> Job | None:
    """The job in a folder; None if it is none."""
    if not folder.is_dir() or not JOB_NAME.fullmatch(folder.name):
        return None
    deleting, deleted = folder / DELETING, folder / DELETED
    known = [name for name in (*FOLDERS, "status.json", DELETING, DELETED) if os.path.lexists(folder / name)]
    if not known:
        return None
    try:
        changed = folder.stat().st_mtime
    except OSError:
        return None  # gone in this moment
    status, fault = _status_of(folder)
    job = Job(folder.name, folder, "unreadable", errors=(fault,), changed=changed)
    if DELETING in known and not ran_since(status, read_tombstone(deleting)):
        return _buried(job, "deleting", read_tombstone(deleting), _UNFINISHED)
    if known == [DELETED]:
        tombstone = read_tombstone(deleted)
        return _buried(job, "deleted", tombstone) if tombstone else _with(job, errors=(_BAD_TOMBSTONE,))
    if status is None:
        return job
    return _with(
        job,
        state="stopped" if was_stopped(status) else status["state"],
        started=status["started"],
        updated=status["updated"],
        finished=status["finished"],
        errors=tuple(status["errors"]),
        note=_STALE if DELETING in known else _pruned(folder, status),
        status=status,
    )


def ran_since(status: Status | None, tombstone: Tombstone | None) -> bool:
    """Whether the job ran again after what a tombstone tells, so that this is history."""
    if status is None or tombstone is None:
        return False
    return moment(status["started"]) > moment(tombstone["when"])


def disk_bytes(path: Path) -> int | None:
    """Room that a file or folder takes on the disk, as `du` counts it; links are not followed. None if a part cannot be read."""
    try:
        taken = os.lstat(path).st_blocks * 512
        if path.is_dir() and not path.is_symlink():
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        inner = disk_bytes(Path(entry.path))
                        if inner is None:
                            return None
                        taken += inner
                    else:
                        taken += entry.stat(follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return 0  # a run goes on, and files come and go
    except OSError:
        return None
    return taken


def _status_of(folder: Path) -> tuple[Status | None, str]:
    """The status, or what is wrong with it."""
    try:
        status = read_status(folder)
        if status is None:
            return None, _BAD_STATUS if os.path.lexists(folder / "status.json") else _NO_STATUS
        return _checked(status), ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, _BAD_STATUS


def _checked(status: Any) -> Status:
    """A status of which all that is used here has the right kind; ValueError and others: it has not.

    Not by the schema: a status of another version, with a step more, is still good to read.
    """
    times = [status["started"], status["updated"], *(t for t in [status["finished"]] if t is not None)]
    names = [status["state"], *status["errors"], *status["versions"].values(), *status["hashes"].values()]
    numbers: list[Any] = []
    for step in status["steps"].values():
        times += [at for at in (step["started"], step["finished"]) if at is not None]
        numbers += [step["done"], step["total"]]
        numbers += [
            step[key]
            for key in ("lines", "rejected", "bytes", "patients", "batches", "batches_done")
            if key in step
        ]
        numbers += step.get("resources", {}).values()
        names += [step[key] for key in ("progress", "torch_job") if key in step]
    for at in times:
        moment(at)
    if not all(isinstance(name, str) for name in names) or not isinstance(status["errors"], list):
        raise ValueError("a text is none")
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("a number is none")
    if status["state"] not in ("running", "completed", "failed"):
        raise ValueError("an unknown state")
    checked: Status = status
    return checked


def _buried(job: Job, state: JobState, tombstone: Tombstone | None, note: str = "") -> Job:
    known = tombstone or {}
    when = f"deleted {known['when'][:10]}" if state == "deleted" else note
    return _with(
        job,
        state=state,
        started=known.get("started"),
        finished=known.get("finished"),
        errors=(),
        note=when,
        tombstone=tombstone,
    )


def _pruned(folder: Path, status: Status) -> str:
    if (folder / PRUNING).exists() and not ran_since(status, read_tombstone(folder / PRUNING)):
        return "pruning was interrupted; the same command finishes it"
    pruned = read_tombstone(folder / PRUNED)
    return (
        f"identifying data pruned {pruned['when'][:10]}" if pruned and not ran_since(status, pruned) else ""
    )


def _with(job: Job, **values: Any) -> Job:
    return Job(**{**vars(job), **values})


def _age(job: Job) -> tuple[str, str]:
    return job.started or stamp(datetime.fromtimestamp(job.changed, UTC)), job.name
