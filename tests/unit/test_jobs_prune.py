"""`jobs.py prune`: what identifies people, of jobs that are old enough, and of no others."""

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dimpflow.audit.status import KILLED
from job_folders import (
    SECRET,
    SHA,
    ZONE,
    No,
    check,
    end,
    files_of,
    keeper,
    killed_at_every_place,
    make_job,
    put,
    run,
    run_json,
    stamp,
)
from jobs import main


def old_and_new(jobs_dir: Path) -> None:
    make_job(jobs_dir, "old", days=31)
    make_job(jobs_dir, "young", days=29)
    make_job(jobs_dir, "failed", "failed", days=33)
    make_job(jobs_dir, "killed", "failed", KILLED, days=32)
    damaged = make_job(jobs_dir, "damaged", days=31)
    put(damaged / "status.json", text="{")
    half = make_job(jobs_dir, "half", days=31)
    (half / "status.json").unlink()


def test_what_identifies_people_goes_and_the_results_stay(tmp_path: Path) -> None:
    old_and_new(tmp_path)
    before = {job.name: files_of(job) for job in tmp_path.iterdir()}
    values = run_json("pruning", tmp_path, "prune", "--retention-days", "30", "--yes")
    assert [job["job"] for job in values["jobs"]] == ["old", "killed", "failed"]
    assert all(job["done"] and job["names"] == list(ZONE) for job in values["jobs"])
    for name, files in before.items():
        gone = set(files) - set(files_of(tmp_path / name))
        if name in ("young", "damaged", "half"):
            assert not gone and not (tmp_path / name / "pruned.json").exists()
        else:
            assert gone == {file for file in files if file.split("/")[0] in ZONE}
    folder = tmp_path / "old"
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert (folder / "pruned.json").stat().st_mode & 0o777 == 0o644
    tombstone = json.loads((folder / "pruned.json").read_text())
    check("tombstone", tombstone)
    assert tombstone["hashes"] == {"rule_set": SHA, "import_results": SHA, "dimp_results": SHA}
    assert tombstone["counts"]["import"]["lines"] == 8 and tombstone["removed"] == list(ZONE)
    job = run_json("status", tmp_path, "status", "old")
    assert job["state"] == "completed" and "identifying data pruned" in job["note"]
    again = run_json("pruning", tmp_path, "prune", "--retention-days", "30", "--yes")
    assert again["jobs"] == []


def test_all_of_it(tmp_path: Path) -> None:
    old_and_new(tmp_path)
    assert run(tmp_path, "prune", "--retention-days", "30", "--yes")[0] == 0
    values = run_json("pruning", tmp_path, "prune", "--retention-days", "30", "--all", "--yes")
    assert [job["job"] for job in values["jobs"]] == ["old", "killed", "failed"]
    assert files_of(tmp_path / "old") == ["deleted.json"]
    tombstone = json.loads((tmp_path / "old/deleted.json").read_text())
    check("tombstone", tombstone)
    assert [one["removed"] for one in tombstone["earlier"]] == [list(ZONE)]
    states = {job["job"]: job["state"] for job in run_json("list", tmp_path, "list")["jobs"]}
    assert states["old"] == states["failed"] == states["killed"] == "deleted"
    assert states["young"] == "completed" and states["half"] == states["damaged"] == "unreadable"


