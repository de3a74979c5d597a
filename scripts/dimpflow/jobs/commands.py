"""The commands of scripts/jobs.py: each takes what was chosen, and gives the exit code."""

import json
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from dimpflow.errors import ConfigError, DimpflowError, InputError, OutputError
from dimpflow.jobs import show
from dimpflow.jobs.configured import Configured, read_configured
from dimpflow.jobs.listing import Job, list_jobs, read_job
from dimpflow.jobs.logs import Logs
from dimpflow.jobs.progress import ProgressReader
from dimpflow.jobs.removal import Removal, obstacle, overdue, purge, remove, whole
from dimpflow.jobs.tombstone import DELETED

LOOK_SECONDS = 1.0
CLEAR = "\x1b[H\x1b[J"
FAILED = ("failed", "stopped", "unreadable")

Ask = Callable[[str], bool]
"""Puts a question to a person, who says yes or no."""


class Said:
    """Where what is found goes: for a person, or as JSON; all that is no result goes to stderr."""

    def __init__(self, stdout: TextIO, stderr: TextIO, *, as_json: bool) -> None:
        self.json = as_json
        self.terminal = stdout.isatty() and not as_json
        self._stdout, self._stderr = stdout, stderr

    def lines(self, lines: Iterable[str], values: Any, *, indent: int | None = 2) -> None:
        """A result: its lines, or its values."""
        if self.json:
            lines = [json.dumps(values, ensure_ascii=True, indent=indent)]
        for line in lines:
            print(line, file=self._stdout)
        self._stdout.flush()

    def clear(self) -> None:
        """A fresh screen."""
        self._stdout.write(CLEAR)

    def note(self, text: str) -> None:
        """Something to know."""
        print(text, file=self._stderr, flush=True)

    def wrong(self, text: str) -> None:
        """What stands against it."""
        self.note(f"ERROR {show.printable(text)}")


def run_list(chosen: Namespace, say: Said, ask: Ask | None) -> int:
    """All jobs."""
    folder = _jobs_dir(chosen)
    jobs = list_jobs(folder)
    values = {"jobs_dir": str(folder), "jobs": [show.job_values(job) for job in jobs]} if say.json else None
    say.lines(show.jobs_table(jobs) if jobs else [f"no jobs in {folder}"], values)
    return 0


def run_status(chosen: Namespace, say: Said, ask: Ask | None) -> int:
    """One job; with --watch until its run ends."""
    job, reader, shown = _job(chosen), ProgressReader(), None
    while True:
        steps = reader.steps(job)
        now = (job.state, job.updated, steps)
        if now != shown:
            if say.terminal and chosen.watch:
                say.clear()
            values = show.status_values(job, steps) if say.json else None
            say.lines(show.status_lines(job, steps), values, indent=None if chosen.watch else 2)
            shown = now
        if not chosen.watch or job.state != "running":
            return int(job.state in FAILED)
        time.sleep(LOOK_SECONDS)
        job = _job(chosen)


def run_logs(chosen: Namespace, say: Said, ask: Ask | None) -> int:
    """The logs of one job; with --follow until its run ends."""
    job = _job(chosen)
    logs = Logs(job.folder, chosen.rule, errors=chosen.errors)
    while True:
        over = not chosen.follow or job.state != "running"  # before the last look, so that nothing is missed
        for line in logs.new_lines(last=over):
            say.lines([show.log_line(line)], show.line_values(line) if say.json else None, indent=None)
        if over:
            break
        time.sleep(LOOK_SECONDS)
        job = _job(chosen)
    if chosen.follow:
        say.note(f"{job.name}: {job.state}")
        return int(job.state in FAILED)
    if not logs.names:
        rules = sorted({name.partition("_")[0] for name in Logs(job.folder).names})
        if not rules:
            raise InputError(f"{job.name} has no logs")
        there = ", ".join(rules)
        raise InputError(
            f"{job.name}: no log begins with {chosen.rule}; those that are there begin with {there}"
        )
    return 0


