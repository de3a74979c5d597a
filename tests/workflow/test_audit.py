"""Runs with their audit: what it says of a clean result, and that a result with leaks is withheld."""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from .conftest import KEY, ROOT, patient, run_snakemake, status_of, succeed, write_lines

CONFIG: dict[str, Any] = {"job": "study", "input": "data", "audit": {"enabled": True}}


def tool(name: str, folder: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / name, *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a generated cohort, signed, with its report."""
    place = tmp_path_factory.mktemp("audited")
    generate = [sys.executable, ROOT / "tests/generate.py", "--patients", "40", "--seed", "7"]
    subprocess.run(
        [*generate, "--out", "data", "--canaries", "canaries.ndjson"],
        cwd=place,
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "site.pem", "-days", "2", "-subj", "/CN=site"],
        cwd=place, check=True, capture_output=True,
    )  # fmt: skip
    signed = {**CONFIG, "audit": {"enabled": True, "sign": {"certificate": "site.pem", "key": "key.pem"}}}
    jobs = succeed(place, config=signed)
    assert {"check: leaks, consistency, risk", "audit: the evidence"} <= set(jobs)
    assert "Nothing to be done" in run_snakemake(place, config=signed).stdout
    result = run_snakemake(place, "--report", "report.html", config=signed)
    assert result.returncode == 0, result.stdout
    return place


def facts_of(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "jobs/study/audit/audit.json").read_text(encoding="utf-8"))
    return facts


def canaries(folder: Path) -> list[dict[str, str]]:
    return [
        json.loads(line) for line in (folder / "canaries.ndjson").read_text(encoding="utf-8").splitlines()
    ]


def test_a_clean_result_passes_and_the_audit_says_so(folder: Path) -> None:
    facts = facts_of(folder)
    Draft202012Validator(json.loads((ROOT / "schemas/audit.schema.json").read_text())).validate(facts)
    checks = facts["checks"]
    assert checks["leaks"]["state"] == "passed" and checks["leaks"]["findings"] == []
    assert checks["leaks"]["lines"] == facts["output"]["lines"] > 500
    assert checks["consistency"]["state"] == "passed" and checks["consistency"]["faults"] == []
    assert checks["risk"]["patients"] == 40
    status = status_of(folder, "study")
    assert status["steps"]["audit"]["done"] == status["steps"]["audit"]["total"] == 2
    assert not (folder / "jobs/study/import/.values").exists()


def test_everything_is_as_recorded(folder: Path) -> None:
    done = tool("verify_audit.py", folder, "study", "--certificate", "site.pem", "--input", "data")
    assert done.returncode == 0, done.stdout + done.stderr
    sums = ["sha256sum", "-c", "audit.sha256"]
    assert (
        subprocess.run(sums, cwd=folder / "jobs/study/audit", capture_output=True, check=False).returncode
        == 0
    )


def test_the_report_holds_all_pages(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    for label in (
        "1 Overview",
        "2 What was done",
        "3 Checks",
        "4 Evidence",
        "Zusammenfassung (deutsch)",
        "risk of recognition",
    ):
        assert label in page
    overview = (folder / "jobs/study/report/overview.html").read_text(encoding="utf-8")
    assert (
        facts_of(folder)["output"]["file_sha256"] in overview and "3 checks were run and passed" in overview
    )
    rules = (folder / "jobs/study/report/rules.html").read_text(encoding="utf-8")
    assert "replaced by one pseudonym (PT_…) per patient" in rules


def paths_of(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every element below a resource, with its path without indexes."""
    for name, value in node.items():
        for one in value if isinstance(value, list) else [value]:
            yield f"{path}.{name}", one
            if isinstance(one, dict):
                yield from paths_of(one, one.get("resourceType", f"{path}.{name}"))


def test_what_the_rules_did_is_what_a_look_at_the_data_finds(folder: Path) -> None:
    """Counted anew in import and result, and for other numbers of shards and cores the same."""
    did = {rule["path"]: rule for rule in facts_of(folder)["rules"]["did"]}
    elements: dict[str, list[Any]] = {}
    for line in (folder / "jobs/study/import_results.ndjson").read_text(encoding="utf-8").splitlines():
        resource = json.loads(line)
        for path, value in paths_of(resource, resource["resourceType"]):
            elements.setdefault(path, []).append(value)
    after: dict[str, int] = {}
    for line in (folder / "jobs/study/dimp_results.ndjson").read_text(encoding="utf-8").splitlines():
        resource = json.loads(line)
        for path, _ in paths_of(resource, resource["resourceType"]):
            after[path] = after.get(path, 0) + 1
    dates = elements["Patient.birthDate"]
    wanted = {"matched": len(dates), "changed": sum(len(date) > 4 for date in dates)}
    assert did["Patient.birthDate"]["by_type"] == {"Patient": wanted}
    references = {
        path: len(found)
        for path, found in elements.items()
        # rules with smaller numbers have taken identifiers and notes as a whole
        if path.endswith(".reference") and not {"identifier", "note"} & set(path.split("."))
    }
    counted = did["nodesByType('Reference').reference"]["by_path"]
    assert {path: one["matched"] for path, one in counted.items()} == references and len(references) > 5
    names = did["Patient.name"]["by_path"]["Patient.name"]
    assert names == {"matched": len(elements["Patient.name"]), "changed": after["Patient.name"]}

    untouched = facts_of(folder)["rules"]["untouched"]
    assert untouched["lines"] == untouched["of"] == facts_of(folder)["output"]["lines"]  # few lines: all
    assert untouched["paths"]["Patient.gender"] == len(elements["Patient.gender"]) == after["Patient.gender"]
    years = wanted["matched"] - wanted["changed"]  # they came without month and day
    assert untouched["paths"].get("Patient.birthDate", 0) == years


@pytest.mark.parametrize("shape", ["ndjson", "torch"])
def test_what_the_rules_did_does_not_depend_on_shards(shape: str, tmp_path: Path) -> None:
    generate = [sys.executable, ROOT / "tests/generate.py", "--bytes", "3M", "--seed", "5", "--shape", shape]
    subprocess.run([*generate, "--out", "data"], cwd=tmp_path, check=True, capture_output=True)
    did = []
    for job, more in (("one", {}), ("many", {"shard_mb": 1})):
        succeed(tmp_path, config={**CONFIG, "job": job, **more})
        facts = json.loads((tmp_path / f"jobs/{job}/audit/audit.json").read_text(encoding="utf-8"))
        did.append((facts["rules"]["did"], len(list((tmp_path / f"jobs/{job}/dimp").rglob("*-of-*.json")))))
    assert did[0][0] == did[1][0] and did[0][1] < did[1][1]


def test_no_original_and_no_secret_is_in_what_is_handed_out(folder: Path) -> None:
    planted = {one["value"] for one in canaries(folder) if len(one["value"]) >= 5}
    assert len(planted) > 1000
    for path in [
        folder / "report.html",
        *(folder / "jobs/study/audit").iterdir(),
        *(folder / "jobs/study/report").iterdir(),
    ]:
        text = path.read_bytes().decode("utf-8", "replace")
        assert KEY not in text, path
        words = set(re.findall(r"[\w.@+-]+", text))
        assert not planted & words and not any(value in text for value in planted if " " in value), path


def test_a_leak_withholds_the_result(folder: Path, tmp_path: Path) -> None:
    """A canary at a random place; the next run takes the result away, and the one after that makes a clean one."""
    draw = random.Random(11)
    subprocess.run(["cp", "-a", f"{folder}/.", tmp_path], check=True)
    job = tmp_path / "jobs/study"
    lines = (job / "dimp_results.ndjson").read_text(encoding="utf-8").splitlines()
    value = draw.choice(
        [one["value"] for one in canaries(folder) if one["kind"] == "name" and len(one["value"]) > 5]
    )
    at = draw.choice([n for n, line in enumerate(lines) if '"status":"final"' in line])
    lines[at] = lines[at].replace(
        '"status":"final"', f'"status":"final","method":{{"text":"bei {value}, sagt er"}}'
    )
    (job / "dimp_results.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")

    found = tool("check.py", tmp_path, "study")
    assert found.returncode == 1 and "leak: Observation.method.text: " in found.stdout
    assert value not in found.stdout
    assert "dimp_results.ndjson" in tool("verify_audit.py", tmp_path, "study").stdout

    result = run_snakemake(tmp_path, config=CONFIG)
    assert result.returncode and "it is withheld (jobs/study/withheld/dimp_results.ndjson)" in result.stdout
    assert "leak: Observation.method.text: " in result.stdout and value not in result.stdout
    assert not (job / "dimp_results.ndjson").exists() and not (job / "audit/audit.json").exists()
    assert (job / "withheld/dimp_results.ndjson").stat().st_mode & 0o777 == 0o600
    assert status_of(tmp_path, "study")["state"] == "failed"
    assert list((job / "import/.values").iterdir()) == []  # no hash and no key

    succeed(tmp_path, config=CONFIG)
    assert facts_of(tmp_path)["checks"]["leaks"]["state"] == "passed"
    assert facts_of(tmp_path)["output"]["sha256"] == facts_of(folder)["output"]["sha256"]


def test_a_rule_set_that_keeps_names_fails_unless_that_is_wanted(tmp_path: Path) -> None:
    write_lines(tmp_path / "data/Patient.ndjson", (patient(n) for n in range(12)))
    (tmp_path / "rules.yaml").write_text(
        "fhirVersion: R4\nfhirPathRules: [{path: Patient.name.given, method: redact}, {path: Resource.id, method: cryptoHash}]\n"
        'parameters: {cryptoHashKey: "${DIMP_CRYPTO_HASH_KEY}"}\n'
    )
    rules = {**CONFIG, "services": {"dimp": {"anonymization_config": "rules.yaml"}}}
    result = run_snakemake(tmp_path, config=rules)
    assert result.returncode and "leak: Patient.name.family: 24 times" in result.stdout  # both words
    assert "Kanarie" not in result.stdout
    wanted = {"tolerate": ["Patient.name.family", "Patient.birthDate"]}
    succeed(tmp_path, config={**rules, "audit": {"enabled": True, **wanted}})
    leaks = facts_of(tmp_path)["checks"]["leaks"]
    assert leaks["state"] == "passed" and sum(one["count"] for one in leaks["tolerated"]) >= 24
    told = run_snakemake(
        tmp_path, config={**rules, "audit": {"enabled": True, "on_leak": "warn"}}, env=dict(os.environ)
    )
    assert told.returncode == 0, told.stdout
    assert facts_of(tmp_path)["checks"]["leaks"]["state"] == "failed"
