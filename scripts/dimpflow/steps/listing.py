"""What TORCH says of its result files, compared with what was fetched (torch-crtdl.md, section 1.4)."""

from collections.abc import Mapping
from typing import Any

from dimpflow.errors import InputError


def check_numbers(listing: Mapping[str, Any], fetched: Mapping[str, Mapping[str, Any]]) -> None:
    """InputError unless all files are there, with no more lines than TORCH has patients. listing: `torch/listing.json`; fetched: what
    was counted of each source.

    There may be fewer lines, since TORCH counts patients of a batch that it then skips.
    """
    files = {facts["file"] for facts in fetched.values()}
    job = f"TORCH job {listing['job']}"
    if files != set(listing["files"]):
        raise InputError(f"{job}: {len(files)} of {len(listing['files'])} files are there; run again")
    lines = sum(facts["lines"] for facts in fetched.values() if facts["file"] != "core.ndjson")
    final = listing["final_patients"]
    if final is not None and lines > final:
        raise InputError(
            f"{job}: its files hold {lines} patients, its summary says {final}; they do not belong together, so nothing is imported; ask the "
            "operator of TORCH, and remove the folder torch/ of this job to extract anew"
        )
