"""Jobs as a person reads them, and as plain values for JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dimpflow.jobs.listing import Job, disk_bytes
from dimpflow.jobs.logs import Line
from dimpflow.jobs.progress import StepProgress, seconds_left
from dimpflow.jobs.removal import Removal
from dimpflow.jobs.tombstone import Tombstone

_NONE = "-"
RERUN = "Snakemake would do the whole job anew if it were started again under this name"


def printable(text: str) -> str:
    """Without characters that play with a terminal, whatever a file holds."""
    return "".join(c if c.isprintable() else "?" for c in text)


def duration(seconds: float | None) -> str:
    """Such as `45 s`, `12 min`, `1 h 02 min`, `3 d 4 h`."""
    if seconds is None:
        return _NONE
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def size(number: int | None) -> str:
    """Such as `12 kB`; 1 kB is 1024 bytes, as in the configuration."""
    if number is None:
        return "unknown"
    amount = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1024:
            return f"{amount:.{0 if unit == 'B' or amount >= 10 else 1}f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"


def job_values(job: Job) -> dict[str, Any]:
    """A job as plain values."""
    return {
        "job": job.name,
        "state": job.state,
        "step": job.step,
        "lines": job.lines,
        "rejected": job.rejected,
        "started": job.started,
        "updated": job.updated,
        "finished": job.finished,
        "seconds": job.seconds,
        "bytes": disk_bytes(job.folder),
        "errors": list(job.errors),
        "note": job.note,
    }


def status_values(job: Job, steps: Sequence[StepProgress]) -> dict[str, Any]:
    """A job with its steps as plain values."""
    source = job.status or job.tombstone or {}
    return {
        **job_values(job),
        "steps": [{**vars(step), "extraction": dict(step.extraction)} for step in steps],
        "seconds_left": seconds_left(list(steps)),
        "hashes": source.get("hashes", {}),
        "versions": source.get("versions", {}),
        "tombstone": job.tombstone,
    }


def line_values(line: Line) -> dict[str, str]:
    """A line of a log as plain values."""
    return {"log": line.log, "when": line.when, "level": line.level, "text": line.text}


def removal_values(
    removal: Removal, *, done: bool, error: str = "", size: int | None = None
) -> dict[str, Any]:
    """What was, or would be, removed of a job."""
    return {
        "job": removal.job.name,
        "state": removal.job.state,
        "finished": removal.job.finished,
        "everything": removal.everything,
        "names": removal.names,
        "bytes": size,
        "done": done,
        "error": error,
    }


def jobs_table(jobs: Sequence[Job]) -> Iterator[str]:
    """A line for each job, with what a person should know behind it."""
    rows = [
        (
            job.name,
            job.state,
            _at(job),
            _number(job.lines),
            (job.started or _NONE)[:16].replace("T", " "),
            duration(job.seconds),
            size(disk_bytes(job.folder)),
            job.note or (job.errors[0] if job.state == "unreadable" else ""),
        )
        for job in jobs
    ]
    yield from _table(
        ("job", "state", "step", "lines", "started (UTC)", "duration", "on disk", ""),
        rows,
        right="lines on disk",
    )


def status_lines(job: Job, steps: Sequence[StepProgress]) -> Iterator[str]:
    """All about one job."""
    yield f"{job.name}: {job.state}" + (f" ({job.note})" if job.note else "")
    if job.started:
        end = f"ended {job.finished}" if job.finished else f"last sign of life {job.updated or 'unknown'}"
        yield f"started {job.started}, {end}, {duration(job.seconds)}"
    running = job.state == "running"
    if steps:
        yield ""
        rows = [_step_row(step, running=running) for step in steps]
        yield from _table(
            ("step", "done", "lines", "rejected", "lines/s", "time left"),
            rows,
            right="done lines rejected lines/s",
        )
    for step in steps:
        if step.extraction:
            yield f"TORCH: {_extraction(step.extraction)}"
    if running:
        left = seconds_left(list(steps))
        yield f"time left: {'unknown' if left is None else f'about {duration(left)}'}"
    if job.tombstone and job.lines is not None:
        yield f"lines imported: {job.lines:,}, rejected: {_number(job.rejected)}"
    source = job.status or job.tombstone or {}
    facts = [(name, value) for name, value in source.get("hashes", {}).items() if value]
    if facts:
        yield ""
        yield from (f"SHA-256 {name}: {printable(str(value))}" for name, value in facts)
    if versions := source.get("versions"):
        yield "versions: " + ", ".join(printable(f"{name} {value}") for name, value in versions.items())
    yield from (printable(f"ERROR {error}") for error in job.errors)


def log_line(line: Line) -> str:
    """A line of a log with its name in front."""
    return printable(f"[{line.log}] " + " ".join(filter(None, (line.when, line.level, line.text))))


def removal_line(removal: Removal, size_bytes: int | None) -> str:
    """What is to be removed of a job, for the question and the list."""
    job = removal.job
    when = f", ended {job.finished[:10]}" if job.finished else ""
    what = "all" if removal.everything else ", ".join(map(printable, removal.names)) or "nothing more"
    return f"{job.name} ({job.state}{when}): {what}, {size(size_bytes)}"


def losses(removals: Sequence[Removal]) -> Iterator[str]:
    """What a person should think of before the answer."""
    if any(
        path.name == "mappings" or path.parent.name == "mappings" for one in removals for path in one.paths
    ):
        yield "with the mappings: without them no pseudonym of these jobs can be led back, and sequential ones are given anew"


def tombstone_line(tombstone: Tombstone, *, everything: bool) -> str:
    """What was done, and what stays."""
    name = tombstone["job"]
    if everything:
        return f"{name}: deleted; deleted.json keeps hashes and counts; {RERUN}"
    return f"{name}: identifying data removed, results stay; pruned.json keeps hashes and counts; {RERUN}"


def _at(job: Job) -> str:
    if job.step is None:
        return _NONE
    step = job.steps[job.step]
    return f"{printable(job.step)} {step['done']}/{step['total']}"


def _step_row(step: StepProgress, *, running: bool) -> tuple[str, ...]:
    unfinished = running and step.done < step.total
    return (
        printable(step.name),
        f"{step.done}/{step.total}",
        size(step.bytes) if step.bytes is not None else _number(step.lines),
        _number(step.rejected),
        f"{step.rate:,.0f}" if step.rate is not None else _NONE,
        (f"about {duration(step.seconds_left)}" if step.seconds_left is not None else "unknown")
        if unfinished
        else _NONE,
    )


def _extraction(known: Mapping[str, Any]) -> str:
    parts = []
    if known.get("progress"):
        parts.append(known["progress"])
    if "batches" in known:
        parts.append(f"{known.get('batches_done', 0):,} of {known['batches']:,} batches")
    if "patients" in known:
        parts.append(f"{known['patients']:,} patients")
    if "torch_job" in known:
        parts.append(f"job {known['torch_job']}")
    return printable(", ".join(parts))


def _number(number: int | None) -> str:
    return _NONE if number is None else f"{number:,}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: str) -> Iterator[str]:
    """Columns as wide as their widest entry. right: heads of the columns of numbers."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    for row in (head, *rows):
        cells = (
            text.rjust(width) if name and name in right else text.ljust(width)
            for name, text, width in zip(head, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
