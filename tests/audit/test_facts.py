"""audit.json: of the form that its schema says, right in its numbers, without a value of anybody."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from audit_jobs import BAD_LINE, KEY, RULES, AuditedJob, make_job, with_service
from canaries import find_canaries, surviving
from dimpflow.audit.environment import ABSENT, PACKAGES, commit_of, software
from dimpflow.audit.facts import collect_facts, seconds_of_steps
from dimpflow.errors import InputError
from dimpflow.ndjson import write_json

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "audit.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> AuditedJob:
    return make_job(tmp_path_factory.mktemp("facts"))


@pytest.fixture
def copied(job: AuditedJob, tmp_path: Path) -> AuditedJob:
    """A copy that a test may spoil."""
    place = tmp_path / "jobs" / "study"
    shutil.copytree(job.folder.path, place)
    return replace(job, folder=replace(job.folder, path=place))


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def test_the_schema_is_one_and_is_closed() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["additionalProperties"] is False
    # only checks and options may say more than the schema knows
    loose = [name for name, sub in _objects(SCHEMA, "") if "additionalProperties" not in sub]
    assert sorted(loose) == ["/check", "/rules/options"]


def _objects(schema: dict[str, object], path: str) -> list[tuple[str, dict[str, object]]]:
    """Every object in a schema that has a form, by its name."""
    found = [(path, schema)] if schema.get("type") == "object" or "properties" in schema else []
    for key, value in schema.items():
        if key in ("properties", "$defs") and isinstance(value, dict):
            for name, sub in value.items():
                found += _objects(sub, f"{path}/{name}")
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            found += _objects(value, path)
    return found


def test_facts_fit_the_schema_and_the_files(job: AuditedJob) -> None:
    facts = collect_facts(job.folder, job.shards, job.run, {"leaks": {"state": "passed", "looked_for": 12}})
    Draft202012Validator(SCHEMA).validate(facts)
    assert facts["checks"]["leaks"] == {"state": "passed", "looked_for": 12}
    assert facts["checks"]["risk"] == {"state": "not run"}
    for source in facts["input"]["sources"]:
        given = (job.given / source["file"]).read_bytes()
        assert source["sha256_input"] == hashlib.sha256(given).hexdigest()
        data = job.folder.imported(source["source"])
        assert source["sha256"] == hashlib.sha256(data.read_bytes()).hexdigest()
        assert (source["bytes"], source["lines"]) == (data.stat().st_size, lines_of(data))
    result = job.folder.path / "dimp_results.ndjson"
    assert facts["output"]["file_sha256"] == hashlib.sha256(result.read_bytes()).hexdigest()
    assert facts["output"]["lines"] == lines_of(result)
    assert (facts["input"]["rejected"], facts["output"]["rejected"]) == (1, 1)
    assert facts["input"]["lines"] == facts["output"]["lines"] + 1
    assert facts["rules"]["sha256"] == hashlib.sha256(RULES.read_bytes()).hexdigest()
    assert facts["run"]["started"] is not None
    assert facts["run"]["seconds"] == {"dimp": 3.75, "results": 0.0}


def test_what_rules_did_is_told_by_type_and_by_path(job: AuditedJob) -> None:
    """As counted in what was imported; the refused patient is not among them."""
    rules = collect_facts(job.folder, job.shards, job.run, {})["rules"]
    did = {rule["path"]: rule for rule in rules["did"]}
    for rule in rules["did"]:
        for split in (rule["by_type"], rule["by_path"]):
            for name in ("matched", "changed"):
                assert sum(numbers[name] for numbers in split.values()) == rule[name]
        assert {path.partition(".")[0] for path in rule["by_path"]} == set(rule["by_type"])
    patients = [
        json.loads(line)
        for line in job.folder.imported("Patient").read_bytes().splitlines()
        if b'"id":"refused"' not in line
    ]
    dates = [one["birthDate"] for one in patients if "birthDate" in one]
    wanted = {"matched": len(dates), "changed": sum(len(date) > 4 for date in dates)}
    assert did["Patient.birthDate"]["by_type"] == {"Patient": wanted}
    assert did["Patient.birthDate"]["by_path"] == {"Patient.birthDate": wanted}
    references = did["nodesByType('Reference').reference"]
    observed = [json.loads(line) for line in job.folder.imported("Observation").read_bytes().splitlines()]
    subjects = sum("reference" in one.get("subject", {}) for one in observed)
    assert len(job.shards["Observation"]) == 2
    assert references["by_path"]["Observation.subject.reference"] == {
        "matched": subjects,
        "changed": subjects,
    }


def test_what_is_untouched_is_told_with_the_lines_that_were_compared(job: AuditedJob) -> None:
    rows = [
        {"path": path, "kept": kept, "changed": 1, "gone": 2, "new": 0}
        for path, kept in (("Patient.gender", 5), ("Patient.id", 0), ("Patient._birthDate.?", 2))
    ]
    consistency = {"state": "passed", "lines": 70, "kept": {"lines": 7, "paths": rows}}
    facts = collect_facts(job.folder, job.shards, job.run, {"consistency": consistency})
    Draft202012Validator(SCHEMA).validate(facts)
    assert facts["rules"]["untouched"] == {
        "lines": 7,
        "of": 70,
        "paths": {"Patient._birthDate.?": 2, "Patient.gender": 5},
    }
    assert "untouched" not in collect_facts(job.folder, job.shards, job.run, {})["rules"]


def test_what_was_changed_within_whole_resources_is_summed(copied: AuditedJob) -> None:
    shards = [(source, name) for source, names in copied.shards.items() for name in names]
    for source, name in shards:
        path = copied.folder.facts("dimp", source, name)
        counts = json.loads(path.read_bytes())
        counts["rules"][0]["within"] = {"Patient.name": 2, f"{source}.id": 1}
        path.write_text(json.dumps(counts))
    facts = collect_facts(copied.folder, copied.shards, copied.run, {})
    Draft202012Validator(SCHEMA).validate(facts)
    within = facts["rules"]["did"][0]["within"]
    assert within["Patient.name"] == 2 * len(shards) and within["Observation.id"] == 2


def test_requests_to_a_service_are_summed(copied: AuditedJob) -> None:
    for source, names in copied.shards.items():
        for name in names:
            path = copied.folder.facts("dimp", source, name)
            write_json(path, json.loads(path.read_bytes()) | {"requests": 5, "repeated": 1})
    facts = collect_facts(copied.folder, copied.shards, copied.run, {})
    Draft202012Validator(SCHEMA).validate(facts)
    n = sum(len(names) for names in copied.shards.values())
    assert (facts["rules"]["requests"], facts["rules"]["repeated"]) == (5 * n, n)


def test_of_a_service_only_its_origin_is_told(job: AuditedJob) -> None:
    facts = collect_facts(job.folder, job.shards, with_service(job).run, {})
    Draft202012Validator(SCHEMA).validate(facts)
    assert (facts["rules"]["engine"], facts["rules"]["service"]) == ("service", "https://dimp.example:8443")
    assert "secret" not in json.dumps(facts)
    assert not [one for one in facts["artefacts"] if one["kind"] == "rule set"]


def test_nothing_identifying_no_secret_and_no_folder_is_in_it(job: AuditedJob) -> None:
    job.audit()
    written = sorted((job.folder.path / "audit").iterdir())
    assert [path.name for path in written] == ["audit.json", "audit.sha256", "provenance.ndjson"]
    assert find_canaries([job.given / "Patient.ndjson"], job.canaries)  # the search finds what is there
    assert surviving(written, job.canaries) == set()
    text = b"".join(path.read_bytes() for path in written)
    for planted in (
        KEY.encode(),
        b"Kanarie-4711",
        BAD_LINE[-12:],
        str(job.folder.path.parent).encode(),
        b"/tmp",
        b"/home",
    ):
        assert planted not in text


def test_a_file_that_is_not_as_written_stops_the_audit(copied: AuditedJob) -> None:
    shard = copied.folder.shard("dimp", "Patient", "001-of-001")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(InputError, match="001-of-001.ndjson is not as it was written"):
        collect_facts(copied.folder, copied.shards, copied.run, {})
    shard.unlink()
    with pytest.raises(InputError, match="001-of-001.ndjson is missing"):
        collect_facts(copied.folder, copied.shards, copied.run, {})


def test_a_damaged_benchmark_is_named(tmp_path: Path) -> None:
    (tmp_path / "dimp.tsv").write_text("nothing\n", encoding="utf-8")
    with pytest.raises(InputError, match="dimp.tsv is no benchmark"):
        seconds_of_steps(tmp_path)
    assert seconds_of_steps(tmp_path / "none") == {}


def test_the_packages_are_those_that_the_workflow_needs() -> None:
    needed = (ROOT / "requirements" / "run.in").read_text(encoding="utf-8")
    names = set(re.findall(r"^([a-z0-9_-]+)==", needed, re.MULTILINE)) - {"snakemake"}
    assert names == set(PACKAGES)
    found = software("9.0.0", None)
    assert ABSENT not in found["packages"].values()
    assert f"msgspec=={found['packages']['msgspec']}\n" in needed
    assert found["python"] == sys.version.split()[0]
    assert found["libraries"]["openssl"].startswith("OpenSSL") and found["commit"] is None


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_of_a_checkout_is_told_and_whether_it_was_changed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert commit_of(tmp_path) is None
    git("init", "--quiet")
    (tmp_path / "file").write_text("one", encoding="utf-8")
    git("add", "file")
    git("commit", "--quiet", "--message", "first")
    head = git("rev-parse", "HEAD")
    assert commit_of(tmp_path) == head
    (tmp_path / "file").write_text("two", encoding="utf-8")
    assert commit_of(tmp_path) == f"{head}+changed"
    (tmp_path / "inner").mkdir()
    assert commit_of(tmp_path / "inner") is None
