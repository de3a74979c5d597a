"""The dimp step on files: lines, chunks, counts, refusals."""

import stat
from pathlib import Path
from typing import Any

import orjson
import pytest

from dimpflow.engine.engine import Engine
from dimpflow.errors import InputError
from dimpflow.ruleset.load import load_rule_set
from dimpflow.steps.dimp import deidentify_shard
from dimpflow.steps.split import split_shard

RULES = "fhirPathRules: [{path: nodesByType('HumanName'), method: redact}, {path: Bundle.id, method: redact}]"


class Job:
    """An imported file, and what split and dimp make of it."""

    def __init__(self, folder: Path, lines: list[bytes]) -> None:
        self.folder = folder
        self.imported = folder / "import.ndjson"
        self.imported.write_bytes(b"".join(line + b"\n" for line in lines))
        manifest = {"bytes": self.imported.stat().st_size, "longest_line": max(map(len, lines))}
        self.manifest = folder / "import.json"
        self.manifest.write_bytes(orjson.dumps(manifest))
        self.rules = folder / "rules.yaml"
        self.rules.write_text(RULES, encoding="utf-8")
        self.rejected = folder / "rejected" / "x.ndjson"

    def run(
        self, shards: int = 1, limit: int = 1 << 20, on_invalid: Any = "fail"
    ) -> tuple[bytes, list[dict[str, Any]]]:
        engine = Engine(load_rule_set(self.rules, {}))
        done, counts = b"", []
        for k in range(1, shards + 1):
            files = [
                self.folder / f"{step}-{k}{end}" for step in ("split", "dimp") for end in (".ndjson", ".json")
            ]
            split_shard(self.imported, self.manifest, k, shards, limit, files[0], files[1], remote=False)
            deidentify_shard(
                engine,
                files[0],
                files[1],
                self.imported,
                files[2],
                files[3],
                on_invalid=on_invalid,
                rejected=self.rejected,
            )
            done += files[2].read_bytes()
            counts.append(orjson.loads(files[3].read_bytes()))
        return done, counts


def patient(number: int) -> bytes:
    return b'{"resourceType":"Patient","id":"p%d","name":[{"family":"Name%d"}],"active":true}' % (
        number,
        number,
    )


def bundle(number: int, entries: int) -> bytes:
    inner = b",".join(b'{"resource":%s}' % patient(i) for i in range(entries))
    return b'{"type":"batch","entry":[%s],"id":"b%d","resourceType":"Bundle"}' % (inner, number)


def test_one_line_out_for_each_line_in(tmp_path: Path) -> None:
    done, counts = Job(tmp_path, [patient(i) for i in range(1000)]).run()
    lines = [orjson.loads(line) for line in done.splitlines()]
    assert [line["id"] for line in lines] == [f"p{i}" for i in range(1000)]
    assert all("name" not in line and line["active"] for line in lines)
    assert (counts[0]["lines"], counts[0]["rejected"], counts[0]["resources"]) == (1000, 0, {"Patient": 1000})
    assert counts[0]["rules"][0] == {
        "rule": 1, "path": "nodesByType('HumanName')", "method": "redact", "matched": 1000, "changed": 1000,
        "places": {"Patient.name": {"matched": 1000, "changed": 1000}}, "within": {},
    }  # fmt: skip
    assert stat.S_IMODE((tmp_path / "dimp-1.ndjson").stat().st_mode) == 0o644


def test_same_bytes_and_counts_cut_or_uncut_and_for_any_number_of_shards(tmp_path: Path) -> None:
    job = Job(tmp_path, [bundle(1, 30), patient(1), bundle(2, 1), bundle(3, 200), patient(2)])
    whole, counts = job.run()
    assert b"Name" not in whole and b'"b1"' not in whole
    for shards, limit in ((1, 600), (3, 600), (4, 1), (2, 5000)):
        cut, parts = job.run(shards, limit)
        assert cut == whole
        assert sum(part["lines"] for part in parts) == 5
        for number in range(2):
            for kind in ("matched", "changed"):
                assert sum(p["rules"][number][kind] for p in parts) == counts[0]["rules"][number][kind]


BAD = b'{"resourceType":"Patient","name":[{"familie":"Secret"}]}'


def test_refused_lines_are_named_by_file_line_and_path(tmp_path: Path) -> None:
    lines = [patient(i) for i in range(100)]
    lines[70] = BAD
    job = Job(tmp_path, lines)
    for shards in (1, 3):
        with pytest.raises(InputError) as error:
            job.run(shards)
        message = str(error.value)
        assert f"{job.imported}:71: an element that FHIR R4 does not have here at $.name[0]; mend" in message
        assert "Secret" not in message and "familie" not in message and "\n" not in message
        assert not (tmp_path / f"dimp-{3 if shards == 3 else 1}.ndjson").exists()


def test_many_refused_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        Job(tmp_path, [BAD] * 50).run()
    lines = str(error.value).split("\n")
    assert (
        len(lines) == 21
        and "50 lines refused" in lines[0]
        and lines[20].startswith(str(tmp_path / "import.ndjson:20: "))
    )


def test_quarantine(tmp_path: Path) -> None:
    lines = [patient(0), BAD, bundle(1, 40), patient(2), BAD]
    job = Job(tmp_path, lines)
    done, counts = job.run(limit=700, on_invalid="quarantine")
    assert len(done.splitlines()) == 3 and (counts[0]["lines"], counts[0]["rejected"]) == (3, 2)
    assert job.rejected.read_bytes() == (BAD + b"\n") * 2
    assert stat.S_IMODE(job.rejected.stat().st_mode) == 0o600
    assert stat.S_IMODE(job.rejected.parent.stat().st_mode) == 0o700
    job.imported.write_bytes(patient(0) + b"\n")
    job.manifest.write_bytes(orjson.dumps({"bytes": job.imported.stat().st_size, "longest_line": 100}))
    job.run(on_invalid="quarantine")
    assert not job.rejected.exists()


def test_a_shard_that_is_not_what_split_wrote(tmp_path: Path) -> None:
    job = Job(tmp_path, [patient(0), patient(1)])
    job.run()
    (tmp_path / "split-1.ndjson").write_bytes(patient(0) + b"\n")
    files = [
        tmp_path / name
        for name in ("split-1.ndjson", "split-1.json", "import.ndjson", "dimp-1.ndjson", "dimp-1.json")
    ]
    (tmp_path / "dimp-1.ndjson").unlink()
    with pytest.raises(InputError, match="1 lines, but its index says 2"):
        deidentify_shard(
            Engine(load_rule_set(job.rules, {})), *files, on_invalid="fail", rejected=job.rejected
        )
    assert not (tmp_path / "dimp-1.ndjson").exists()
