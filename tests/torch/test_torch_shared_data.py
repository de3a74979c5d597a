"""What TORCH has really delivered, and what its makers test it with, goes through the import whole."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from lab import Import

from doubles.torch.double import TorchDouble
from shared import SHARED, needs_shared

FOLDERS = ("torch", "extra/torch-blaze", "extra/fts-polar")


def contents(lines: Iterable[bytes]) -> Counter[str]:
    """Each resource by its exact content, without the wrappers, whose ids are drawn at random."""
    found: Counter[str] = Counter()
    for line in lines:
        for entry in json.loads(line)["entry"]:
            text = json.dumps(entry["resource"], sort_keys=True)
            found[hashlib.sha256(text.encode()).hexdigest()] += 1
    return found


def delivered(folder: Path) -> list[bytes]:
    return [line for path in sorted(folder.glob("*.ndjson")) for line in path.read_bytes().splitlines()]


@needs_shared
@pytest.mark.parametrize("name", FOLDERS)
def test_every_resource_arrives_once_and_no_other(name: str, tmp_path: Path) -> None:
    folder = SHARED / "data" / name
    with TorchDouble(folder) as torch:
        run = Import(torch, tmp_path / "job")
        found = run.run().splitlines()
        expected = torch.expected(run.job)
    assert len(found) == sum(expected.values()) == len(delivered(folder))
    assert contents(found) == contents(delivered(folder))


@needs_shared
def test_a_list_of_patients_brings_these_alone(tmp_path: Path) -> None:
    folder = SHARED / "data/torch"
    patients = [
        entry["resource"]["id"]
        for line in delivered(folder)
        for entry in json.loads(line)["entry"]
        if entry["resource"]["resourceType"] == "Patient"
    ]
    chosen = sorted(patients)[:3]
    listed = tmp_path / "patients.txt"
    listed.write_text("# three\n" + "\n".join(f"Patient/{one}" for one in chosen) + f"\n\n{chosen[0]}\n")
    with TorchDouble(folder) as torch:
        run = Import(torch, tmp_path / "job", torch_keys={"patients": str(listed)})
        found = [json.loads(line) for line in run.run().splitlines()]
    names = sorted(
        entry["resource"]["id"]
        for bundle in found
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Patient"
    )
    assert names == chosen
