"""Re-identification: lists of pseudonyms, reasons, rights of files, and what is on record."""

import getpass
import hashlib
import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from dimpflow.errors import InputError, OutputError
from dimpflow.pseudonyms.mapping import Entry, read_mapping, write_mapping
from dimpflow.reidentify import run
from dimpflow.reidentify.chain import read_log
from dimpflow.reidentify.originals import RefusedError, Sources
from reidentifying import REASON, RESOURCES, Case, Directory, case, refused, told_in


@pytest.fixture
def job(tmp_path: Path) -> Case:
    return case(tmp_path / "job", RESOURCES)


# ---- lists -----------------------------------------------------------------------------------------------------------------------


def listed(job: Case, *lines: str, **changes: Any) -> list[dict[str, str]]:
    path = job.folder / "list.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    job.run(input=path, **changes)
    return [json.loads(line) for line in job.output.read_bytes().splitlines()]


def test_a_list_of_pseudonyms_with_and_without_domains(job: Case) -> None:
    entries = {(entry.domain, entry.original): entry.pseudonym for entry in read_mapping(job.mapping)}
    id_, number = entries["id", "p-4711"], entries["number", "4711"]
    done = listed(job, id_, "", f"{number}\tnumber", id_, rules=None)
    assert done == [
        {"domain": "id", "pseudonym": id_, "original": "p-4711"},
        {"domain": "number", "pseudonym": number, "original": "4711"},
        {"domain": "id", "pseudonym": id_, "original": "p-4711"},
    ]
    assert read_log(job.log)[-1]["of_what"] == {"id": 1, "number": 1}


def test_a_list_with_encrypted_values(job: Case) -> None:
    family = json.loads(job.results.read_bytes().splitlines()[0])["name"][0]["family"]
    assert listed(job, family)[0] == {
        "domain": "(encrypted)", "pseudonym": family, "original": "Müller-Lüdenscheid",
    }  # fmt: skip


def test_a_list_for_a_service_needs_domains(job: Case) -> None:
    service = Sources(None, b"", Directory(job.recorder))
    pseudonym = "OFF_" + job.recorder.given["official", "A 17/ü"]
    assert listed(job, f"{pseudonym}\tofficial", sources=service)[0]["original"] == "A 17/ü"
    with pytest.raises(RefusedError, match="1 of 1 pseudonyms are unknown"):
        listed(job, pseudonym, sources=service)


def test_a_pseudonym_of_two_domains_needs_its_domain(job: Case) -> None:
    write_mapping(job.mapping, [Entry(domain, f"of {domain}", "x1", "2026-11-24") for domain in ("a", "b")])
    with pytest.raises(RefusedError, match="1 pseudonyms stand for more than one original"):
        listed(job, "x1")
    assert [row["original"] for row in listed(job, "x1\ta", "x1\tb")] == ["of a", "of b"]


@pytest.mark.parametrize("line", ["a\tb\tc", "a\t b\tc"])
def test_lines_that_are_no_pseudonym(job: Case, line: str) -> None:
    with pytest.raises(InputError, match=r"list.txt:2: expected a pseudonym"):
        listed(job, "x", line)
    assert job.nothing_came_out()


# ---- reasons, rights, records -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "   ",
        "too short",
        "a reason\nof two lines",
        "a bell \a in a reason",
        "long " * 101,
        "         x         ",
    ],
)
def test_without_a_reason_nothing_is_done(job: Case, reason: str) -> None:
    refused(job, "reason", "reason", reason=reason)


@pytest.mark.parametrize("holding", ["original", "pseudonym"])
def test_a_reason_must_not_hold_a_value(job: Case, holding: str) -> None:
    value = "4711" if holding == "original" else job.recorder.given["number", "4711"]
    refused(job, "reason", "holds one of the values", reason=f"withdrawal of patient {value}, by letter")


def test_what_is_on_record(job: Case) -> None:
    job.run()
    first, last = read_log(job.log)
    assert (first["result"], last["result"]) == ("started", "ok") and first["run"] == last["run"]
    for record in (first, last):
        assert record["why"] == REASON and record["job"] == "study-42"
        assert record["who"] == {"user": getpass.getuser(), "host": socket.gethostname()}
        assert record["how_many"] == sum(record["of_what"].values())
        assert record["of_what"] == {"(encrypted)": 5, "id": 7, "number": 1, "official": 1}
        assert record["input_sha256"] == hashlib.sha256(job.results.read_bytes()).hexdigest()
        assert record["mapping_sha256"] == hashlib.sha256(job.mapping.read_bytes()).hexdigest()
        assert len(record["key_fingerprint"]) == 10
    for value in ("4711", "Müller", *job.recorder.given.values()):
        assert value not in told_in(job.log)


def test_originals_are_for_their_owner_only(job: Case) -> None:
    job.run()
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (job.output, job.output.parent, job.log, job.log.parent)
    ]
    assert modes == [0o600, 0o700, 0o600, 0o700]


def test_a_folder_that_others_can_read_is_refused(job: Case) -> None:
    open_ = job.folder / "open"
    open_.mkdir(mode=0o755)
    (open_ / "something").touch()
    with pytest.raises(OutputError, match="open to other users"):
        job.run(output=open_ / "out.ndjson")
    assert [path.name for path in open_.iterdir()] == ["something"]
    assert stat.S_IMODE(open_.stat().st_mode) == 0o755


def test_the_input_is_never_the_output(job: Case) -> None:
    before = job.results.read_bytes()
    with pytest.raises(OutputError, match="is the input"):
        job.run(output=job.results)
    assert job.results.read_bytes() == before


def test_a_broken_log_stops_everything(job: Case) -> None:
    job.run()
    job.output.unlink()
    job.log.write_bytes(job.log.read_bytes().replace(b"started", b"started "))
    with pytest.raises(InputError, match="tampered with or damaged"):
        job.run()
    assert job.nothing_came_out()


def test_every_log_has_it_before_anything_is_written(job: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    central = job.folder / "central.ndjson"
    seen = []

    def write(*arguments: Any) -> Any:
        seen.append(
            (read_log(job.log)[-1]["result"], read_log(central)[-1]["result"], job.nothing_came_out())
        )
        return real(*arguments)

    real = run._write
    monkeypatch.setattr(run, "_write", write)
    run.reidentify(job.request(), [job.log, central])
    assert seen == [("started", "started", True)]
    assert [record["result"] for record in read_log(central)] == ["started", "ok"]
