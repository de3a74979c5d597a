"""The leak check finds every planted value, names where it is, and has nothing to say of a clean result."""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from dimpflow.audit.leaks import check_leaks
from dimpflow.engine.engine import Engine
from dimpflow.ruleset.load import load_rule_set
from generate import Shape, generate

CASES = int(os.environ.get("DIMP_CASES", "200"))
SEED = int(os.environ.get("DIMP_SEED", "1"))
DEFAULT = Path(__file__).parents[2] / "config" / "rulesets" / "default.yaml"
SHAPES: tuple[Shape, ...] = ("ndjson", "torch")
PLANTED = (
    "id", "practitioner", "phone", "name", "kvnr", "mr", "email", "street", "birth_date", "contact", "visit", "order", "contained",
)  # fmt: skip
DATES = (
    "Date",
    "DateTime",
    "issued",
    "start",
    "end",
    "lastUpdated",
    "time",
    "date",
    "authoredOn",
    "dateAsserted",
)
"""How elements end that hold dates of events."""


@dataclass
class Cohort:
    imported: list[Path]
    result: Path
    lines: list[bytes]
    canaries: list[tuple[str, str]]


def de_identified(folder: Path, shape: Shape) -> Cohort:
    generate(folder / "in", patients=25, seed=11, shape=shape, canaries=folder / "canaries")
    engine = Engine(load_rule_set(DEFAULT, {"DIMP_CRYPTO_HASH_KEY": "a key for tests"}))
    imported = [path for path in sorted((folder / "in").glob("*.ndjson")) if "consent" not in path.name]
    came_in = [line for path in imported for line in path.read_bytes().splitlines()]
    lines = [engine.deidentify(line) for line in came_in]
    result = folder / "dimp_results.ndjson"
    result.write_bytes(b"\n".join(lines) + b"\n")
    whole = {leaf[0][leaf[1]] for line in came_in for _, leaf in leaves(orjson.loads(line))}
    rows = [orjson.loads(line) for line in (folder / "canaries").open("rb")]
    canaries = [
        (row["kind"], row["value"]) for row in rows if row["kind"] in PLANTED and row["value"] in whole
    ]
    return Cohort(imported, result, lines, canaries)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cohort]:
    """Resources as lines, and in Bundles."""
    return {shape: de_identified(tmp_path_factory.mktemp(shape), shape) for shape in SHAPES}


@pytest.fixture(params=["ndjson", "torch"])
def cohort(request: pytest.FixtureRequest, cohorts: dict[str, Cohort]) -> Cohort:
    return cohorts[request.param]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The paths of all texts, and where to put another text."""
    if isinstance(value, dict):
        path = value.get("resourceType", path)
        items: Any = [(f"{path}.{name.removeprefix('_')}", name, one) for name, one in value.items()]
    else:
        items = [(path, at, one) for at, one in enumerate(value)]
    for here, at, one in items:
        if isinstance(one, str):
            yield here, (value, at)
        elif isinstance(one, dict | list):
            yield from leaves(one, here)


def test_a_clean_result_has_no_finding(cohort: Cohort, tmp_path: Path) -> None:
    report = check_leaks(cohort.imported, cohort.result, work=tmp_path / "w", processes=1)
    assert report.passed
    assert report.findings == report.tolerated == report.common == []
    assert report.lines == len(cohort.lines)
    assert report.bytes == cohort.result.stat().st_size
    assert all(report.looked_for[kind] for kind in report.looked_for)


def test_the_import_itself_is_full_of_findings(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "x.ndjson").write_bytes(b"".join(path.read_bytes() for path in cohort.imported))
    report = check_leaks(cohort.imported, tmp_path / "x.ndjson", work=tmp_path / "w", processes=1)
    found = {(row["path"], row["kind"]) for row in report.findings}
    assert {
        ("Patient.id", "id"),
        ("Patient.name.family", "name"),
        ("Patient.name.text", "full name"),
        ("Patient.telecom.value", "phone"),
        ("Patient.telecom.value", "e-mail"),
        ("Patient.identifier.value", "identifier"),
        ("Patient.address.line", "address"),
        ("Patient.birthDate", "birth date"),
        ("Patient.text.div", "birth date"),
        ("Practitioner.name.family", "name of staff"),
        ("Organization.identifier.value", "short id"),
        ("Observation.subject.reference", "id"),
        ("Condition.note.text", "phone"),
    } <= found


@pytest.mark.parametrize("case", range(CASES))
def test_one_planted_value_is_found_and_its_place_named(
    cohorts: dict[str, Cohort], case: int, tmp_path: Path
) -> None:
    """DIMP_CASES says how often; every kind in its turn, every other time in a Bundle."""
    cohort = cohorts[SHAPES[case // len(PLANTED) % 2]]
    draw = random.Random(f"{SEED} {case}")
    kind, value = draw.choice([one for one in cohort.canaries if one[0] == PLANTED[case % len(PLANTED)]])
    lines = list(cohort.lines)
    at = draw.randrange(len(lines))
    resource = orjson.loads(lines[at])
    path, (holder, name) = draw.choice(
        [
            (path, leaf)
            for path, leaf in leaves(resource)
            if leaf[1] != "resourceType" and not (kind == "birth_date" and path.endswith(DATES))
        ]
    )
    holder[name] = draw.choice(
        (value, f"Herr/Frau {value}, siehe Akte", f'nach ("{value}").', f"\n{value}\t")
    )
    lines[at] = orjson.dumps(resource)
    result = tmp_path / "x.ndjson"
    result.write_bytes(b"\n".join(lines) + b"\n")
    report = check_leaks(cohort.imported, result, work=tmp_path / "w", processes=1)
    assert {row["path"] for row in report.findings} == {path}, kind
    assert value not in orjson.dumps(report.as_facts()).decode()
