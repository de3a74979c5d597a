"""The workflow with a DIMP service in place of the embedded engine."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.dimp import DimpDouble, Fault
from workflow.conftest import (
    ROOT,
    bundle,
    observation,
    patient,
    read_lines,
    run_snakemake,
    status_of,
    succeed,
    write_lines,
)
from workflow.test_status import files_with

RULES = ROOT / "tests" / "rulesets" / "mii-like.yaml"
PASSWORD = "kestrel 57: umbra"
DIMP = [
    "dimp: Bundles 001-of-001",
    "dimp: Observation 001-of-001",
    "dimp: Patient 001-of-001",
    "results: dimp_results.ndjson",
]


def config(url: str, job: str = "remote", **dimp: Any) -> dict[str, Any]:
    """A remote run, with quick retries."""
    auth = {"username": "u", "password": "${DIMP_PASSWORD}"}
    return {
        "input": "in",
        "job": job,
        "services": {"dimp": {"url": url, "auth": auth, **dimp}},
        "retry": {"max_attempts": 3, "initial_backoff_ms": 1, "max_backoff_ms": 5},
    }


def results(folder: Path, job: str = "remote") -> list[Any]:
    return read_lines(folder / "jobs" / job / "dimp_results.ndjson")


ENV = {"DIMP_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def double() -> Iterator[DimpDouble]:
    with DimpDouble(RULES, basic=("u", PASSWORD), latency=0.002) as double:
        yield double


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, double: DimpDouble) -> Path:
    """With a job of the embedded engine, and one of the service."""
    folder = tmp_path_factory.mktemp("remote")
    write_lines(folder / "in/Bundles.ndjson", [bundle(n, 5) for n in range(3)])
    write_lines(folder / "in/Observation.ndjson", [observation(n, n % 30) for n in range(300)])
    write_lines(folder / "in/Patient.ndjson", [patient(n) for n in range(30)])
    embedded = {"input": "in", "job": "embedded", "services": {"dimp": {"anonymization_config": str(RULES)}}}
    assert set(DIMP) <= set(succeed(folder, config=embedded))
    assert set(DIMP) <= set(succeed(folder, "--cores", "4", config=config(double.url), env=ENV))
    return folder


def test_the_same_results_as_the_engine(folder: Path, double: DimpDouble) -> None:
    assert results(folder) == results(folder, "embedded")
    before = len(double.posts)
    assert before >= 333  # each alone: whose rule set it is nobody here knows
    along = config(double.url, "along", anonymization_config=str(RULES))
    result = run_snakemake(folder, config=along, env=ENV)
    assert result.returncode == 0, result.stdout
    assert f"{RULES}: " in result.stdout and " warning " in result.stdout  # the linter's
    assert results(folder, "along") == results(folder, "embedded")
    assert len(double.posts) - before < 20  # 200 to a request, but for Bundles
    assert status_of(folder, "along")["state"] == "completed"
    report = json.loads((folder / "jobs/along/dimp_results.json").read_text())
    assert report["lines"] == 333 and report["rules"] == []


def test_what_runs_again(folder: Path, double: DimpDouble) -> None:
    assert succeed(folder, config=config(double.url), env=ENV) == []
    other_ways = {
        "max_concurrent_requests": 2,
        "max_connections": 2,
        "pack": "never",
        "read_timeout_seconds": 20,
    }
    assert succeed(folder, config=config(double.url, **other_ways), env=ENV) == []
    assert succeed(folder, config=config(double.url + "/fhir/"), env=ENV) == DIMP


def test_the_jobs_of_a_run_share_the_connections(tmp_path: Path) -> None:
    for name in "abcdef":
        write_lines(tmp_path / f"in/{name}.ndjson", [patient(n) for n in range(40)])
    with DimpDouble(RULES, latency=0.01) as double:
        plain = {
            "input": "in",
            "job": "remote",
            "services": {"dimp": {"url": double.url, "max_concurrent_requests": 2, "max_connections": 3}},
        }
        succeed(tmp_path, "--cores", "6", config=plain)
        assert double.peak == 2  # a second job would have had two more
        dimp = {"url": double.url, "max_concurrent_requests": 2, "max_connections": 8}
        double.peak = 0
        jobs = succeed(
            tmp_path, "--cores", "6", "--forcerun", "dimp", config={**plain, "services": {"dimp": dimp}}
        )
        assert len([job for job in jobs if job.startswith("dimp: ")]) == 6
        assert 2 < double.peak <= 8


def test_a_service_that_is_not_there_is_told_before_any_job(folder: Path) -> None:
    with DimpDouble(RULES) as double:
        url = double.url
    result = run_snakemake(folder, config=config(url, "nowhere"), env=ENV)
    assert result.returncode != 0
    assert (
        f"services.dimp.url: DIMP service unavailable: cannot connect: connection refused ({url}); start it"
        in result.stdout
    )
    assert not (folder / "jobs/nowhere").exists() and "Traceback" not in result.stdout


@pytest.mark.parametrize(
    ("url", "env", "message"),
    [
        ("", {"DIMP_PASSWORD": "wrong"}, r"services\.dimp\.url: DIMP service unavailable: it refuses these credentials \(status 401\)"),
        ("/elsewhere", ENV, r"unavailable: status 404 for /fhir/metadata; is http://127\.0\.0\.1:\d+ a FHIR Pseudonymizer"),
        ("", {}, r"services\.dimp\.auth\.password: the environment variable DIMP_PASSWORD is not set"),
    ],
)  # fmt: skip
def test_other_words_before_any_job(
    folder: Path, double: DimpDouble, url: str, env: dict[str, str], message: str
) -> None:
    result = run_snakemake(folder, config=config(double.url + url, "refused"), env=env)
    assert result.returncode != 0 and re.search(message, result.stdout), result.stdout
    assert not (folder / "jobs/refused").exists() and "wrong" not in result.stdout


def test_a_service_that_would_overlook_the_rule_set(folder: Path) -> None:
    with DimpDouble(RULES, own_rules_only=True) as double:
        along = config(double.url, "old", anonymization_config=str(RULES))
        result = run_snakemake(folder, config=along, env=ENV)
        assert result.returncode != 0
        assert (
            "services.dimp.anonymization_config: " in result.stdout
            and "version 2.34 or later does" in result.stdout
        )
        assert [seen.resource_type for seen in double.posts] == ["Basic"] and not (
            folder / "jobs/old"
        ).exists()


def test_a_failure_is_told_and_a_rerun_completes(folder: Path) -> None:
    failing = [Fault("503", at=range(40, 10**6))]
    with DimpDouble(RULES, faults=failing, latency=0.001) as double:
        url = double.url
        result = run_snakemake(folder, config=config(url, "failing"), env=ENV)
        assert result.returncode != 0
        assert (
            "failing failed: " in result.stdout
            and "DIMP service unavailable: status 503 (tried 3 times)" in result.stdout
        )
        assert "Kanarie" not in result.stdout
        assert status_of(folder, "failing")["state"] == "failed"
        assert not (folder / "jobs/failing/dimp_results.ndjson").exists()
        port = double.port
    with DimpDouble(RULES, port=port) as double:
        succeed(folder, config=config(url, "failing"), env=ENV)
        assert len(double.posts) < 333  # what was answered is not asked again
    assert results(folder, "failing") == results(folder)


def test_nothing_of_what_the_service_says_is_in_any_file(folder: Path) -> None:
    """Its diagnostics hold a stack trace and content of the resource."""
    with DimpDouble(RULES, faults=[Fault("500", containing=b'"pat-7"')]) as double:
        result = run_snakemake(folder, config=config(double.url, "fault"), env=ENV)
    assert (
        result.returncode != 0 and "the service fails on it (status 500); its log says why" in result.stdout
    )
    assert "pat-7" not in result.stdout and "Kanarie" not in result.stdout
    zone = [folder / "jobs/fault" / name for name in ("logs", "status.json", "dimp")] + [
        folder / ".snakemake"
    ]
    files = [
        path for place in zone for path in (place.rglob("*") if place.is_dir() else [place]) if path.is_file()
    ]
    assert any(path.suffix == ".journal" for path in files) and any(path.suffix == ".log" for path in files)
    assert not [path for path in files if b"pat-7" in path.read_bytes() or b"   at " in path.read_bytes()]


def test_no_credential_is_in_any_file(folder: Path, double: DimpDouble) -> None:
    assert list((folder / ".snakemake").rglob("*")) and "embedded" in [
        path.name for path in (folder / "jobs").iterdir()
    ]
    assert files_with(folder, PASSWORD) == []
    report = run_snakemake(folder, "--report", "report.html", config=config(double.url + "/fhir/"), env=ENV)
    assert report.returncode == 0, report.stdout
    assert (folder / "report.html").stat().st_size > 100_000 and files_with(folder, PASSWORD) == []
