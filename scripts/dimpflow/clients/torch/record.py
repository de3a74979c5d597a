"""TORCH's record of a job, as its manifest carries it in extensions (torch-crtdl.md 1.4)."""

import json
from collections.abc import Mapping
from typing import Any

from dimpflow.errors import ServiceError


class ManifestError(ServiceError):
    """A manifest that cannot be used. again: it may have been damaged on the way, and another look may help."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.again = again


def read_body(body: bytes) -> dict[str, Any]:
    """The JSON object that a manifest is. ManifestError for all else."""
    if body.lstrip()[:1] == b"<":
        raise ManifestError(
            "a page in HTML came instead of the manifest: a proxy or a login answers; check services.torch.base_url and "
            "services.torch.auth",
            again=True,
        )
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        why = "empty" if not body.strip() else "not whole, or no JSON"
        raise ManifestError(
            f"the manifest is {why}; run again, and if it stays so, look at the proxy before TORCH",
            again=True,
        ) from None
    if not isinstance(found, dict):
        raise ManifestError("the manifest is not a JSON object; check services.torch.base_url")
    return found


def extension_of(manifest: Mapping[str, Any], name: str) -> Any:
    """The object in TORCH's extension of that name; None if there is none. ManifestError if there is more than one; one with an
    address instead may stand beside it."""
    extensions = manifest.get("extension")
    values = [  # the summary is there twice, once as a valueUrl
        one["valueObject"]
        for one in (extensions if isinstance(extensions, list) else ())
        if isinstance(one, dict) and str(one.get("url")).rpartition("/")[2] == name and "valueObject" in one
    ]
    if len(values) > 1:
        raise ManifestError(f"the manifest has the extension {name} more than once; ask who runs TORCH")
    return values[0] if values else None


def job_of(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """The job itself; None if the manifest does not carry it, as before TORCH 1.0."""
    job = extension_of(manifest, "torch-job")
    if job is not None and not isinstance(job, dict):
        raise ManifestError("the extension torch-job of the manifest is not an object; ask who runs TORCH")
    return job


def text_of(object_: Mapping[str, Any], name: str) -> str:
    """A member that is text, "" if it is not."""
    found = object_.get(name)
    return found if isinstance(found, str) else ""
