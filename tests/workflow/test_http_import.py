"""Input from the web: one or several files, with and without credentials, and everything that may be wrong with it."""

import gzip
import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from doubles.demands import Demands
from doubles.files import FileFault, FileServer
from doubles.wire import Answer, Foreign, Request
from workflow.conftest import (
    bundle,
    command,
    environment,
    observation,
    patient,
    run_snakemake,
    status_of,
    succeed,
    write_lines,
)
from workflow.extractions import result
from workflow.test_status import files_with, wait_for_jobs

PASSWORD = "kestrel-91-umbra-web"
SIGNATURE = "c2lnbmF0dXJl-of-a-kestrel"


def config(urls: str | list[str], job: str = "web", **http_import: Any) -> dict[str, Any]:
    """A run over addresses."""
    return {
        "input": urls,
        "job": job,
        "services": {"http_import": http_import} if http_import else {},
        "retry": {"max_attempts": 3, "initial_backoff_ms": 10, "max_backoff_ms": 50},
    }


def demanding(
    *, basic: tuple[str, str] | None = None, bearer: str | None = None
) -> Callable[[Request], Answer | None]:
    """Lets in who has these credentials."""
    demands = Demands(basic, bearer, None, None)
    return lambda request: None if demands.granted(request.headers) else Answer(401, b"<html>no</html>")


def last_words(terminal: str) -> list[str]:
    """What a failed run says for a person, at its end."""
    return [line for line in terminal.splitlines() if line.startswith("web failed: ")]


