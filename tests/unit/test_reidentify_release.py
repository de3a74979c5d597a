"""Numbers are the same in every job: which result a list of them comes from must be said, or shown by the input."""

import hashlib
from pathlib import Path

import pytest

from dimpflow.layout import JobFolder
from dimpflow.ndjson import write_json
from dimpflow.pseudonyms.releases import RELEASES, note_release, numbered_of, releases_of
from reidentifying import RESOURCES, Case, case, refused

OURS, OTHER = "ab" * 32, "cd" * 32
NUMBERED = frozenset({"number"})


@pytest.fixture
def job(tmp_path: Path) -> Case:
    return case(tmp_path / "job", RESOURCES)


@pytest.fixture
def listed(job: Case) -> Path:
    """The pseudonym of a number, in a list."""
    path = job.folder / "numbers.txt"
    path.write_text(job.recorder.given["number", "4711"] + "\n", encoding="utf-8")
    return path


def test_a_list_needs_the_release(job: Case, listed: Path) -> None:
    known = {"input": listed, "numbered": NUMBERED, "releases": (OTHER, OURS)}
    message = refused(job, "release unknown", "reidentify.release, the first 12 characters", **known)
    assert "'number' are numbers" in message
    refused(job, "foreign mapping", "no result whose SHA-256 begins like that", **known, release="12" * 8)
    refused(job, "foreign mapping", "12 characters or more", **known, release=OURS[:11])
    assert job.run(**known, release=OURS[:12].upper()).values == 1
    assert job.output.read_bytes().count(b'"original":"4711"') == 1


def test_other_pseudonyms_need_none(job: Case, listed: Path) -> None:
    assert job.run(input=listed, numbered=frozenset({"another"})).values == 1


def test_a_result_of_the_job_shows_itself_and_a_part_of_one_does_not(job: Case) -> None:
    digest = hashlib.sha256(job.results.read_bytes()).hexdigest()
    refused(job, "release unknown", "are numbers", numbered=NUMBERED, releases=(OURS,))
    job.run(numbered=NUMBERED, releases=(OURS, digest))
    assert job.output.read_bytes() == job.originals.read_bytes()


def test_what_a_job_has_released(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    folder.path.mkdir()
    note_release(folder, [OURS])
    assert releases_of(folder) == [] and numbered_of(folder) == frozenset()  # it keeps no mapping
    write_json(folder.mapping("_all.json"), {"numbered": ["patient"]}, 0o600, dir_mode=0o700)
    for digests in ([OURS, OURS], [OTHER, OURS]):
        note_release(folder, digests)
    assert releases_of(folder) == [OURS, OTHER] and numbered_of(folder) == {"patient"}
    assert folder.mapping(RELEASES).stat().st_mode & 0o777 == 0o600
    write_json(folder.path / "dimp_results.json", {"sha256": "ef" * 32, "file_sha256": OURS})
    assert releases_of(folder)[2:] == ["ef" * 32, OURS]
