"""What tests of downloads share: files of TORCH's shape, a download with short pauses, what it leaves behind."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from dimpflow.clients.download import Downloaded, Patience, download
from dimpflow.clients.retry import Retry
from dimpflow.clients.torch.lines import TorchLines
from doubles.files import FileFault, FileServer
from doubles.sessions import opened
from doubles.wire import LoopbackServer

NAME = "core.ndjson"
KEY, AUTH_KEY = "services.torch.file_server_url", "services.torch.auth"
RETRY = Retry(max_attempts=3, initial_backoff_ms=1, max_backoff_ms=1)
PATIENCE = Patience(ready_retries=2, ready_interval=7.0)
QUERY = "token=geheim-in-the-query"
NO_SLEEP: Callable[[float], None] = lambda seconds: None  # noqa: E731


def bundle(number: int, **members: Any) -> bytes:
    """A line of a result file."""
    entries = [
        {"resource": {"resourceType": "Patient", "id": f"{kind}{number}", "gender": "female", "text": "ä" * 40}}
        for kind in "ab"
    ]  # fmt: skip
    content = {
        "resourceType": "Bundle",
        "id": f"b{number}",
        "type": "transaction",
        "entry": entries,
        **members,
    }
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def content(lines: int = 1000) -> bytes:
    """Of a file; 300 kB."""
    return b"".join(bundle(number) for number in range(lines))


@contextmanager
def served(folder: Path, data: bytes, *faults: FileFault, **settings: Any) -> Iterator[FileServer]:
    """A server with one file."""
    root = folder / "served"
    root.mkdir(exist_ok=True)
    (root / NAME).write_bytes(data)
    with FileServer(root, faults=faults, **settings) as server:
        yield server


def fetch(
    server: LoopbackServer, target: Path, session: requests.Session | None = None, **options: Any
) -> Downloaded:
    """The file of `served`, or what is said otherwise."""
    url = options.pop("url", f"{server.url}/{NAME}?{QUERY}")
    settings: dict[str, Any] = {
        "key": KEY, "auth_key": AUTH_KEY, "retry": RETRY, "patience": PATIENCE, "check": TorchLines, "sleep": NO_SLEEP,
    }  # fmt: skip
    with session or opened(server.url, read_timeout=0.5) as used:
        return download(used, url, target, **{**settings, **options})


def left_in(folder: Path) -> set[str]:
    """Names of the files in a folder."""
    return {path.name for path in folder.iterdir()}