def refused(folder: Path, keys: dict[str, Any], **kwargs: Any) -> list[str]:
    """Run the workflow, which must end before it has made anything; what it says."""
    run = run_snakemake(folder, config=keys, **kwargs)
    assert run.returncode != 0, run.stdout
    assert "Traceback" not in run.stdout and not (folder / "jobs").exists()
    return run.stdout.splitlines()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the servers serve."""
    folder = tmp_path_factory.mktemp("files")
    write_lines(folder / "Patient.ndjson", [patient(n) for n in range(20)])
    lines = write_lines(folder / "x", [observation(n, n % 20) for n in range(50)])
    (folder / "Observation.ndjson.gz").write_bytes(gzip.compress(lines.read_bytes()))
    lines.unlink()
    lines = write_lines(folder / "x", [bundle(n, 3) for n in range(4)])
    (folder / "bundles.NDJSON.zst").write_bytes(zstandard.compress(lines.read_bytes()))
    lines.unlink()
    write_lines(folder / "core.ndjson", [{"resourceType": "Organization", "id": "org", "name": "Klinikum"}])
    return folder


@pytest.fixture(scope="module")
def server(files: Path) -> Iterator[FileServer]:
    with FileServer(files) as server:
        yield server


def test_several_files_give_what_a_folder_of_them_gives(
    server: FileServer, files: Path, tmp_path: Path
) -> None:
    names = ["bundles.NDJSON.zst", "core.ndjson", "Patient.ndjson", "Observation.ndjson.gz"]
    keys = config([f"{server.base}/{name}" for name in names])
    before = len(server.requests)
    jobs = succeed(tmp_path, config=keys)
    assert [job for job in jobs if job.startswith("download: ")] == sorted(
        f"download: {name}" for name in names
    )
    assert len(server.requests) == before + 4
    succeed(tmp_path, config={"input": str(files), "job": "folder"})
    for step in ("import", "dimp"):
        assert result(tmp_path, "web", step) == result(tmp_path, "folder", step)
    facts = json.loads((tmp_path / "jobs/web/dimp_results.json").read_bytes())
    assert [one["source"] for one in facts["sources"]] == ["core", "Observation", "Patient", "bundles"]
    status = status_of(tmp_path, "web")
    assert (status["state"], status["steps"]["download"]["done"]) == ("completed", 4)
    assert status["steps"]["download"]["bytes"] == sum((files / name).stat().st_size for name in names)
    for folder, _, inside in os.walk(tmp_path / "jobs/web/download"):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert {stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) for name in inside} == {0o600}

    assert succeed(tmp_path, config=keys) == []
    assert len(server.requests) == before + 4
    again = succeed(tmp_path, "--forcerun", "download", config=keys)
    assert len(server.requests) == before + 8
    assert not [job for job in again if job.startswith(("import: ", "dimp: "))]  # the content is the same


def test_a_job_is_named_after_its_file_and_a_file_after_its_address(files: Path, tmp_path: Path) -> None:
    """The address may end in a name without an ending, or in none."""
    content = (files / "Patient.ndjson").read_bytes()

    class Api(FileServer):
        def respond(self, request: Request) -> Answer:
            return Answer(200, content, {"Content-Type": "application/fhir+ndjson"})

    with Api(files) as api:
        for path, name in {"Patient.ndjson": "Patient", "export/all": "all", "export/": "download"}.items():
            keys = config(f"{api.url}/{path}")
            del keys["job"]
            jobs = succeed(tmp_path, "--until", "download", config=keys)
            assert jobs == [f"download: {name}.ndjson"]
            assert (tmp_path / f"jobs/{name}/download/{name}.ndjson").read_bytes() == content


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        (["{}/a/Patient.ndjson", "{}/b/Patient.ndjson.gz"], ["entry 2", "same name 'Patient'"]),
        (["{}/Patient.ndjson", "data"], ["addresses and local files cannot go together"]),
        (["{}/Patient.ndjson?sig=abc"], ["may be secret", "${VARIABLE}"]),
        (["{}/Pati%20ent.ndjson"], ["cannot be named after its address"]),
        (["{}/_all.ndjson"], ["cannot be named after its address"]),
        (["{}/Patient.ndjson", "{}/a_consent.ndjson"], ["entry 2", "is a consent audit file of TORCH"]),
        (["http://u:p@127.0.0.1/Patient.ndjson"], ["do not belong into an address", "http_import.auth"]),
        (["http://[bad/Patient.ndjson"], ["http or https address"]),
        (["${NO_SUCH_ADDRESS}"], ["NO_SUCH_ADDRESS", "not set"]),
        (
            ["{}/Patient.ndjson", "{}/fhir/__status/2d1a3b0e-2a3c-4f5a-9d62-0a6d1c4a9f10"],
            ["a job of TORCH stands alone"],
        ),
    ],
    ids=[
        "same-name",
        "mixed",
        "clear-query",
        "blank",
        "hidden",
        "consent",
        "userinfo",
        "malformed",
        "unset",
        "torch-job-beside",
    ],
)
def test_addresses_that_cannot_be_used(
    server: FileServer, tmp_path: Path, urls: list[str], words: list[str]
) -> None:
    before = len(server.requests)
    lines = refused(tmp_path, config([url.replace("{}", server.base) for url in urls]))
    assert [line for line in lines if line.startswith("input") and all(word in line for word in words)], lines
    assert len(server.requests) == before


def test_a_password_in_clear_is_refused(server: FileServer, tmp_path: Path) -> None:
    keys = config(f"{server.base}/Patient.ndjson", auth={"username": "u", "password": PASSWORD})
    lines = refused(tmp_path, keys)
    assert [line for line in lines if "services.http_import.auth.password" in line and "clear" in line]
    assert PASSWORD not in "\n".join(lines)


NO_FILE = {
    "html": ["a page of HTML, not NDJSON"],
    "404": ["404.ndjson: there is no such file (status 404)"],
    "403": ["status 403", "services.http_import.auth"],
    "401": ["services.http_import.auth", "refuses these credentials", "status 401"],
    "empty": ["the file is empty"],
    "503": ["status 503 (tried 3 times)"],
}
"""By kind of the fault: what is said of it."""


def test_what_is_no_file(tmp_path: Path) -> None:
    """Of each file its own line, in one run that goes on with the others."""
    for kind in NO_FILE:
        write_lines(tmp_path / f"served/{kind}.ndjson", [patient(1)])
    faults = [FileFault(kind, name=f"{kind}.ndjson") for kind in NO_FILE]
    with FileServer(tmp_path / "served", faults=faults) as server:
        urls = [f"{server.base}/{kind}.ndjson" for kind in NO_FILE]
        run = run_snakemake(tmp_path, "--keep-going", config=config(urls))
    assert run.returncode != 0 and "Traceback" not in run.stdout
    said = last_words(run.stdout)
    assert len(said) == len(NO_FILE), said
    for words in NO_FILE.values():
        assert len([one for one in said if all(part in one for part in words)]) == 1, words
    assert [*(tmp_path / "jobs/web").glob("download/*.ndjson")] == []
    assert [*(tmp_path / "jobs/web").glob("*_results.*")] == []


def test_content_that_is_no_fhir_is_found_at_the_import(files: Path, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/Patient.ndjson").write_bytes((files / "Patient.ndjson").read_bytes()[:-50])
    with FileServer(tmp_path / "served") as server:
        run = run_snakemake(tmp_path, config=config(f"{server.base}/Patient.ndjson"))
    (word,) = last_words(run.stdout)
    assert "download/Patient.ndjson:20: not JSON" in word


@pytest.mark.parametrize(
    ("auth", "demand"),
    [
        ({"username": "importer", "password": "${WEB_SECRET}"}, {"basic": ("importer", PASSWORD)}),
        ({"bearer_token": "${WEB_SECRET}"}, {"bearer": PASSWORD}),
    ],
    ids=["basic", "bearer"],
)
def test_credentials_go_to_their_server_only(
    files: Path, tmp_path: Path, auth: dict[str, str], demand: dict[str, Any]
) -> None:
    env = {"WEB_SECRET": PASSWORD}
    with (
        FileServer(files, authorize=demanding(**demand)) as server,
        FileServer(files) as other,
        Foreign() as foreign,
    ):
        urls = [f"{server.base}/Patient.ndjson", f"{other.base}/Observation.ndjson.gz"]
        lines = refused(tmp_path, config(urls, auth=auth), env=env)
        assert [line for line in lines if "services.http_import.server: missing" in line]
        keys = config(urls, auth=auth, server=server.base)
        succeed(tmp_path, config=keys, env=env)
        (asked,) = server.requests
        assert asked.headers["authorization"].lower() == next(iter(demand))
        (asked,) = other.requests
        assert "authorization" not in asked.headers
        assert files_with(tmp_path, PASSWORD) == []

        server.add(FileFault("redirect", value=f"{foreign.url}/Patient.ndjson"))
        run = run_snakemake(tmp_path, "--forcerun", "download", config=keys, env=env)
        assert run.returncode != 0 and PASSWORD not in run.stdout
        assert any(
            "Patient.ndjson: the server sends elsewhere (status 301)" in one for one in last_words(run.stdout)
        )
        assert foreign.requests == []
    assert files_with(tmp_path, PASSWORD) == []


def test_a_signed_address_stands_nowhere(server: FileServer, tmp_path: Path) -> None:
    env = {
        "SIGNED": f"{server.base}/Patient.ndjson?sig={SIGNATURE}",
        "SIGNATURE": f"token={SIGNATURE}",
    }
    before = len(server.requests)
    keys = config(["${SIGNED}", f"{server.base}/bundles.NDJSON.zst?${{SIGNATURE}}"])
    run = run_snakemake(tmp_path, config=keys, env=env)
    assert run.returncode == 0, run.stdout
    assert sorted(one.path for one in server.requests[before:]) == [
        f"/Patient.ndjson?sig={SIGNATURE}",
        f"/bundles.NDJSON.zst?token={SIGNATURE}",
    ]
    report = run_snakemake(tmp_path, "--report", "report.html", config=keys, env=env)
    assert report.returncode == 0, report.stdout
    assert SIGNATURE not in run.stdout + report.stdout
    assert files_with(tmp_path, SIGNATURE) == []
    renewed = {name: value + "-renewed" for name, value in env.items()}
    assert succeed(tmp_path, config=keys, env=renewed) == []  # another signature, the same file

    gone = run_snakemake(
        tmp_path,
        config=config("${SIGNED}", "gone"),
        env={"SIGNED": f"{server.base}/gone.ndjson?sig={SIGNATURE}"},
    )
    assert gone.returncode != 0 and "gone.ndjson: there is no such file (status 404)" in gone.stdout
    assert SIGNATURE not in gone.stdout and files_with(tmp_path, SIGNATURE) == []


def test_a_file_that_has_changed_there_is_fetched_when_asked_for(tmp_path: Path) -> None:
    with FileServer(tmp_path / "served") as server:
        keys = config(f"{server.base}/Patient.ndjson")
        write_lines(tmp_path / "served/Patient.ndjson", [patient(1)])
        assert "download: Patient.ndjson" in succeed(tmp_path, "--dry-run", config=keys)
        assert server.requests == [] and not (tmp_path / "jobs").exists()
        succeed(tmp_path, config=keys)
        write_lines(tmp_path / "served/Patient.ndjson", [patient(1), patient(2)])
        assert succeed(tmp_path, config=keys) == []
        assert "dimp: Patient 001-of-001" in succeed(tmp_path, "--forcerun", "download", config=keys)
        assert len(result(tmp_path, "web").splitlines()) == 2
        assert len(server.requests) == 2


def test_a_killed_download_goes_on_where_it_was(files: Path, tmp_path: Path) -> None:
    with FileServer(files, faults=[FileFault("trickle", times=1, value=20)]) as server:
        keys = config(f"{server.base}/Patient.ndjson")
        process = subprocess.Popen(
            command(config=keys),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        part = tmp_path / "jobs/web/download/.Patient.ndjson.part"
        deadline = time.monotonic() + 120
        while not (part.exists() and part.stat().st_size > 200):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        wait_for_jobs(tmp_path)
        there = part.stat().st_size
        assert 200 < there < (files / "Patient.ndjson").stat().st_size
        assert status_of(tmp_path, "web")["state"] == "failed"

        assert run_snakemake(tmp_path, "--unlock", config=keys).returncode == 0
        succeed(tmp_path, "--rerun-incomplete", config=keys)
        first, second = server.requests
        assert (first.range, second.range) == ("", f"bytes={there - 1}-")
    assert (tmp_path / "jobs/web/download/Patient.ndjson").read_bytes() == (
        files / "Patient.ndjson"
    ).read_bytes()
    facts = json.loads((tmp_path / "jobs/web/download/facts/Patient.ndjson.json").read_bytes())
    assert facts["resumed_bytes"] == there
    assert status_of(tmp_path, "web")["state"] == "completed"
