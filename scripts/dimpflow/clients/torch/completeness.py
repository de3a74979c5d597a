"""Whether a manifest lists all that a job has made (torch-crtdl.md 1.4, completeness checks)."""

import re
from collections.abc import Mapping, Set
from typing import Any

from dimpflow.clients.torch.record import ManifestError, extension_of, text_of

_STATUS = re.compile(r"[A-Z_]{1,40}")
_REMEDY = "the results are not complete; have the job looked at in TORCH, or extract again"


def check_complete(job: Mapping[str, Any], job_id: str, *, core: bool, batches: Set[str]) -> None:
    """ManifestError unless the record of the job says that it is this one, is completed, and has made just these files.

    core: whether core.ndjson is listed; batches: the ids of the batches whose files are.
    """
    if text_of(job, "id").lower() != job_id:
        raise ManifestError("the manifest is that of another job; ask who runs TORCH")
    status = text_of(job, "status")
    if status != "COMPLETED":
        shown = status if _STATUS.fullmatch(status) else "unknown"
        raise ManifestError(f"the state of the job in the manifest is {shown}, not COMPLETED; {_REMEDY}")
    finished = _finished(job)
    if len(finished) != len(batches):
        raise ManifestError(
            f"{len(finished)} batches are finished, but the manifest lists {len(batches)} files of batches; {_REMEDY}"
        )
    if strange := sorted(batches - finished):
        raise ManifestError(
            f"the manifest lists {strange[0]}.ndjson, but no such batch is finished; {_REMEDY}"
        )
    core_state = job.get("coreState")
    core_finished = isinstance(core_state, dict) and core_state.get("status") == "FINISHED"
    if core_finished and not core:
        raise ManifestError(
            f"the core resources are finished, but the manifest does not list core.ndjson; {_REMEDY}"
        )
    if core and not core_finished:
        raise ManifestError(
            f"the manifest lists core.ndjson, but the core resources are not finished; {_REMEDY}"
        )


def patient_counts(manifest: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The patients of the cohort, and those with results; None where the manifest has no summary.

    ManifestError: they are no counts, or contradict each other.
    """
    summary = extension_of(manifest, "torch-job-diagnostics-summary")
    if summary is None:
        return None, None
    cohort, final = (_count(summary, name) for name in ("Num-Cohort-Patients", "Num-Final-Patients"))
    if cohort is not None and final is not None and final > cohort:
        raise ManifestError(
            f"the manifest counts {final} patients with results in a cohort of {cohort}; ask who runs TORCH"
        )
    return cohort, final


def _finished(job: Mapping[str, Any]) -> Set[str]:
    batches = job.get("batches")
    if not isinstance(batches, dict):
        raise ManifestError(f"the manifest does not say which batches there are; {_REMEDY}")
    states = {id_: batch.get("state") if isinstance(batch, dict) else None for id_, batch in batches.items()}
    return {
        id_.lower()
        for id_, state in states.items()
        if isinstance(state, dict) and state.get("status") == "FINISHED"
    }


def _count(summary: object, name: str) -> int | None:
    found = summary.get(name) if isinstance(summary, dict) else "unknown"
    if found is None or (type(found) is int and found >= 0):
        return found
    raise ManifestError(f"{name} in the manifest is no count; ask who runs TORCH")
