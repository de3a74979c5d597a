"""The data of the first patients."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from dimpflow.errors import InputError
from dimpflow.layout import JobFolder
from dimpflow.sources import find_sources
from dimpflow.steps.sample import belongs, first_patients, take_sample


def patient(n: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": f"p{n}"}


def observation(n: int, of: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": f"o{n}", "subject": {"reference": of}}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [{"resource": one} for one in resources]}


def lines(*resources: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in resources)


def sampled(data: Path, most: int) -> dict[str, list[str]]:
    """Ids in each file of a sample."""
    folder = JobFolder(data.parent / "job")
    take_sample(find_sources([str(data)]).sources, most, folder)
    files = sorted(path for path in folder.download("x").parent.iterdir() if path.is_file())
    for path in files:
        facts = json.loads(folder.download_facts(path.name).read_bytes())
        assert facts["file"] == path.name and facts["bytes"] == path.stat().st_size
        assert path.stat().st_mode & 0o777 == 0o600
    return {
        path.name: [json.loads(line).get("id", "") for line in path.read_bytes().splitlines()]
        for path in files
    }


def test_patients_and_what_is_theirs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "Observation.ndjson").write_bytes(
        lines(
            *(observation(n, f"Patient/p{n}") for n in range(6)), observation(9, "http://x/fhir/Patient/p1")
        )
    )
    (data / "Organization.ndjson").write_bytes(lines({"resourceType": "Organization", "id": "org"}))
    (data / "Patient.ndjson.gz").write_bytes(gzip.compress(lines(*map(patient, range(6)))))
    assert sampled(data, 2) == {
        "Observation.ndjson": ["o0", "o1", "o9"],
        "Organization.ndjson": ["org"],
        "Patient.ndjson": ["p0", "p1"],
    }
    assert len(sampled(data, 100)["Patient.ndjson"]) == 6


def test_bundles_of_patients(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    core = {**bundle({"resourceType": "Medication", "id": "m"}), "id": "core"}
    people = [{**bundle(observation(n, f"Patient/p{n}"), patient(n)), "id": f"b{n}"} for n in range(4)]
    (data / "core.ndjson").write_bytes(lines(core))
    (data / "batch.ndjson").write_bytes(lines(*people))
    (data / "one.json").write_text(json.dumps(people[3], indent=2))
    found = first_patients(find_sources([str(data)]).sources, 3)
    assert found == {"p0", "p1", "p2"}
    folder = JobFolder(tmp_path / "job")
    take_sample(find_sources([str(data)]).sources, 3, folder)
    assert folder.download("core.ndjson").read_bytes() == lines(core)
    assert folder.download("batch.ndjson").read_bytes() == lines(*people[:3])
    assert json.loads(folder.download("one.json").read_bytes()) == people[3]  # a document is taken whole


def test_without_patients(tmp_path: Path) -> None:
    (tmp_path / "x.ndjson").write_bytes(lines(observation(1, "Patient/p1")))
    with pytest.raises(InputError, match="there is no Patient"):
        take_sample(find_sources([str(tmp_path)]).sources, 5, JobFolder(tmp_path / "job"))


@pytest.mark.parametrize("line", [b"not JSON, Patient", b'{"resourceType":"Patient"', b"\xff Patient", b""])
def test_lines_that_are_no_fhir_are_left_to_the_import(line: bytes) -> None:
    assert belongs(line, {"p1"})


def test_a_line_of_two_patients_comes_with_either() -> None:
    line = lines(
        {"resourceType": "List", "entry": [{"item": {"reference": f"Patient/p{n}"}} for n in (1, 2)]}
    )
    assert belongs(line, {"p1"}) and belongs(line, {"p2"}) and not belongs(line, {"p3"})
