"""For tests of the workflow with TORCH: the cohort, the configuration, and a look at a run while it goes on."""

import contextlib
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from doubles.torch.double import Seen, TorchDouble
from generate import generate
from workflow.conftest import ROOT, run_snakemake

EXAMPLE = ROOT / "config/crtdl/example.json"
"""Our own CRTDL document."""
PASSWORD = "kestrel-57-umbra-torch"
ENV = {"TORCH_PASSWORD": PASSWORD}
BASIC = ("importer", PASSWORD)


def make_cohort(folder: Path, patients: int) -> Path:
    """A TORCH-shaped folder in `folder`, with the list of what was planted in it."""
    generate(folder / "cohort", patients, seed=11, shape="torch", canaries=folder / "canaries.jsonl")
    return folder / "cohort"


def planted(folder: Path) -> set[str]:
    """Ids and numbers that name patients and their data: what must not leave the identifying zone."""
    rows = map(json.loads, (folder / "canaries.jsonl").read_text(encoding="utf-8").splitlines())
    return {row["value"] for row in rows if row["kind"] in ("id", "kvnr", "mr", "visit", "order", "name")}


def config(
    torch: TorchDouble, *, job: str = "study", source: str | Path = EXAMPLE, **keys: Any
) -> dict[str, Any]:
    """What is given by --config; `keys`: more of services.torch, or sections beside services (shard_mb, keep_shards, import_)."""
    beside = {
        name.rstrip("_"): keys.pop(name)
        for name in ("shard_mb", "keep_shards", "import_", "jobs_dir")
        if name in keys
    }
    dimp = {"dimp": {"anonymization_config": str(keys.pop("rules"))}} if "rules" in keys else {}
    server = {
        "base_url": torch.base_url,
        "file_server_url": torch.file_server_url,
        "auth": {"username": BASIC[0], "password": "${TORCH_PASSWORD}"},
        "polling_interval": "50ms",
        "max_polling_interval": "100ms",
        "file_ready_interval": "100ms",
        **keys,
    }
    return {
        "input": str(source),
        "job": job,
        "services": {"torch": {name: value for name, value in server.items() if value is not None}, **dimp},
        "retry": {"max_attempts": 3, "initial_backoff_ms": 10, "max_backoff_ms": 50},
        **beside,
    }


def asked(torch: TorchDouble, listener: str, method: str = "", part: str = "") -> list[Seen]:
    """The requests of a kind that came so far."""
    return [
        one
        for one in [*torch.requests]
        if one.listener == listener and method in one.method and part in one.path
    ]


def status_address(torch: TorchDouble) -> str:
    """Of the oldest job there is."""
    return f"{torch.base_url}/fhir/__status/{torch.jobs[0].id}"


def entries(lines: Iterator[bytes] | Sequence[bytes]) -> Counter[str]:
    """The resources in Bundles, by type."""
    return Counter(
        entry["resource"]["resourceType"] for line in lines for entry in json.loads(line).get("entry", ())
    )


def result(folder: Path, job: str = "study", step: str = "dimp") -> bytes:
    """The result of a job."""
    return (folder / "jobs" / job / f"{step}_results.ndjson").read_bytes()


class Watched:
    """A run, and every status.json that it has shown."""

    def __init__(
        self, folder: Path, job: str, *args: str, config: Mapping[str, Any], env: Mapping[str, str]
    ) -> None:
        self.statuses: list[dict[str, Any]] = []
        self._path = folder / "jobs" / job / "status.json"
        self._done = threading.Event()
        looker = threading.Thread(target=self._look)
        looker.start()
        try:
            self.result: subprocess.CompletedProcess[str] = run_snakemake(
                folder, *args, config=config, env=env
            )
        finally:
            self._done.set()
            looker.join()

    def _look(self) -> None:
        last, over = b"", False
        while not over:
            over = self._done.wait(0.02)
            with contextlib.suppress(FileNotFoundError):
                if (now := self._path.read_bytes()) != last:
                    self.statuses.append(json.loads(now))
                    last = now
