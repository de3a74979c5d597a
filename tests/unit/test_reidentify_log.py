"""The log of re-identifications: a chain that shows what was changed, removed, moved or cut."""

import hashlib
import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dimpflow.errors import InputError, OutputError
from dimpflow.reidentify.chain import FIRST, append, read_log, verify_log

LINES = 5


def filled(folder: Path, lines: int = LINES) -> Path:
    path = folder / "mappings" / "reidentifications.ndjson"
    for number in range(lines):
        append(path, {"result": "ok", "why": f"größere Sache {number}", "how_many": number})
    return path


def head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return filled(tmp_path)


def test_a_log_that_nobody_touched_is_whole(log: Path) -> None:
    assert verify_log(log) == []
    assert [record["how_many"] for record in read_log(log)] == list(range(LINES))


def test_each_line_holds_the_sha256_of_the_line_before(log: Path) -> None:
    lines = log.read_bytes().splitlines()
    before = [FIRST, *(hashlib.sha256(line).hexdigest() for line in lines)]
    assert [json.loads(line)["previous"] for line in lines] == before[:-1]


def test_only_its_owner_may_read_it(log: Path) -> None:
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (log.parent, log, head_of(log))]
    assert modes == [0o700, 0o600, 0o600]


def test_lines_can_only_be_added(log: Path) -> None:
    before = log.read_bytes()
    append(log, {"result": "ok"})
    assert log.read_bytes().startswith(before)


def swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[1], lines[0], *lines[2:]]


@pytest.mark.parametrize(
    ("damage", "line", "reason"),
    [
        (lambda lines: [lines[0].replace(b'"ok"', b'"OK"'), *lines[1:]], 1, "changed"),
        (lambda lines: [*lines[:-1], lines[-1].replace(b'"ok"', b'"no"')], LINES, "changed"),
        (lambda lines: lines[1:], 1, "removed"),
        (lambda lines: [*lines[:2], *lines[3:]], 3, "removed"),
        (lambda lines: lines[:-1], 0, "removed at the end"),
        (lambda lines: lines[:-2], 0, "removed at the end"),
        (lambda lines: [], 0, "removed at the end"),
        (swapped, 1, "moved"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3, "does not follow"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], LINES, "cut"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], LINES, "cut"),
        (lambda lines: [*lines, b"\n"], LINES + 1, "changed"),
        (lambda lines: [*lines, b"[1]\n"], LINES + 1, "changed"),
        (lambda lines: [*lines, lines[-1]], LINES + 1, "does not follow"),
    ],
)
def test_tampering_is_seen_and_stops_further_use(log: Path, damage, line: int, reason: str) -> None:
    log.write_bytes(b"".join(damage(log.read_bytes().splitlines(keepends=True))))
    faults = verify_log(log)
    assert any(fault.line == line and reason in fault.reason for fault in faults), faults
    left = log.read_bytes()
    with pytest.raises(InputError, match="tampered with or damaged") as caught:
        append(log, {"result": "ok"})
    assert str(log) in str(caught.value) and "größere" not in str(caught.value)
    assert log.read_bytes() == left
    with pytest.raises(InputError):
        read_log(log)


def test_a_line_that_was_forged_with_a_hash_of_its_own_does_not_fit_the_next(log: Path) -> None:
    append(log.parent / "forged.ndjson", {"result": "ok", "why": "größere Sache 0", "how_many": 9})
    forged = (log.parent / "forged.ndjson").read_bytes()
    log.write_bytes(forged + b"".join(log.read_bytes().splitlines(keepends=True)[1:]))
    assert [fault.line for fault in verify_log(log)] == [2]


@pytest.mark.parametrize("damage", [None, b"", b"5 0\n", b"nothing"])
def test_the_head_is_needed(log: Path, damage: bytes | None) -> None:
    if damage is None:
        head_of(log).unlink()
    else:
        head_of(log).write_bytes(damage)
    assert [fault.line for fault in verify_log(log)] == [0]


@pytest.mark.parametrize("lines", [1, LINES])
def test_a_crash_between_a_line_and_its_head_is_no_tampering(tmp_path: Path, lines: int) -> None:
    path = filled(tmp_path, lines - 1) if lines > 1 else tmp_path / "mappings" / "reidentifications.ndjson"
    head = head_of(path).read_bytes() if lines > 1 else None
    append(path, {"result": "started"})
    if head is None:
        head_of(path).unlink()
    else:
        head_of(path).write_bytes(head)
    assert verify_log(path) == []
    append(path, {"result": "ok"})
    assert verify_log(path) == [] and len(read_log(path)) == lines + 1


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_single_byte_can_change_unseen(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "mappings" / "reidentifications.ndjson"
    if not path.exists():
        filled(tmp_path)
    target = data.draw(st.sampled_from([path, head_of(path)]))
    whole = target.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.binary(max_size=1).filter(lambda byte: byte != whole[at : at + 1]))
    try:
        target.write_bytes(whole[:at] + byte + whole[at + 1 :])
        assert verify_log(path)
    finally:
        target.write_bytes(whole)


def _many(path: Path, count: int) -> None:
    for number in range(count):
        append(path, {"number": number, "process": os.getpid()})


def test_several_at_a_time_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "reidentifications.ndjson"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_many, args=(path, 20)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(read_log(path)) == 60


def test_a_disk_that_takes_half_a_line_leaves_the_log_as_it_was(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = log.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: len(data) // 2]))
    with pytest.raises(OutputError, match="disk full"):
        append(log, {"result": "ok"})
    monkeypatch.undo()
    assert log.read_bytes() == before and verify_log(log) == []


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"")
    (tmp_path / "log").symlink_to(tmp_path / "target")
    with pytest.raises(OutputError):
        append(tmp_path / "log", {})
    assert (tmp_path / "target").read_bytes() == b""


def test_a_log_that_is_not_there_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        verify_log(tmp_path / "none")
