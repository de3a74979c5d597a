"""The files of the leak check: compressed results, several processes, blocks of any size; what lies on the disk meanwhile."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from dimpflow.audit import pieces
from dimpflow.audit.leaks import check_leaks, clear, gather, gathered, gathering, run, search, store
from dimpflow.audit.leaks.kinds import KINDS
from dimpflow.errors import InputError
from dimpflow.native.hashing import Hasher
from generate import generate


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Path]:
    """An import, and its own lines as the result; one of them is longer than a block."""
    folder = tmp_path_factory.mktemp("leaking")
    generate(folder / "in", patients=8, seed=3, canaries=folder / "canaries")
    imported = sorted((folder / "in").glob("*.ndjson"))
    long = orjson.dumps({"resourceType": "Basic", "id": "b", "text": {"div": "x" * 50_000}})
    (folder / "x.ndjson").write_bytes(b"\n".join([path.read_bytes().rstrip() for path in imported] + [long]))
    return imported, folder / "x.ndjson"


def facts(leaking: tuple[list[Path], Path], work: Path, **options: Any) -> dict[str, Any]:
    imported, result = leaking
    options = {"result": result, "processes": 1, **options}
    return check_leaks(imported, work=work, **options).as_facts()


def test_processes_blocks_and_pieces_change_nothing(
    leaking: tuple[list[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = facts(leaking, tmp_path / "w")
    assert len(expected["findings"]) > 30
    assert expected["lines"] == sum(path.read_bytes().count(b"\n") for path in leaking[0]) + 1
    assert facts(leaking, tmp_path / "w", processes=2) == expected
    for size in (700, 4_001, 1 << 24):
        monkeypatch.setattr(pieces, "BLOCK", size)
        assert facts(leaking, tmp_path / "w") == expected, size
    monkeypatch.setattr(pieces, "PIECE", 5_000)
    monkeypatch.setattr(gathering, "PIECE", 5_000)
    monkeypatch.setattr(store, "_AT_ONCE", 100)
    assert facts(leaking, tmp_path / "w") == expected


def test_who_bears_a_value_is_counted_once_however_the_import_is_cut(
    leaking: tuple[list[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bearers(name: str) -> dict[str, int]:
        gather(leaking[0], tmp_path / name, 1)
        return {kind.name: len(store.Hashes(tmp_path / name, kind)) for kind in KINDS if kind.ordinary}

    expected = bearers("whole")
    assert all(expected.values())
    monkeypatch.setattr(pieces, "PIECE", 5_000)
    monkeypatch.setattr(gathering, "PIECE", 5_000)
    assert bearers("cut") == expected


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_results(leaking: tuple[list[Path], Path], tmp_path: Path, ending: str) -> None:
    data = leaking[1].read_bytes()
    packed = tmp_path / f"x.ndjson.{ending}"
    packed.write_bytes(gzip.compress(data) if ending == "gz" else zstandard.compress(data))
    assert facts(leaking, tmp_path / "w", result=packed) == facts(leaking, tmp_path / "w")


def test_no_value_lies_on_the_disk_and_nothing_stays(
    leaking: tuple[list[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "zone" / "leaks"
    work.mkdir(parents=True, mode=0o755)
    (work / "part-0.hashes").write_bytes(b"left by a run that was killed")
    seen: list[bytes] = []
    scanned = run._scanned

    def look(*arguments: Any) -> Any:
        for path in (work, *work.rglob("*")):
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
        seen.extend(path.read_bytes() for path in work.rglob("*") if path.is_file())
        assert {"key", "sizes.json"} <= {path.name for path in work.iterdir()}
        return scanned(*arguments)

    monkeypatch.setattr(run, "_scanned", look)
    report = orjson.dumps(facts(leaking, work))
    assert not work.exists()
    assert len(seen) > len(run.KINDS) + 3  # anchors, two filters, and what is surveyed
    assert sum(map(len, seen)) > 1000
    canaries = [orjson.loads(line)["value"] for line in (leaking[1].parent / "canaries").open("rb")]
    for value in canaries:
        if len(value) > 4:
            assert value.encode() not in report
            assert not any(value.encode() in data for data in seen)


def test_hashes_depend_on_the_key() -> None:
    one, other = Hasher(b"a" * 32), Hasher(b"b" * 32)
    assert one(b"rose") == Hasher(b"a" * 32)(b"rose") != other(b"rose")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_broken_import_is_an_error_and_leaves_nothing(tmp_path: Path, processes: int) -> None:
    (tmp_path / "broken.ndjson").write_bytes(b'{"resourceType":"Patient","id":"secret-7"\n')
    with pytest.raises(InputError, match=r"broken\.ndjson: a line is not JSON") as error:
        check_leaks(
            [tmp_path / "broken.ndjson"],
            tmp_path / "broken.ndjson",
            work=tmp_path / "w",
            processes=processes,
        )
    assert "secret" not in str(error.value)
    assert not (tmp_path / "w").exists()


def test_what_was_gathered_is_used_once(leaking: tuple[list[Path], Path], tmp_path: Path) -> None:
    """By another process, after one that was killed, and never if it is not all there."""
    imported, result = leaking
    folder = tmp_path / "values"
    assert gathered(folder) is None
    made = gather(imported, folder, 2)
    expected = search(result, made, processes=1).as_facts()
    assert expected == facts(leaking, tmp_path / "w")
    again = gathered(folder)  # as if the search had been killed: what it had seen of the result is forgotten
    assert again is not None and again.sizes == made.sizes
    assert again.survey.after.links().things == 0
    assert search(result, again, processes=2).as_facts() == expected
    assert again.survey.after.links() == made.survey.after.links() != again.survey.before.links()
    (folder / "sizes.json").unlink()
    assert gathered(folder) is None
    clear(folder)
    assert list(folder.iterdir()) == []
