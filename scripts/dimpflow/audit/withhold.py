"""A result with leaks: what is said of it, and where it goes, so that nobody takes it for released."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dimpflow.atomic import write_errors
from dimpflow.audit.balance import read_facts
from dimpflow.audit.chain.record import AUDIT, SIGNED, SUMS
from dimpflow.audit.provenance import PROVENANCE
from dimpflow.errors import InputError
from dimpflow.layout import JobFolder
from dimpflow.ndjson import write_json

if TYPE_CHECKING:
    from dimpflow.audit.leaks import LeakReport

EVIDENCE = (AUDIT, SUMS, SIGNED, PROVENANCE)
_SHOWN = 20
"""Findings that a message lists."""


def result_of(folder: JobFolder) -> Path:
    """The result of a job, compressed or not. InputError: there is none."""
    names = [folder.path / f"dimp_results.ndjson{ending}" for ending in ("", ".gz", ".zst")]
    for path in names:
        if path.is_file():
            return path
    raise InputError(f"{names[0]}: there is no result to check; run the workflow")


def told(report: "LeakReport") -> Iterator[str]:
    """What was found, a line each, by path and number."""
    sought = sum(report.looked_for.values())
    yield f"{report.lines} lines searched for {sought} identifying values: {len(report.findings)} paths with leaks"
    for found in report.findings[:_SHOWN]:
        yield f"leak: {found['path']}: {found['count']} times ({found['kind']})"
    if len(report.findings) > _SHOWN:
        yield f"leak: {len(report.findings) - _SHOWN} more paths"
    if report.tolerated:
        yield f"tolerated by configuration: {sum(found['count'] for found in report.tolerated)} values"


def withhold(folder: JobFolder, result: Path, report: "LeakReport") -> str:
    """Puts the result where only its owner can read it; gives the message with which the job ends."""
    place = folder.path / "withheld"
    with write_errors(place):
        place.mkdir(mode=0o700, exist_ok=True)
        result.chmod(0o600)
        target = place / result.name
        result.replace(target)
        for name in EVIDENCE:  # of an earlier run, as if this result were released
            (folder.path / "audit" / name).unlink(missing_ok=True)
    write_json(place / "leaks.json", report.as_facts(), 0o600)
    leaks = [line for line in told(report) if line.startswith("leak: ")]
    way_out = "amend the rule set; if these values may stay, name the paths in audit.tolerate; audit.on_leak: warn releases it all the same"
    return "\n".join(
        [
            f"{result}: identifying values of the import are in it, so it is withheld ({target}); {way_out}",
            *leaks,
        ]
    )


def refused_lines(folder: JobFolder, source: str, shards: Sequence[str]) -> frozenset[int]:
    """Numbers of the lines of an imported file, from 0, that were refused and are in no result."""
    numbers: set[int] = set()
    start = 0
    for shard in shards:
        counts = read_facts(folder.facts("dimp", source, shard))
        numbers.update(start + number for number in counts.get("refused", ()))
        start += counts["lines"] + counts["rejected"]
    return frozenset(numbers)
