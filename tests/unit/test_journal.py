"""The journal of answers: what a killed job leaves, and what the next one takes from it."""

import stat
from pathlib import Path

import pytest

from dimpflow.errors import OutputError
from dimpflow.steps.journal import Journal


def lines(batch: int) -> list[bytes]:
    return [b'{"batch":%d,"line":%d}' % (batch, number) for number in range(3)]


def answers(batch: int) -> list[bytes]:
    return [b'{"answer":%d,"to":%d}' % (batch, number) for number in range(3)]


def written(path: Path, batches: tuple[int, ...] = (0, 2, 1)) -> Path:
    with Journal(path, "a") as journal:
        for batch in batches:
            journal.add(batch, lines(batch), answers(batch))
    return path


def known(path: Path, identity: str = "a") -> list[int]:
    with Journal(path, identity) as journal:
        found = [batch for batch in range(10) if journal.has(batch, lines(batch))]
        assert len(journal) == len(found)
        assert all(journal.answers(batch) == answers(batch) for batch in found)
        return found


def test_answers_come_back_in_any_order(tmp_path: Path) -> None:
    path = written(tmp_path / "new" / ".x.journal")
    assert known(path) == [0, 1, 2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Journal(path, "a") as journal:
        journal.add(7, lines(7), answers(7))
        assert journal.answers(7) == answers(7) and journal.answers(1) == answers(1)
    assert known(path) == [0, 1, 2, 7]


def test_other_lines_are_no_answer(tmp_path: Path) -> None:
    with Journal(written(tmp_path / "j"), "a") as journal:
        assert (
            not journal.has(1, lines(2)) and not journal.has(1, lines(1)[:2]) and not journal.has(5, lines(5))
        )


def test_another_identity_begins_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    assert known(path, "b") == [] and known(path, "a") == []


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """As a killed process or a full disk leaves it: whole records count, and new ones go behind them."""
    whole = written(tmp_path / "j").read_bytes()
    counts = []
    for length in range(len(whole) + 1):
        path = tmp_path / "cut"
        path.write_bytes(whole[:length])
        found = known(path)
        counts.append(len(found))
        with Journal(path, "a") as journal:
            journal.add(9, lines(9), answers(9))
        assert known(path) == [*found, 9]
    assert counts == sorted(counts) and set(counts) == {0, 1, 2, 3}


def test_a_changed_byte_ends_it(tmp_path: Path) -> None:
    whole = written(tmp_path / "j").read_bytes()
    for at in range(0, len(whole), 7):
        path = tmp_path / "changed"
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
        with Journal(path, "a") as journal:
            for batch in range(3):
                assert not journal.has(batch, lines(batch)) or journal.answers(batch) == answers(batch)


def test_removed(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", "a") as journal:
        journal.remove()
    assert not (tmp_path / "j").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), Journal(tmp_path / "file" / "j", "a"):
        pass
