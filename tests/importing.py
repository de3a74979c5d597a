"""An import from TORCH step by step in this process, on a clock that nobody waits for: extraction, downloads, inventory, import."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import import_source
import inventory
from dimpflow.audit.balance import read_facts
from dimpflow.clients.access import open_session
from dimpflow.clients.torch.service import TorchService
from dimpflow.crtdl.prepare import prepare
from dimpflow.layout import JobFolder
from dimpflow.settings import Settings, load_settings
from dimpflow.sources import find_sources
from dimpflow.steps.extract import Extraction, Order
from dimpflow.steps.fetch import fetch_result
from dimpflow.steps.results import join_results
from dimpflow.steps.sieve import BundlePolicy
from dimpflow.torch_server import TorchServer
from doubles.torch.double import TorchDouble

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "config/crtdl/example.json"
"""Our own CRTDL document."""


class Clock:
    """Seconds that pass only where somebody sleeps. limit: who sleeps longer in all does not come to an end; on_sleep: happens
    meanwhile."""

    def __init__(self, limit: float = 10_000_000) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []
        self.on_sleep: Callable[[], None] | None = None
        self._limit = limit

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps.append(seconds)
        if self.on_sleep:
            self.on_sleep()
        assert self.now < self._limit, "it does not end"

    def __call__(self) -> float:
        return self.now


class TorchImport:
    """Imports what `torch` extracts, into `folder`; each call of `run` is what one run of the workflow does.

    crtdl: the document, or the address of a job; torch_keys: more keys of services.torch; environ: the environment.
    """

    def __init__(
        self,
        torch: TorchDouble,
        folder: Path,
        *,
        crtdl: Path | str = EXAMPLE,
        torch_keys: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = JobFolder(folder)
        self.clock = Clock()
        self.told: list[str] = []
        self.environ = {**os.environ, **(environ or {})}
        self._crtdl = crtdl
        self.keys = {
            "base_url": torch.base_url,
            "file_server_url": torch.file_server_url,
            "request_timeout": "500ms",
            "download_stall_timeout": "500ms",
            **(torch_keys or {}),
        }

    @property
    def settings(self) -> Settings:
        """The configuration, as it would be read."""
        config = {"input": str(self._crtdl), "job": "job", "services": {"torch": self.keys}}
        return load_settings(
            config, ROOT / "schemas/config.schema.yaml", environ=self.environ, folders=[ROOT]
        )

    @property
    def server(self) -> TorchServer:
        """services.torch of the configuration."""
        server = self.settings.torch
        assert server is not None
        return server

    @property
    def handle(self) -> dict[str, Any]:
        """The handle as it lies on the disk."""
        return read_facts(self.folder.torch("handle.json"))

    def run(self) -> bytes:
        """All of it: the data as they would be de-identified."""
        self.extract()
        for file in self.listed:
            self.fetch(file)
        return self.join()

    def extract(self) -> None:
        """What the rule `extract` does."""
        settings, server = self.settings, self.server
        order = Order(job=getattr(settings.inputs, "job_id", ""))
        if not order.job:
            found = prepare(Path(self._crtdl), settings.crtdl, identifier_needed=False)
            assert not found.errors, found.errors
            order = Order("", found.crtdl.raw, found.crtdl.document, found.patients, found.consent)
        with open_session(server.access, self.environ, connections=1) as session:
            service = TorchService(session, server.access, server.retry, sleep=self.clock.sleep)
            Extraction(
                order,
                server,
                service,
                self.folder,
                sleep=self.clock.sleep,
                clock=self.clock,
                tell=self.told.append,
            ).run()

    @property
    def listed(self) -> list[str]:
        """The files that the extraction has listed."""
        files: list[str] = read_facts(self.folder.torch("listing.json"))["files"]
        return files

    def fetch(self, file: str) -> None:
        """What the rule `download` does."""
        server = self.server
        job = read_facts(self.folder.result_file(file))["job"]
        with open_session(server.file_access, self.environ, connections=1) as session:
            fetch_result(session, file, job, server, self.folder, sleep=self.clock.sleep)

    def join(self) -> bytes:
        """What the rules `inventory`, `import` and `results_import` do."""
        data = [self.folder.download(file) for file in self.listed]
        everything = self.folder.side_file("_all")
        inventory.main(
            [str(path) for path in data],
            {},
            everything,
            fetched=True,
            listing=self.folder.torch("listing.json"),
        )
        policy = BundlePolicy(
            frozenset(["Provenance"] if self.settings.drop_provenance else []), skip_empty=True
        )
        sources = find_sources([str(path) for path in data]).sources if data else ()
        for source in sources:
            import_source.main(source.path, self.folder, "fail", policy)
        out = self.folder.path / "import_results.ndjson"
        join_results([self.folder.imported(source.name) for source in sources], out)
        return out.read_bytes()

    def finished(self) -> bool:
        """Whether there is a result, or anything that could be taken for one."""
        return (self.folder.path / "import_results.ndjson").exists()
