"""The manifest of a completed TORCH job: which result files there are, where, and whether they are all (torch-crtdl.md 1.4).

A manifest holds original ids of patients, so it stays in the identifying zone, and nothing of it but counts, states, file names and
masked texts is in what is made here.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dimpflow.clients.addresses import origin_of
from dimpflow.clients.torch.addresses import UUID, file_url
from dimpflow.clients.torch.asked_for import asked_for
from dimpflow.clients.torch.completeness import check_complete, patient_counts
from dimpflow.clients.torch.masking import cut, masked
from dimpflow.clients.torch.outcome import MOST_SHOWN, severity_rank
from dimpflow.clients.torch.record import ManifestError, extension_of, job_of, read_body, text_of

__all__ = ["CORE", "Manifest", "ManifestError", "ResultFile", "asked_for", "read_manifest"]

CORE = "core.ndjson"
MOST_WARNINGS = 10

_DATA = re.compile(rf"core\.ndjson|{UUID}\.ndjson")
_AUDIT = re.compile(r"[A-Za-z0-9-]{1,60}_consent\.ndjson")
_DATA_TYPES = ("NDJSON Bundle", "Bundle")
_LEGACY_KEY = "services.torch.allow_legacy_torch"
_SERVER_KEY = "services.torch.file_server_url"
_SHOWN_TYPE = re.compile(r"[A-Za-z][A-Za-z ]{0,39}")


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file to download: core.ndjson, or that of a batch of patients."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a job has left, checked.

    files: core.ndjson first, then by name; cohort_patients and final_patients: of the cohort, and those with results, where the
    manifest says so; legacy: nothing proves that the files are all; warnings and left_out: a line each, for people.
    """

    files: tuple[ResultFile, ...]
    cohort_patients: int | None
    final_patients: int | None
    legacy: bool
    warnings: tuple[str, ...]
    left_out: tuple[str, ...]


def read_manifest(
    body: bytes, *, job_id: str, base_url: str, file_server_url: str, allow_legacy: bool
) -> Manifest:
    """The manifest of a job, from the body of its status.

    file_server_url: "" if none is configured: then the files must lie on the server of `base_url`; with it, where they lie is made
    from their names alone. allow_legacy: take a manifest of a TORCH before 1.0, which proves nothing.

    Raises:
        ManifestError: anything is not as it has to be, or the results are not complete; its message names the job.
    """
    try:
        return _read(read_body(body), job_id, base_url, file_server_url, allow_legacy)
    except ManifestError as error:
        raise ManifestError(f"TORCH job {job_id}: {error}", again=error.again) from None


def _read(
    found: dict[str, Any], job_id: str, base_url: str, file_server_url: str, allow_legacy: bool
) -> Manifest:
    errors = found.get("error")
    if errors not in (None, []):
        count = f"lists {len(errors)} files of errors" if isinstance(errors, list) else "has an unknown form"
        raise ManifestError(
            f"`error` of the manifest {count}: the extraction went wrong in part; see TORCH's log, then extract again"
        )
    files, left_out = _files(found, job_id, base_url, file_server_url)
    if found.get("deleted") not in (None, []):
        left_out.append("`deleted` of the manifest: left out, nothing is deleted here")
    names = {file.name for file in files}
    job = job_of(found)
    if job is None:
        if not allow_legacy:
            raise ManifestError(
                "the manifest has no torch-job extension, so this is a TORCH before 1.0, which after a restart reports a part of the "
                f"results as all of them (200); take a newer TORCH, or what is there with {_LEGACY_KEY}: true"
            )
        warnings = [
            f"{_LEGACY_KEY}: nothing proves that these results are complete; if TORCH was restarted meanwhile, extract again"
        ]
        cohort = final = None
    else:
        check_complete(
            job,
            job_id,
            core=CORE in names,
            batches={name.removesuffix(".ndjson") for name in names if name != CORE},
        )
        cohort, final = patient_counts(found)
        warnings = list(_warnings(found, job_id))
        if final is None:
            warnings.append(
                "the manifest does not count the patients with results, so lines cannot be compared with them"
            )
    return Manifest(
        files=tuple(sorted(files, key=lambda file: (file.name != CORE, file.name))),
        cohort_patients=cohort,
        final_patients=final,
        legacy=job is None,
        warnings=tuple(warnings),
        left_out=tuple(left_out),
    )


def _files(
    found: dict[str, Any], job_id: str, base_url: str, file_server_url: str
) -> tuple[list[ResultFile], list[str]]:
    """The result files that a manifest lists, and a line for each other entry."""
    files: dict[str, ResultFile] = {}
    left_out = []
    for number, (type_, url) in enumerate(_entries(found)):
        where = f"output[{number}] of the manifest"
        name = re.split(r"[?#]", url, maxsplit=1)[0].rpartition("/")[2]
        if type_ not in (None, *_DATA_TYPES):
            kind = (
                f"type {type_}" if isinstance(type_, str) and _SHOWN_TYPE.fullmatch(type_) else "unknown type"
            )
            left_out.append(f"{where}: left out, an entry of {kind}")
            continue
        if _AUDIT.fullmatch(name):
            left_out.append(f"{name}: left out, a consent audit file of TORCH")
            continue
        _check_path(url, where, job_id)
        if not _DATA.fullmatch(name):
            raise ManifestError(
                f"{where} is neither {CORE} nor {{uuid}}.ndjson, which are all the data that TORCH writes; is this its answer?"
            )
        if name in files:
            raise ManifestError(f"the manifest lists {name} more than once; ask who runs TORCH")
        address = (
            file_url(file_server_url, job_id, name) if file_server_url else _own(url, where, base_url, job_id)
        )
        files[name] = ResultFile(name, address)
    return list(files.values()), left_out


