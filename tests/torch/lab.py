"""Imports from a TORCH that misbehaves: what every one of them must hold to, and what must never show."""

import functools
import json
import logging
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from asking import Asking

from dimpflow.clients.access import Access
from dimpflow.errors import DimpflowError
from dimpflow.schema import read_schema
from dimpflow.settings import Settings
from doubles.torch.double import Scenario, TorchDouble, TorchFault
from importing import TorchImport

PASSWORD = "geheim-8213"
AUTH = {"auth": {"username": "torch", "password": "${TORCH_PASSWORD}"}}
QUERY = "secret=query-4711"
ELSEWHERE = f"https://torch.foreign.example/elsewhere?{QUERY}"
QUICK = Scenario(pending=1, cohort=0, batches=1, core=0)
"""The states of a job that is of no interest."""

_read_schema = functools.cache(read_schema)


@functools.cache
def _no_authorities() -> ssl.SSLContext:
    """Reading all the authorities there are takes as long as an import, and nothing here speaks TLS."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _tls_context(_: Access) -> ssl.SSLContext:
    return _no_authorities()


class Import(TorchImport):
    """With what is always the same read once for all tests, and a password in its environment."""

    def __init__(self, torch: TorchDouble, folder: Path, **more: Any) -> None:
        more["environ"] = {"TORCH_PASSWORD": PASSWORD, **more.get("environ", {})}
        super().__init__(torch, folder, **more)

    @property
    def settings(self) -> Settings:
        with patch("dimpflow.settings.read_schema", _read_schema):
            return super().settings

    def extract(self) -> None:
        with patch("dimpflow.clients.access._tls_context", _tls_context):
            super().extract()

    def fetch(self, file: str) -> None:
        with patch("dimpflow.clients.access._tls_context", _tls_context):
            super().fetch(file)

    @property
    def job(self) -> str:
        """Id of the job at TORCH."""
        found: str = self.handle["job"]
        return found


@functools.cache
def right(cohort: Path, number: int = 1) -> bytes:
    """What the job of that number brings where nothing goes wrong."""
    with TorchDouble(cohort, states=QUICK) as torch, tempfile.TemporaryDirectory() as folder:
        for _ in range(number - 1):
            Asking(torch).job()
        found = Import(torch, Path(folder) / "job").run()
        assert torch.kickoffs == number and len(found) > 100_000
        return found


@functools.cache
def identifying(cohort: Path) -> tuple[str, ...]:
    """Ids of all resources of a cohort, and all identifiers of patients."""
    found = set()
    for path in cohort.rglob("*.ndjson"):
        for line in path.read_bytes().splitlines():
            for resource in (entry["resource"] for entry in json.loads(line)["entry"]):
                found.add(resource["id"])
                if resource["resourceType"] == "Patient":
                    found |= {one["value"] for one in resource.get("identifier", ())}
    assert len(found) > 100 and all(len(one) > 5 for one in found)
    return tuple(found)


class Lab:
    """One TORCH, whose doubles come and go with its state kept and at the same addresses, and the folder of one job here."""

    def __init__(self, cohort: Path, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "dimpflow")
        self.cohort = cohort
        self.folder = folder
        self.here = folder / "job"
        self.imports: list[Import] = []
        self.doubles: list[TorchDouble] = []
        self._caplog = caplog

    def torch(self, *faults: TorchFault, **options: Any) -> TorchDouble:
        """The TORCH, as it is from now on; ended ones before it have left it their jobs."""
        if self.doubles:
            last = self.doubles[-1]
            options["api_port"] = urlsplit(last.base_url).port
            options["files_port"] = urlsplit(last.file_server_url).port
        state = self.folder / "state"
        double = TorchDouble(
            self.cohort, **{"states": QUICK, "state_dir": state, "faults": faults, **options}
        )
        self.doubles.append(double)
        return double

    def importing(self, torch: TorchDouble, keys: Mapping[str, Any] | None = None, **more: Any) -> Import:
        """The job here. keys: of services.torch."""
        found = Import(torch, self.here, torch_keys=keys, **more)
        self.imports.append(found)
        return found

    @property
    def accepted(self) -> int:
        """Jobs that were made at TORCH in all."""
        return sum(double.kickoffs_accepted for double in self.doubles)

    # ---- outcomes ---------------------------------------------------------------------------------------------------

    def passes(self, torch: TorchDouble, keys: Mapping[str, Any] | None = None, **more: Any) -> Import:
        """The import brings what it should, by one kick-off."""
        job = self.importing(torch, keys, **more)
        assert job.run() == right(self.cohort)
        assert torch.kickoffs == 1 and self.accepted == 1
        self.look()
        return job

    def refused(self, job: Import, words: str) -> str:
        """The import ends with these words (a pattern), and leaves nothing that looks like a result."""
        with pytest.raises(DimpflowError, match=words) as caught:
            job.run()
        chain: list[BaseException] = []
        link: BaseException | None = caught.value
        while link is not None:
            chain.append(link)
            link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        message = str(caught.value)
        assert "\n" not in message
        self.look(*map(str, chain))
        assert not job.finished()
        return message

    def heal(self, torch: TorchDouble) -> None:
        """Whatever ailed its jobs and files, is over."""
        for job in torch.jobs:
            job.hold, job.stubborn = "", False
            for path in (
                *torch.job_folder(job.id).glob("batches/*"),
                *torch.job_folder(job.id).glob("reports/*"),
            ):
                path.unlink()
            for part in ("batches", "reports"):
                folder = torch.job_folder(job.id) / part
                if folder.is_dir():
                    folder.rmdir()
            if job.final:
                torch.advance(job.id)

    def recovers(self, job: Import, *, jobs: int = 1) -> None:
        """The next run, at a TORCH that is well again, brings what it should. jobs: how many there were at TORCH in all then."""
        with self.torch() as torch:
            self.heal(torch)
            assert job.run() == right(self.cohort, torch.jobs[-1].number)
            assert self.accepted == jobs
        self.look()

    def ends(
        self,
        words: str,
        *faults: TorchFault,
        keys: Mapping[str, Any] | None = None,
        jobs: int = 1,
        **options: Any,
    ) -> str:
        """A TORCH with these faults makes an import end, and once they are gone the next run comes to its end. Gives the message."""
        with self.torch(*faults, **options) as torch:
            job = self.importing(torch, keys)
            message = self.refused(job, words)
        self.recovers(job, jobs=jobs)
        return message

    @property
    def log(self) -> str:
        """All that was logged."""
        return "\n".join(record.getMessage() + (record.exc_text or "") for record in self._caplog.records)

    # ---- secrets ----------------------------------------------------------------------------------------------------

    def look(self, *more: str) -> None:
        """Nothing that identifies anybody or lets anybody in was told, logged or raised (more)."""
        told = [line for job in self.imports for line in job.told]
        assert all("\n" not in line for line in told)
        shown = "\n".join((*more, *told, self.log)).replace(str(self.folder), "…")
        assert not any(one in shown for one in (*identifying(self.cohort), PASSWORD, QUERY))
