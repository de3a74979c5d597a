"""What a second run does after an extraction: TORCH is asked for nothing twice, content decides what runs again."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.torch.double import TorchDouble
from workflow.conftest import ROOT, run_snakemake, status_of, succeed
from workflow.extractions import (
    BASIC,
    ENV,
    EXAMPLE,
    asked,
    config,
    entries,
    make_cohort,
    result,
    status_address,
)

RESULTS = ["mapping", "results: dimp_results.ndjson", "results: import_results.ndjson"]


class Study:
    """One job in one folder, which the tests of this file run again and again."""

    def __init__(self, folder: Path, torch: TorchDouble) -> None:
        self.folder = folder
        self.torch = torch
        self.job = folder / "jobs/study"
        self.keys: dict[str, Any] = {"source": "cohort.json", "rules": "rules.yaml"}

    def run(self, **keys: Any) -> list[str]:
        """The kinds of jobs that ran, each once, in order; with the number of downloads."""
        jobs = succeed(self.folder, config=config(self.torch, **{**self.keys, **keys}), env=ENV)
        return sorted({job.partition(":")[0] if "results:" not in job else job for job in jobs})

    @property
    def fetched(self) -> int:
        """Requests for files so far."""
        return len(asked(self.torch, "files"))


def other_document(folder: Path) -> str:
    """A CRTDL document of other content."""
    document = json.loads(EXAMPLE.read_bytes())
    document["display"] = "Another one"
    (folder / "other.json").write_text(json.dumps(document), encoding="utf-8")
    return "other.json"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """6 patients in 2 files, extracted and de-identified."""
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("run")
    shutil.copy(EXAMPLE, folder / "cohort.json")
    shutil.copy(ROOT / "config/rulesets/default.yaml", folder / "rules.yaml")
    with TorchDouble(make_cohort(data, 6), batch_size=3, basic=BASIC) as torch:
        study = Study(folder, torch)
        assert study.run() == ["dimp", "download", "extract", "import", "inventory", *RESULTS, "split"]
        yield study


def test_nothing_to_do_asks_for_nothing(study: Study) -> None:
    before = len(study.torch.requests)
    assert study.run() == []
    assert len(study.torch.requests) == before


def test_a_touched_document_extracts_nothing_anew(study: Study) -> None:
    before = len(study.torch.requests)
    os.utime(study.folder / "cohort.json")
    assert study.run() in ([], ["extract"])
    assert study.run() == []
    assert study.torch.kickoffs == 1
    assert [one.method for one in study.torch.requests[before:]] in ([], ["GET"])  # for the audit of consents


def test_a_changed_document_is_refused_as_long_as_the_folder_holds_the_old_job(study: Study) -> None:
    keys = {**study.keys, "source": other_document(study.folder)}
    before = result(study.folder)
    refused = run_snakemake(study.folder, config=config(study.torch, **keys), env=ENV)
    assert refused.returncode != 0
    assert "was started with another CRTDL document or other patients" in refused.stdout
    assert "job=" in refused.stdout and study.torch.kickoffs == 1
    assert result(study.folder) == before
    assert study.run() in ([], ["extract"])


def test_a_changed_rule_set_runs_dimp_only(study: Study) -> None:
    fetched = study.fetched
    with open(study.folder / "rules.yaml", "a", encoding="utf-8") as rules:
        rules.write("# a word more\n")
    assert study.run() == ["dimp", "mapping", "results: dimp_results.ndjson"]
    assert study.fetched == fetched


def test_shards_change_the_work_and_not_the_bytes(study: Study) -> None:
    before, fetched = result(study.folder), study.fetched
    assert study.run(shard_mb=0.03) == ["dimp", "mapping", "results: dimp_results.ndjson", "split"]
    assert max(len([*folder.glob("*-of-*.ndjson")]) for folder in (study.job / "split").iterdir()) > 2
    assert (result(study.folder), study.fetched) == (before, fetched)
    assert study.run() == ["mapping", "results: dimp_results.ndjson"]


def test_without_kept_shards_the_downloads_go_and_come_again_when_needed(study: Study) -> None:
    """Both settings of on_invalid make the same of sound data, so the import runs again and nothing behind it changes."""
    quarantine = {"on_invalid": "quarantine"}
    before = result(study.folder)
    assert "import" in study.run(keep_shards=False, import_=quarantine)
    assert [*(study.job / "download").glob("*.ndjson")] == []
    assert len([*(study.job / "download/facts").glob("*.json")]) == 3
    fetched = study.fetched
    assert study.run(keep_shards=False, import_=quarantine) == []
    assert study.fetched == fetched

    assert {"download", "import"} <= set(study.run())
    assert study.fetched == fetched + 3
    assert len([*(study.job / "download").glob("*.ndjson")]) == 3
    assert study.run() == []
    assert result(study.folder) == before and study.torch.kickoffs == 1


def test_a_removed_download_comes_again_when_needed(study: Study) -> None:
    study.run()
    fetched = study.fetched
    (study.job / "download/core.ndjson").unlink()
    assert "import" in study.run(import_={"on_invalid": "quarantine"})
    assert study.fetched == fetched + 1 and (study.job / "download/core.ndjson").exists()
    assert study.run(import_={"on_invalid": "quarantine"}) == []


def test_provenance_is_dropped_or_pseudonymised(study: Study) -> None:
    study.run()
    (job,) = study.torch.jobs
    lines = [
        line
        for name in study.torch.expected(job.id)
        for line in (study.torch.job_folder(job.id) / name).read_bytes().splitlines()
    ]
    sent = entries(lines)
    assert "Provenance" not in entries(result(study.folder).splitlines())
    fetched = study.fetched
    jobs = study.run(provenance="pseudonymize")
    assert {"dimp", "import"} <= set(jobs) and not {"extract", "download"} & set(jobs)
    assert study.fetched == fetched
    found = result(study.folder).splitlines()
    assert entries(found) == sent and sent["Provenance"] > 0
    named = {
        target["reference"]
        for line in lines
        for entry in json.loads(line)["entry"]
        for target in entry["resource"].get("target", ())
    }
    assert named and not [one for one in named if one.encode() in b"".join(found)]
    assert job.id.encode() not in b"".join(found)


def test_a_job_given_by_its_address_on_one_core_makes_the_same_bytes(study: Study) -> None:
    study.run()
    keys = config(study.torch, job="again", source=status_address(study.torch), rules="rules.yaml")
    jobs = succeed(study.folder, "--cores", "1", config=keys, env=ENV)
    assert any(job.startswith("extract: ") for job in jobs) and study.torch.kickoffs == 1
    for step in ("import", "dimp"):
        assert result(study.folder, "again", step) == result(study.folder, "study", step)


def test_the_job_is_deleted_at_torch_after_the_import(study: Study) -> None:
    study.run()
    fetched = study.fetched
    assert study.run(delete_after_import=True) == ["delete_extraction"]
    assert study.torch.jobs[0].status == "DELETED"
    (request,) = asked(study.torch, "api", "DELETE")
    assert study.torch.requests.index(request) > max(
        n for n, one in enumerate(study.torch.requests) if one.listener == "files"
    )
    assert study.run(delete_after_import=True) == []
    assert study.run() == []
    assert (study.fetched, study.torch.kickoffs) == (fetched, 1)
    assert len(asked(study.torch, "api", "DELETE")) == 1
    assert status_of(study.folder, "study")["state"] == "completed"


def test_another_extraction_replaces_the_files_of_the_first_one(study: Study) -> None:
    """Also core.ndjson, which has the same name in each job."""
    study.run()
    (study.job / "torch/handle.json").unlink()
    study.keys["source"] = other_document(study.folder)
    fetched = study.fetched
    assert study.run() == ["dimp", "download", "extract", "import", "inventory", *RESULTS, "split"]
    assert (study.fetched, study.torch.kickoffs) == (fetched + 3, 2)
    job = study.torch.jobs[-1]
    expected = study.torch.expected(job.id)
    ids = {
        json.loads(line)["id"]
        for name in expected
        for line in (study.torch.job_folder(job.id) / name).read_bytes().splitlines()
    }
    assert {json.loads(line)["id"] for line in result(study.folder, step="import").splitlines()} == ids
    assert len(result(study.folder).splitlines()) == len(ids) == 7
    assert {path.name.removesuffix(".json") for path in (study.job / "torch/files").iterdir()} == set(
        expected
    )
    assert study.run() == []


def test_forced_jobs_fetch_again_and_extract_nothing_anew(study: Study) -> None:
    study.run()
    before, fetched, kickoffs = result(study.folder), study.fetched, study.torch.kickoffs
    jobs = succeed(study.folder, "--forceall", config=config(study.torch, **study.keys), env=ENV)
    assert any(job.startswith("extract: ") for job in jobs)
    assert (study.fetched, study.torch.kickoffs) == (fetched + 3, kickoffs)
    assert result(study.folder) == before
    assert study.run() == []