def test_dry_run(tmp_path: Path) -> None:
    old_and_new(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    values = run_json("pruning", tmp_path, "prune", "--retention-days", "30", "--dry-run")
    assert values["dry_run"] and not any(job["done"] for job in values["jobs"])
    assert {job["job"] for job in values["jobs"]} == {"old", "killed", "failed"}
    du = subprocess.run(
        ["du", "-sc", "--block-size=1", *(tmp_path / "old" / name for name in ZONE)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert values["jobs"][0]["bytes"] == int(du.stdout.split()[-2])
    code, out, _ = run(tmp_path, "prune", "--retention-days", "30", "--dry-run")
    assert (
        code == 0
        and "old (completed, ended " in out
        and "nothing was" in out
        and "mappings" in out
        and "anew" in out
    )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_it_asks_once(tmp_path: Path) -> None:
    old_and_new(tmp_path)
    no = No()
    code, out, told = run(tmp_path, "prune", "--retention-days", "30", ask=no)
    assert (code, out, no.asked) == (1, "", ["prune 3 jobs?"])
    assert all(name in told for name in ("old (", "killed (", "failed (", "mappings", "anew"))
    assert run(tmp_path, "prune", "--retention-days", "30")[0] == 2
    assert (tmp_path / "old/import").is_dir()
    code, out, _ = run(tmp_path, "prune", "--retention-days", "30", ask=lambda q: True)
    assert code == 0 and "results stay" in out and not (tmp_path / "old/import").exists()


def test_a_running_job_is_never_touched(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x", days=400)
    with keeper(folder) as process:
        values = run_json("pruning", tmp_path, "prune", "--retention-days", "1", "--all", "--yes")
        assert values["jobs"] == [] and (folder / "import/Patient.ndjson").exists()
        end(process, b"completed\n")


def test_one_that_is_held_does_not_keep_the_others(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "held", "failed", days=40)
    make_job(tmp_path, "free", days=41)
    code = f"import sys; f = open({str(folder / 'logs/a.log')!r}, 'w'); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline()
        for more in (["--dry-run"], ["--yes"]):
            values = run_json("pruning", tmp_path, "prune", "--retention-days", "30", *more, code=1)
            held, free = values["jobs"]
            assert str(process.pid) in held["error"] and not held["done"]
            assert free["error"] == "" and free["done"] == (more == ["--yes"])
    finally:
        process.communicate(b"")
    assert (folder / "import").is_dir() and not (tmp_path / "free/import").exists()


def test_killed_at_every_place_and_finished_by_the_same_command(tmp_path: Path) -> None:
    notes = set()
    for folder in killed_at_every_place(tmp_path, "prune", "--retention-days", "5"):
        notes.add(run_json("status", tmp_path, "status", folder.name)["note"])
        values = run_json("pruning", tmp_path, "prune", "--retention-days", "5", "--yes")
        assert [job["job"] for job in values["jobs"]] == [folder.name]
        tombstone = json.loads((folder / "pruned.json").read_text())
        assert tombstone["hashes"]["import_results"] == SHA and tombstone["removed"] == list(ZONE)
        assert not (folder / "pruning.json").exists() and not set(ZONE) & set(files_of(folder))
        assert (folder / "dimp_results.ndjson").exists()
    assert notes == {"", "pruning was interrupted; the same command finishes it"}


def test_a_deletion_that_broke_off_is_finished(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x")
    assert run(tmp_path, "delete", "x", "--yes")[0] == 0
    (folder / "deleted.json").rename(folder / "deleting.json")
    put(folder / "import/Patient.ndjson", text=SECRET)
    values = run_json("pruning", tmp_path, "prune", "--retention-days", "30", "--yes")
    assert [(job["state"], job["everything"]) for job in values["jobs"]] == [("deleting", True)]
    assert files_of(folder) == ["deleted.json"]


def test_the_log_of_reidentifications_stays(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x", days=31)
    log = put(folder / "mappings/reidentifications.ndjson", text="{}\n")
    put(folder / "mappings/slices/x.json", text=SECRET)
    assert run(tmp_path, "prune", "--retention-days", "30", "--yes")[0] == 0
    assert files_of(folder / "mappings") == [log.name] and log.read_text() == "{}\n"
    tombstone = json.loads((folder / "pruned.json").read_text())
    assert "mappings/mapping.ndjson" in tombstone["removed"] and "mappings" not in tombstone["removed"]
    assert tombstone["hashes"]["reidentifications"] == hashlib.sha256(b"{}\n").hexdigest()
    assert run_json("pruning", tmp_path, "prune", "--retention-days", "30", "--yes")["jobs"] == []


def test_half_written_results_and_links_go_too(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside/data", text="precious").parent
    jobs_dir = tmp_path / "jobs"
    folder = make_job(jobs_dir, "x", days=31)
    put(folder / ".import_results.ndjson.host.1.tmp", text=SECRET)
    put(folder / "import_results.ndjson.zst", text=SECRET)
    (folder / "torch").symlink_to(outside)
    assert run(jobs_dir, "prune", "--retention-days", "30", "--yes")[0] == 0
    assert not [name for name in files_of(folder) if "import_results" in name or name == "torch"]
    assert (outside / "data").read_text() == "precious"


def test_a_job_that_ran_again_is_pruned_again(tmp_path: Path) -> None:
    folder = make_job(tmp_path, "x", days=50)
    assert run(tmp_path, "prune", "--retention-days", "30", "--yes")[0] == 0
    stone = json.loads((folder / "pruned.json").read_text())
    put(folder / "pruned.json", {**stone, "when": stamp(days=45)})
    make_job(tmp_path, "x", days=40)
    assert run_json("status", tmp_path, "status", "x")["note"] == ""
    assert run(tmp_path, "prune", "--retention-days", "30", "--yes")[0] == 0
    again = json.loads((folder / "pruned.json").read_text())
    check("tombstone", again)
    assert len(again["earlier"]) == 1 and again["earlier"][0]["when"] < again["started"]


def test_how_long_is_in_the_configuration(tmp_path: Path) -> None:
    make_job(tmp_path / "data/jobs", "x", days=8)
    config = tmp_path / "aether.yaml"
    put(
        config,
        text=f"jobs: {{jobs_dir: {tmp_path}/data/jobs, retention_days: 7}}\nservices: {{torch: {{}}}}\n",
    )

    out = io.StringIO()
    assert main(["prune", "--configfile", str(config), "--dry-run", "--json"], out, io.StringIO()) == 0
    values = json.loads(out.getvalue())
    assert (values["retention_days"], [job["job"] for job in values["jobs"]]) == (7, ["x"])
    # what is said on the command line goes first
    chosen = ["prune", "--configfile", str(config), "--retention-days", "9", "--dry-run"]
    assert run_json("pruning", tmp_path / "data/jobs", *chosen)["jobs"] == []


@pytest.mark.parametrize(
    "text",
    ["", "jobs: 3", "jobs: {retention_days: 0}", "jobs: {retention_days: true}", "jobs: {retention_days: soon}", "- a", "a: [",
     "jobs: {retention_days: 3, jobs_dir: 7}", "jobs_dir: ${HOME}"],
)  # fmt: skip
def test_configurations_that_do_not_tell(tmp_path: Path, text: str) -> None:
    make_job(tmp_path / "jobs", "x", days=800)
    config = put(tmp_path / "config.yaml", text=text)
    code, out, told = run(tmp_path / "jobs", "prune", "--configfile", str(config), "--yes")
    assert (code, out) == (2, "") and told.startswith("ERROR ")
    assert (tmp_path / "jobs/x/import").is_dir()
