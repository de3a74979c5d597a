"""Bad input: one clear line, no traceback, an exit code, nothing at the end that looks complete."""

import gzip
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workflow.conftest import observation, patient, run_snakemake, status_of, write_lines

RULES = "fhirVersion: R4\nfhirPathRules:\n  - {path: Patient.name, method: redact}\n"
CANARY = "Kanarie"


def refuse(folder: Path, *args: str | Path, **kwargs: Any) -> str:
    """Run the workflow, which must fail without a traceback and without results; its terminal."""
    result = run_snakemake(folder, *args, **kwargs)
    assert result.returncode != 0, result.stdout
    assert "Traceback" not in result.stdout and "most recent call" not in result.stdout
    assert not re.search(r"^\s+File \"", result.stdout, re.MULTILINE), result.stdout
    assert CANARY not in result.stdout
    assert list(folder.glob("jobs/*/*_results.*")) == []
    return result.stdout


def empty(folder: Path) -> None:
    (folder / "in").mkdir()


def other_files(folder: Path) -> None:
    empty(folder)
    (folder / "in/notes.txt").touch()
    (folder / "in/table.csv").touch()


def dangling_link(folder: Path) -> None:
    empty(folder)
    (folder / "in/Patient.ndjson").symlink_to("nowhere.ndjson")


def equal_names(folder: Path) -> None:
    write_lines(folder / "in/Patient.ndjson", [patient(1)])
    (folder / "in/Patient.ndjson.gz").write_bytes(gzip.compress(b""))


