"""`jobs.py list` and the states of jobs: running, finished, failed, killed, deleted, half written, unreadable."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dimpflow.audit.status import KILLED, Collector, read_status, was_stopped
from dimpflow.jobs.listing import disk_bytes, read_job
from dimpflow.jobs.show import duration, size
from job_folders import SCRIPT, end, facts_of, fill, keeper, make_job, put, run, run_json, stamp


def states(jobs_dir: Path) -> dict[str, str]:
    return {job["job"]: job["state"] for job in run_json("list", jobs_dir, "list")["jobs"]}


def test_every_state_and_the_newest_first(tmp_path: Path) -> None:
    make_job(tmp_path, "whole", days=1)
    make_job(tmp_path, "broken", "failed", "a.ndjson:3: not JSON", days=2)
    make_job(tmp_path, "killed", "failed", KILLED, days=3)
    silent = make_job(tmp_path, "silent", "running")
    old = stamp(minutes=5)
    status = json.loads((silent / "status.json").read_text())
    put(silent / "status.json", {**status, "finished": None, "updated": old, "started": stamp(days=4)})
    make_job(tmp_path, "gone", days=5)
    assert run(tmp_path, "delete", "gone", "--yes")[0] == 0
    fill(tmp_path / "half")
    put(tmp_path / "damaged/status.json", text='{"job": "da')
    with keeper(tmp_path / "now"):
        jobs = run_json("list", tmp_path, "list")["jobs"]
        found = {job["job"]: job["state"] for job in jobs}
    assert found == {
        "whole": "completed",
        "broken": "failed",
        "killed": "stopped",
        "silent": "stopped",
        "gone": "deleted",
        "half": "unreadable",
        "damaged": "unreadable",
        "now": "running",
    }
    dated = [job["job"] for job in jobs if job["started"]]
    assert dated == ["now", "whole", "broken", "killed", "silent", "gone"]
    by_name = {job["job"]: job for job in jobs}
    assert by_name["silent"]["finished"] == old
    assert (by_name["whole"]["lines"], by_name["gone"]["lines"], by_name["half"]["lines"]) == (8, 8, None)
    assert (by_name["whole"]["step"], by_name["now"]["step"]) == (None, "inventory")


def test_the_table(tmp_path: Path) -> None:
    make_job(tmp_path, "whole")
    put(tmp_path / "x/status.json", text="[]")
    code, out, told = run(tmp_path, "list")
    head, *rows = out.splitlines()
    assert (code, told, len(rows)) == (0, "", 2)
    assert head.split() == ["job", "state", "step", "lines", "started", "(UTC)", "duration", "on", "disk"]
    whole, damaged = sorted(rows)
    assert re.fullmatch(r"whole  completed   -         8  \d{4}-\d\d-\d\d \d\d:\d\d  0 s +\d+ kB", whole)
    assert damaged.startswith("x") and "status.json is damaged" in damaged


def test_no_jobs(tmp_path: Path) -> None:
    assert run(tmp_path, "list") == (0, f"no jobs in {tmp_path}\n", "")
    code, out, told = run(tmp_path / "none", "list")
    assert (code, out) == (1, "") and told.startswith("ERROR ") and "--jobs-dir" in told


def test_what_is_no_job_is_left_out(tmp_path: Path) -> None:
    put(tmp_path / "notes.txt")
    put(tmp_path / "other/logs/x.log")  # logs have others too
    put(tmp_path / ".hidden/status.json")
    put(tmp_path / "with space/status.json")
    (tmp_path / "empty").mkdir()
    assert run_json("list", tmp_path, "list")["jobs"] == []
    code, _, told = run(tmp_path, "delete", "other", "--yes")
    assert code == 1 and "no job other" in told and (tmp_path / "other/logs/x.log").exists()


GOOD = {"done": 1, "total": 1, "started": None, "finished": None}


@pytest.mark.parametrize(
    "change",
    [
        {"state": "dreaming"},
        {"state": 3},
        {"started": None},
        {"started": "yesterday"},
        {"updated": "2026-01-01T00:00:00"},  # no time zone
        {"finished": 5},
        {"errors": "all"},
        {"errors": [1]},
        {"steps": []},
        {"steps": {"import": 3}},
        {"steps": {"import": {"done": 1}}},
        {"steps": {"import": {**GOOD, "done": -1}}},
        {"steps": {"import": {**GOOD, "lines": "many"}}},
        {"steps": {"import": {**GOOD, "resources": [1]}}},
        {"steps": {"import": {**GOOD, "started": "then"}}},
        {"steps": {"extract": {**GOOD, "progress": {}}}},
        {"versions": None},
        {"hashes": {"rule_set": 1}},
    ],
)
def test_a_damaged_status_is_told(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = make_job(tmp_path, "x")
    put(folder / "status.json", {**json.loads((folder / "status.json").read_text()), **change})
    assert states(tmp_path) == {"x": "unreadable"}
    assert run_json("status", tmp_path, "status", "x", code=1)["errors"] == [
        "status.json is damaged, or of another version of this workflow"
    ]


def test_a_status_with_more_in_it_is_read(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    status = json.loads((folder / "status.json").read_text())
    steps = {"polish": {**GOOD, "colour": "blue"}, **status["steps"]}
    put(folder / "status.json", {**status, "steps": steps, "mood": 1})
    job = read_job(folder)
    assert job is not None and job.state == "completed" and list(job.steps)[-1] == "polish"


def test_a_status_of_any_bytes_is_never_a_crash(tmp_path: Path) -> None:
    for content in (b"", b"\xff\xfe", b"null", b"1", b"{}", b"[" * 5000, b'{"state":"running"}'):
        folder = tmp_path / "x"
        folder.mkdir(exist_ok=True)
        (folder / "status.json").write_bytes(content)
        assert states(tmp_path) == {"x": "unreadable"}


def test_a_status_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    (folder / "status.json").unlink()
    (folder / "status.json").symlink_to(folder / "nowhere")
    assert states(tmp_path) == {"x": "unreadable"}


def test_a_killed_run_is_stopped(tmp_path: Path) -> None:
    with keeper(tmp_path / "x") as process:
        end(process, b"")
    assert states(tmp_path) == {"x": "stopped"}
    with keeper(tmp_path / "x") as process:
        assert states(tmp_path) == {"x": "running"}
        end(process, b"failed\n")
    assert states(tmp_path) == {"x": "failed"}


def test_that_a_run_was_killed_is_never_cut_off(tmp_path: Path) -> None:
    lines = [f"2026-01-01T00:00:00Z ERROR line {n}\n" for n in range(50)]
    facts = facts_of(tmp_path)
    put(tmp_path / "logs/import_x.log", text="".join(lines))
    os.utime(tmp_path / "logs/import_x.log", (2e9, 2e9))
    status = Collector(facts, None).collect("failed", [KILLED])
    assert len(status["errors"]) == 20 and status["errors"][-1] == KILLED and was_stopped(status)
    put(tmp_path / "status.json", status)
    assert read_status(tmp_path) == status
    assert not was_stopped({**status, "errors": status["errors"][:-1]})


def test_room_on_the_disk_is_what_du_says(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    put(tmp_path / "large", text="x" * 100_000)
    (folder / "link").symlink_to(tmp_path / "large")
    du = subprocess.run(["du", "-s", "--block-size=1", folder], capture_output=True, text=True, check=True)
    assert disk_bytes(folder) == int(du.stdout.split()[0])


def test_words() -> None:
    assert [duration(s) for s in (None, 0.4, 89, 91, 3700, 7200 + 120, 190_000)] == [
        "-", "0 s", "89 s", "2 min", "62 min", "2 h 02 min", "2 d 4 h",
    ]  # fmt: skip
    assert [size(n) for n in (None, 0, 1023, 1024, 15_000, 5 << 20, 3 << 30, 2 << 50)] == [
        "unknown", "0 B", "1023 B", "1.0 kB", "15 kB", "5.0 MB", "3.0 GB", "2048.0 TB",
    ]  # fmt: skip


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_from_a_terminal(tmp_path: Path) -> None:
    make_job(tmp_path / "jobs", "study-42")
    make_job(tmp_path / "jobs", "study-43", "failed", "in.ndjson:3: not JSON")
    listed = command("list", folder=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "") and "study-42" in listed.stdout
    assert command("status", "study-42", folder=tmp_path).returncode == 0
    failed = command("status", "study-43", folder=tmp_path)
    assert failed.returncode == 1 and "ERROR in.ndjson:3: not JSON" in failed.stdout
    missing = command("status", "study-44", folder=tmp_path)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == "ERROR no job study-44 in jobs; there are: study-43, study-42\n"
    unasked = command("delete", "study-42", folder=tmp_path)
    assert (
        unasked.returncode == 2 and "--yes" in unasked.stderr and (tmp_path / "jobs/study-42/import").is_dir()
    )
    assert command("delete", "study-42", "--yes", folder=tmp_path).returncode == 0
    for wrong in (
        ["status", "../x"],
        ["status", "a/b"],
        ["frobnicate"],
        [],
        ["prune", "--retention-days", "0"],
        ["prune"],
    ):
        assert command(*wrong, folder=tmp_path).returncode == 2, wrong


@pytest.mark.parametrize("arguments", [[], ["list"], ["status"], ["logs"], ["delete"], ["prune"]])
def test_help(tmp_path: Path, arguments: list[str]) -> None:
    shown = command(*arguments, "--help", folder=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    wanted = (
        ["list", "status", "logs", "delete", "prune", "exit code"]
        if not arguments
        else ["--jobs-dir", "--json"]
    )
    assert all(word in shown.stdout for word in wanted)
