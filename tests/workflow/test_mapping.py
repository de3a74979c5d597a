"""Runs whose pseudonyms stay: sequential ones, carried over, sealed, taken from another job."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import KEY, observation, patient, read_lines, run_snakemake, succeed, write_lines

SEQUENTIAL = {"pseudonyms": {"domains": [{"domain": "patient", "source": "sequential"}]}}


def people(folder: Path, numbers: range, name: str = "Patient") -> None:
    write_lines(folder / f"{name}.ndjson", map(patient, numbers))


def config(job: str, data: Path, **more: Any) -> dict[str, Any]:
    return {"job": job, "input": str(data), "services": SEQUENTIAL, **more}


def mapping(folder: Path, job: str) -> dict[str, str]:
    """Pseudonyms of patients by their originals."""
    lines = read_lines(folder / "jobs" / job / "mappings/mapping.ndjson")
    return {line["original"]: line["pseudonym"] for line in lines if line["domain"] == "patient"}


def names(folder: Path, job: str) -> list[str]:
    """The pseudonyms in the result, patient by patient."""
    lines = read_lines(folder / "jobs" / job / "dimp_results.ndjson")
    return [line["name"][0]["text"] for line in lines if line["resourceType"] == "Patient"]


def test_numbers_stay_and_only_what_is_new_is_worked_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    people(data, range(60))
    write_lines(data / "Observation.ndjson", (observation(n, n % 60) for n in range(100)))
    jobs = succeed(tmp_path, config=config("study", data))
    assert [job for job in jobs if job.startswith(("gather", "mapping"))] == [
        "gather: Observation 001-of-001",
        "gather: Patient 001-of-001",
        "mapping: which pseudonym stands for which original",
    ]
    steps = json.loads((tmp_path / "jobs/study/status.json").read_text())["steps"]
    assert {name: (steps[name]["done"], steps[name]["total"]) for name in ("gather", "mapping", "dimp")} == {
        "gather": (2, 2),
        "mapping": (1, 1),
        "dimp": (2, 2),
    }
    first, before = mapping(tmp_path, "study"), names(tmp_path, "study")
    assert sorted(first.values()) == [f"PT_{n:05}" for n in range(1, 61)] and set(before) == set(
        first.values()
    )
    assert "Nothing to be done" in run_snakemake(tmp_path, config=config("study", data)).stdout

    # of a list of numbers nothing tells from which job they are
    (tmp_path / "numbers.txt").write_text("PT_00007\n")
    listed = {"reason": "a trial of the way back", "input": "numbers.txt", "output": "back/list.ndjson"}
    result = run_snakemake(tmp_path, "reidentify", config=config("study", data, reidentify=listed))
    assert result.returncode and "which other jobs have too" in result.stdout
    release = json.loads((tmp_path / "jobs/study/dimp_results.json").read_text())["sha256"][:12]
    named = {**listed, "release": f"{release}"}
    result = run_snakemake(tmp_path, "reidentify", config=config("study", data, reidentify=named))
    assert result.returncode == 0, result.stdout
    (found,) = read_lines(tmp_path / "back/list.ndjson")
    assert first[found["original"]] == "PT_00007"

    people(data, range(60, 80), "Patient2")
    jobs = succeed(tmp_path, config=config("study", data))
    assert [job for job in jobs if job.startswith("dimp")] == ["dimp: Patient2 001-of-001"]
    later = mapping(tmp_path, "study")
    assert {one: later[one] for one in first} == first and len(set(later.values())) == 80
    assert names(tmp_path, "study")[:60] == before

    (data / "Patient2.ndjson").unlink()  # who is gone keeps the number
    succeed(tmp_path, config=config("study", data))
    assert mapping(tmp_path, "study") == later


def test_cores_and_order_of_files_change_nothing(tmp_path: Path) -> None:
    people(tmp_path / "a", range(90))
    for name, some in (("z", range(40)), ("m", range(40, 50)), ("b", range(50, 90))):
        people(tmp_path / "b", some, name)
    succeed(tmp_path, "--cores", "1", config=config("one", tmp_path / "a"))
    succeed(tmp_path, "--cores", "2", config=config("two", tmp_path / "b", shard_mb=0.01))
    assert mapping(tmp_path, "one") == mapping(tmp_path, "two")
    assert sorted(names(tmp_path, "one")) == sorted(names(tmp_path, "two"))


def test_small_files_that_share_a_job(tmp_path: Path) -> None:
    for n in range(20):
        people(tmp_path / "data", range(n * 3, n * 3 + 3), f"p{n:02}")
    succeed(tmp_path, config=config("study", tmp_path / "data"))
    first = mapping(tmp_path, "study")
    assert sorted(names(tmp_path, "study")) == sorted(first.values()) and len(first) == 60
    people(tmp_path / "data", range(60, 63), "p20")
    succeed(tmp_path, config=config("study", tmp_path / "data"))
    later = mapping(tmp_path, "study")
    assert {one: later[one] for one in first} == first
    assert sorted(names(tmp_path, "study")) == sorted(later.values()) and len(later) == 63
    # other data of the same people: no pseudonym changes, and it is worked on all the same
    for n in (3, 11, 19):
        changed = [{**patient(k), "gender": "other"} for k in range(n * 3, n * 3 + 3)]
        write_lines(tmp_path / "data" / f"p{n:02}.ndjson", changed)
    succeed(tmp_path, config=config("study", tmp_path / "data"))
    text = (tmp_path / "jobs/study/dimp_results.ndjson").read_text()
    assert text.count('"gender":"other"') == 9 and text.count("\n") == 63
    imported = (tmp_path / "jobs/study/import_results.ndjson").read_text()
    assert imported.count('"gender": "other"') == 9 and imported.count("\n") == 63


def test_keyed_pseudonyms_have_a_mapping_too_unless_it_is_not_wanted(tmp_path: Path) -> None:
    people(tmp_path / "data", range(5))
    keyed = {"input": str(tmp_path / "data")}
    succeed(tmp_path, config={**keyed, "job": "kept"})
    assert set(mapping(tmp_path, "kept")) == {f"pat-{n}" for n in range(5)}
    assert sorted(mapping(tmp_path, "kept").values()) == sorted(names(tmp_path, "kept"))
    jobs = succeed(tmp_path, config={**keyed, "job": "none", "mappings": {"keep": False}})
    assert not any(job.startswith("mapping") for job in jobs)
    assert not (tmp_path / "jobs/none/mappings").exists() and not (tmp_path / "jobs/none/gather").exists()
    assert names(tmp_path, "kept") == names(tmp_path, "none")


def test_another_key_sets_the_mapping_of_earlier_results_aside(tmp_path: Path) -> None:
    people(tmp_path / "data", range(5))
    keyed = {"input": str(tmp_path / "data"), "job": "study"}
    succeed(tmp_path, config=keyed)
    first, folder = mapping(tmp_path, "study"), tmp_path / "jobs/study/mappings"
    before = (folder / "mapping.ndjson").read_bytes()
    succeed(tmp_path, config=keyed, env={"DIMP_CRYPTO_HASH_KEY": "another-key-of-some-length"})
    assert (folder / "earlier-1-mapping.ndjson").read_bytes() == before
    later = mapping(tmp_path, "study")
    assert later.keys() == first.keys() and not set(later.values()) & set(first.values())
    assert sorted(later.values()) == sorted(names(tmp_path, "study"))


def test_pseudonyms_of_another_job(tmp_path: Path) -> None:
    people(tmp_path / "a", range(30))
    people(tmp_path / "b", range(20, 50))
    succeed(tmp_path, config=config("one", tmp_path / "a"))
    succeed(tmp_path, config=config("two", tmp_path / "b", mappings={"from": "jobs/one"}))
    one, two = mapping(tmp_path, "one"), mapping(tmp_path, "two")
    assert {name: two[name] for name in one} == one and len(two) == 50
    succeed(tmp_path, config=config("three", tmp_path / "b"))
    result = run_snakemake(tmp_path, config=config("three", tmp_path / "b", mappings={"from": "jobs/one"}))
    assert result.returncode and "cannot be used together" in result.stdout

    # the mapping of another job has the same numbers, for other people
    foreign = (tmp_path / "jobs/three/mappings/mapping.ndjson").read_bytes()
    (tmp_path / "jobs/one/mappings/mapping.ndjson").write_bytes(foreign)
    asked = config("one", tmp_path / "a", reidentify={"reason": "a trial of the way back"})
    result = run_snakemake(tmp_path, "reidentify", config=asked)
    assert (
        result.returncode
        and "the mapping names another resource than the hash of its id does" in result.stdout
    )
    assert not (tmp_path / "jobs/one/reidentified/originals.ndjson").exists()


@pytest.fixture(scope="module")
def recipient(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and private key of a trust centre."""
    folder = tmp_path_factory.mktemp("trust")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=trust"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def opened(path: Path, recipient: tuple[Path, Path]) -> bytes:
    certificate, key = recipient
    command = [
        "openssl",
        "cms",
        "-decrypt",
        "-inform",
        "DER",
        "-in",
        path,
        "-inkey",
        key,
        "-recip",
        certificate,
    ]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_a_sealed_mapping(tmp_path: Path, recipient: tuple[Path, Path]) -> None:
    certificate, key = recipient
    people(tmp_path / "data", range(30))
    mappings = {"recipient": str(certificate)}
    succeed(tmp_path, config=config("study", tmp_path / "data", mappings=mappings))
    folder = tmp_path / "jobs/study/mappings"
    sealed = folder / "mapping.ndjson.cms"
    first = [json.loads(line) for line in opened(sealed, recipient).splitlines()]
    assert len(first) == 30 and sealed.stat().st_mode & 0o777 == 0o600
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert not any(re.search(rb"pat-\d", path.read_bytes()) for path in found), found

    people(tmp_path / "data", range(30, 35), "more")
    result = run_snakemake(tmp_path, config=config("study", tmp_path / "data", mappings=mappings))
    assert result.returncode and "mappings.identity: missing" in result.stdout
    succeed(tmp_path, config=config("study", tmp_path / "data", mappings={**mappings, "identity": str(key)}))
    later = [json.loads(line) for line in opened(sealed, recipient).splitlines()]
    assert [entry for entry in later if entry in first] == first and len(later) == 35

    back = {"reidentify": {"reason": "a trial of the way back"}}
    asked = config("study", tmp_path / "data", mappings={**mappings, "identity": str(key)}, **back)
    result = run_snakemake(tmp_path, "reidentify", config=asked)
    assert result.returncode == 0, result.stdout
    lines = read_lines(tmp_path / "jobs/study/reidentified/originals.ndjson")
    assert {line["name"][0]["text"] for line in lines} == {f"pat-{n}" for n in range(35)}


