"""The Task API ("torch-crtdl", section 1.6)."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from doubles.torch.bodies import is_uuid
from doubles.torch.jobs import (
    BATCH,
    CANCELLED,
    COHORT,
    COMPLETED,
    CORE,
    DELETED,
    FAILED,
    PAUSED,
    PENDING,
    STATES,
    TEMP_FAILED,
    Job,
)
from doubles.torch.results import Plan

SYSTEM = "https://medizininformatik-initiative.de/torch/job-status"
PROGRESS = "https://torch.mii.de/fhir/torch-job-progress"
ACTIONS = ("$pause", "$resume", "$cancel")
_STAGES = ("CONSENT_FETCH", "DIRECT_LOAD", "REFERENCE_RESOLVE", "CASCADING_DELETE", "COPY_REDACT")
_STATUS = {
    PENDING: "requested", PAUSED: "on-hold", TEMP_FAILED: "on-hold", COMPLETED: "completed", FAILED: "failed",
    CANCELLED: "cancelled", DELETED: "cancelled",
}  # fmt: skip
_DISPLAY = {
    PENDING: "Pending", COHORT: "Getting cohort", BATCH: "Processing batches", CORE: "Processing core resources",
    PAUSED: "Paused", TEMP_FAILED: "Temporarily failed", COMPLETED: "Completed", FAILED: "Failed", CANCELLED: "Cancelled",
    DELETED: "Deleted",
}  # fmt: skip
_MATCH = re.compile(r'W/"(\d+)"')
_SEARCH = frozenset(STATES) - {DELETED}


class Conflict(Exception):
    """409; the text says why."""


def task(job: Job, plan: Plan, audits: Iterable[str]) -> dict[str, Any]:
    """A Task. audits: addresses of the consent audits."""
    found: dict[str, Any] = {
        "resourceType": "Task",
        "id": job.id,
        "meta": {"versionId": str(job.version), "lastUpdated": job.updated},
        "extension": [_progress(job, plan)],
        "status": _STATUS.get(job.status, "in-progress"),
        "intent": "order",
        "businessStatus": {
            "coding": [{"system": SYSTEM, "code": job.status, "display": _DISPLAY[job.status]}]
        },
        "priority": "asap" if job.priority == "HIGH" else "routine",
        "description": f"TORCH Job {job.id}",
        "authoredOn": job.started,
        "executionPeriod": {"start": job.started, **({"end": job.finished} if job.finished else {})},
    }
    output = [{"type": {"text": "Consent audit NDJSON"}, "valueUrl": url} for url in audits]
    if job.status == COMPLETED and output:
        found["output"] = output
    return found


def _progress(job: Job, plan: Plan) -> dict[str, Any]:
    known = job.stage not in (PENDING, COHORT)
    parts: list[dict[str, Any]] = [
        {"url": "cohortSize", "valueUnsignedInt": plan.cohort if known else 0},
        {"url": "batchSize", "valueUnsignedInt": plan.batch_size},
        {"url": "batchesTotal", "valueUnsignedInt": job.batches if known else 0},
        {"url": "batchesCompleted", "valueUnsignedInt": job.done},
    ]
    if job.status == BATCH and job.done < job.batches:
        active = [
            {"url": "batchId", "valueString": plan.batches[job.done].id},
            {"url": "stage", "valueCode": _STAGES[job.used % len(_STAGES)]},
        ]
        parts.append({"url": "activeBatch", "extension": active})
    return {"url": PROGRESS, "extension": parts}


class Query:
    """A search. faults: what strict handling refuses; without it that is overlooked."""

    def __init__(self, text: str) -> None:
        self.faults: list[str] = []
        self._ids: set[str] = set()
        self._states: set[str] = set()
        unknown: list[str] = []
        wrong: dict[str, list[str]] = {"_id": [], "status": []}
        for name, value in parse_qsl(text, keep_blank_values=True):
            values = [one.strip() for one in value.split(",") if one.strip()]
            if name == "_id":
                self._ids.update(one.lower() for one in values if is_uuid(one))
                wrong["_id"] += [one for one in values if not is_uuid(one)]
            elif name == "status":
                self._states.update(one for one in values if one in _SEARCH)
                wrong["status"] += [one for one in values if one not in _SEARCH]
            else:
                unknown.append(name)
        if unknown:
            self.faults.append(f"Unsupported search parameters: [{', '.join(unknown)}]")
        self.faults += [f"Invalid {name} values: [{', '.join(bad)}]" for name, bad in wrong.items() if bad]

    def fits(self, job: Job) -> bool:
        """Deleted jobs are never found."""
        return (
            job.status != DELETED
            and (not self._ids or job.id in self._ids)
            and (not self._states or job.status in self._states)
        )


def searchset(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Newest first."""
    rows = sorted(found, key=lambda one: str(one["authoredOn"]), reverse=True)
    entries = {"entry": [{"resource": one} for one in rows]} if rows else {}
    return {"resourceType": "Bundle", "type": "searchset", "total": len(rows), **entries}


def act(job: Job, action: str, now: str) -> None:
    """`$pause`, `$resume` or `$cancel`. Raises Conflict."""
    before = job.status
    if job.final and not (action == "$cancel" and before == CANCELLED):
        raise Conflict(f"Task/{job.id} cannot be {action}: already {before.lower()}")
    match action:
        case "$pause":
            job.pause()
        case "$resume":
            job.resume()
        case _:
            job.stage, job.hold = CANCELLED, ""
    if job.status != before:
        job.changed(now)


def version_of(if_match: str) -> int | None:
    """The version that a header If-Match names; None for a missing or malformed one, which is a 428."""
    found = _MATCH.fullmatch(if_match)
    return int(found[1]) if found else None


def priority_of(body: bytes) -> str:
    """From a Task, the only thing that is read. Raises ValueError if it is none."""
    sent = json.loads(body)
    if not isinstance(sent, Mapping) or sent.get("resourceType") != "Task":
        raise ValueError("not a Task resource")
    return "HIGH" if sent.get("priority") in ("asap", "stat", "urgent") else "NORMAL"
