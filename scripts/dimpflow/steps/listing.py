"""The list of TORCH's result files, and what TORCH says of them compared with what was fetched (torch-crtdl.md, section 1.4)."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from dimpflow.clients.torch.manifest import CORE, Manifest
from dimpflow.errors import InputError, ServiceError
from dimpflow.layout import JobFolder
from dimpflow.ndjson import write_json

log = logging.getLogger(__name__)


def list_results(manifest: Manifest, job: str, folder: JobFolder, *, accept_empty: bool) -> list[str]:
    """Writes `torch/listing.json`, and for each file the small one that stands for it; gives the names of the files.

    ServiceError: there is no file of patients, and that is not accepted.
    """
    for note in (*manifest.left_out, *manifest.warnings):
        log.warning("TORCH job %s: %s", job, note)
    names = [file.name for file in manifest.files]
    if not accept_empty and not any(name != CORE for name in names):
        raise ServiceError(
            f"TORCH job {job} is completed, but no patient is left (consent, mustHave, or an empty cohort); look at the CRTDL document, or "
            "set services.torch.on_empty: accept if that can be"
        )
    _write_side_files(names, job, folder)
    content = {
        "job": job,
        "files": names,
        "cohort_patients": manifest.cohort_patients,
        "final_patients": manifest.final_patients,
    }
    write_json(folder.torch("listing.json"), content, 0o600, dir_mode=0o700)
    return names


def _write_side_files(names: Sequence[str], job: str, folder: JobFolder) -> None:
    places = folder.result_file("x").parent
    if places.is_dir():
        for path in places.glob("*.json"):
            if path.name.removesuffix(".json") not in names:
                path.unlink()
    for name in names:
        write_json(folder.result_file(name), {"job": job, "file": name}, 0o600, dir_mode=0o700, durable=False)


def check_numbers(listing: Mapping[str, Any], fetched: Mapping[str, Mapping[str, Any]]) -> None:
    """InputError unless all files are there, with no more lines than TORCH has patients. listing: `torch/listing.json`; fetched: what
    was counted of each source.

    There may be fewer lines, since TORCH counts patients of a batch that it then skips.
    """
    files = {facts["file"] for facts in fetched.values()}
    job = f"TORCH job {listing['job']}"
    if files != set(listing["files"]):
        raise InputError(f"{job}: {len(files)} of {len(listing['files'])} files are there; run again")
    lines = sum(facts["lines"] for facts in fetched.values() if facts["file"] != CORE)
    final = listing["final_patients"]
    if final is not None and lines > final:
        raise InputError(
            f"{job}: its files hold {lines} patients, its summary says {final}; they do not belong together, so nothing is imported; ask the "
            "operator of TORCH, and remove the folder torch/ of this job to extract anew"
        )
