"""The main job from end to end: which files there are, who may read them, what is in them."""

import gzip
import json
import os
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
import zstandard
from jsonschema import Draft202012Validator

from workflow.conftest import (
    ROOT,
    bundle,
    jobs_of,
    observation,
    patient,
    read_lines,
    run_snakemake,
    status_of,
    succeed,
    write_lines,
)

CONFIG = {"input": "input", "job": "study"}


@pytest.fixture(scope="module")
def job(place: Path) -> Path:
    """The folder of a job over input of every kind."""
    data = place / "input"
    write_lines(data / "Patient.ndjson", [patient(n) for n in range(3)])
    write_lines(data / "core.ndjson", [{"resourceType": "Organization", "id": "org", "name": "Klinikum"}])
    write_lines(data / "torch_consent.ndjson", [{"resourceType": "Consent", "id": "c"}])
    lines = b"".join(orjson.dumps(observation(n, n)) + b"\r\n" for n in range(3))
    (data / "Observation.ndjson.gz").write_bytes(gzip.compress(lines))
    (data / "Bundles.NDJSON.zst").write_bytes(zstandard.compress(orjson.dumps(bundle(7, 4))))
    (data / "one.json").write_text(json.dumps(patient(8), indent=2), encoding="utf-8")
    result = run_snakemake(place, config=CONFIG)
    assert result.returncode == 0, result.stdout
    assert "torch_consent.ndjson: left out" in result.stdout
    return place / "jobs/study"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files(job: Path) -> None:
    assert names(job) == {
        "benchmarks",
        "dimp",
        "dimp_results.json",
        "dimp_results.ndjson",
        "import",
        "import_results.json",
        "import_results.ndjson",
        "gather",
        "inventory",
        "logs",
        "mappings",
        "report",
        "split",
        "status.json",
    }
    sources = {"Bundles", "Observation", "Patient", "core", "one"}
    assert names(job / "import") == {
        f"{source}.{ending}" for source in sources for ending in ("ndjson", "json")
    }
    assert names(job / "split") == names(job / "dimp") == sources
    assert names(job / "dimp/Patient") == {"001-of-001.ndjson", "001-of-001.json"}
    assert names(job / "inventory") == {"_all.json", *(f"{source}.json" for source in sources)}
    assert {
        "inventory.log",
        "import_Patient.log",
        "dimp_Patient.001-of-001.log",
        "results_dimp.log",
    } <= names(job / "logs")


def test_results_are_in_the_order_of_the_sources(job: Path) -> None:
    expected = ["Organization", "Bundle", *["Observation"] * 3, *["Patient"] * 4]
    assert [line["resourceType"] for line in read_lines(job / "import_results.ndjson")] == expected
    assert [line["resourceType"] for line in read_lines(job / "dimp_results.ndjson")] == expected


def test_the_import_passes_bytes_through(job: Path) -> None:
    assert (job / "import/Patient.ndjson").read_bytes() == (
        job.parents[1] / "input/Patient.ndjson"
    ).read_bytes()


def test_who_may_read(job: Path) -> None:
    for zone in ("inventory", "import", "split", "gather", "mappings"):
        for folder, _, files in os.walk(job / zone):
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
            for name in files:
                assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name
    assert stat.S_IMODE((job / "import_results.ndjson").stat().st_mode) == 0o600
    assert (job / "dimp_results.ndjson").stat().st_mode & stat.S_IRGRP


def test_names_are_gone_and_references_still_resolve(job: Path) -> None:
    text = (job / "dimp_results.ndjson").read_text(encoding="utf-8")
    assert "Müller" not in text and "Kanarie" not in text and "Änne" not in text and "pat-0" not in text
    lines = read_lines(job / "dimp_results.ndjson")
    patients = {line["id"] for line in lines if line["resourceType"] == "Patient"}
    subjects = {line["subject"]["reference"] for line in lines if line["resourceType"] == "Observation"}
    assert subjects == {f"Patient/{name}" for name in sorted(patients)} - {f"Patient/{lines[-1]['id']}"}


