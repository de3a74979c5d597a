"""`jobs.py delete`: nothing silently, nothing outside the job, and finished by the same command whenever it was broken off."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dimpflow.jobs.held import locked, writers
from dimpflow.jobs.tombstone import read_tombstone
from job_folders import (
    SCRIPT,
    SECRET,
    SHA,
    No,
    check,
    end,
    files_of,
    fill,
    in_child,
    keeper,
    killed_at_every_place,
    make_job,
    put,
    run,
    run_json,
    stamp,
    until,
)


def tree(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_of(folder) if (folder / name).is_file()}


def test_only_the_tombstone_stays(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    put(tmp_path / "y/status.json", text="another's")
    values = run_json("deletion", tmp_path, "delete", "x", "--yes")
    assert values["done"] and values["bytes"] > 0
    assert files_of(folder) == ["deleted.json"]
    assert (folder / "deleted.json").stat().st_mode & 0o777 == 0o644
    tombstone = json.loads((folder / "deleted.json").read_text())
    assert tombstone == values["tombstone"]
    assert (tombstone["job"], tombstone["state"], tombstone["earlier"]) == ("x", "completed", [])
    assert tombstone["hashes"] == {"rule_set": SHA, "import_results": SHA, "dimp_results": SHA}
    assert tombstone["counts"]["import"] == {
        "lines": 8,
        "rejected": 0,
        "resources": {"Observation": 5, "Patient": 3},
    }
    assert SECRET not in (folder / "deleted.json").read_text()
    assert (tmp_path / "y/status.json").read_text() == "another's"
    status = run_json("status", tmp_path, "status", "x")
    assert (status["state"], status["lines"], status["tombstone"]) == ("deleted", 8, tombstone)


def test_it_asks(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    before = tree(folder)
    no = No()
    code, out, told = run(tmp_path, "delete", "x", ask=no)
    assert (code, out, no.asked) == (1, "", ["delete x?"]) and "nothing was removed" in told
    assert "x (completed, ended " in told and "mappings" in told and "cannot be undone" in told
    code, _, told = run(tmp_path, "delete", "x")
    assert code == 2 and "--yes" in told
    assert tree(folder) == before
    code, out, _ = run(tmp_path, "delete", "x", ask=lambda question: True)
    assert code == 0 and "anew" in out and files_of(folder) == ["deleted.json"]


def test_a_running_job_is_left_alone(tmp_path: Path) -> None:
    with keeper(tmp_path / "x") as process:
        fill(tmp_path / "x")
        code, out, told = run(tmp_path, "delete", "x", "--yes")
        assert (code, out) == (1, "") and "is running; stop it first" in told
        assert (tmp_path / "x/import/Patient.ndjson").exists()
        end(process, b"completed\n")
    assert run(tmp_path, "delete", "x", "--yes")[0] == 0


def test_a_run_that_begins_while_the_person_thinks(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x", days=1)

    def answer(question: str) -> bool:
        status = json.loads((folder / "status.json").read_text())
        put(folder / "status.json", {**status, "state": "running", "started": stamp(), "updated": stamp()})
        return True

    code, _, told = run(tmp_path, "delete", "x", ask=answer)
    assert code == 1 and "no longer as it was" in told and (folder / "import/Patient.ndjson").exists()


WRITER = """
import fcntl, os, sys, time
file = open(sys.argv[1], "a" if sys.argv[2] != "read" else "r")
if sys.argv[2] == "lock":
    fcntl.flock(file, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.read()
"""


def holding(path: Path, how: str) -> subprocess.Popen[str]:
    put(path)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, path, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_a_process_that_a_killed_run_has_left_behind(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x", "failed")
    process = holding(folder / "logs/dimp_A.log", "write")
    try:
        assert writers(folder) == [process.pid]
        code, _, told = run(tmp_path, "delete", "x", "--yes")
        assert code == 1 and f"kill {process.pid}" in told and (folder / "import").is_dir()
    finally:
        process.communicate("")
    assert writers(folder) == []
    assert run(tmp_path, "delete", "x", "--yes")[0] == 0


def test_who_reads_does_not_stand_against_it(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    process = holding(folder / "logs/dimp_A.log", "read")
    try:
        assert run(tmp_path, "delete", "x", "--yes")[0] == 0
    finally:
        process.communicate("")


def test_a_lock_is_seen(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    process = holding(folder / "import/.Patient.ndjson.host.1.tmp", "lock")
    try:
        assert locked(folder)
    finally:
        process.communicate("")
    assert not locked(folder)


def test_killed_at_every_place_and_finished_by_the_same_command(tmp_path: Path) -> None:
    seen = set()
    for folder in killed_at_every_place(tmp_path, "delete", "JOB"):
        name = folder.name
        job = run_json("status", tmp_path, "status", name)
        seen.add(job["state"])
        if job["state"] == "deleting":
            assert "the same command finishes it" in job["note"]
            assert (job["lines"], job["hashes"]["dimp_results"]) == (8, SHA)  # whatever is gone already
            assert run(tmp_path, "delete", name, "--purge", "--yes")[0] == 1
        else:
            assert job["state"] == "completed" and (folder / "dimp_results.ndjson").exists()
        tombstone = run_json("deletion", tmp_path, "delete", name, "--yes")["tombstone"]
        assert files_of(folder) == ["deleted.json"]
        assert tombstone["hashes"] == {"rule_set": SHA, "import_results": SHA, "dimp_results": SHA}
        assert (tombstone["state"], tombstone["counts"]["import"]["lines"]) == ("completed", 8)
    assert seen == {"completed", "deleting"}


def test_a_real_deletion_killed_from_outside(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    for n in range(3000):
        (folder / f"import/{n:04}.ndjson").touch()
    process = subprocess.Popen([sys.executable, SCRIPT, "delete", "x", "--yes", "--jobs-dir", tmp_path])
    until(lambda: (folder / "deleting.json").exists() or (folder / "deleted.json").exists())
    process.kill()
    process.wait(20)
    state = run_json("status", tmp_path, "status", "x")["state"]
    assert state in ("deleting", "deleted")  # it may have been faster than we
    assert run(tmp_path, "delete", "x", "--yes")[0] == (0 if state == "deleting" else 1)
    assert files_of(folder) == ["deleted.json"]


def test_links_are_never_followed(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside/data.ndjson", text="precious").parent
    jobs_dir = tmp_path / "jobs"
    folder = make_job(jobs_dir, "x")
    (folder / "folder").symlink_to(outside)
    (folder / "split/folder").symlink_to(outside)
    (folder / "import/file.ndjson").symlink_to(outside / "data.ndjson")
    (folder / "download").symlink_to(outside)
    assert run(jobs_dir, "delete", "x", "--yes")[0] == 0
    assert files_of(folder) == ["deleted.json"]
    assert (outside / "data.ndjson").read_text() == "precious"


def test_a_job_that_is_a_link_itself(tmp_path: Path) -> None:
    elsewhere = make_job(tmp_path / "elsewhere", "x")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/x").symlink_to(elsewhere)
    assert run_json("list", tmp_path / "jobs", "list")["jobs"][0]["state"] == "completed"
    code, _, told = run(tmp_path / "jobs", "delete", "x", "--yes")
    assert code == 1 and "is a link" in told and (elsewhere / "import").is_dir()


def test_a_folder_that_cannot_be_emptied(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    (folder / "split/Patient").chmod(0o500)

    def as_somebody() -> int:
        os.chdir(tmp_path)
        if os.geteuid() == 0:  # who may remove everything
            for path in (tmp_path, folder, *folder.rglob("*")):
                os.chown(path, 65534, 65534)
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        code, _, told = run(Path(), "delete", "x", "--yes")
        assert "split cannot be removed: Permission denied" in told
        return code

    assert in_child(as_somebody) == 1
    (folder / "split/Patient").chmod(0o700)
    assert run_json("status", tmp_path, "status", "x")["state"] == "deleting"
    assert run(tmp_path, "delete", "x", "--yes")[0] == 0 and files_of(folder) == ["deleted.json"]


@pytest.mark.parametrize("damage", ["half", "damaged", "strange"])
def test_jobs_that_cannot_be_read_can_be_deleted(tmp_path: Path, damage: str) -> None:
    folder = make_job(tmp_path, "x")
    if damage == "half":
        (folder / "status.json").unlink()
    else:
        put(folder / "status.json", text='{"job' if damage == "damaged" else "[1]")
    tombstone = run_json("deletion", tmp_path, "delete", "x", "--yes")["tombstone"]
    assert (tombstone["state"], tombstone["hashes"]) == (
        "unreadable",
        {"import_results": SHA, "dimp_results": SHA},
    )
    assert tombstone["counts"]["dimp"] == {"lines": 8, "rejected": 0}
    assert files_of(folder) == ["deleted.json"]


def test_a_deleted_job(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    assert run(tmp_path, "delete", "x", "--purge", "--yes")[0] == 1  # not deleted yet
    assert (folder / "import").is_dir()
    assert run(tmp_path, "delete", "x", "--yes")[0] == 0
    code, _, told = run(tmp_path, "delete", "x", "--yes")
    assert code == 1 and "deleted already" in told and "--purge" in told
    assert run(tmp_path, "delete", "x", "--purge")[0] == 2
    put(folder / "notes.txt", text="mine")
    code, _, told = run(tmp_path, "delete", "x", "--purge", "--yes")
    assert code == 1 and "notes.txt" in told and (folder / "deleted.json").exists()
    (folder / "notes.txt").unlink()
    values = run_json("deletion", tmp_path, "delete", "x", "--purge", "--yes")
    assert values["done"] and values["tombstone"] is None
    assert list(tmp_path.iterdir()) == []


def test_a_job_of_the_same_name_keeps_what_is_known_of_the_earlier_ones(tmp_path: Path) -> None:
    for _ in range(3):
        folder = make_job(tmp_path, "x")
        assert run_json("status", tmp_path, "status", "x")["state"] == "completed"
        assert run(tmp_path, "delete", "x", "--yes")[0] == 0
    tombstone = read_tombstone(folder / "deleted.json")
    check("tombstone", tombstone)
    assert tombstone is not None and len(tombstone["earlier"]) in (1, 2)  # those of one second are the same


def test_a_deletion_that_broke_off_before_the_job_ran_again(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x", days=9)
    assert run(tmp_path, "delete", "x", "--yes")[0] == 0
    old = json.loads((folder / "deleted.json").read_text())
    put(folder / "deleting.json", {**old, "when": stamp(days=1)})
    (folder / "deleted.json").unlink()
    make_job(tmp_path, "x")
    job = run_json("status", tmp_path, "status", "x")
    assert job["state"] == "completed" and "ran again" in job["note"]
    tombstone = run_json("deletion", tmp_path, "delete", "x", "--yes")["tombstone"]
    assert tombstone["started"] > tombstone["earlier"][0]["when"] and files_of(folder) == ["deleted.json"]


def test_the_log_of_reidentifications_is_vouched_for(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    put(folder / "mappings/reidentifications.ndjson", text="{}\n")
    tombstone = run_json("deletion", tmp_path, "delete", "x", "--yes")["tombstone"]
    assert (
        tombstone["hashes"]["reidentifications"]
        == "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"
    )


def test_a_tombstone_of_any_bytes_is_never_a_crash(tmp_path: Path) -> None:
    for content in ("", "[]", "{}", '{"when": 1}', "\x00"):
        put(tmp_path / "x/deleted.json", text=content)
        put(tmp_path / "y/deleting.json", text=content)
        found = {job["job"]: job["state"] for job in run_json("list", tmp_path, "list")["jobs"]}
        assert found == {"x": "unreadable", "y": "deleting"}
    assert run(tmp_path, "delete", "y", "--yes")[0] == 0
    assert run_json("status", tmp_path, "status", "y")["state"] == "deleted"
