"""The chain: every file with what it was made from, and lists in which it does not hold together."""

import copy
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit_jobs import AuditedJob, make_job
from dimpflow.audit.chain.joined import first_difference
from dimpflow.audit.chain.links import link_faults
from dimpflow.audit.facts import collect_facts

Artefact = dict[str, Any]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> AuditedJob:
    return make_job(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def listed(job: AuditedJob) -> list[Artefact]:
    found: list[Artefact] = job.audit()["artefacts"]
    return found


def test_every_file_of_the_job_is_listed_with_its_digest(job: AuditedJob, listed: list[Artefact]) -> None:
    root = job.folder.path
    known = {one["path"]: one for one in listed}
    left_out = ("benchmarks/", "gather/", "status.json", "inventory/_all.json", "audit/audit.")
    for path in job.files():
        name = path.relative_to(root).as_posix()
        if name.startswith(left_out):
            assert name not in known
        else:
            assert known[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            assert known[name]["bytes"] == path.stat().st_size and known[name]["kept"]
    outside = {one["path"] for one in listed if one["outside"]}
    given = [path.name for path in job.given.iterdir() if not path.name.startswith(".")]
    assert outside == {"rules/default.yaml", *(f"input/{name}" for name in given)}


def test_the_result_leads_back_to_every_input_and_to_the_rules(listed: list[Artefact]) -> None:
    known = {one["path"]: one for one in listed}
    way, reached = ["dimp_results.ndjson"], set()
    while way:
        path = way.pop()
        reached.add(path)
        way += known[path]["made_from"]
    for kind in ("rule set", "input", "import", "split", "de-identified"):
        assert {one["path"] for one in listed if one["kind"] == kind} <= reached
    made = known["dimp/Observation/002-of-002.ndjson"]["made_from"]
    assert made == [
        "split/Observation/002-of-002.ndjson",
        "split/Observation/002-of-002.json",
        "rules/default.yaml",
    ]
    assert known["mappings/mapping.ndjson"]["made_from"][0].startswith("dimp/")
    assert list(link_faults(listed)) == []


def test_a_mapping_that_was_made_before_is_what_shards_were_made_from(
    job: AuditedJob, listed: list[Artefact]
) -> None:
    facts = collect_facts(job.folder, job.shards, replace(job.run, gathers=True), {})
    known = {one["path"]: one for one in facts["artefacts"]}
    assert "mappings/mapping.ndjson" in known["dimp/Patient/001-of-001.ndjson"]["made_from"]
    assert known["mappings/mapping.ndjson"]["made_from"][0].startswith("split/")
    assert list(link_faults(facts["artefacts"])) == []


def test_further_files_are_vouched_for(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    (job.folder.path / "audit").mkdir()
    (job.folder.path / "audit" / "leaks.json").write_text("{}", encoding="utf-8")
    more = {"audit/leaks.json": ["import_results.ndjson", "dimp_results.ndjson"]}
    told = replace(job, run=replace(job.run, more=more)).audit()["artefacts"]
    assert ("check", more["audit/leaks.json"]) in [(one["kind"], one["made_from"]) for one in told]


def change(listed: list[Artefact], path: str, **members: Any) -> list[tuple[str, str]]:
    """What is wrong with the list once an entry is changed."""
    spoilt = copy.deepcopy(listed)
    next(one for one in spoilt if one["path"] == path).update(members)
    return list(link_faults(spoilt))


def test_a_link_to_nowhere_a_circle_and_unused_data_are_named(listed: list[Artefact]) -> None:
    shard = "dimp/Patient/001-of-001.ndjson"
    faults = change(listed, shard, made_from=["split/Nobody/001-of-001.ndjson"])
    assert (shard, "was made from split/Nobody/001-of-001.ndjson, which the audit lists not at all") in faults
    assert (
        "split/Patient/001-of-001.ndjson",
        "was used for nothing, says the audit",
    ) not in faults  # its counts use it
    faults = change(listed, "input/Patient.ndjson", made_from=["dimp_results.ndjson"])
    assert (
        "input/Patient.ndjson",
        "was made from dimp_results.ndjson, which the audit lists behind it",
    ) in faults
    result = next(one for one in listed if one["path"] == "dimp_results.ndjson")
    parts = [path for path in result["made_from"] if path != shard]
    unused = [one for one in listed if not one["path"].startswith("mappings/")]
    assert (shard, "was used for nothing, says the audit") in change(
        unused, "dimp_results.ndjson", made_from=parts
    )
    assert ("audit/audit.json", "lists a file twice") in list(link_faults([*listed, listed[0]]))


@pytest.mark.parametrize(
    "path",
    [
        "import/Patient.ndjson",
        "split/Observation/001-of-002.ndjson",
        "dimp/Patient/001-of-001.ndjson",
        "dimp_results.ndjson",
    ],
)
def test_a_line_too_many_is_found(listed: list[Artefact], path: str) -> None:
    lines = next(one for one in listed if one["path"] == path)["lines"]
    for wrong in (lines + 1, lines - 1):
        assert any("lines" in what for _, what in change(listed, path, lines=wrong))


def test_a_line_that_was_set_aside_counts(listed: list[Artefact]) -> None:
    shard = next(one for one in listed if one["path"] == "dimp/Patient/001-of-001.ndjson")
    assert shard["rejected"] == 1
    assert change(listed, shard["path"], rejected=0)


def test_the_first_line_that_differs_is_told(tmp_path: Path) -> None:
    parts = []
    for source, lines in (("A", 70_000), ("B", 3)):
        part = tmp_path / source / "001.ndjson"
        part.parent.mkdir()
        part.write_bytes(b"".join(b'{"%s":%d}\n' % (source.encode(), n) for n in range(lines)))
        parts.append(part)
    whole = b"".join(part.read_bytes() for part in parts)
    result = tmp_path / "result"
    result.write_bytes(whole)
    assert first_difference(result, parts) is None
    for spoilt, line, part, part_line in (
        (b"X" + whole[1:], 1, "A/001.ndjson", 1),
        (whole.replace(b'{"A":69999}', b'{"A":69998}'), 70_000, "A/001.ndjson", 70_000),
        (whole.replace(b'{"B":1}\n', b""), 70_002, "B/001.ndjson", 2),
        (whole[:-1], 70_003, "B/001.ndjson", 3),
        (whole + b"{}\n", 70_004, "B/001.ndjson", 4),
    ):
        result.write_bytes(spoilt)
        found = first_difference(result, parts)
        assert found is not None
        assert (found.line, found.part, found.part_line) == (line, part, part_line)
