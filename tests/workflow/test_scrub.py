"""A run that keeps free text: what identifies goes from it, wherever the patient stands, and stays in the identifying zone."""

import os
import re
import stat
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from .conftest import ROOT, read_lines, status_of, succeed, write_lines

sys.path.insert(0, str(ROOT / "tests"))

from canaries import Searcher, surviving
from generate import generate

NEIGHBOUR = "Zwölfeichenbüttel"
NOTE = "RR 120/80 (links); Frau {} wünscht Rückruf – Prosecco & Rosenkohl <5 g, 2. OG."


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    """The working folder after a run over a cohort whose patients, relatives and notes lie in files of their own."""
    generate(place / "cohort", patients=40, seed=17, files=2, canaries=place / "canaries")
    planted = {
        "resourceType": "Observation",
        "id": "planted",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": "Patient/planted-patient"},
        "valueString": NOTE.format("ZWOELFEICHENBUETTEL"),
        "note": [{"text": NOTE.format("Nachtigall")}],
    }
    patient = {"resourceType": "Patient", "id": "planted-patient", "name": [{"family": "Amselgarten"}]}
    relative: dict[str, Any] = {
        "resourceType": "RelatedPerson",
        "id": "planted-relative",
        "patient": {"reference": "Patient/planted-patient"},
        "name": [{"family": NEIGHBOUR}],
    }
    for name, resource in (("A-note", planted), ("M-relative", relative), ("Z-patient", patient)):
        write_lines(place / "cohort" / f"{name}.ndjson", [resource])
    rules = str(ROOT / "config/rulesets/default-keep-text.yaml")
    jobs = succeed(
        place,
        config={"input": "cohort", "job": "study", "services": {"dimp": {"anonymization_config": rules}}},
    )
    assert sum(job.startswith("terms") for job in jobs) == 1
    return place


def test_no_known_canary_survives_and_strangers_do(run: Path) -> None:
    out, listed = run / "jobs/study/dimp_results.ndjson", run / "canaries"
    came = Counter(kind for kind, _ in surviving(sorted((run / "cohort").glob("*.ndjson")), listed))
    left = Counter(kind for kind, _ in surviving([out], listed))
    assert came.total() - came["stranger"] > 1000 and came["contact"] > 100
    assert set(left) == {"stranger"} and left["stranger"] >= 0.9 * came["stranger"]


def test_the_text_around_is_untouched(run: Path) -> None:
    lines = read_lines(run / "jobs/study/dimp_results.ndjson")
    (found,) = (line for line in lines if line.get("valueString", "").startswith("RR 120/80"))
    assert found["valueString"] == NOTE.format("***")
    assert found["note"][0]["text"] == NOTE.format("Nachtigall"), "whom nobody knows"
    phrase = re.compile(r"Schlüssel liegt bei \w+ \*\*\*")
    assert len(phrase.findall("\n".join(map(str, lines)))) > 200


def test_terms_are_for_their_owner_only_and_nowhere_else(run: Path) -> None:
    zone = run / "jobs/study/mappings"
    assert stat.S_IMODE(zone.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in zone.iterdir()} == {0o600}
    terms = {
        term.encode()
        for line in (zone / "terms.jsonl").read_bytes().splitlines()
        for kind in orjson.loads(line.partition(b"\t")[2])
        for term in kind
        if len(term) > 9
    }
    canaries = {orjson.loads(line)["value"].encode() for line in (run / "canaries").read_bytes().splitlines()}
    assert b"zwolfeichenbuttel" in terms and len(terms) > 500
    search = Searcher(terms | canaries | {NEIGHBOUR.encode()})
    job = run / "jobs/study"
    files = [Path(folder) / name for folder, _, names in os.walk(run / ".snakemake") for name in names]
    files += [
        file
        for part in ("logs", "benchmarks", "report")
        for file in (job / part).rglob("*")
        if file.is_file()
    ]
    files += [job / "status.json", *(job / "dimp").rglob("*.json")]
    assert any("terms.log" in file.name for file in files) and len(files) > 50
    assert {
        file.name: search.search(file.read_bytes()) for file in files if search.search(file.read_bytes())
    } == {}


def test_the_job_says_what_it_did(run: Path) -> None:
    status = status_of(run, "study")
    assert status["state"] == "completed"
