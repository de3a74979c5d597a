"""Manifests as TORCH 1.0 writes them (torch-crtdl.md 1.4), for tests; every part can be changed."""

import json
from collections.abc import Iterable
from typing import Any

JOB = "550e8400-e29b-41d4-a716-446655440000"
OTHER_JOB = "660e8400-e29b-41d4-a716-446655440000"
BATCHES = ("11111111-0000-4000-8000-00000000000b", "0a111111-0000-4000-8000-00000000000a")
BASE = "https://torch.example/torch"
FILES = "http://files.example:8087/fs"
EXTENSIONS = "https://torch.mii.de/fhir/StructureDefinition/"


def entry(
    name: str, *, type_: str = "NDJSON Bundle", folder: str = f"https://torch.example/files/{JOB}"
) -> dict[str, Any]:
    return {"url": f"{folder}/{name}", "type": type_}


def job(batches: Iterable[str] = BATCHES, *, core: str = "FINISHED") -> dict[str, Any]:
    return {
        "id": JOB,
        "status": "COMPLETED",
        "batches": {batch: {"batchId": batch, "state": {"status": "FINISHED"}} for batch in batches},
        "coreState": {"status": core},
        "issues": [],
        "parameters": {"crtdl": {"cohortDefinition": {}}, "paramBatch": ["p-17"], "kickOffUrl": ""},
    }


def extension(name: str, value: object, base: str = EXTENSIONS) -> dict[str, Any]:
    return {"url": base + name, "valueObject": value}


def manifest(
    job_: object = None, *, cohort: object = 12, final: object = 10, issues: object = (), **members: object
) -> dict[str, Any]:
    """Of a job with two batches and core resources, all there; members: others of the manifest, or others in their stead."""
    return {
        "transactionTime": "2026-01-01T00:00:00.123456789Z",
        "request": f"{BASE}/fhir/$extract-data",
        "requiresAccessToken": False,
        "output": [*(entry(f"{batch}.ndjson") for batch in BATCHES), entry("core.ndjson")],
        "error": [],
        "extension": [
            extension("torch-job", job_ or job()),
            extension("torch-job-diagnostics-summary", {"Num-Cohort-Patients": cohort, "Num-Final-Patients": final}),
            {"url": EXTENSIONS + "torch-patient-exclusions", "valueUrl": f"https://torch.example/files/{JOB}/reports/x.csv"},
            extension("torch-job-issues", list(issues) if isinstance(issues, tuple) else issues),
        ],
    } | members  # fmt: skip


def legacy(*entries: object, **members: object) -> dict[str, Any]:
    """As TORCH wrote it before 1.0: without extensions, with `deleted`."""
    return {"transactionTime": "x", "request": "", "requiresAccessToken": False, "output": list(entries), "deleted": [], "error": []} | members  # fmt: skip


def body(found: object) -> bytes:
    return json.dumps(found).encode()