def run_delete(chosen: Namespace, say: Said, ask: Ask | None) -> int:
    """All of one job, or its tombstone."""
    job = _job(chosen)
    if chosen.purge:
        return _purge(job, chosen, say, ask)
    if job.state == "deleted":
        raise InputError(
            f"{job.name} is deleted already; --purge removes deleted.json, the last that is known of it"
        )
    if reason := obstacle(job):
        raise OutputError(reason)
    removal = whole(job)
    size = removal.bytes
    question = [show.removal_line(removal, size), *show.losses([removal]), "this cannot be undone"]
    if not _agreed(question, f"delete {job.name}?", chosen, say, ask):
        return 1
    tombstone = remove(removal)
    line = show.tombstone_line(tombstone, everything=True)
    say.lines([line], {**show.removal_values(removal, done=True, size=size), "tombstone": tombstone})
    return 0


def run_prune(chosen: Namespace, say: Said, ask: Ask | None) -> int:
    """What identifies people, or all, of jobs that are old enough."""
    configured = read_configured(chosen.configfile) if chosen.configfile else Configured(None, None)
    days = chosen.retention_days or configured.retention_days
    if days is None:
        raise ConfigError("how old? give --retention-days, or --configfile with jobs.retention_days in it")
    folder = chosen.jobs_dir or configured.jobs_dir or Path("jobs")
    removals = overdue(folder, days, datetime.now(UTC), everything=chosen.all)
    sizes = {removal.job.name: removal.bytes for removal in removals}
    results: list[dict[str, Any]] = []
    lines = [show.removal_line(removal, sizes[removal.job.name]) for removal in removals]
    if not removals:
        lines = [
            f"nothing to prune in {folder}: no job that ended more than {days} days ago has anything to remove"
        ]
    elif chosen.dry_run:
        lines += [*show.losses(removals), f"would be removed; nothing was. {show.RERUN}"]
    else:
        notes = [*lines, *show.losses(removals), f"{show.RERUN}. This cannot be undone"]
        if not _agreed(
            notes, f"prune {len(removals)} job{'s' if len(removals) > 1 else ''}?", chosen, say, ask
        ):
            return 1
        lines = []
    for removal in removals:
        error, done = "", False
        if chosen.dry_run:
            error = obstacle(removal.job)
        else:
            try:
                lines.append(show.tombstone_line(remove(removal), everything=removal.everything))
                done = True
            except DimpflowError as fault:
                error = str(fault)
        if error:
            say.wrong(error)
        size = sizes[removal.job.name]
        results.append(show.removal_values(removal, done=done, error=error, size=size))
    values = {
        "jobs_dir": str(folder), "retention_days": days, "dry_run": chosen.dry_run, "all": chosen.all, "jobs": results
    }  # fmt: skip
    say.lines(lines, values)
    return int(any(result["error"] for result in results))


def _purge(job: Job, chosen: Namespace, say: Said, ask: Ask | None) -> int:
    if job.state != "deleted":
        raise InputError(f"{job.name} is {job.state}, not deleted; --purge is for what `delete` has left")
    if reason := obstacle(job):
        raise OutputError(reason)
    question = [f"{job.name}: deleted.json goes, with the hashes and counts in it"]
    if not _agreed(question, f"purge {job.name}?", chosen, say, ask):
        return 1
    purge(job)
    removal = Removal(job, (job.folder / DELETED,), everything=True)
    values = {**show.removal_values(removal, done=True), "tombstone": None}
    say.lines([f"{job.name}: nothing is known of it any more"], values)
    return 0


def _agreed(notes: Sequence[str], question: str, chosen: Namespace, say: Said, ask: Ask | None) -> bool:
    """Whether the person agrees; with --yes nobody is asked."""
    if chosen.yes:
        return True
    for note in notes:
        say.note(note)
    if ask is None:
        raise ConfigError("there is no terminal to ask at; say --yes if it is meant")
    if ask(question):
        return True
    say.note("nothing was removed")
    return False


def _job(chosen: Namespace) -> Job:
    """InputError: there is none; the message tells which there are."""
    folder = _jobs_dir(chosen)
    job = read_job(folder / chosen.job)
    if job is None:
        names = [one.name for one in list_jobs(folder)]
        there = (
            f"there are: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"
            if names
            else "there is none"
        )
        raise InputError(f"no job {chosen.job} in {folder}; {there}")
    return job


def _jobs_dir(chosen: Namespace) -> Path:
    return chosen.jobs_dir or Path("jobs")
