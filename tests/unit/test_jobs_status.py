"""`jobs.py status`: counts, rate and time left, where they can be told."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

from dimpflow.jobs.listing import Job, JobState, read_job
from dimpflow.jobs.moments import moment
from dimpflow.jobs.progress import ProgressReader, StepProgress, seconds_left
from job_folders import ROOT, SCRIPT, SHA, check, end, keeper, make_job, put, run, run_json, stamp, until


def running(folder: Path, began: float, **steps: dict[str, Any]) -> Job:
    """A job that runs for `began` seconds by now, with these steps; `since`: when each began, in seconds ago."""
    now = stamp()
    filled = {}
    for name, step in steps.items():
        since = step.pop("since", None)
        started = None if since is None else stamp(seconds=since)
        filled[name] = {"started": started, "finished": None, **step}
    status: dict[str, Any] = {
        "job": folder.name,
        "state": "running",
        "started": stamp(seconds=began),
        "updated": now,
        "finished": None,
        "steps": filled,
        "errors": [],
        "versions": {},
        "hashes": {},
    }
    put(folder / "status.json", status)
    job = read_job(folder)
    assert job is not None and job.state == "running"
    return job


def shard(folder: Path, step: str, name: str, lines: int, *, ago: float, rejected: int = 0) -> None:
    path = put(folder / step / f"{name}.json", {"lines": lines, "rejected": rejected})
    at = moment(stamp(seconds=ago)).timestamp()
    os.utime(path, (at, at))


def steps_of(job: Job) -> dict[str, StepProgress]:
    return {step.name: step for step in ProgressReader().steps(job)}


IMPORTED = {"done": 4, "total": 4, "lines": 1000, "rejected": 0}


def test_rate_and_time_left_are_those_of_this_run(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    for n in range(3):  # of an earlier run: it counts as done, not as fast
        shard(folder, "dimp", f"Old/{n}", 200, ago=5000)
    shard(folder, "dimp", "A/1", 90, ago=50)
    shard(folder, "dimp", "A/2", 100, ago=10, rejected=10)
    dimp = {"done": 5, "total": 9, "lines": 790, "rejected": 10, "since": 100}
    job = running(folder, 200, **{"import": dict(IMPORTED)}, dimp=dimp)
    found = steps_of(job)["dimp"]
    assert found.rate is not None and found.seconds_left is not None
    assert abs(found.rate - 2.0) < 0.05  # 200 lines in 100 s; the clock may turn while this is made
    assert abs(found.seconds_left - 100) < 3  # 200 lines are left
    assert seconds_left(list(steps_of(job).values())) == found.seconds_left


def test_the_import_is_measured_by_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    sizes = {"Old": 700, "A": 100, "B": 100, "C": 400}
    put(
        folder / "inventory/_all.json",
        {"sources": [{"source": name, "bytes": n} for name, n in sizes.items()]},
    )
    shard(folder, "import", "Old", 7, ago=5000)
    for name in "AB":
        shard(folder, "import", name, 50, ago=5)
    step = {"done": 3, "total": 4, "lines": 107, "rejected": 0, "since": 20}
    found = steps_of(running(folder, 30, **{"import": step}))["import"]
    assert (
        found.seconds_left is not None and abs(found.seconds_left - 40) < 3
    )  # 200 bytes took 20 s, 400 are left
    assert found.rate is not None and abs(found.rate - 5) < 0.3


def unknown(tmp_path: Path, job: Job) -> None:
    steps = steps_of(job)
    assert all(step.seconds_left is None for step in steps.values())
    values = run_json("status", tmp_path, "status", "x")
    assert values["seconds_left"] is None
    assert "time left: unknown" in run(tmp_path, "status", "x")[1].splitlines()


def test_unknown_after_one_shard(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    shard(folder, "dimp", "A/1", 100, ago=50)
    dimp = {"done": 1, "total": 9, "lines": 100, "rejected": 0, "since": 100}
    unknown(tmp_path, running(folder, 200, **{"import": dict(IMPORTED)}, dimp=dimp))


def test_unknown_in_the_first_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    for n in range(3):
        shard(folder, "dimp", f"A/{n}", 100, ago=0)
    dimp = {"done": 3, "total": 9, "lines": 300, "rejected": 0, "since": 1}
    unknown(tmp_path, running(folder, 2, **{"import": dict(IMPORTED)}, dimp=dimp))


def test_unknown_as_long_as_lines_are_imported(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    for n in range(3):
        shard(folder, "dimp", f"A/{n}", 100, ago=5)
    dimp = {"done": 3, "total": 9, "lines": 300, "rejected": 0, "since": 100}
    unknown(tmp_path, running(folder, 200, **{"import": {**IMPORTED, "done": 3}}, dimp=dimp))


def test_unknown_of_a_step_that_this_run_has_not_begun(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    for n in range(3):
        shard(folder, "dimp", f"A/{n}", 100, ago=400)
    dimp = {"done": 3, "total": 9, "lines": 300, "rejected": 0, "since": 500}
    job = running(folder, 200, **{"import": dict(IMPORTED)}, dimp=dimp)
    assert steps_of(job)["dimp"].rate is None
    unknown(tmp_path, job)


def test_what_torch_says(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    known = {
        "torch_job": "14c2",
        "progress": "Processing batches (45%)\x1b[2J",
        "patients": 200,
        "batches": 4,
        "batches_done": 2,
    }
    running(folder, 60, extract={"done": 0, "total": 1, "since": 60, **known})
    assert run_json("status", tmp_path, "status", "x")["steps"][0]["extraction"] == known
    out = run(tmp_path, "status", "x")[1]
    assert "TORCH: Processing batches (45%)?[2J, 2 of 4 batches, 200 patients, job 14c2\n" in out
    assert "\x1b" not in out


def test_a_finished_job(tmp_path: Path) -> None:
    make_job(tmp_path, "x", days=1)
    values = run_json("status", tmp_path, "status", "x")
    assert values["hashes"] == {"rule_set": SHA, "import_results": SHA, "dimp_results": SHA}
    assert [(s["name"], s["done"], s["total"], s["lines"]) for s in values["steps"]] == [
        ("inventory", 0, 2, None),
        ("import", 2, 2, 8),
        ("split", 3, 3, 7),
        ("dimp", 3, 3, 7),
        ("results", 2, 2, None),
    ]
    assert all(step["rate"] is None and step["seconds_left"] is None for step in values["steps"])
    out = run(tmp_path, "status", "x")[1]
    assert out.startswith("x: completed\nstarted ") and f"SHA-256 dimp_results: {SHA}" in out
    assert "time left:" not in out


def test_a_failed_job_says_why(tmp_path: Path) -> None:
    make_job(tmp_path, "x", "failed", "in.ndjson:3: not JSON\x1b[31m")
    code, out, _ = run(tmp_path, "status", "x")
    assert code == 1 and out.endswith("\nERROR in.ndjson:3: not JSON?[31m\n")
    assert run_json("status", tmp_path, "status", "x", code=1)["errors"] == ["in.ndjson:3: not JSON\x1b[31m"]


def test_watching_a_real_run_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    for word, code, last in ((b"completed\n", 0, "completed"), (b"", 1, "stopped")):
        with keeper(folder) as process:
            watched = subprocess.Popen(
                [sys.executable, SCRIPT, "status", "x", "--watch", "--json", "--jobs-dir", tmp_path],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert watched.stdout is not None
            first = json.loads(watched.stdout.readline())
            put(folder / "import/Patient.json", {"lines": 3, "rejected": 0, "resources": {"Patient": 3}})
            until(lambda: json.loads((folder / "status.json").read_text())["steps"]["import"]["done"] == 1)
            end(process, word)
            rest = [json.loads(line) for line in watched.stdout]
            watched.stdout.close()
            assert watched.wait(20) == code
        for values in (first, *rest):
            check("status", values)
        assert first["state"] == "running" and rest[-1]["state"] == last
        assert {step["name"]: step["lines"] for step in rest[-1]["steps"]}["import"] == 3


def test_the_states_are_those_of_the_schema() -> None:
    schema = json.loads((ROOT / "schemas/jobs.schema.json").read_text())
    assert tuple(schema["$defs"]["state"]["enum"]) == get_args(JobState)
