"""`jobs.py logs`: all logs as one, in the order of time, and further as they grow."""

import json
import os
import subprocess
import sys
from pathlib import Path

from dimpflow.jobs.logs import Logs
from job_folders import SCRIPT, check, end, keeper, make_job, put, run

EARLY = "2026-01-01T00:00:01Z INFO begins\n2026-01-01T00:00:04Z ERROR a.ndjson:3: not JSON\n  a line without a time\n"
LATE = "2026-01-01T00:00:02Z INFO x\n2026-01-01T00:00:03Z WARNING y"


def job_with_logs(tmp_path: Path) -> Path:
    folder = make_job(tmp_path, "x", "failed")
    (folder / "logs/import_Patient.log").unlink()
    put(folder / "logs/import_A.log", text=EARLY)
    put(folder / "logs/dimp_A.001-of-001.log", text=LATE)
    put(folder / "logs/notes.txt", text="no log")
    return folder


def test_in_the_order_of_time(tmp_path: Path) -> None:
    job_with_logs(tmp_path)
    assert run(tmp_path, "logs", "x") == (
        0,
        "[import_A] 2026-01-01T00:00:01Z INFO begins\n"
        "[dimp_A.001-of-001] 2026-01-01T00:00:02Z INFO x\n"
        "[dimp_A.001-of-001] 2026-01-01T00:00:03Z WARNING y\n"
        "[import_A] 2026-01-01T00:00:04Z ERROR a.ndjson:3: not JSON\n"
        "[import_A] 2026-01-01T00:00:04Z ERROR   a line without a time\n",
        "",
    )


def test_one_rule_and_errors_alone(tmp_path: Path) -> None:
    job_with_logs(tmp_path)
    out = run(tmp_path, "logs", "x", "--rule", "dimp")[1]
    assert [line[:8] for line in out.splitlines()] == ["[dimp_A."] * 2
    out = run(tmp_path, "logs", "x", "--errors")[1]
    assert len(out.splitlines()) == 2 and "not JSON" in out
    assert run(tmp_path, "logs", "x", "--errors", "--rule", "dimp") == (0, "", "")
    code, out, told = run(tmp_path, "logs", "x", "--rule", "split")
    assert (code, out) == (1, "")
    assert told == "ERROR x: no log begins with split; those that are there begin with dimp, import\n"


def test_no_logs(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    (folder / "logs/import_Patient.log").unlink()
    assert run(tmp_path, "logs", "x") == (1, "", "ERROR x has no logs\n")


def test_json_and_what_plays_with_a_terminal(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    (folder / "logs/import_Patient.log").write_bytes(
        b"no time \x1b[2J\xff\n2026-01-01T00:00:01Z INFO \xc3\xa4\n"
    )
    _, out, _ = run(tmp_path, "logs", "x", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        check("line", line)
    assert lines == [
        {"log": "import_Patient", "when": "", "level": "", "text": "no time \x1b[2J\ufffd"},
        {"log": "import_Patient", "when": "2026-01-01T00:00:01Z", "level": "INFO", "text": "ä"},
    ]
    assert "\x1b" not in run(tmp_path, "logs", "x")[1]


def texts(logs: Logs, *, last: bool = False) -> list[str]:
    return [line.text for line in logs.new_lines(last=last)]


def test_a_line_is_told_when_it_is_whole(tmp_path: Path) -> None:
    log = put(tmp_path / "logs/a.log", text="2026-01-01T00:00:01Z INFO on")
    logs = Logs(tmp_path)
    assert texts(logs) == []
    with open(log, "a") as file:
        file.write("e\n2026-01-01T00:00:01Z INFO tw")
    assert texts(logs) == ["one"]
    assert texts(logs) == []
    assert texts(logs, last=True) == ["tw"]
    assert texts(logs, last=True) == []


def test_a_log_that_is_made_anew_is_read_anew(tmp_path: Path) -> None:
    log = put(tmp_path / "logs/a.log", text="2026-01-01T00:00:01Z INFO one\n")
    logs = Logs(tmp_path)
    assert texts(logs) == ["one"]
    log.unlink()
    assert texts(logs) == []
    put(log, text="2026-01-01T00:00:02Z INFO two\n")  # as long as the one before
    os.utime(log, (2e9, 2e9))
    assert texts(logs) == ["two"]
    put(log, text="2026-01-01T00:00:03Z INFO three, and longer\n2026-01-01T00:00:03Z INFO four\n")
    assert texts(logs) == ["three, and longer", "four"]
    put(log, text="2026-01-01T00:00:03Z INFO 5\n")
    assert texts(logs) == ["5"]


def test_following_a_real_run_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    with keeper(folder) as process:
        log = put(folder / "logs/import_A.log", text="2026-01-01T00:00:01Z INFO one\n")
        followed = subprocess.Popen(
            [sys.executable, SCRIPT, "logs", "x", "--follow", "--jobs-dir", tmp_path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert followed.stdout is not None
        assert followed.stdout.readline() == "[import_A] 2026-01-01T00:00:01Z INFO one\n"
        with open(log, "a") as file:
            file.write("2026-01-01T00:00:02Z ERROR two\n")
        assert followed.stdout.readline() == "[import_A] 2026-01-01T00:00:02Z ERROR two\n"
        put(folder / "logs/dimp_A.log", text="2026-01-01T00:00:03Z INFO three\n")
        assert followed.stdout.readline() == "[dimp_A] 2026-01-01T00:00:03Z INFO three\n"
        assert followed.poll() is None
        with open(log, "a") as file:
            file.write("2026-01-01T00:00:04Z INFO the last one")
        end(process, b"failed\n")
        rest, told = followed.communicate(timeout=20)
        assert (rest, told) == ("[import_A] 2026-01-01T00:00:04Z INFO the last one\n", "x: failed\n")
        assert followed.returncode == 1


def test_following_a_run_that_is_over(tmp_path: Path) -> None:
    job_with_logs(tmp_path)
    code, out, told = run(tmp_path, "logs", "x", "--follow", "--errors")
    assert (code, len(out.splitlines()), told) == (1, 2, "x: failed\n")
