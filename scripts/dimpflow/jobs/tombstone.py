"""What stays of a job that was removed, wholly or in part: hashes, counts and times; nothing that identifies."""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from dimpflow.audit.status import Status
from dimpflow.jobs.moments import moment, stamp
from dimpflow.ndjson import file_sha256, write_json

Tombstone = dict[str, Any]

DELETING, DELETED = "deleting.json", "deleted.json"
PRUNING, PRUNED = "pruning.json", "pruned.json"
"""Each is written under its first name before anything is removed, and takes the second one when all is gone."""

REIDENTIFICATIONS = Path("mappings", "reidentifications.ndjson")
"""Who asked for originals, when and why: it names no patient, and outlives the data when only these are pruned."""

_COUNTS = ("lines", "rejected", "resources")


def read_tombstone(path: Path) -> Tombstone | None:
    """A tombstone, None if there is none or it is damaged."""
    try:
        content: Tombstone = orjson.loads(path.read_bytes())
        moment(content["when"])
        for at in (content["started"], content["finished"]):
            if at is not None:
                moment(at)
        counts = content["counts"]
        numbers = [step[key] for step in counts.values() for key in ("lines", "rejected") if key in step]
        good = isinstance(content["state"], str) and isinstance(content["earlier"], list)
        good &= all(type(number) is int for number in numbers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return content if good else None


def new_tombstone(
    folder: Path, state: str, status: Status | None, removed: Sequence[str], former: Sequence[str]
) -> Tombstone:
    """What is known of a job that is about to be removed. removed: names in its folder, empty for all; former: names of tombstones that lie
    there and are replaced; what they say is kept as `earlier`."""
    known = status or {}
    earlier: list[Tombstone] = []
    for stone in filter(None, (read_tombstone(folder / name) for name in former)):
        for one in (*stone["earlier"], {key: value for key, value in stone.items() if key != "earlier"}):
            if one not in earlier:
                earlier.append(one)
    return {
        "job": folder.name,
        "state": state,
        "when": stamp(datetime.now(UTC)),
        "started": known.get("started"),
        "finished": known.get("finished"),
        "counts": _counts(folder, known),
        "hashes": _hashes(folder, known),
        "versions": known.get("versions", {}),
        "removed": list(removed),
        "earlier": earlier,
    }


def write_tombstone(path: Path, content: Tombstone) -> None:
    """Write it so that it is on the disk before anything else happens. OutputError: that is not possible."""
    write_json(path, content, 0o644)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that what was named anew in a folder is so on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _counts(folder: Path, status: Status) -> dict[str, Any]:
    """Lines and resource types of import and dimp, by the status or else by the results."""
    steps = status.get("steps", {})
    counts = {step: steps[step] for step in ("import", "dimp") if steps.get(step, {}).get("done")}
    for step in ("import", "dimp"):
        if step not in counts and (facts := _facts(folder / f"{step}_results.json")):
            counts[step] = facts
    return {step: {key: of[key] for key in _COUNTS if key in of} for step, of in counts.items()}


def _hashes(folder: Path, status: Status) -> dict[str, str]:
    """SHA-256 of rule set, results (before compression) and the log of re-identifications, as far as they are there."""
    hashes = {name: value for name, value in status.get("hashes", {}).items() if value}
    for name in ("import_results", "dimp_results"):
        known = _facts(folder / f"{name}.json").get("sha256")
        if isinstance(known, str):
            hashes.setdefault(name, known)
    if (folder / REIDENTIFICATIONS).is_file():
        hashes["reidentifications"] = file_sha256(folder / REIDENTIFICATIONS)
    return hashes


def _facts(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        facts = orjson.loads(path.read_bytes())
        if isinstance(facts, dict):
            return facts
    return {}
