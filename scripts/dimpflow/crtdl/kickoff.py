"""What is sent to TORCH: the Parameters body with the CRTDL and, if there is one, the list of patients."""

import base64
import json
import re
from collections.abc import Iterator, Sequence

from dimpflow.crtdl.findings import Finding, Level

TORCH_LIMIT = 2 << 20
"""Bytes of a body that TORCH takes (torch-crtdl.md 1.2)."""
PROXY_LIMIT = 1 << 20
"""Bytes that nginx lets through where nobody has set `client_max_body_size` (torch-crtdl.md 1.1)."""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_PREFIX = "Patient/"


def kickoff_body(crtdl: bytes, patients: Sequence[str] = ()) -> bytes:
    """The FHIR Parameters of `$extract-data`; patients: logical ids, as `patient_ids` gives them. Source: torch-crtdl.md 1.2."""
    parameters = [{"name": "crtdl", "valueBase64Binary": base64.b64encode(crtdl).decode("ascii")}]
    parameters += [{"name": "patient", "valueString": patient} for patient in patients]
    body = {"resourceType": "Parameters", "parameter": parameters}
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def body_size(crtdl: bytes, patients: Sequence[str] = ()) -> Iterator[Finding]:
    """Whether the body is too large for TORCH, or for a proxy before it. Source: torch-crtdl.md 2.4, check 1."""
    size = len(kickoff_body(crtdl, patients))
    if size > TORCH_LIMIT:
        yield Finding(
            "error", "too-large", "", f"the request would have {size} bytes, the limit is {TORCH_LIMIT}",
            "refuses it (500)", "write the document without indentation, or split the patients",
        )  # fmt: skip
    elif size > PROXY_LIMIT:
        yield Finding(
            "warning", "too-large", "", f"the request would have {size} bytes; a proxy often takes no more than {PROXY_LIMIT}",
            "may never see it (413)", "write the document without indentation, or raise client_max_body_size",
        )  # fmt: skip


def patient_ids(entries: Sequence[str]) -> tuple[tuple[str, ...], list[Finding]]:
    """The ids to send, trimmed, bare and each once, and what is wrong with the entries; one that is blank is only left out. Ids
    are in no finding, for they are patient data; entries count from 1. Source: torch-crtdl.md 1.2 and 2.4, check 15.
    """
    ids: dict[str, int] = {}
    found: list[Finding] = []
    for number, entry in enumerate(entries, start=1):
        bare = entry.strip().removeprefix(_PREFIX)
        if not entry.strip():
            continue
        if not _ID.fullmatch(bare):
            found.append(
                _entry("error", f"entry {number} is no FHIR id", "finds no such patient",
                       "write logical ids: letters, digits, - and ., 64 at most")
            )  # fmt: skip
        elif bare in ids:
            found.append(
                _entry("warning", f"entry {number} is the same patient as entry {ids[bare]}", "fails for the whole batch",
                       "left out; remove it")
            )  # fmt: skip
        else:
            ids[bare] = number
    if not ids:
        found.append(
            _entry("error", "the list names no patient", "extracts the whole cohort instead",
                   "list ids, or do not give a list")
        )  # fmt: skip
    return tuple(ids), found


def _entry(level: Level, reason: str, torch: str, remedy: str) -> Finding:
    return Finding(level, "patient-list", "", f"patient list: {reason}", torch, remedy)
