"""However the work is sliced, the result has the same bytes; and everything that a user can choose along the way."""

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import zstandard

from workflow.conftest import (
    ROOT,
    bundle,
    observation,
    patient,
    read_lines,
    run_snakemake,
    succeed,
    write_lines,
)


@pytest.fixture(scope="module")
def data(place: Path) -> Path:
    """Patients, a few Bundles over 1 MB, and more than 16 small files."""
    folder = place / "input"
    write_lines(folder / "Patient.ndjson", [patient(n) for n in range(400)])
    write_lines(folder / "torch.ndjson", [bundle(1, 4000), bundle(2, 3), bundle(3, 5000)])
    for n in range(18):
        write_lines(folder / f"small{n}.ndjson", [observation(n, n)])
    assert max(map(len, (folder / "torch.ndjson").read_bytes().splitlines())) > 1 << 20
    return folder


@pytest.fixture(scope="module")
def whole(place: Path, data: Path) -> bytes:
    """The result with one core and without cutting anything."""
    succeed(place, "--cores", "1", config={"input": str(data), "job": "whole"})
    return (place / "jobs/whole/dimp_results.ndjson").read_bytes()


def test_lines_in_are_lines_out(data: Path, whole: bytes) -> None:
    assert whole.count(b"\n") == 400 + 3 + 18
    assert b"Kanarie" not in whole


def test_small_files_share_jobs(place: Path, data: Path, whole: bytes) -> None:
    logs = {path.name for path in (place / "jobs/whole/logs").glob("import*")}
    assert len(logs) < 8 and any("-of-" in name for name in logs)


def test_many_shards_change_nothing(place: Path, data: Path, whole: bytes) -> None:
    succeed(place, config={"input": str(data), "job": "many", "shard_mb": 0.4})
    assert len(list((place / "jobs/many/split/torch").glob("*.ndjson"))) > 5
    assert (place / "jobs/many/dimp_results.ndjson").read_bytes() == whole


def test_cut_bundles_and_removed_shards_change_nothing(place: Path, data: Path, whole: bytes) -> None:
    config = {"input": str(data), "job": "cut", "keep_shards": False, "shard_mb": 1}
    config["services"] = {"dimp": {"bundle_split_threshold_mb": 1}}
    succeed(place, config=config)
    job = place / "jobs/cut"
    indices = [json.loads(path.read_text()) for path in (job / "split/torch").glob("*.json")]
    assert len(indices) > 1 and sum(len(index["chunks"]) for index in indices) == 2
    assert (job / "dimp_results.ndjson").read_bytes() == whole
    for step in ("split", "dimp"):  # the shards of sources that share a job stay
        assert {path.parent.name for path in (job / step).glob("*/*.ndjson")} == {
            "Patient",
            *(f"small{n}" for n in range(18)),
        }
    assert succeed(place, config=config) == []


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a job has run without compression."""
    folder = tmp_path_factory.mktemp("plain")
    write_lines(folder / "in/Patient.ndjson", [patient(n) for n in range(5)])
    succeed(folder, config={"input": "in", "job": "j"})
    return folder


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_compressed_results_hold_the_same(tmp_path: Path, plain: Path, form: str) -> None:
    folder = shutil.copytree(plain, tmp_path / "copy")
    job = folder / "jobs/j"
    before = {name: (job / f"{name}_results.ndjson").read_bytes() for name in ("import", "dimp")}
    compression = {"enabled": True, "format": form, "level": "fastest"}
    assert succeed(folder, config={"input": "in", "job": "j", "compression": compression}) == [
        "results: dimp_results.ndjson",
        "results: import_results.ndjson",
    ]
    for name, expected in before.items():
        packed = (job / f"{name}_results.ndjson.{form}").read_bytes()
        unpacked = (
            gzip.decompress(packed)
            if form == "gz"
            else zstandard.ZstdDecompressor().stream_reader(packed).read()
        )
        assert unpacked == expected
        facts = json.loads((job / f"{name}_results.json").read_text())
        assert facts["sha256"] == hashlib.sha256(expected).hexdigest()
        assert facts["file_sha256"] == hashlib.sha256(packed).hexdigest()
        assert not (job / f"{name}_results.ndjson").exists()  # it would look like a result of this run


def test_aethers_configuration_and_another_rule_set(tmp_path: Path) -> None:
    write_lines(tmp_path / "data/fhir/Patient.ndjson", [patient(1)])
    (tmp_path / "aether.yaml").write_text(
        """
services:
  torch:
    base_url: "https://torch.hospital.org"
    username: "researcher"
    password: "${TORCH_PASSWORD}"
  dimp:
    bundle_split_threshold_mb: 50
    anonymization_config: rules.yaml
  send: {send_as: s3_upload}
pipeline:
  enabled_steps: [torch, dimp]
retry: {max_attempts: 5, initial_backoff_ms: 1000, max_backoff_ms: 30000}
jobs_dir: "./out"
""",
        encoding="utf-8",
    )
    (tmp_path / "rules.yaml").write_text(
        "fhirVersion: R4\nfhirPathRules:\n  - {path: Patient.name, method: redact}\n", encoding="utf-8"
    )
    args = ("--configfile", tmp_path / "aether.yaml", "--directory", tmp_path)
    config = {"input": "data/fhir"}
    result = run_snakemake(
        ROOT, *args, config=config, env={"TORCH_PASSWORD": "x", "DIMP_CRYPTO_HASH_KEY": None}
    )
    assert result.returncode == 0, result.stdout
    assert "not performed by this workflow, so not looked at: services.send" in result.stdout
    (line,) = read_lines(tmp_path / "out/fhir/dimp_results.ndjson")
    assert "name" not in line and line["birthDate"] == patient(1)["birthDate"] and line["id"] == "pat-1"


def test_import_alone(tmp_path: Path) -> None:
    write_lines(tmp_path / "in/Patient.ndjson", [patient(1)])
    config = {"input": "in", "pipeline": {"enabled_steps": ["import"]}}
    result = run_snakemake(tmp_path, config=config, env={"DIMP_CRYPTO_HASH_KEY": None})
    assert result.returncode == 0, result.stdout
    job = tmp_path / "jobs/in"
    assert read_lines(job / "import_results.ndjson") == [patient(1)]
    assert not (job / "dimp_results.ndjson").exists() and not (job / "dimp").exists()
