"""Runs whose pseudonyms come from a service: consistent, asked for once, and given back."""

from pathlib import Path
from typing import Any

import pytest

from doubles.pseudonyms import EnticiDouble, GpasDouble, PseudonymDouble

from .conftest import observation, patient, read_lines, run_snakemake, succeed, write_lines

KINDS: dict[str, tuple[type[PseudonymDouble], dict[str, Any], dict[str, Any]]] = {
    "gpas": (GpasDouble, {"version": "2023.1.0"}, {"version": "2023.1.0"}),
    "entici": (EnticiDouble, {}, {"resource_type": "Patient"}),
}


def config(kind: str, url: str, keys: dict[str, Any], domain: str = "patient") -> dict[str, Any]:
    domains = [{"domain": domain, "source": kind}]
    return {
        "input": "data",
        "job": "study",
        "services": {"pseudonyms": {"url": url, "domains": domains, **keys}},
    }


@pytest.mark.parametrize(
    "kind", ["gpas", "entici"]
)  # one that takes lists and gives originals back, one that does neither
def test_a_service_gives_pseudonyms_once_for_each_patient(tmp_path: Path, kind: str) -> None:
    double, settings, keys = KINDS[kind]
    write_lines(tmp_path / "data/Patient.ndjson", (patient(n) for n in range(12)))
    write_lines(tmp_path / "data/Observation.ndjson", (observation(n, n % 12) for n in range(30)))
    with double(["patient"], **settings) as service:
        asked = config(kind, service.base_url, keys)
        succeed(tmp_path, config=asked)
        names = [
            line["name"][0]["text"]
            for line in read_lines(tmp_path / "jobs/study/dimp_results.ndjson")
            if "name" in line
        ]
        assert names == [f"PT_{service.pseudonym('patient', f'pat-{n}')}" for n in range(12)]
        before = len(service.requests)
        if kind == "gpas":  # one request for all that the job holds, not one for each shard or value
            assert sum(b"pat-" in request.body for request in service.requests) == 1

        write_lines(tmp_path / "data/more.ndjson", [patient(99)])
        succeed(tmp_path, config=asked)
        bodies = b"".join(request.body + request.path.encode() for request in service.requests[before:])
        assert b"pat-99" in bodies and b"pat-1" not in bodies  # what the mapping holds is not asked again
        if kind != "entici":
            reason = {"reason": "a trial of the way back"}
            (tmp_path / "jobs/study/mappings/mapping.ndjson").unlink()
            result = run_snakemake(tmp_path, "reidentify", config={**asked, "reidentify": reason})
            assert result.returncode == 0, result.stdout
            back = read_lines(tmp_path / "jobs/study/reidentified/originals.ndjson")
            assert [line["name"][0]["text"] for line in back if "name" in line][:12] == [
                f"pat-{n}" for n in range(12)
            ]


def test_a_domain_that_the_service_does_not_have_is_named_before_any_shard(tmp_path: Path) -> None:
    double, settings, keys = KINDS["gpas"]
    write_lines(tmp_path / "data/Patient.ndjson", [patient(1)])
    with double(["another"], **settings) as service:
        result = run_snakemake(tmp_path, config=config("gpas", service.base_url, keys))
    assert result.returncode and "patient" in result.stdout and "services.pseudonyms" in result.stdout
    assert not (tmp_path / "jobs").exists() or not list((tmp_path / "jobs").rglob("*.ndjson"))
    assert b"pat-1" not in b"".join(request.body for request in service.requests)
