"""The report of runs whose rules a DIMP service has applied: what it says of them, and what it does not show."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.dimp import DimpDouble
from page_reading import Page, read_page

from .conftest import ROOT, observation, patient, run_snakemake, succeed, write_lines

RULES = ROOT / "tests/rulesets/mii-like.yaml"
PASSWORD = "kestrel 57: umbra"
ENV = {"DIMP_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def double() -> Iterator[DimpDouble]:
    with DimpDouble(RULES, basic=("kestrel-user", PASSWORD)) as double:
        yield double


def config(double: DimpDouble, job: str, **dimp: Any) -> dict[str, Any]:
    auth = {"username": "kestrel-user", "password": "${DIMP_PASSWORD}"}
    return {
        "input": "in",
        "job": job,
        "audit": {"enabled": True, "on_leak": "warn"},
        "services": {"dimp": {"url": double.url, "auth": auth, **dimp}},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, double: DimpDouble) -> Path:
    """With a job of the service's own rules, and one whose rules were sent along."""
    folder = tmp_path_factory.mktemp("served")
    write_lines(folder / "in/Patient.ndjson", map(patient, range(6)))
    write_lines(folder / "in/Observation.ndjson", (observation(n, n % 6) for n in range(12)))
    succeed(folder, config=config(double, "own"), env=ENV)
    succeed(folder, config=config(double, "along", anonymization_config=str(RULES)), env=ENV)
    return folder


def rules_of(folder: Path, job: str) -> Page:
    return read_page((folder / "jobs" / job / "report/rules.html").read_text(encoding="utf-8"))


def test_a_services_own_rules_are_said_to_be_unknown(folder: Path, double: DimpDouble) -> None:
    page = rules_of(folder, "own")
    assert "which this workflow does not know" in page.text and "was measured all the same" in page.text
    assert page.rows["Service"] == [double.url]
    assert len(page.tables) == 1  # and no empty one of rules


def test_rules_that_were_sent_along_are_shown_in_words(folder: Path, double: DimpDouble) -> None:
    page = rules_of(folder, "along")
    assert "sent along with the data to the DIMP service" in page.text and double.url in page.text
    assert "which this workflow does not know" not in page.text
    assert {row[0] for row in page.tables[0]} >= {
        "Names of people",
        "Identifiers (record, visit, insurance numbers)",
    }


@pytest.mark.parametrize("job", ["own", "along"])
def test_how_the_service_is_reached_is_shown_nowhere_in_the_report(
    job: str, folder: Path, double: DimpDouble
) -> None:
    rules = {"anonymization_config": str(RULES)} if job == "along" else {}
    made = folder / f"{job}.html"
    result = run_snakemake(folder, "--report", made, config=config(double, job, **rules), env=ENV)
    assert result.returncode == 0, result.stdout
    for path in (made, *(folder / "jobs" / job / "report").iterdir()):
        text = path.read_text(encoding="utf-8")
        assert not re.search("kestrel|DIMP_PASSWORD", text), path
