"""The search for identifying strings must find each, wherever it lies and however it is written."""

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import orjson
import pytest
import zstandard

from canaries import Searcher, find_canaries, main, surviving, unescape
from generate import generate

FILLER = "".join(random.Random(3).choices("abcdefghij 0123456789äöü\n", k=200))


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A canary file, and one value of each kind."""
    folder = tmp_path_factory.mktemp("canaries")
    generate(folder / "c", 60, seed=8, canaries=folder / "canaries.jsonl")
    rows = [orjson.loads(line) for line in (folder / "canaries.jsonl").open("rb")]
    return folder / "canaries.jsonl", {row["kind"]: row["value"] for row in rows}


def test_each_kind_is_found_at_every_place_of_a_line(listed: tuple[Path, dict[str, str]]) -> None:
    searcher = Searcher(orjson.loads(line)["value"].encode() for line in listed[0].open("rb"))
    for kind, value in listed[1].items():
        for place in range(24):
            for ascii_only in (False, True):
                line = json.dumps(
                    {"x" * place: f"y{value}z", "rest": FILLER}, ensure_ascii=ascii_only
                ).encode()
                assert value.encode() in searcher.search(line), (kind, place, ascii_only)


def test_each_kind_is_found_in_a_file_and_counted(
    listed: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    lines = [orjson.dumps({"id": FILLER[n % 40 :], "n": n}) for n in range(400)]
    for n, value in enumerate(listed[1].values()):
        lines[7 + 20 * n] = orjson.dumps({"deep": [{"text": f"<b>{value}</b>"}]})
    path = tmp_path / "leaking.ndjson"
    path.write_bytes(b"\n".join(lines) + b"\n")
    found = surviving([path], listed[0])
    assert found >= set(listed[1].items())
    assert dict(find_canaries([path], listed[0])) == Counter(kind for kind, _ in found)
    assert main([str(listed[0]), str(path)]) == 1


def test_a_clean_file_is_clean(listed: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    path = tmp_path / "clean.ndjson"
    path.write_bytes(b"".join(orjson.dumps({"id": f"{n:032x}", "x": FILLER}) + b"\n" for n in range(2000)))
    assert find_canaries([path], listed[0]) == []
    assert main([str(listed[0]), str(path)]) == 0


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_compressed_files_are_opened(
    listed: tuple[Path, dict[str, str]], tmp_path: Path, suffix: str
) -> None:
    text = orjson.dumps({"name": listed[1]["name"]}) + b"\n"
    packed = gzip.compress(text) if suffix == "gz" else zstandard.compress(text)
    path = tmp_path / f"x.ndjson.{suffix}"
    path.write_bytes(packed)
    assert "name" in dict(find_canaries([path], listed[0]))


def test_lines_longer_than_a_block_and_files_without_a_last_newline(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(orjson.dumps({"kind": "name", "value": "Müllerström", "patient": None}))
    border = 1 << 22  # canaries.BLOCK
    for before in range(border - 30, border + 2, 3):
        (tmp_path / "x").write_bytes(b"-" * before + json.dumps("Müllerström").encode())
        assert find_canaries([tmp_path / "x"], tmp_path / "list") == [("name", 1)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (rb"M\u00fcller", "Müller"),
        (rb"03/412 \/ 7 \"x\"", '03/412 / 7 "x"'),
        (rb"a\nb\tc\\d", "a\nb\tc\\d"),
        (rb"\\u00fc", "\\u00fc"),
        (rb"\ud83d\ude00!", "\U0001f600!"),
        (b"plain", "plain"),
    ],
)
def test_escapes_are_undone(written: bytes, meant: str) -> None:
    assert unescape(written) == meant.encode()


@pytest.mark.parametrize("length", range(1, 40))
def test_strings_of_every_length_are_found_and_near_misses_are_not(length: int) -> None:
    source = random.Random(length)
    wanted = bytes(source.choices(b"ABCDEFGH", k=length))
    searcher = Searcher([wanted, b"unrelated canary"])
    for place in range(20):
        assert searcher.search(b"." * place + wanted + b"." * 9) == {wanted}
        assert searcher.search(b"." * place + wanted) == {wanted}
        assert searcher.search(b"." * place + wanted[:-1] + b"#" + wanted[1:].lower()) == set()
