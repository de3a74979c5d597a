"""dimpflow.steps.results and inventory."""

import hashlib
import stat
from pathlib import Path

import orjson
import pytest

from dimpflow.errors import InputError
from dimpflow.ndjson import open_input
from dimpflow.sources import Source
from dimpflow.steps.inventory import take_inventory
from dimpflow.steps.results import join_results

PARTS = [b'{"a":1}\n{"b":"\xc3\xbc"}\n', b"", b"x" * 700_000 + b"\n", b"{}\n"]


def write_parts(folder: Path) -> list[Path]:
    paths = [folder / f"part-{i}" for i in range(len(PARTS))]
    for path, content in zip(paths, PARTS, strict=True):
        path.write_bytes(content)
    return paths


@pytest.mark.parametrize("kind", ["", "gz", "zst"])
def test_join(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    digest = join_results(write_parts(tmp_path), out, compression=kind, mode=0o600)  # type: ignore[arg-type]
    with open_input(out, kind) as stream:  # type: ignore[arg-type]
        assert stream.read() == b"".join(PARTS)
    assert (digest.lines, digest.bytes) == (4, sum(map(len, PARTS)))
    assert digest.sha256 == hashlib.sha256(b"".join(PARTS)).hexdigest()
    assert digest.file_sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_join_of_nothing(tmp_path: Path) -> None:
    assert join_results([], tmp_path / "out").lines == 0
    assert (tmp_path / "out").read_bytes() == b""


def test_a_part_without_a_last_line_end_is_refused(tmp_path: Path) -> None:
    parts = write_parts(tmp_path)
    parts[2].write_bytes(b'{"a":1}\n{"b"')
    with pytest.raises(InputError, match=r"part-2 ends in the middle of a line"):
        join_results(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone cannot be read: No such file"):
        join_results([tmp_path / "gone"], tmp_path / "out")


def source(path: Path) -> Source:
    return Source(path.stem, path, path.stat().st_size, "", False)


def test_inventory(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"one\n")
    (tmp_path / "b.ndjson").write_bytes(b"")
    out = tmp_path / "job" / "inventory"
    take_inventory([source(tmp_path / "a.ndjson"), source(tmp_path / "b.ndjson")], out)
    expected = {"source": "a", "bytes": 4, "sha256": hashlib.sha256(b"one\n").hexdigest()}
    assert orjson.loads((out / "a.json").read_bytes()) == expected
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "b.json"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert stat.S_IMODE((out / "a.json").stat().st_mode) == 0o600


def test_inventory_depends_on_content_only_and_forgets_what_is_gone(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.ndjson").write_bytes(b"same\n")
    (tmp_path / "one" / "b.ndjson").write_bytes(b"gone later\n")
    out = tmp_path / "inventory"
    take_inventory([source(tmp_path / "one" / "a.ndjson"), source(tmp_path / "one" / "b.ndjson")], out)
    before = (out / "a.json").read_bytes()
    take_inventory([source(tmp_path / "two" / "a.ndjson")], out)
    assert (out / "a.json").read_bytes() == before
    assert [path.name for path in out.iterdir()] == ["a.json"]


def test_inventory_of_a_file_that_vanished(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"")
    gone = source(tmp_path / "a.ndjson")
    gone.path.unlink()
    with pytest.raises(InputError, match=r"a.ndjson cannot be read"):
        take_inventory([gone], tmp_path / "inventory")