def _entries(found: dict[str, Any]) -> Iterator[tuple[object, str]]:
    """Type and address of each entry, of both shapes that there are. Source: aether.md 2.1."""
    if found.get("resourceType") == "Parameters":
        yield from _parameters(found)
        return
    if "output" not in found:
        raise ManifestError(
            "the manifest has no `output`; check that services.torch.base_url is the address of a TORCH server"
        )
    if not isinstance(found["output"], list):
        raise ManifestError("`output` of the manifest is not a list; ask who runs TORCH")
    for number, entry in enumerate(found["output"]):
        if not isinstance(entry, dict):
            raise ManifestError(f"output[{number}] of the manifest is not an object; ask who runs TORCH")
        yield entry.get("type"), _address(entry.get("url"), number)


def _parameters(found: dict[str, Any]) -> Iterator[tuple[object, str]]:
    parameters = found.get("parameter")
    if not isinstance(parameters, list):
        raise ManifestError("`parameter` of the manifest is not a list; ask who runs TORCH")
    outputs = (one for one in parameters if isinstance(one, dict) and one.get("name") == "output")
    for number, output in enumerate(outputs):
        parts = output.get("part")
        values: dict[object, object] = {}
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                value = next((part[key] for key in part if key.startswith("value")), None)
                values[part.get("name")] = value
        yield values.get("type"), _address(values.get("url"), number)


def _address(url: object, number: int) -> str:
    if not isinstance(url, str) or not url:
        raise ManifestError(f"output[{number}] of the manifest has no url; ask who runs TORCH")
    return url


def _check_path(url: str, where: str, job_id: str) -> None:
    """ManifestError unless an address is one that TORCH makes: plain, and ending in the folder of the job and a name."""
    if not url.isascii() or not url.isprintable() or re.search(r"[\s\\%?#@]", url) or "/../" in f"/{url}/":
        raise ManifestError(
            f"{where} has an address that TORCH does not make (with .., %, @, \\, a query or the like); nothing is fetched from it"
        )
    folder = url.rpartition("/")[0].rpartition("/")[2]
    if folder.lower() == job_id:
        return
    if re.fullmatch(UUID, folder, re.IGNORECASE):
        raise ManifestError(f"{where} lies in the folder of another job; ask who runs TORCH")
    raise ManifestError(f"{where} does not lie in the folder of the job; ask who runs TORCH")


def _own(url: str, where: str, base_url: str, job_id: str) -> str:
    """The address of a file on the server of `base_url`, which is the only one known."""
    origin = origin_of(base_url)
    if re.match(r"https?://|//", url, re.IGNORECASE):
        address = f"{origin.partition(':')[0]}:{url}" if url.startswith("//") else url
        try:
            there = origin_of(address)
        except ValueError:
            raise ManifestError(f"{where} has no valid address; {_advice()}") from None
        if there != origin:
            raise ManifestError(
                f"the manifest says that the files lie on {there}, not on {origin}; {_advice()}"
            )
        return origin + "/" + address.split("/", 3)[3]
    if url.startswith("/"):
        return origin + url
    if url.removeprefix("./") == f"{job_id}/{url.rpartition('/')[2]}":
        return f"{base_url.rstrip('/')}/{url.removeprefix('./')}"
    raise ManifestError(f"{where} has an address without a server; {_advice()}")


def _advice() -> str:
    return f"set {_SERVER_KEY} to the address of TORCH's file server as this machine reaches it"


def _warnings(found: dict[str, Any], job_id: str) -> Iterator[str]:
    """What TORCH noted about the job, the worst first; each text once."""
    issues = extension_of(found, "torch-job-issues")
    known = [one for one in issues if isinstance(one, dict)] if isinstance(issues, list) else []
    lines: Counter[str] = Counter()
    for issue in sorted(known, key=severity_rank):
        severity = text_of(issue, "severity").lower()
        text = text_of(issue, "msg") or text_of(issue, "diagnostics")
        known_severity = severity if severity in ("fatal", "error", "warning", "information") else "issue"
        said = cut(masked(text, job_id), MOST_SHOWN) or "no text"
        lines[f"TORCH: {known_severity}: {said}"] += 1
    for line, times in list(lines.items())[:MOST_WARNINGS]:
        yield line if times == 1 else f"{line} ({times} times)"
    if len(lines) > MOST_WARNINGS:
        more = sum(list(lines.values())[MOST_WARNINGS:])
        yield f"TORCH: {more} more of {sum(lines.values())} issues; see torch-job-issues in the manifest"
