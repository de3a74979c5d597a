"""status.json right to the end, however the end comes; and secrets that must be nowhere."""

import base64
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from workflow.conftest import (
    KEY,
    command,
    environment,
    observation,
    patient,
    run_snakemake,
    status_of,
    succeed,
    write_lines,
)

CONFIG: dict[str, object] = {"input": "in", "job": "study"}
PASSWORD = "canary-Pa55-word-in-clear"


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    """Input that takes some seconds."""
    write_lines(place / "in/Observation.ndjson", [observation(n, n % 50) for n in range(60_000)])
    write_lines(place / "in/Patient.ndjson", [patient(n) for n in range(50)])
    (place / "aether.yaml").write_text(
        f"services:\n  torch: {{base_url: 'https://torch.example', username: u, password: {PASSWORD}}}\n",
        encoding="utf-8",
    )
    return place


def start(folder: Path, *args: str) -> subprocess.Popen[bytes]:
    """Start the workflow, with a password in its configuration file, and wait until a dimp job runs."""
    process = subprocess.Popen(
        command(*args, "--configfile", "aether.yaml", config=CONFIG),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    log = folder / "jobs/study/logs/dimp_Observation.001-of-001.log"
    log.unlink(missing_ok=True)
    deadline = time.monotonic() + 120
    while not log.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    return process


def wait_for_state(folder: Path, state: str) -> dict[str, object]:
    deadline = time.monotonic() + 20
    while (status := status_of(folder, "study"))["state"] != state and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status["state"] == state
    return status


def processes_in(folder: Path) -> list[int]:
    """Processes whose working folder is `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "cwd") == str(folder):
                found.append(int(entry.name))
    return found


def program_of(pid: int) -> str:
    """Its command line; nothing if it has just ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def wait_for_jobs(folder: Path) -> None:
    """Wait until jobs that outlived Snakemake are done."""
    deadline = time.monotonic() + 60
    while processes_in(folder) and time.monotonic() < deadline:
        time.sleep(0.1)


def files_with(folder: Path, secret: str) -> list[str]:
    """Files that hold a secret, plain or in base64 (at each of the three offsets that it can begin at)."""
    needles = [secret.encode()]
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + secret.encode())
        needles.append(encoded[-(-shift * 4 // 3) + (shift > 0) : -4])
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]


def test_secrets_are_found_if_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text(f"...{PASSWORD}...")
    for shift in range(3):
        (tmp_path / f"base64-{shift}").write_bytes(
            base64.b64encode(b"." * shift + PASSWORD.encode() + b"...")
        )
    (tmp_path / "none").write_text(PASSWORD[:-1])
    assert sorted(files_with(tmp_path, PASSWORD)) == ["base64-0", "base64-1", "base64-2", "plain"]


def opened(pid: int) -> set[str]:
    """What a process has open; nothing if it has just ended."""
    found = set()
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(fd))
    return found


def holders_of_the_pipe(folder: Path) -> dict[int, str]:
    """Processes that have the pipe to the keeper open, with their command lines."""
    programs = {pid: program_of(pid) for pid in processes_in(folder)}
    (keeper,) = [pid for pid, program in programs.items() if "watch_status.py" in program]
    pipe = os.readlink(f"/proc/{keeper}/fd/0")
    assert pipe.startswith("pipe:")
    return {pid: program for pid, program in programs.items() if pipe in opened(pid)}


def test_killed_in_the_middle(folder: Path) -> None:
    process = start(folder)
    assert wait_for_state(folder, "running")["finished"] is None
    assert any("dimp.py" in program_of(pid) for pid in processes_in(folder))
    assert process.pid in (holders := holders_of_the_pipe(folder)) and len(holders) == 2
    process.kill()
    process.wait()
    status = wait_for_state(folder, "failed")
    assert "the workflow ended without a word" in str(status["errors"])
    assert not (folder / "jobs/study/dimp_results.ndjson").exists()
    wait_for_jobs(folder)
    assert status_of(folder, "study") == status  # jobs that go on do not bring it back to life
    # Scripts that Snakemake has left behind hold what it knew of the configuration.
    assert list((folder / ".snakemake/scripts").iterdir()) != []
    assert files_with(folder, PASSWORD) == ["aether.yaml"] and files_with(folder, KEY) == []


def test_interrupted(folder: Path) -> None:
    assert run_snakemake(folder, "--unlock", config=CONFIG).returncode == 0
    write_lines(folder / "in/Observation.ndjson", [observation(n, n % 50) for n in range(60_001)])
    process = start(folder, "--rerun-incomplete")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    assert status_of(folder, "study")["state"] == "failed"  # at once: Snakemake waits for it
    wait_for_jobs(folder)


def test_run_again_completes_and_no_secret_is_anywhere(folder: Path) -> None:
    succeed(folder, "--rerun-incomplete", "--configfile", "aether.yaml", config=CONFIG)
    status = status_of(folder, "study")
    assert (status["state"], status["errors"]) == ("completed", [])
    result = run_snakemake(folder, "--report", "report.html", "--configfile", "aether.yaml", config=CONFIG)
    assert result.returncode == 0, result.stdout
    assert "services.torch.password: a secret stands in clear in the configuration" in result.stdout
    assert PASSWORD not in result.stdout and KEY not in result.stdout
    assert files_with(folder, PASSWORD) == ["aether.yaml"] and files_with(folder, KEY) == []
