"""Folders of jobs for the tests of scripts/jobs.py, as a run leaves them, with a keeper as the workflow starts it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from dimpflow.audit.status import Collector, new_facts, read_status
from jobs import main

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "jobs.py"
SCHEMA = json.loads((ROOT / "schemas" / "jobs.schema.json").read_text(encoding="utf-8"))
SHA = "a" * 64
SECRET = "Müller-Kanarie"  # stands in the data and must stand in no tombstone
ZONE = (
    "gather",
    "import",
    "import_results.json",
    "import_results.ndjson",
    "inventory",
    "mappings",
    "split",
    "withheld",
)


def put(path: Path, content: Any = None, *, text: str = "") -> Path:
    """A file with JSON or text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if content is None else json.dumps(content), encoding="utf-8")
    return path


def stamp(**ago: float) -> str:
    """A time in the past, as the files of a job give it."""
    return (datetime.now(UTC) - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def facts_of(folder: Path) -> dict[str, Any]:
    """What the keeper is told of a run with two sources and three shards."""
    shards = {"Patient": ["001-of-001"], "Observation": ["001-of-002", "002-of-002"]}
    versions = {"dimpflow": "0", "snakemake": "9", "python": "3"}
    return new_facts(folder.name, folder, shards, dimp=True, rule_set_sha256=SHA, versions=versions)


def fill(folder: Path) -> None:
    """All that a whole run leaves."""
    put(folder / "inventory/_all.json", {"sources": [{"source": "Patient", "bytes": 30, "sha256": SHA}]})
    put(folder / "mappings/mapping.ndjson", text=f'{{"domain":"d","original":"{SECRET}"}}\n')
    put(folder / "gather/Patient/001-of-001.ndjson", text=f'["d","{SECRET}"]\n')
    for source, shards, lines in (
        ("Patient", ["001-of-001"], 3),
        ("Observation", ["001-of-002", "002-of-002"], 5),
    ):
        counts = {"lines": lines, "rejected": 0, "resources": {source: lines}}
        put(folder / f"import/{source}.json", counts)
        put(folder / f"import/{source}.ndjson", text=f"{SECRET}\n" * lines)
        for shard in shards:
            each = {"lines": lines // len(shards), "rejected": 0, "resources": {source: lines // len(shards)}}
            for step in ("split", "dimp"):
                put(folder / f"{step}/{source}/{shard}.json", each)
                put(folder / f"{step}/{source}/{shard}.ndjson", text=SECRET if step == "split" else "{}\n")
    for name in ("import_results", "dimp_results"):
        put(folder / f"{name}.json", {"lines": 8, "rejected": 0, "sha256": SHA})
        put(folder / f"{name}.ndjson", text=SECRET if name == "import_results" else "{}\n")
    put(folder / "withheld/dimp_results.ndjson", text=f"{SECRET}\n")
    put(folder / "logs/import_Patient.log", text="2026-01-01T00:00:02Z INFO 3 lines\n")
    put(folder / "report/import.html", text="<p>8</p>")


def make_job(jobs_dir: Path, name: str, state: Any = "completed", *errors: str, days: float = 0) -> Path:
    """A job that ended `days` ago."""
    folder = jobs_dir / name
    fill(folder)
    status = Collector(facts_of(folder), None).collect(state, errors)
    at = stamp(days=days)
    put(folder / "status.json", {**status, "started": at, "updated": at, "finished": at})
    return folder


@contextmanager
def keeper(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run as far as others see it: its keeper, which the test ends with a word or without."""
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, ROOT / "scripts/watch_status.py"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(facts_of(folder)).encode() + b"\n")
        process.stdin.flush()
        until(lambda: (read_status(folder) or {"state": ""})["state"] == "running")
        yield process
    finally:
        process.stdin.close()
        assert process.wait(20) == 0


def end(process: subprocess.Popen[bytes], word: bytes) -> None:
    """What Snakemake says at its end; nothing, if it was killed."""
    assert process.stdin is not None
    process.stdin.write(word)
    process.stdin.close()
    assert process.wait(20) == 0


def until(true: Callable[[], object]) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class No:
    """A person who is asked, and says no."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, question: str) -> bool:
        self.asked.append(question)
        return False


def run(jobs_dir: Path, *arguments: str, ask: Callable[[str], bool] | None = None) -> tuple[int, str, str]:
    """The exit code of the command, and what it prints and tells."""
    out, told = io.StringIO(), io.StringIO()
    code = main([*arguments, "--jobs-dir", str(jobs_dir)], out, told, ask)
    return code, out.getvalue(), told.getvalue()


def run_json(kind: str, jobs_dir: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """What the command prints with --json, checked against the schema."""
    found, out, told = run(jobs_dir, *arguments, "--json")
    assert found == code, told
    values: dict[str, Any] = json.loads(out)
    check(kind, values)
    return values


def check(kind: str, values: Any) -> None:
    """ValidationError: it is not as the schema says. kind: one of its $defs."""
    Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{kind}"}).validate(values)
    Draft202012Validator(SCHEMA).validate(values)


def files_of(folder: Path) -> list[str]:
    """All files and folders in a folder."""
    return sorted(os.path.relpath(path, folder) for path in folder.rglob("*"))


def in_child(work: Callable[[], int]) -> int:
    """The exit code of a process of its own that does this work; below 0 the signal that killed it."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 99  # an exception
    try:
        code = work()
    finally:
        os._exit(code)


def killed_at_every_place(jobs_dir: Path, *arguments: str) -> Iterator[Path]:
    """Jobs whose removal was killed, one before each of its steps on the disk, until one removal comes to its end. JOB in the
    arguments stands for their names."""
    for n in range(200):
        folder = make_job(jobs_dir, f"x{n}", days=9)
        chosen = [folder.name if one == "JOB" else one for one in arguments]
        code = in_child(lambda n=n, chosen=chosen: _killed(n, jobs_dir, *chosen))  # type: ignore[misc]
        if code == 0:
            assert n > 10
            return
        assert code == -signal.SIGKILL
        yield folder
    raise AssertionError("it never comes to an end")


def _killed(left: int, jobs_dir: Path, *arguments: str) -> int:
    """Kills this process before the step on the disk that comes after so many."""

    def hook(event: str, details: tuple[Any, ...]) -> None:
        nonlocal left
        if event in ("os.remove", "os.rmdir", "os.rename", "shutil.rmtree"):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return run(jobs_dir, *arguments, "--yes")[0]
