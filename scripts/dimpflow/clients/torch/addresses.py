"""Addresses of TORCH: what its answers point at is rebuilt on the two configured addresses, for it often names a host that is not
there (torch-crtdl.md 1.1, 1.3)."""

import re

from dimpflow.clients.addresses import origin_of

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""Pattern of an id that TORCH gives to a job or a batch, in lower case."""

_JOB_ID = re.compile(UUID, re.IGNORECASE)
_END = re.compile(r"[?#]")
_TORCH_URL = re.compile(
    rf"(?P<base>(?i:https?)://[^\s?#]+)/fhir/(?:__status|extraction|result)/(?P<id>(?i:{UUID}))/?(?:[?#]\S*)?"
)


def job_id_of(location: str) -> str:
    """The job that a header Content-Location names by its last path segment, in lower case. Source: torch-crtdl.md 1.3.

    Raises:
        ValueError: it does not end in a UUID. The text holds nothing of it.
    """
    last = _END.split(location.strip(), maxsplit=1)[0].rstrip("/").rpartition("/")[2]
    if not _JOB_ID.fullmatch(last):
        raise ValueError("Content-Location does not end in the id of a job (a UUID)")
    return last.lower()


def api_url(base_url: str, *parts: str) -> str:
    """`{base}/fhir/{parts}`, whether or not `base_url` ends in `/` or `/fhir`."""
    base = base_url.rstrip("/").removesuffix("/fhir").rstrip("/")
    return "/".join((base, "fhir", *parts))


def is_torch_url(text: str) -> bool:
    """Whether it is the address of a job: `…/fhir/__status/{uuid}`, or `extraction` or `result` in its stead, as Aether has it
    (aether.md 1.3). The path is case-sensitive."""
    return _split(text) is not None


def split_torch_url(text: str) -> tuple[str, str]:
    """The address of the server, as services.torch.base_url has it, and the id of the job, in lower case.

    Raises:
        ValueError: `is_torch_url` says no. The text holds nothing of it.
    """
    if (found := _split(text)) is None:
        raise ValueError(
            "not the address of a TORCH job, such as https://server.example/fhir/__status/{uuid}"
        )
    return found


def file_url(file_server_url: str, job_id: str, name: str) -> str:
    """Where the file server has a result file. Source: torch-crtdl.md 1.5."""
    return f"{file_server_url.rstrip('/')}/{job_id}/{name}"


def _split(text: str) -> tuple[str, str] | None:
    found = _TORCH_URL.fullmatch(text)
    if found is None:
        return None
    try:
        origin_of(found["base"])
    except ValueError:
        return None
    return found["base"].rstrip("/"), found["id"].lower()
