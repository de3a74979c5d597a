"""Removing jobs, or what identifies people in them. Broken off at any place, the same again finishes it."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dimpflow.atomic import write_errors
from dimpflow.errors import OutputError
from dimpflow.jobs.held import locked, writers
from dimpflow.jobs.listing import Job, disk_bytes, list_jobs, ran_since, read_job
from dimpflow.jobs.moments import moment
from dimpflow.jobs.tombstone import (
    DELETED,
    DELETING,
    PRUNED,
    PRUNING,
    REIDENTIFICATIONS,
    Tombstone,
    new_tombstone,
    read_tombstone,
    sync_folder,
    write_tombstone,
)

ZONE = ("torch", "download", "inventory", "import", "split", "gather", "mappings", "withheld")
"""Folders of a job that identify people; so do its `import_results.*`."""


@dataclass(frozen=True)
class Removal:
    """What is to be removed of a job. paths: in its folder; everything: the whole job, of which a tombstone stays."""

    job: Job
    paths: tuple[Path, ...]
    everything: bool

    @property
    def bytes(self) -> int | None:
        """Room on the disk that it gives back; None if that cannot be told."""
        sizes = [disk_bytes(path) for path in self.paths]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def names(self) -> list[str]:
        """The paths as names in the job's folder."""
        return [str(path.relative_to(self.job.folder)) for path in self.paths]


def whole(job: Job) -> Removal:
    """All of a job, but for what tells of its deletion while that goes on."""
    names = sorted(name for name in os.listdir(job.folder) if name != DELETING)
    return Removal(job, tuple(job.folder / name for name in names), everything=True)


def identifying(job: Job) -> Removal:
    """What identifies people. The log of re-identifications does not, and stays."""
    paths: list[Path] = []
    for name in sorted(os.listdir(job.folder)):
        path = job.folder / name
        if name.lstrip(".").startswith("import_results."):  # one that is half written has a dot in front
            paths.append(path)
        elif name in ZONE:
            log = job.folder / REIDENTIFICATIONS
            kept = not path.is_symlink() and log.parent == path and log.exists()
            inner = (one for one in sorted(path.iterdir()) if one != log) if kept else (path,)
            paths += inner
    return Removal(job, tuple(paths), everything=False)


def overdue(jobs_dir: Path, days: int, now: datetime, *, everything: bool) -> list[Removal]:
    """What is to be removed of jobs that finished more than `days` days ago, and of those whose removal broke off. Never of
    jobs that run or cannot be read.

    Raises:
        InputError: the folder cannot be read.
    """
    found = []
    for job in list_jobs(jobs_dir):
        if job.folder.is_symlink():
            continue
        if job.state == "deleting":
            found.append(whole(job))
        elif job.state in ("completed", "failed", "stopped") and _is_over(job, days, now):
            removal = whole(job) if everything else identifying(job)
            if removal.paths or (job.folder / PRUNING).exists():
                found.append(removal)
    return found


def obstacle(job: Job) -> str:
    """Why a job must not be touched now, with the remedy; "" if nothing stands against it."""
    if job.folder.is_symlink():
        return f"{job.folder} is a link to another place; remove it, and what it leads to, by hand"
    if job.state == "running":
        return (
            f"{job.name} is running; stop it first (ctrl-C where Snakemake runs, or kill -INT and the number of that "
            "process), then say this again"
        )
    if pids := writers(job.folder):
        numbers = " ".join(map(str, pids))
        return f"processes of {job.name} still write in its folder; wait, or end them (kill {numbers}), then say this again"
    if locked(job.folder):
        return f"a process, perhaps of another machine, still works in {job.folder}; wait, or end it, then say this again"
    return ""


def remove(removal: Removal) -> Tombstone:
    """Remove what the removal tells and leave a tombstone, `deleted.json` or `pruned.json`, with rights 0644.

    Raises:
        OutputError: something stands against it (see `obstacle`), the job ran again since it was looked at, or a file cannot be
            removed; what is left then goes with the next try.
    """
    folder, job = (
        removal.job.folder,
        read_job(removal.job.folder),
    )  # a person may have thought about it for hours
    if job is None or (job.state, job.started) != (removal.job.state, removal.job.started):
        raise OutputError(f"{removal.job.name} is no longer as it was when it was looked at; say this again")
    if reason := obstacle(job):
        raise OutputError(reason)
    begun, done = (DELETING, DELETED) if removal.everything else (PRUNING, PRUNED)
    with write_errors(folder), _alone(folder):
        tombstone = read_tombstone(folder / begun)
        if tombstone is None or ran_since(job.status, tombstone):
            former = (DELETING, DELETED, PRUNING, PRUNED) if removal.everything else (PRUNING, PRUNED)
            names = (
                [] if removal.everything else removal.names
            )  # a person may have put a file there, with any name
            tombstone = new_tombstone(folder, job.state, job.status, names, former)
            write_tombstone(folder / begun, tombstone)
        for path in removal.paths:
            _remove(path)
        os.replace(folder / begun, folder / done)
        sync_folder(folder)
    return tombstone


def purge(job: Job) -> None:
    """Remove the tombstone of a deleted job, after which nobody knows of it.

    Raises:
        OutputError: it cannot be removed, or is not alone.
    """
    if others := sorted(set(os.listdir(job.folder)) - {DELETED}):
        raise OutputError(
            f"{job.folder} has other files in it, such as {others[0]}; move them away, then say this again"
        )
    with write_errors(job.folder):
        (job.folder / DELETED).unlink()
        job.folder.rmdir()


def _is_over(job: Job, days: int, now: datetime) -> bool:
    return job.finished is not None and now - moment(job.finished) > timedelta(days=days)


def _remove(path: Path) -> None:
    """A file, or a folder with all that is in it. Links are removed and never followed (rmtree works relative to open folders)."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise OutputError(
            f"{path} cannot be removed: {reason}; mend that and say the same again, it goes on from there"
        ) from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two removals at a time would take each other's tombstones."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{folder} is being removed by another process") from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(fd)
