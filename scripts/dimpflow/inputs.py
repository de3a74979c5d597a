"""What kind of input is given: files, a CRTDL document for TORCH, a job of TORCH, or files on the web."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec

from dimpflow.clients.addresses import fault_of
from dimpflow.clients.torch.addresses import is_torch_url, split_torch_url
from dimpflow.errors import ConfigError
from dimpflow.sources import is_consent_audit, name_fault
from dimpflow.variables import VARIABLE

_WEB = re.compile(r"https?://", re.IGNORECASE)
_USER = re.compile(r"https?://[^/?#]*@", re.IGNORECASE)
_KNOWN = re.compile(r"\.(ndjson|json)(\.(gz|zst))?$", re.IGNORECASE)
_LARGEST_CRTDL = 64 << 20  # bytes; a larger document is data


@dataclass(frozen=True)
class LocalFiles:
    """Folders and files of this machine."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class CrtdlFile:
    """A CRTDL document: TORCH is to extract what it describes."""

    path: Path


@dataclass(frozen=True)
class TorchJob:
    """A job that TORCH has done, or does, already."""

    base_url: str
    job_id: str


@dataclass(frozen=True)
class WebFile:
    """A file on the web. file: its name here; url: as configured, so perhaps `${VARIABLE}`; place: its address without what may be
    secret."""

    file: str
    url: str
    place: str


@dataclass(frozen=True)
class WebFiles:
    """Files on the web."""

    files: tuple[WebFile, ...]


Inputs: TypeAlias = LocalFiles | CrtdlFile | TorchJob | WebFiles


class _Members(msgspec.Struct):
    cohortDefinition: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    dataExtraction: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    resourceType: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode = msgspec.json.Decoder(_Members).decode


def inputs_of(texts: Sequence[str], configured: Sequence[str]) -> Inputs:
    """The kind of the input. texts: its entries; configured: the same, with variables unexpanded.

    ConfigError: kinds that cannot go together, an address that cannot be used.
    """
    on_web = [text for text in texts if _WEB.match(text)]
    if not on_web:
        crtdl = [text for text in texts if _is_crtdl(Path(text))]
        if crtdl and len(texts) > 1:
            raise ConfigError(
                f"input: {crtdl[0]} is a CRTDL document, which stands alone; give each one a job of its own"
            )
        return CrtdlFile(Path(crtdl[0])) if crtdl else LocalFiles(tuple(texts))
    if len(on_web) < len(texts):
        raise ConfigError(
            "input: addresses and local files cannot go together; give each kind a job of its own"
        )
    if any(map(_USER.match, texts)):
        raise ConfigError(
            "input: user name and password do not belong into an address; services.torch.auth and services.http_import.auth are for them"
        )
    if any(map(is_torch_url, texts)):
        if len(texts) > 1:
            raise ConfigError("input: a job of TORCH stands alone; give each one a job of its own here too")
        base_url, job_id = split_torch_url(texts[0])
        return TorchJob(base_url, job_id)
    return _web_files(texts, configured)


def name_of(inputs: Inputs) -> str:
    """What a job is named after, if not by its user."""
    match inputs:
        case LocalFiles(paths):
            return paths[0]
        case CrtdlFile(path):
            return str(path)
        case TorchJob(_, job_id):
            return f"torch-{job_id[:8]}"
        case WebFiles(files):
            return files[0].file


def _is_crtdl(path: Path) -> bool:
    """A JSON file with one of the two members that only a CRTDL document has, even if the other one is missing."""
    try:
        if (
            not path.name.lower().endswith(".json")
            or not path.is_file()
            or path.stat().st_size > _LARGEST_CRTDL
        ):
            return False
        found = _decode(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    members = (found.cohortDefinition, found.dataExtraction)
    return found.resourceType is msgspec.UNSET and any(one is not msgspec.UNSET for one in members)


def _web_files(texts: Sequence[str], configured: Sequence[str]) -> WebFiles:
    files: dict[str, WebFile] = {}
    for number, (text, raw) in enumerate(zip(texts, configured, strict=True), 1):
        where = f"input, entry {number}" if len(texts) > 1 else "input"
        if fault := fault_of(text.partition("?")[0]):
            raise ConfigError(f"{where}: {fault}")
        parts = urlsplit(text)
        if parts.query and not VARIABLE.search(raw):
            raise ConfigError(
                f"{where}: what follows the '?' in an address may be secret; export the address and write ${{VARIABLE}} for it"
            )
        place = f"{parts.scheme}://{parts.netloc}{parts.path}"
        file = _file_name(parts.path)
        if fault := name_fault(_KNOWN.sub("", file)):
            raise ConfigError(f"{where}: the file of {place} cannot be named after its address: {fault}")
        if is_consent_audit(file):
            raise ConfigError(
                f"{where}: {place} is a consent audit file of TORCH and holds no data; leave it out"
            )
        stem = _KNOWN.sub("", file)
        if stem in files:
            raise ConfigError(
                f"{where}: {files[stem].place} and {place} would have the same name {stem!r}; give one a job of its own"
            )
        files[stem] = WebFile(file, raw, place)
    return WebFiles(tuple(files.values()))


def _file_name(path: str) -> str:
    """The last segment of an address, with an ending that says NDJSON."""
    last = unquote(path.rsplit("/", 1)[-1]) or "download"
    return last if _KNOWN.search(last) else f"{last}.ndjson"
