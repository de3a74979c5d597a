"""The Snakefile is read again by every job, on a cluster on another machine: that alone must neither send nor say anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.torch.double import TorchDouble
from workflow.conftest import run_snakemake, succeed
from workflow.extractions import BASIC, ENV, EXAMPLE, asked, config, make_cohort, result, status_address
from workflow.test_status import files_with

SHARD = "source=core,shard=001-of-001"


@pytest.fixture(scope="module")
def torch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TorchDouble]:
    with TorchDouble(make_cohort(tmp_path_factory.mktemp("data"), 3), basic=BASIC) as torch:
        yield torch


@pytest.fixture(scope="module")
def folder(torch: TorchDouble, place: Path) -> Path:
    """Where it has run once."""
    succeed(place, config=config(torch), env=ENV)
    return place


def test_only_the_jobs_whose_business_it_is_ask(torch: TorchDouble, folder: Path) -> None:
    """There were a dozen jobs in the run."""
    api = [
        (one.method, one.path.partition("?")[0].removesuffix(torch.jobs[0].id)) for one in asked(torch, "api")
    ]
    assert api.count(("GET", "/fhir/metadata")) == 1
    assert api.count(("GET", "/fhir/Task")) == 1
    assert api.count(("POST", "/fhir/$extract-data")) == 1
    looks = api.count(("GET", "/fhir/__status/"))
    assert api.count(("GET", "/fhir/Task/")) == looks  # the last one for the audit of consents
    assert len(api) == 3 + 2 * looks
    assert len(asked(torch, "files")) == 2


@pytest.mark.parametrize(
    ("job", "requests"),
    [
        ("extract:", ["/fhir/Task/"]),
        ("download:file=core.ndjson", ["/core.ndjson"]),
        ("inventory:", []),
        ("import:source=core", []),
        (f"split:{SHARD}", []),
        (f"dimp:{SHARD}", []),
        ("results_dimp:", []),
    ],
)
def test_a_job_on_another_machine(torch: TorchDouble, folder: Path, job: str, requests: list[str]) -> None:
    """As the executors for clusters start it."""
    before, bytes_before = len(torch.requests), result(folder)
    run = run_snakemake(
        folder,
        *("--mode", "remote", "--executor", "local", "--target-jobs", job, "--force", "--nolock"),
        *("--allowed-rules", job.partition(":")[0], "--wait-for-files-file", "/dev/null"),
        config=config(torch),
        env=ENV,
    )
    assert run.returncode == 0, run.stdout
    assert "1 of 1 steps (100%) done" in run.stdout and "warning no-identifier" not in run.stdout
    sent = torch.requests[before:]
    assert [one.method for one in sent] == ["GET"] * len(requests)
    assert all(part in one.path for part, one in zip(requests, sent, strict=True))
    assert result(folder) == bytes_before
    assert files_with(folder, BASIC[1]) == []


@pytest.mark.parametrize("kind", ["document", "job", "web", "signed"])
def test_the_workflow_is_clean_for_snakemake_lint(
    torch: TorchDouble, folder: Path, tmp_path: Path, kind: str
) -> None:
    """On a machine without a key."""
    before = len(torch.requests)
    keys: dict[str, Any] = {
        "document": config(torch, source=EXAMPLE, delete_after_import=True, keep_shards=False),
        "job": config(torch, source=status_address(torch)),
        "web": {"input": ["https://files.example/a.ndjson", "https://files.example/b.ndjson.gz"]},
        "signed": {"input": "${SIGNED}", "keep_shards": False},
    }[kind]
    env = {**ENV, "SIGNED": "https://files.example/a.ndjson?sig=x", "DIMP_CRYPTO_HASH_KEY": None}
    run = run_snakemake(tmp_path, "--lint", config=keys, env=env)
    assert run.returncode == 0 and "good condition" in run.stdout, run.stdout
    assert len(torch.requests) == before and not (tmp_path / "jobs").exists()
