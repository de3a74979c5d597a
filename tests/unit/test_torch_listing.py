"""The list of TORCH's result files, and its numbers compared with what came."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from dimpflow.clients.torch.manifest import Manifest, ResultFile
from dimpflow.errors import InputError, ServiceError
from dimpflow.layout import JobFolder
from dimpflow.steps.extract import Order
from dimpflow.steps.listing import check_numbers, list_results

JOB = "14c26ae0-d48c-481c-9d3a-4cb1531f6489"
BATCHES = ("a.ndjson", "b.ndjson")


def manifest(*names: str, final: int | None = 10) -> Manifest:
    files = tuple(ResultFile(name, f"http://files/{JOB}/{name}") for name in names)
    return Manifest(files, 12, final, False, (), ())


def fetched(**lines: int) -> dict[str, Any]:
    return {name: {"file": f"{name}.ndjson", "lines": count} for name, count in lines.items()}


def listing(folder: JobFolder, *names: str, final: int | None = 10) -> dict[str, Any]:
    list_results(manifest(*names, final=final), JOB, folder, accept_empty=True)
    found: dict[str, Any] = json.loads(folder.torch("listing.json").read_bytes())
    return found


def test_files_and_what_stands_for_them(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    found = listing(folder, "core.ndjson", *BATCHES)
    assert found == {
        "job": JOB,
        "files": ["core.ndjson", *BATCHES],
        "cohort_patients": 12,
        "final_patients": 10,
    }
    assert json.loads(folder.result_file("a.ndjson").read_bytes()) == {"job": JOB, "file": "a.ndjson"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.json")} == {0o600}
    listing(folder, "b.ndjson")
    assert [path.name for path in folder.result_file("x").parent.iterdir()] == ["b.ndjson.json"]


@pytest.mark.parametrize("names", [(), ("core.ndjson",)])
def test_no_patients(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = JobFolder(tmp_path)
    with pytest.raises(ServiceError, match="no patient is left"):
        list_results(manifest(*names), JOB, folder, accept_empty=False)
    assert not folder.torch("listing.json").exists()
    assert list_results(manifest(*names), JOB, folder, accept_empty=True) == list(names)


def test_numbers_that_fit(tmp_path: Path) -> None:
    found = listing(JobFolder(tmp_path), "core.ndjson", *BATCHES)
    check_numbers(found, fetched(core=1, a=6, b=4))
    check_numbers(found, fetched(core=1, a=6, b=0))  # a batch may be skipped
    check_numbers({**found, "final_patients": None}, fetched(core=1, a=600, b=4))


def test_more_lines_than_patients(tmp_path: Path) -> None:
    found = listing(JobFolder(tmp_path), "core.ndjson", *BATCHES)
    with pytest.raises(InputError, match="hold 11 patients, its summary says 10"):
        check_numbers(found, fetched(core=1, a=6, b=5))


@pytest.mark.parametrize("lines", [{"core": 1, "a": 1}, {"core": 1, "a": 1, "b": 1, "c": 1}])
def test_files_that_are_not_those_of_the_list(tmp_path: Path, lines: dict[str, int]) -> None:
    found = listing(JobFolder(tmp_path), "core.ndjson", *BATCHES)
    with pytest.raises(InputError, match="of 3 files are there"):
        check_numbers(found, fetched(**lines))


def test_what_snakemake_records_of_patients_cannot_be_tried_out() -> None:
    order = Order(crtdl=b"{}", patients=("4711",))
    assert order.recorded[0] == order.digests[0] and len(order.recorded[1]) == 10
    assert order.digests[1] == hashlib.sha256(b"4711").hexdigest() != order.recorded[1]
    assert order.recorded != Order(crtdl=b"{}", patients=("4712",)).recorded
    assert Order(crtdl=b"{}").recorded[1] == ""
