"""The manifest of a finished job ("torch-crtdl", section 1.4)."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doubles.torch.bodies import seeded
from doubles.torch.jobs import BATCH, COHORT, COMPLETED, CORE, PENDING, Job
from doubles.torch.kickoff import Order
from doubles.torch.results import Plan, summary

TORCH_JOB = "https://torch.mii.de/fhir/StructureDefinition/torch-job"
SUMMARY, ISSUES = "torch-job-diagnostics-summary", "torch-job-issues"
TYPE = "NDJSON Bundle"


def nanoseconds(instant: str) -> str:
    """An instant as Java prints one that has nanoseconds."""
    return instant[:23] + "456789Z"


def manifest(job: Job, plan: Plan, order: Order, kickoff_url: str, files_url: str) -> dict[str, Any]:
    """kickoff_url: what TORCH believes it is; files_url: of the folder of the job, without a slash at the end."""
    names = [batch.name for batch in plan.finished] + (["core.ndjson"] if plan.core else [])
    reports = f"{files_url}/reports"
    return {
        "transactionTime": nanoseconds(job.started),
        "request": kickoff_url,
        "requiresAccessToken": False,
        "output": [{"url": f"{files_url}/{name}", "type": TYPE} for name in names],
        "error": [],
        "extension": [
            {"url": TORCH_JOB, "valueObject": torch_job(job, plan, order, kickoff_url)},
            {"url": SUMMARY, "valueUrl": f"{reports}/job-summary.json"},
            {"url": SUMMARY, "valueObject": summary(plan)},
            {"url": "torch-resource-exclusions", "valueUrl": f"{reports}/resource-exclusions.csv"},
            {"url": "torch-patient-exclusions", "valueUrl": f"{reports}/patient-exclusions.csv"},
            *([{"url": ISSUES, "valueObject": recorded(job)}] if job.issues else []),
        ],
    }


def recorded(job: Job) -> list[dict[str, str]]:
    """The issues of a job."""
    return [
        {"severity": severity.upper(), "msg": text, "diagnostics": more}
        for severity, text, more in job.issues
    ]


def torch_job(job: Job, plan: Plan, order: Order, kickoff_url: str) -> dict[str, Any]:
    """The whole job, as it also lies in job.json. It holds the ids of the patients that were asked for, in clear."""
    over = job.status == COMPLETED
    core = _unit("FINISHED" if plan.core else "SKIPPED", job) if over else _unit("INIT", job)
    if job.stage == CORE:
        core = _unit("IN_PROGRESS", job)
    batches: dict[str, Any] = {}
    for number, batch in enumerate(plan.batches):
        status = "FINISHED" if batch.lines else "SKIPPED"
        if number >= job.done:
            status = "IN_PROGRESS" if job.stage == BATCH and number == job.done else "INIT"
        batches[batch.id] = {"batchId": batch.id, "state": _unit(status, job)}
    cohort = {PENDING: "INIT", COHORT: "IN_PROGRESS"}.get(job.stage, "FINISHED")
    return {
        "id": job.id,
        "status": job.status,
        "cohortState": _unit(cohort, job),
        "cohortSize": plan.cohort if cohort == "FINISHED" else 0,
        "batches": batches,
        "startedAt": nanoseconds(job.started),
        "updatedAt": nanoseconds(job.updated),
        "finishedAt": nanoseconds(job.finished) if job.finished else None,
        "issues": recorded(job),
        "parameters": {
            "crtdl": order.crtdl,
            "paramBatch": list(order.patients or ()),
            "kickOffUrl": kickoff_url,
        },
        "priority": job.priority,
        "coreState": core,
        "version": job.version,
    }


def _unit(status: str, job: Job) -> dict[str, Any]:
    begun, ended = status != "INIT", status in ("FINISHED", "SKIPPED")
    return {
        "status": status,
        "startedAt": nanoseconds(job.started) if begun else None,
        "finishedAt": nanoseconds(job.updated) if ended else None,
        "retry": 0,
    }


def legacy_manifest(job: Job, folder: Path, kickoff_url: str, files_url: str, seed: int) -> Mapping[str, Any]:
    """What servers before alpha.19 answer: whatever lies in the folder, in no order, complete or not (section 1.7)."""
    names = legacy_files(folder)
    seeded(seed, job.number, "directory").shuffle(names)
    return {
        "transactionTime": nanoseconds(job.started),
        "request": kickoff_url,
        "requiresAccessToken": False,
        "output": [{"url": f"{files_url}/{name}", "type": TYPE} for name in names],
        "deleted": [],
        "error": [],
    }


def legacy_files(folder: Path) -> list[str]:
    """The results in the folder of a job."""
    if not folder.is_dir():
        return []
    found: Sequence[str] = sorted(os.listdir(folder))
    return [name for name in found if name.endswith(".ndjson") and not name.endswith("_consent.ndjson")]