def rules(text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        write_lines(folder / "in/Patient.ndjson", [patient(1)])
        (folder / "rules.yaml").write_text(text, encoding="utf-8")

    return make


def jobs_dir_is_a_file(folder: Path) -> None:
    write_lines(folder / "in/Patient.ndjson", [patient(1)])
    (folder / "jobs").touch()


BEFORE_ANY_JOB = {
    "missing folder": (lambda folder: None, "input: in does not exist; check the path"),
    "empty folder": (empty, "input: no NDJSON file in folder in: it is empty"),
    "other files": (other_files, "input: no NDJSON file in folder in: it holds 1 x .csv, 1 x .txt"),
    "dangling link": (dangling_link, "input: in/Patient.ndjson is a link to a file that does not exist"),
    "equal names": (equal_names, "input: in/Patient.ndjson and in/Patient.ndjson.gz have the same name"),
    "YAML error": (rules("fhirPathRules: [\n"), "rules.yaml:2:1: not YAML"),
    "unknown method": (
        rules(RULES + "  - {path: Patient.id, method: scramble}\n"),
        "rule 2 (Patient.id): unknown method",
    ),
    "wrong path": (
        rules(RULES + "  - {path: 'Patient.name[', method: redact}\n"),
        "rules.yaml: rule 2 (Patient.name[): ",
    ),
    "jobs_dir": (jobs_dir_is_a_file, "jobs is a file, not a folder"),
}


@pytest.mark.parametrize(("make", "message"), BEFORE_ANY_JOB.values(), ids=BEFORE_ANY_JOB.keys())
def test_refused_before_any_job(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    make(tmp_path)
    config: dict[str, object] = {"input": "in"}
    if (tmp_path / "rules.yaml").exists():
        config["services"] = {"dimp": {"anonymization_config": "rules.yaml"}}
    terminal = refuse(tmp_path, config=config)
    assert [line for line in terminal.splitlines() if message in line]
    assert len(terminal.splitlines()) < 5, terminal  # the message, and a word of Snakemake
    assert not (tmp_path / "jobs").is_dir()


def test_missing_rule_set_and_missing_key(tmp_path: Path) -> None:
    write_lines(tmp_path / "in/Patient.ndjson", [patient(1)])
    config = {"input": "in", "services": {"dimp": {"anonymization_config": "nowhere.yaml"}}}
    assert "nowhere.yaml: cannot read the rule set: No such file or directory" in refuse(
        tmp_path, config=config
    )
    terminal = refuse(tmp_path, config={"input": "in"}, env={"DIMP_CRYPTO_HASH_KEY": None})
    assert "the environment variable DIMP_CRYPTO_HASH_KEY is not set; make one with: python3 -c" in terminal


def test_wrong_configuration_is_told_at_once(tmp_path: Path) -> None:
    terminal = refuse(tmp_path, config={"input": "in", "jobsdir": "x", "shard_mb": 0})
    assert "jobsdir: unknown key (did you mean jobs_dir?)" in terminal
    assert "shard_mb: 0 is not allowed (allowed: 0.01 to 1048576)" in terminal
    assert not (tmp_path / "jobs").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file(tmp_path: Path) -> None:
    write_lines(tmp_path / "in/Patient.ndjson", [patient(1)]).chmod(0)
    assert "in/Patient.ndjson cannot be read: permission denied" in refuse(tmp_path, config={"input": "in"})


@pytest.fixture(scope="module")
def bad(place: Path) -> tuple[Path, str]:
    """A run over one good file and one of each bad kind; its folder and terminal."""
    folder = place / "in"
    good = json.dumps(patient(1), ensure_ascii=False).encode()
    write_lines(folder / "Good.ndjson", [observation(1)])
    packed = gzip.compress(b"\n".join([good] * 2000))
    (folder / "Truncated.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    for name, line in {
        "Cut": good[:-20],
        "Array": b"[" + good + b"]",
        "Typeless": good.replace(b'"resourceType": "Patient", ', b""),
        "Unknown": good.replace(b'"Patient"', b'"Patiant"'),
        "Latin": good.decode().encode("latin-1"),
    }.items():
        (folder / f"{name}.ndjson").write_bytes(good + b"\n" + line + b"\n")
    return place, refuse(place, "--keep-going", config={"input": "in", "job": "bad"})


@pytest.mark.parametrize(
    "message",
    [
        "Truncated.ndjson.gz",
        "in/Cut.ndjson:2: not JSON",
        "in/Array.ndjson:2: not FHIR: JSON array",
        "in/Typeless.ndjson:2: not FHIR: no resourceType",
        "in/Unknown.ndjson:2: not FHIR R4: unknown resourceType",
        "in/Latin.ndjson:2: not UTF-8",
    ],
)
def test_bad_files_are_named_with_the_line(bad: tuple[Path, str], message: str) -> None:
    folder, terminal = bad
    assert [line for line in terminal.splitlines() if line.startswith("ERROR ") and message in line]
    assert [line for line in terminal.splitlines() if line.startswith("bad failed: ") and message in line]
    assert [line for line in status_of(folder, "bad")["errors"] if message in line]


def test_after_bad_files_the_status_is_failed_and_good_work_is_kept(bad: tuple[Path, str]) -> None:
    folder, _ = bad
    status = status_of(folder, "bad")
    assert status["state"] == "failed" and status["finished"] is not None
    assert (status["steps"]["import"]["done"], status["steps"]["import"]["total"]) == (1, 7)
    assert status["steps"]["results"]["done"] == 0
    assert {path.name for path in (folder / "jobs/bad/import").iterdir()} == {"Good.ndjson", "Good.json"}
    assert CANARY not in "".join(path.read_text() for path in (folder / "jobs/bad/logs").iterdir())


def test_quarantine_puts_bad_lines_aside_and_counts_them(bad: tuple[Path, str]) -> None:
    folder, _ = bad
    (folder / "in/Truncated.ndjson.gz").unlink()
    config = {"input": "in", "job": "bad", "import": {"on_invalid": "quarantine"}}
    result = run_snakemake(folder, config=config)
    assert result.returncode == 0, result.stdout
    job = folder / "jobs/bad"
    facts = json.loads((job / "dimp_results.json").read_text())
    assert facts["lines"] == 6 and json.loads((job / "import_results.json").read_text())["rejected"] == 5
    cut = job / "import/rejected/Cut.ndjson"
    assert cut.read_bytes().splitlines() == (folder / "in/Cut.ndjson").read_bytes().splitlines()[1:]
    assert cut.stat().st_mode & 0o077 == 0
    assert status_of(folder, "bad")["steps"]["import"]["rejected"] == 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can make a small file system, and not in every container")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_full_disk(tmp_path: Path, small_disk: Path) -> None:
    write_lines(tmp_path / "in/Observation.ndjson", [observation(n) for n in range(12000)])
    terminal = refuse(tmp_path, config={"input": "in", "jobs_dir": str(small_disk), "job": "full"})
    assert "ERROR disk full while writing" in terminal
    assert list((small_disk / "full").glob("*_results.*")) == []
