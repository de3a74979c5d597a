"""dimpflow.steps.split: shards are the lines of the file, each once; cut Bundles are found by the index."""

import stat
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimpflow.bundles import cut, join_entries
from dimpflow.errors import InputError
from dimpflow.plan import shard_name
from dimpflow.steps.split import split_shard

MB = 1024 * 1024


def bundle(entries: int, size: int = 10) -> bytes:
    entry = b'{"resource":{"resourceType":"Patient","id":"' + b"x" * size + b'"}}'
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + b",".join([entry] * entries) + b"]}"


def write(folder: Path, lines: list[bytes]) -> tuple[Path, Path]:
    """An imported file and the part of its manifest that split reads."""
    imported, manifest = folder / "a.ndjson", folder / "a.json"
    imported.write_bytes(b"".join(line + b"\n" for line in lines))
    longest = max(map(len, lines), default=0)
    manifest.write_bytes(orjson.dumps({"bytes": imported.stat().st_size, "longest_line": longest}))
    return imported, manifest


def run(
    folder: Path, files: tuple[Path, Path], k: int, n: int, limit: int, remote: bool = False
) -> tuple[list[bytes], dict[str, Any]]:
    out, index = (
        folder / "split" / f"{shard_name(k, n)}.ndjson",
        folder / "split" / f"{shard_name(k, n)}.json",
    )
    split_shard(*files, k, n, limit, out, index, remote=remote)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (out, index)} == {0o600}
    assert stat.S_IMODE(out.parent.stat().st_mode) == 0o700
    facts = orjson.loads(index.read_bytes())
    assert facts["bytes"] == out.stat().st_size
    return out.read_bytes().split(b"\n")[:-1], facts


lines = st.one_of(
    st.integers(0, 60).map(lambda n: b'{"resourceType":"Patient","x":"' + b"." * n + b'"}'),
    st.integers(0, 6).map(bundle),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(lines, max_size=8), st.integers(1, 6), st.integers(1, 600))
def test_shards_are_the_lines_of_the_file(content: list[bytes], n: int, limit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write(folder, content)
        shards = [run(folder, files, k, n, limit) for k in range(1, n + 1)]
        size = files[0].stat().st_size
    indexes = [facts for _, facts in shards]
    assert indexes[0]["start"] == 0 and indexes[-1]["end"] == size
    assert all(one["end"] == two["start"] for one, two in pairwise(indexes))
    assert sum(facts["lines"] for facts in indexes) == len(content)

    original = iter(content)
    for written, facts in shards:
        runs = dict(facts["chunks"])
        at = count = 0
        while at < len(written):
            line = next(original)
            pieces = runs.get(at, 1)
            assert written[at : at + pieces] == cut(line, limit)
            if pieces > 1:
                assert join_entries(written[at : at + pieces]) == join_entries([line])
            at += pieces
            count += 1
        assert count == facts["lines"]
        too_large = [len(line) for line in written if len(line) > limit]
        assert [entry["bytes"] for entry in facts["oversize"]] == too_large


def test_nothing_over_the_limit_is_a_plain_copy(tmp_path: Path) -> None:
    content = [bundle(3), b"{}", bundle(2)]
    written, facts = run(tmp_path, write(tmp_path, content), 1, 1, len(bundle(3)))
    assert written == content
    size = sum(map(len, content)) + 3
    assert facts == {"start": 0, "end": size, "lines": 3, "bytes": size, "chunks": [], "oversize": []}


def test_the_index_counts_lines_of_the_shard(tmp_path: Path) -> None:
    content = [bundle(4), b"{}", bundle(6), bundle(1)]
    limit = len(bundle(2))
    written, facts = run(tmp_path, write(tmp_path, content), 1, 1, limit)
    assert written == [bundle(2), bundle(2), b"{}", bundle(2), bundle(2), bundle(2), bundle(1)]
    assert (facts["lines"], facts["chunks"], facts["oversize"]) == (4, [[0, 2], [3, 3]], [])


def test_a_single_entry_over_the_limit_remote(tmp_path: Path) -> None:
    content = [b"{}"] * 5 + [bundle(1, 900_000)] * 3 + [bundle(3, MB)]
    files = write(tmp_path, content)
    assert run(tmp_path, files, 1, 3, MB, remote=True)[0] == content[:8]
    with pytest.raises(InputError) as caught:
        run(tmp_path, files, 2, 3, MB, remote=True)
    assert str(caught.value) == (
        f"{files[0]}:9: a single Patient of 1.00 MB (and 2 more) is over the limit of 1 MB: raise "
        "services.dimp.bundle_split_threshold_mb, or split the resource or shorten its attachments at the source, or "
        "use the embedded engine (no services.dimp.url)"
    )
    assert sorted(path.name for path in (tmp_path / "split").iterdir()) == [
        "001-of-003.json",
        "001-of-003.ndjson",
    ]


def test_a_single_entry_over_the_limit_embedded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = [b"{}", b'{"resourceType":"Binary","data":"' + b"A" * 3 * MB + b'"}', bundle(2, MB)]
    written, facts = run(tmp_path, write(tmp_path, content), 1, 1, MB)
    assert written == [*content[:2], bundle(1, MB), bundle(1, MB)]
    sizes = [("Binary", len(content[1])), *[("Patient", len(bundle(1, MB)))] * 2]
    assert [(entry["type"], entry["bytes"]) for entry in facts["oversize"]] == sizes
    assert len(caplog.records) == 1
    assert (
        "a.ndjson:2: a single Binary of 3.00 MB (and 2 more) is over the limit of 1 MB; the embedded"
        in caplog.text
    )


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[]", b'{"bytes":2,"longest_line":1}'])
def test_a_file_that_import_did_not_write_like_this(tmp_path: Path, manifest: bytes) -> None:
    files = write(tmp_path, [b"{}"])
    files[1].write_bytes(manifest)
    with pytest.raises(InputError, match=r"a.json are not what import wrote; remove both and run again"):
        run(tmp_path, files, 1, 1, MB)
    assert not (tmp_path / "split").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    files = write(tmp_path, [])
    files[0].unlink()
    with pytest.raises(InputError, match=r"a.ndjson cannot be read: No such file"):
        run(tmp_path, files, 1, 1, MB)
