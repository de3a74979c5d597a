"""What a second run does: content decides, not times, places or the number of cores."""

import os
import shutil
from pathlib import Path

import pytest

from workflow.conftest import KEY, ROOT, observation, patient, run_snakemake, succeed, write_lines

CONFIG: dict[str, object] = {"input": "in", "job": "study"}
MAPPING = "mapping: which pseudonym stands for which original"
RESULTS = [MAPPING, "results: dimp_results.ndjson", "results: import_results.ndjson"]
DIMP = ["dimp: Observation 001-of-001", "dimp: Patient 001-of-001", MAPPING, "results: dimp_results.ndjson"]


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    """A folder in which the job has run once."""
    write_lines(place / "in/Patient.ndjson", [patient(n) for n in range(5)])
    # Over 1 MB, so that Snakemake itself would not compare by content.
    write_lines(place / "in/Observation.ndjson", [observation(n) for n in range(6000)])
    assert (place / "in/Observation.ndjson").stat().st_size > 1 << 20
    shutil.copy(ROOT / "config/rulesets/default.yaml", place / "rules.yaml")
    succeed(place, config=CONFIG)
    return place


def result_of(folder: Path) -> bytes:
    return (folder / "jobs/study/dimp_results.ndjson").read_bytes()


def test_nothing_to_do_whatever_the_number_of_cores(folder: Path) -> None:
    result = run_snakemake(folder, "--cores", "1", config=CONFIG)
    assert "Nothing to be done" in result.stdout and result.returncode == 0


def test_touched_files_run_the_inventory_only(folder: Path) -> None:
    for path in (folder / "in").iterdir():
        os.utime(path)
    assert succeed(folder, config=CONFIG) == ["inventory"]
    assert succeed(folder, config=CONFIG) == []


def test_a_changed_file_runs_its_own_jobs_and_the_results(folder: Path) -> None:
    write_lines(folder / "in/Patient.ndjson", [patient(n) for n in range(6)])
    assert succeed(folder, config=CONFIG) == [
        "dimp: Patient 001-of-001",
        "import: Patient",
        "inventory",
        *RESULTS,
        "split: Patient 001-of-001",
    ]
    assert result_of(folder).count(b"\n") == 6006


def test_a_new_file_and_one_that_is_gone(folder: Path) -> None:
    write_lines(folder / "in/Zusatz.ndjson", [patient(99)])
    own = ["dimp: Zusatz 001-of-001", "import: Zusatz", "inventory", *RESULTS, "split: Zusatz 001-of-001"]
    assert succeed(folder, config=CONFIG) == own
    (folder / "in/Zusatz.ndjson").unlink()
    assert succeed(folder, config=CONFIG) == ["inventory", *RESULTS]
    assert result_of(folder).count(b"\n") == 6006


def test_a_rule_set_at_another_place_changes_nothing_and_its_content_does(folder: Path) -> None:
    config = {**CONFIG, "services": {"dimp": {"anonymization_config": "rules.yaml", "mode": "strict"}}}
    assert succeed(folder, config=config) == []
    with open(folder / "rules.yaml", "a", encoding="utf-8") as rules:
        rules.write("# a word more\n")
    assert succeed(folder, config=config) == DIMP
    assert succeed(folder, config=CONFIG) == DIMP


def test_another_key_makes_other_pseudonyms(folder: Path) -> None:
    before = result_of(folder)
    assert succeed(folder, config=CONFIG, env={"DIMP_CRYPTO_HASH_KEY": KEY[::-1]}) == DIMP
    assert result_of(folder) != before
    assert succeed(folder, config=CONFIG) == DIMP
    assert result_of(folder) == before


def test_shards_are_made_for_the_files_that_need_them(folder: Path) -> None:
    before = result_of(folder)
    jobs = succeed(folder, config={**CONFIG, "shard_mb": 0.7})
    assert jobs == [
        "dimp: Observation 001-of-002",
        "dimp: Observation 002-of-002",
        MAPPING,
        "results: dimp_results.ndjson",
        "split: Observation 001-of-002",
        "split: Observation 002-of-002",
    ]
    assert result_of(folder) == before
    assert succeed(folder, config=CONFIG) == [MAPPING, "results: dimp_results.ndjson"]


def test_settings_run_what_they_concern(folder: Path) -> None:
    labels = {"services": {"dimp": {"security_labels": False}}}
    assert succeed(folder, config={**CONFIG, **labels}) == DIMP
    threshold = {"services": {"dimp": {"bundle_split_threshold_mb": 20}}}
    jobs = run_snakemake(folder, "--dry-run", config={**CONFIG, **threshold}).stdout
    assert "split: Patient" in jobs and "import: Patient" not in jobs


def test_a_moved_input_with_the_same_content_runs_the_inventory_only(folder: Path) -> None:
    succeed(folder, config=CONFIG)
    before = result_of(folder)
    (folder / "in").rename(folder / "moved")
    for path in (folder / "moved").iterdir():
        os.utime(path)
    jobs = succeed(folder, config={**CONFIG, "input": "moved"})
    (folder / "moved").rename(folder / "in")
    assert jobs == ["inventory"]
    assert result_of(folder) == before


def test_an_older_file_in_place_of_a_newer_one_is_noticed(folder: Path) -> None:
    path = write_lines(folder / "in/Patient.ndjson", [patient(n) for n in range(3)])
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert "import: Patient" in succeed(folder, config=CONFIG)
    assert result_of(folder).count(b"\n") == 6003


def test_of_many_small_files_the_bucket_of_the_changed_one_runs(tmp_path: Path) -> None:
    for n in range(20):
        write_lines(tmp_path / f"in/small{n}.ndjson", [patient(n)])
    first = succeed(tmp_path, config=CONFIG)
    buckets = {job.partition(": ")[2] for job in first if job.startswith("import: ")}
    assert len(buckets) == 2
    write_lines(tmp_path / "in/small7.ndjson", [patient(7), patient(70)])
    jobs = succeed(tmp_path, config=CONFIG)
    (changed,) = [job.partition(": ")[2] for job in jobs if job.startswith("import: ")]
    assert changed in buckets
    assert jobs == [f"dimp: {changed}", f"import: {changed}", "inventory", *RESULTS, f"split: {changed}"]
    assert result_of(tmp_path).count(b"\n") == 21
    (tmp_path / "in/small7.ndjson").unlink()
    succeed(tmp_path, config=CONFIG)
    assert result_of(tmp_path).count(b"\n") == 19
    assert succeed(tmp_path, config=CONFIG) == []


def test_a_changed_file_is_noticed_without_the_memory_of_snakemake(folder: Path) -> None:
    succeed(folder, config=CONFIG)
    shutil.rmtree(folder / ".snakemake")
    write_lines(folder / "in/Patient.ndjson", [patient(n) for n in range(9)])
    assert "import: Patient" in succeed(folder, config=CONFIG)
    assert result_of(folder).count(b"\n") == 6009