def test_side_files_keep_to_their_schema(job: Path) -> None:
    schema = yaml.safe_load((ROOT / "schemas/manifest.schema.yaml").read_text(encoding="utf-8"))
    for step, pattern in {
        "inventory": "inventory/[!_]*.json",
        "inventory_list": "inventory/_*.json",
        "import": "import/*.json",
        "split": "split/*/*.json",
        "dimp": "dimp/*/*.json",
        "results": "*_results.json",
    }.items():
        files = sorted(job.glob(pattern))
        assert files
        for path in files:
            content = json.loads(path.read_text(encoding="utf-8"))
            Draft202012Validator({**schema, "$ref": f"#/$defs/{step}"}).validate(content)


def test_counts_and_status(job: Path) -> None:
    facts: dict[str, Any] = json.loads((job / "dimp_results.json").read_text(encoding="utf-8"))
    assert (facts["lines"], facts["rejected"]) == (9, 0)
    assert facts["resources"] == {"Bundle": 1, "Observation": 3, "Organization": 1, "Patient": 4}
    assert [source["source"] for source in facts["sources"]] == [
        "core",
        "Bundles",
        "Observation",
        "Patient",
        "one",
    ]

    status = status_of(job.parents[1], "study")
    Draft202012Validator(json.loads((ROOT / "schemas/status.schema.json").read_text())).validate(status)
    assert (status["state"], status["errors"]) == ("completed", [])
    assert status["hashes"]["dimp_results"] == facts["sha256"]
    for step, items in {"inventory": 5, "import": 5, "split": 5, "dimp": 5, "results": 2}.items():
        assert status["steps"][step]["done"] == status["steps"][step]["total"] == items
        assert status["started"] <= status["steps"][step]["started"] <= status["steps"][step]["finished"]
    assert status["steps"]["dimp"]["lines"] == 9


def test_a_run_without_anything_to_do_leaves_the_status(job: Path) -> None:
    before = (job / "status.json").stat().st_mtime_ns
    for args in ((), ("--dry-run",), ("--dry-run", "--forceall")):
        succeed(job.parents[1], *args, config=CONFIG)
    assert (job / "status.json").stat().st_mtime_ns == before


def test_the_report_shows_counts_and_no_person(job: Path) -> None:
    folder = job.parents[1]
    result = run_snakemake(folder, "--report", "report.html", config=CONFIG)
    assert result.returncode == 0, result.stdout
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "2 What was done" in page and "what came in" in page and "what went out" in page
    assert "Kanarie" not in page and "pat-0" not in page
    for table in ("import", "dimp"):
        text = (job / f"report/{table}.html").read_text(encoding="utf-8")
        assert "Observation" in text and "Kanarie" not in text and "pat-0" not in text


def test_a_dry_run_makes_nothing(tmp_path: Path) -> None:
    write_lines(tmp_path / "in/Patient.ndjson", [patient(1)])
    result = run_snakemake(tmp_path, "--dry-run", config={"input": "in"})
    assert result.returncode == 0, result.stdout
    assert "import: Patient" in jobs_of(result)
    assert not (tmp_path / "jobs").exists()


def test_lint_needs_neither_data_nor_key(tmp_path: Path) -> None:
    result = run_snakemake(tmp_path, "--lint", env={"DIMP_CRYPTO_HASH_KEY": None})
    assert result.returncode == 0, result.stdout
    assert "Congratulations" in result.stdout


def test_the_linter_warns_when_a_workflow_starts(tmp_path: Path) -> None:
    write_lines(tmp_path / "in/Patient.ndjson", [patient(1)])
    (tmp_path / "rules.yaml").write_text(
        "fhirPathRules: [{path: HumanName.family, method: redact}, {path: Patient.name, method: keep}]\n"
    )
    config = {"input": "in", "services": {"dimp": {"anonymization_config": "rules.yaml"}}}
    result = run_snakemake(tmp_path, config=config)
    assert result.returncode == 0, result.stdout
    warnings = [line for line in result.stdout.splitlines() if "rules.yaml: " in line]
    assert [line.partition(": ")[2].partition("; ")[0] for line in warnings] == [
        "fhirVersion is missing",
        "rule 1 (HumanName.family): error never-matches: it can select nothing: HumanName is no resource type",
        "rule 2 (Patient.name): warning keeps-identifier: it keeps the whole node, so that this stays in clear: "
        "text, family, given, prefix, suffix, extension",
    ]  # once each, whatever the number of jobs
