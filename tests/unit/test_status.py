"""status.json as it is put together from the files of a job, and its keeper, which must survive everything else."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dimpflow.audit.balance import dimp_facts, import_facts
from dimpflow.audit.pages.counts import WENT_OUT, counts_page
from dimpflow.audit.status import KILLED, SILENT, Collector, new_facts, read_status
from dimpflow.errors import InputError
from dimpflow.steps.results import Digest
from page_reading import read_page

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas/status.schema.json").read_text(encoding="utf-8"))
SHA = "a" * 64


def facts_of(job_dir: Path, *, dimp: bool = True) -> dict[str, Any]:
    shards = {"Patient": ["001-of-001"], "Observation": ["001-of-002", "002-of-002"]}
    versions = {"dimpflow": "0", "snakemake": "9", "python": "3"}
    return new_facts(
        "job", job_dir, shards, dimp=dimp, rule_set_sha256=SHA if dimp else None, versions=versions
    )


def put(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def collect(job_dir: Path, state: Any = "running", *errors: str, dimp: bool = True) -> dict[str, Any]:
    status = Collector(facts_of(job_dir, dimp=dimp), None).collect(state, errors)
    Draft202012Validator(SCHEMA).validate(status)
    return status


def test_nothing_yet(tmp_path: Path) -> None:
    status = collect(tmp_path)
    assert {name: (step["done"], step["total"]) for name, step in status["steps"].items()} == {
        "inventory": (0, 2),
        "import": (0, 2),
        "split": (0, 3),
        "dimp": (0, 3),
        "results": (0, 2),
    }
    assert status["state"] == "running" and status["finished"] is None and status["errors"] == []
    assert status["hashes"] == {"rule_set": SHA}


def test_import_alone(tmp_path: Path) -> None:
    status = collect(tmp_path, dimp=False)
    assert {name: step["total"] for name, step in status["steps"].items()} == {
        "inventory": 2,
        "import": 2,
        "results": 1,
    }
    assert status["hashes"] == {}


def test_the_steps_that_only_some_runs_have(tmp_path: Path) -> None:
    facts = {**facts_of(tmp_path), "extra": ["terms", "gather", "mapping"]}
    put(tmp_path / "gather/Patient/001-of-001.ndjson")
    put(tmp_path / "gather/Observation/001-of-002.ndjson")
    put(tmp_path / "mappings/terms.jsonl")
    status = Collector(facts, None).collect("running")
    Draft202012Validator(SCHEMA).validate(status)
    steps = status["steps"]
    assert list(steps) == ["inventory", "import", "split", "terms", "gather", "mapping", "dimp", "results"]
    assert {name: (steps[name]["done"], steps[name]["total"]) for name in ("terms", "gather", "mapping")} == {
        "terms": (1, 1),
        "gather": (2, 3),
        "mapping": (0, 1),
    }
    assert steps["terms"]["finished"] is not None and steps["gather"]["finished"] is None


def test_counts_add_up(tmp_path: Path) -> None:
    put(tmp_path / "import/Patient.json", lines=3, rejected=1, resources={"Patient": 3})
    put(tmp_path / "import/Observation.json", lines=5, rejected=0, resources={"Observation": 4, "Bundle": 1})
    put(tmp_path / "import/Gone.json", lines=100, rejected=0, resources={"Group": 100})  # of an earlier input
    put(tmp_path / "dimp/Observation/002-of-002.json", lines=2, rejected=0, resources={"Observation": 2})
    put(
        tmp_path / "dimp/Observation/001-of-009.json", lines=2, rejected=0, resources={"Observation": 2}
    )  # other shard_mb
    put(tmp_path / "split/Patient/001-of-001.json", lines=3)
    steps = collect(tmp_path)["steps"]
    imports = steps["import"]
    assert (imports["done"], imports["lines"], imports["rejected"]) == (2, 8, 1)
    assert imports["resources"] == {"Bundle": 1, "Observation": 4, "Patient": 3}
    assert imports["finished"] is not None
    assert (steps["dimp"]["done"], steps["dimp"]["lines"], steps["dimp"]["finished"]) == (1, 2, None)
    assert (steps["split"]["done"], steps["split"]["lines"]) == (1, 3)


def test_a_file_that_is_not_whole_does_not_count(tmp_path: Path) -> None:
    put(tmp_path / "import/Patient.json", lines=3)
    collector = Collector(facts_of(tmp_path), None)
    assert collector.collect("running")["steps"]["import"]["done"] == 1
    (tmp_path / "import/Patient.json").write_text('{"lines"')
    assert collector.collect("running")["steps"]["import"]["done"] == 0
    (tmp_path / "import/Patient.json").unlink()
    assert collector.collect("running")["steps"]["import"]["done"] == 0


def test_hashes_of_results_only_when_completed(tmp_path: Path) -> None:
    for name in ("import_results", "dimp_results"):
        put(tmp_path / f"{name}.json", sha256=SHA)
    assert collect(tmp_path, "completed")["hashes"] == {
        "rule_set": SHA,
        "import_results": SHA,
        "dimp_results": SHA,
    }
    assert collect(tmp_path, "failed")["hashes"] == {"rule_set": SHA}


def test_errors_are_those_of_this_run(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "import_old.log").write_text("2026-01-01T00:00:00Z ERROR old\n")
    os.utime(logs / "import_old.log", (1, 1))
    (logs / "import_new.log").write_text(
        "2026-01-01T00:00:00Z INFO x\n2026-01-01T00:00:00Z ERROR a.ndjson:3: not JSON\n2026-01-01T00:00:00Z ERROR   x.py:1 in f\n"
    )
    assert collect(tmp_path, "failed")["errors"] == ["a.ndjson:3: not JSON"]
    assert collect(tmp_path, "failed", KILLED)["errors"] == ["a.ndjson:3: not JSON", KILLED]
    assert collect(tmp_path, "running")["errors"] == ["a.ndjson:3: not JSON"]
    assert collect(tmp_path, "completed")["errors"] == []


def test_a_failure_is_never_without_a_word(tmp_path: Path) -> None:
    assert collect(tmp_path, "failed")["errors"] == [SILENT]


def test_times_of_a_step_that_did_not_run_again_stay(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs/import_Patient.log"
    log.touch()
    first = collect(tmp_path, "completed")
    started = first["steps"]["import"]["started"]
    assert started is not None and first["steps"]["split"]["started"] is None
    os.utime(log, (1, 1))
    assert Collector(facts_of(tmp_path), first).collect("running")["steps"]["import"]["started"] == started


def test_read_status(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
    status = collect(tmp_path)
    put(tmp_path / "status.json", **status)
    assert read_status(tmp_path) == status
    old = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    put(tmp_path / "status.json", **{**status, "updated": old})
    dead = read_status(tmp_path)
    assert dead is not None and (dead["state"], dead["finished"], dead["errors"]) == ("failed", old, [KILLED])
    put(tmp_path / "status.json", **{**status, "updated": old, "state": "completed"})
    again = read_status(tmp_path)
    assert again is not None and again["state"] == "completed"


@pytest.mark.parametrize(
    ("word", "state", "errors"),
    [(b"completed\n", "completed", []), (b"failed\n", "failed", [SILENT]), (b"", "failed", [KILLED])],
)
def test_keeper(tmp_path: Path, word: bytes, state: str, errors: list[str]) -> None:
    keeper = subprocess.Popen([sys.executable, ROOT / "scripts/watch_status.py"], stdin=subprocess.PIPE)
    assert keeper.stdin is not None
    keeper.stdin.write(json.dumps(facts_of(tmp_path)).encode() + b"\n")
    keeper.stdin.flush()
    deadline = time.monotonic() + 20
    while read_status(tmp_path) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    running = read_status(tmp_path)
    assert running is not None and running["state"] == "running"
    put(tmp_path / "import/Patient.json", lines=3, rejected=0, resources={"Patient": 3})
    keeper.stdin.write(word)
    keeper.stdin.close()
    assert keeper.wait(20) == 0
    status = json.loads((tmp_path / "status.json").read_text())
    Draft202012Validator(SCHEMA).validate(status)
    assert (status["state"], status["errors"]) == (state, errors)
    assert status["steps"]["import"]["lines"] == 3


MANIFESTS = [
    {"source": "A", "lines": 3, "rejected": 0, "resources": {"Patient": 3}, "sha256_input": SHA},
    {"source": "B", "lines": 2, "rejected": 1, "resources": {"Group": 2}, "sha256_input": SHA},
]


def part(lines: int, rejected: int, name: str) -> dict[str, Any]:
    rule = {"rule": 1, "path": "Patient.name<x>", "method": "redact", "matched": lines, "changed": 1}
    return {"lines": lines, "rejected": rejected, "resources": {name: lines}, "rules": [rule]}


def test_balance() -> None:
    assert import_facts(MANIFESTS, Digest(5, 50, SHA, SHA))["resources"] == {"Group": 2, "Patient": 3}
    counts = {"A": [part(1, 0, "Patient"), part(1, 1, "Patient")], "B": [part(2, 0, "Group")]}
    facts = dimp_facts(MANIFESTS, counts, Digest(4, 40, SHA, SHA))
    assert (facts["lines"], facts["rejected"], facts["resources"]) == (4, 1, {"Group": 2, "Patient": 2})
    assert facts["rules"] == [
        {"rule": 1, "path": "Patient.name<x>", "method": "redact", "matched": 4, "changed": 3}
    ]
    page = read_page(counts_page(WENT_OUT, facts))
    assert page.rows["1"] == ["Patient.name<x>", "redact", "4", "3"] and "DIMP service" not in page.text
    none = read_page(counts_page(WENT_OUT, {**facts, "rules": []}))
    assert "a DIMP service applied its rules" in none.text


def test_a_lost_line_is_an_error() -> None:
    counts = {"A": [part(2, 0, "Patient")], "B": [part(2, 0, "Group")]}
    with pytest.raises(
        InputError, match=r"A: 3 lines were imported, but 2 were de-identified and 0 rejected"
    ):
        dimp_facts(MANIFESTS, counts, Digest(4, 40, SHA, SHA))
    with pytest.raises(InputError, match=r"the result has 4 lines, but its parts should have 5"):
        import_facts(MANIFESTS, Digest(4, 40, SHA, SHA))
