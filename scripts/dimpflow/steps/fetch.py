"""fetch: one file from TORCH's file server, or from the web, and what was counted on the way."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import requests

from dimpflow.clients.download import Downloaded, download
from dimpflow.clients.torch.lines import TorchLines
from dimpflow.clients.torch.manifest import read_manifest
from dimpflow.errors import InputError
from dimpflow.layout import JobFolder
from dimpflow.ndjson import read_errors, write_json
from dimpflow.torch_server import TORCH, WEB, TorchServer, WebServer


def result_url(file: str, server: TorchServer, folder: JobFolder, job: str) -> str:
    """Where a result file lies: by the manifest that was kept, and the configuration of now."""
    kept = folder.torch("manifest.json")
    with read_errors(kept):
        body = kept.read_bytes()
    manifest = read_manifest(
        body,
        job_id=job,
        base_url=server.access.url,
        file_server_url=server.files.url if server.files else "",
        allow_legacy=server.allow_legacy,
    )
    found = next((one.url for one in manifest.files if one.name == file), None)
    if found is None:
        raise InputError(f"{kept}: does not name {file}; run again")
    return found


def fetch_result(
    session: requests.Session,
    file: str,
    job: str,
    server: TorchServer,
    folder: JobFolder,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """A result file of TORCH, each of its lines a transaction Bundle."""
    fetched = download(
        session,
        result_url(file, server, folder, job),
        folder.download(file),
        key=server.file_access.address_key,
        auth_key=f"{TORCH}.auth",
        retry=server.retry,
        patience=server.patience,
        check=TorchLines,
        sleep=sleep,
    )
    _note(file, fetched, folder.download_facts(file))


def fetch_from_web(
    session: requests.Session, file: str, url: str, server: WebServer, folder: JobFolder
) -> None:
    """A file from the web, as it lies there; the import looks at its lines."""
    fetched = download(
        session,
        url,
        folder.download(file),
        key="input",
        auth_key=f"{WEB}.auth",
        retry=server.retry,
        patience=server.patience,
        check=None,
    )
    _note(file, fetched, folder.download_facts(file))


def _note(file: str, fetched: Downloaded, facts: Path) -> None:
    write_json(facts, {"file": file, **asdict(fetched)}, 0o600, dir_mode=0o700, durable=False)
