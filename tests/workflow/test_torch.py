"""From a CRTDL document to the results, by one command, with a double of TORCH."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from doubles.torch.double import Scenario, TorchDouble
from workflow.conftest import KEY, ROOT, read_lines, run_snakemake, status_of
from workflow.extractions import (
    BASIC,
    ENV,
    EXAMPLE,
    PASSWORD,
    Watched,
    asked,
    config,
    entries,
    make_cohort,
    planted,
    result,
)
from workflow.test_status import files_with

IDENTIFYING = (
    "torch",
    "download",
    "inventory",
    "import",
    "split",
    "gather",
    "mappings",
    "import_results.ndjson",
)


@dataclass(frozen=True)
class Done:
    """A finished run. folder: where it ran; run: what was seen of it."""

    folder: Path
    torch: TorchDouble
    run: Watched
    data: Path

    @property
    def job(self) -> Path:
        return self.folder / "jobs/study"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """20 patients and one Bundle without an entry, in 3 files; each has several shards."""
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("run")
    shutil.copy(EXAMPLE, folder / "cohort.json")
    states = Scenario(pending=2, cohort=5, batches=30, core=5)
    with TorchDouble(
        make_cohort(data, 20), batch_size=7, empty_patients=1, basic=BASIC, states=states
    ) as torch:
        run = Watched(folder, "study", config=config(torch, source="cohort.json", shard_mb=0.1), env=ENV)
        assert run.result.returncode == 0, run.result.stdout
        assert "Traceback" not in run.result.stdout
        yield Done(folder, torch, run, data)


def test_one_extraction_and_each_file_once(done: Done) -> None:
    (job,) = done.torch.jobs
    assert done.torch.kickoffs == 1
    files = [one.path.rpartition("/")[2] for one in asked(done.torch, "files")]
    assert sorted(files) == sorted(done.torch.expected(job.id))
    assert all(one.authorized for one in done.torch.requests)


def test_core_first_then_the_files_by_name_and_no_line_is_lost(done: Done) -> None:
    (job,) = done.torch.jobs
    expected = done.torch.expected(job.id)
    assert len(expected) == 4 and sum(expected.values()) == 22
    facts = json.loads((done.job / "import_results.json").read_text())
    assert [source["source"] for source in facts["sources"]] == [
        "core",
        *sorted(name.removesuffix(".ndjson") for name in expected if name != "core.ndjson"),
    ]
    assert facts["empty_bundles"] == 1 and facts["rejected"] == 0
    for source in facts["sources"]:
        assert source["lines"] + source["empty_bundles"] == expected[f"{source['source']}.ndjson"]
    assert sum(source["empty_bundles"] for source in facts["sources"]) == 1
    core = json.loads((done.torch.job_folder(job.id) / "core.ndjson").read_bytes())
    first = json.loads(result(done.folder, step="import").splitlines()[0])
    assert first["id"] == core["id"]
    assert len(result(done.folder).splitlines()) == len(result(done.folder, step="import").splitlines()) == 21


def test_resources_are_those_of_torch_without_provenance(done: Done) -> None:
    (job,) = done.torch.jobs
    sent = entries(
        [
            line
            for name in done.torch.expected(job.id)
            for line in (done.torch.job_folder(job.id) / name).read_bytes().splitlines()
        ]
    )
    provenance = sent.pop("Provenance")
    assert sent["Patient"] == 20 and provenance > 0
    assert entries(result(done.folder, step="import").splitlines()) == sent
    assert entries(result(done.folder).splitlines()) == sent
    assert json.loads((done.job / "import_results.json").read_text())["dropped"] == {"Provenance": provenance}


def test_files_were_cut_into_shards(done: Done) -> None:
    shards = [len([*folder.glob("*.ndjson")]) for folder in (done.job / "dimp").iterdir()]
    assert sorted(shards)[:1] == [1] and min(sorted(shards)[1:]) >= 2


def test_the_status_keeps_to_its_schema_and_shows_progress(done: Done) -> None:
    schema = Draft202012Validator(json.loads((ROOT / "schemas/status.schema.json").read_text()))
    statuses = done.run.statuses
    for status in statuses:
        schema.validate(status)
    assert [status["state"] for status in statuses[:-1]] == ["running"] * (len(statuses) - 1)
    (job,) = done.torch.jobs
    shown = [status["steps"]["extract"] for status in statuses if status["steps"]["extract"].get("progress")]
    assert {step["torch_job"] for step in shown} == {job.id}
    under_way = [step for step in shown if step["done"] == 0]
    assert under_way and all(step["total"] == 1 for step in under_way)
    assert any(step["progress"].startswith("Processing batches (") for step in under_way)
    assert (shown[-1]["patients"], shown[-1]["batches"], shown[-1]["batches_done"]) == (21, 3, 3)
    last = statuses[-1]
    assert (last["state"], last["errors"]) == ("completed", [])
    assert last["steps"]["download"]["done"] == last["steps"]["download"]["total"] == 4
    fetched = (done.torch.job_folder(job.id) / name for name in done.torch.expected(job.id))
    assert last["steps"]["download"]["bytes"] == sum(path.stat().st_size for path in fetched)
    assert last["steps"]["dimp"]["lines"] == 21
    assert last["steps"]["extract"]["started"] <= last["steps"]["extract"]["finished"]


def test_the_terminal_tells_what_torch_does(done: Done) -> None:
    (job,) = done.torch.jobs
    terminal = done.run.result.stdout
    assert f"TORCH: job {job.id} is started" in terminal
    assert "TORCH: Getting cohort" in terminal and "TORCH: Processing core resources" in terminal
    assert f"TORCH: job {job.id} is completed, 4 files" in terminal
    assert "jobs/study/status.json says how far it is" in terminal


@pytest.mark.parametrize("zone", ["torch", "download", "inventory", "import", "split"])
def test_who_may_read(done: Done, zone: str) -> None:
    for folder, _, files in os.walk(done.job / zone):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name
    assert stat.S_IMODE((done.job / "import_results.ndjson").stat().st_mode) == 0o600


def test_nothing_that_names_people_leaves_its_zone_and_no_secret_is_anywhere(done: Done) -> None:
    report = run_snakemake(
        done.folder,
        "--report",
        "report.html",
        config=config(done.torch, source="cohort.json", shard_mb=0.1),
        env=ENV,
    )
    assert report.returncode == 0, report.stdout
    for secret in (PASSWORD, KEY):
        assert files_with(done.folder, secret) == []
        assert secret not in done.run.result.stdout + report.stdout
    names = sorted(planted(done.data))
    assert len(names) > 100
    texts = {"terminal": (done.run.result.stdout + report.stdout).encode()}
    for path in done.folder.rglob("*"):
        if path.is_file() and not (
            path.is_relative_to(done.job) and path.relative_to(done.job).parts[0] in IDENTIFYING
        ):
            texts[str(path.relative_to(done.folder))] = path.read_bytes()
    assert {"report.html", "jobs/study/status.json", "jobs/study/dimp_results.ndjson"} <= texts.keys()
    assert any(name.startswith(".snakemake/metadata/") for name in texts)
    assert any(name.startswith("jobs/study/logs/download_") for name in texts)
    assert {name: [one for one in names if one.encode() in text] for name, text in texts.items()} == {
        name: [] for name in texts
    }
    everything = b"".join(path.read_bytes() for path in (done.job / "import").glob("*.ndjson"))
    assert sum(one.encode() in everything for one in names) > len(names) / 2


def test_results_are_sound(done: Done) -> None:
    """References of the de-identified data still lead to the patient of the same Bundle."""
    bundles = read_lines(done.job / "dimp_results.ndjson")[1:]
    for bundle in bundles:
        resources = [entry["resource"] for entry in bundle["entry"]]
        (patient,) = [one for one in resources if one["resourceType"] == "Patient"]
        subjects = {one["subject"]["reference"] for one in resources if "subject" in one}
        assert subjects == {f"Patient/{patient['id']}"}
    assert status_of(done.folder, "study")["state"] == "completed"