def test_no_original_outside_the_zone_and_the_key_nowhere(tmp_path: Path) -> None:
    people(tmp_path / "data", range(25))
    succeed(tmp_path, config=config("study", tmp_path / "data"))
    reason = {"reason": "a trial of the way back"}
    back = run_snakemake(tmp_path, "reidentify", config=config("study", tmp_path / "data", reidentify=reason))
    assert back.returncode == 0, back.stdout
    assert (
        run_snakemake(
            tmp_path, "--report", "report.html", config=config("study", tmp_path / "data")
        ).returncode
        == 0
    )
    job = tmp_path / "jobs/study"
    zone = {job / name for name in ("inventory", "import", "split", "gather", "mappings", "reidentified")}
    zone |= {tmp_path / "data", job / "import_results.ndjson"}
    seen = 0
    for path in tmp_path.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        assert KEY.encode() not in content, path
        if not zone & {path, *path.parents}:
            seen += 1
            assert not re.search(rb"pat-\d|Kanarie|M\xc3\xbcller", content), path
        elif path.parts[-2] in ("mappings", "gather", "reidentified", "Patient", "slices"):
            assert path.stat().st_mode & 0o077 == 0, path
    assert seen > 20
    log = (job / "mappings/reidentifications.ndjson").read_text()
    assert "a trial of the way back" in log and not re.search(r"pat-\d|PT_", log)
