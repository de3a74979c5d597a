"""provenance.ndjson: FHIR R4 by our strict model and by what the standard asks for beside; digests as sha256sum gives them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

from audit_jobs import RULES, AuditedJob, make_job, with_service
from dimpflow.audit.facts import collect_facts
from dimpflow.audit.provenance import provenance_lines
from dimpflow.engine.tree.nodes import read, write
from dimpflow.errors import LineError
from dimpflow.fhir.model import decoder

Resource = dict[str, Any]

# FHIR R4: value sets provenance-agent-type (what a device can be) and provenance-activity-type (of ISO 21089)
AGENT_TYPES = {"performer", "assembler"}
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> AuditedJob:
    made = make_job(tmp_path_factory.mktemp("provenance"))
    made.audit()
    return made


def resources(job: AuditedJob) -> list[Resource]:
    return [orjson.loads(line) for line in (job.folder.path / "audit" / "provenance.ndjson").open("rb")]


def referenced(resource: Resource) -> list[tuple[str, str]]:
    """Digest and name of each file that a Provenance refers to."""
    files = [*resource["target"], *(entity["what"] for entity in resource["entity"])]
    return [(one["identifier"]["value"], one["display"]) for one in files]


def test_each_line_is_strict_r4(job: AuditedJob) -> None:
    lines = (job.folder.path / "audit" / "provenance.ndjson").read_bytes().splitlines()
    assert len(lines) == 1 + len(job.shards)
    for line in lines:
        decoder("Provenance").decode(line)
        expected = orjson.loads(line)
        expected["recorded"] = expected["recorded"].replace("Z", "+00:00")  # the model writes instants so
        assert orjson.loads(write(read(line))) == expected
    with pytest.raises(LineError):
        read(lines[0].replace(b'"derivation"', b'"input"', 1))
    with pytest.raises(LineError):
        read(lines[0].replace(b'"recorded":', b'"recordedAt":', 1))


def test_cardinalities_codes_and_references_are_those_of_r4(job: AuditedJob) -> None:
    found = resources(job)
    assert len({one["id"] for one in found}) == len(found)
    for one in found:
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", one["id"])
        assert one["target"] and one["agent"]  # 1..*
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["recorded"])
        assert one["occurredPeriod"]["start"] <= one["occurredPeriod"]["end"] == one["recorded"]
        (activity,) = one["activity"]["coding"]
        assert activity == {"system": LIFECYCLE, "code": "deidentify"}
        for agent in one["agent"]:
            assert agent["who"]["type"] == "Device" and agent["who"]["display"]
            assert {coding["code"] for coding in agent["type"]["coding"]} <= AGENT_TYPES
        assert {entity["role"] for entity in one["entity"]} == {"derivation", "source"}
        for file in (*one["target"], *(entity["what"] for entity in one["entity"])):
            assert "reference" not in file and file["identifier"]["system"] == "urn:ietf:rfc:3986"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_digests_are_those_of_sha256sum(job: AuditedJob) -> None:
    whole, *of_sources = resources(job)
    names: dict[str, Path] = {path.name: path for path in job.given.iterdir()}
    names |= {"default.yaml": RULES, "dimp_results.ndjson": job.folder.path / "dimp_results.ndjson"}
    for source, shards in job.shards.items():
        names |= {f"{source}, part {shard}": job.folder.shard("dimp", source, shard) for shard in shards}
    seen = set()
    for resource in (whole, *of_sources):
        for digest, name in referenced(resource):
            done = subprocess.run(["sha256sum", str(names[name])], check=True, capture_output=True, text=True)
            assert digest == f"nih:sha-256;{done.stdout.split()[0].removeprefix(chr(92))}"
            seen.add(name)
    assert {name for name in names if not name.startswith(".")} == seen
    assert len(whole["entity"]) == len(job.shards) + 1
    assert whole["policy"] == [digest for digest, name in referenced(whole) if name == "default.yaml"]


def test_no_ids_of_the_data_and_no_folders_are_in_it(job: AuditedJob) -> None:
    text = (job.folder.path / "audit" / "provenance.ndjson").read_text(encoding="utf-8")
    ids = set()
    for path in (job.folder.path / "import_results.ndjson", job.folder.path / "dimp_results.ndjson"):
        ids |= {orjson.loads(line)["id"] for line in path.open("rb") if b'"id"' in line}
    assert len(ids) > 20
    assert not [one for one in ids if one in text]
    assert str(job.given) not in text and "/tmp" not in text


def test_a_service_is_named_as_who_did_it_without_its_address(job: AuditedJob) -> None:
    facts = collect_facts(job.folder, job.shards, with_service(job).run, {})
    for line in provenance_lines(facts):
        read(line)
        found = orjson.loads(line)
        assert [agent["type"]["coding"][0]["code"] for agent in found["agent"]] == ["assembler", "performer"]
        assert b"dimp.example" not in line and "policy" not in found
        assert {entity["role"] for entity in found["entity"]} == {"derivation"}


def test_without_a_status_there_is_no_begin(job: AuditedJob) -> None:
    facts = collect_facts(job.folder, job.shards, job.run, {})
    facts["run"]["started"] = None
    (first, *_) = provenance_lines(facts)
    assert orjson.loads(first)["occurredPeriod"] == {"end": facts["made"]}
