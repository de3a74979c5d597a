"""dimpflow.ndjson and dimpflow.atomic: byte ranges of lines, compressed streams, files whole or not there."""

import gzip
import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dimpflow import atomic
from dimpflow.errors import InputError, OutputError
from dimpflow.ndjson import (
    AtomicFile,
    blocks,
    copy_range,
    file_sha256,
    line_range,
    open_input,
    utf8_fault,
    write_json,
)

LIBRARY = Path(atomic.__file__).parents[1]
HOST = atomic._HOST

contents = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=12).flatmap(
    lambda lines: st.sampled_from([b"\n".join(lines), b"\n".join([*lines, b""])])
)


def lines_of(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


@settings(max_examples=400, deadline=None)
@given(content=contents, n=st.integers(1, 9), block_bytes=st.integers(1, 40))
@example(content=b"", n=3, block_bytes=5)
@example(content=b"\n", n=1, block_bytes=1)
@example(content=b"a" * 200, n=9, block_bytes=7)
@example(content=b"\n\n\nabc", n=9, block_bytes=1)
def test_every_split_into_ranges_gives_each_line_once(content: bytes, n: int, block_bytes: int) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        path, size = Path(file.name), len(content)
        cuts = [size * k // n for k in range(n + 1)]
        found = []
        for start, end in pairwise(cuts):
            lists = list(blocks(path, start, end, block_bytes=block_bytes))
            assert all(lists)
            found += [line for lines in lists for line in lines]
        assert found == lines_of(content)


@settings(max_examples=200, deadline=None)
@given(content=contents, n=st.integers(1, 9))
def test_line_ranges_join_without_gap_and_copy_to_the_same_file(content: bytes, n: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder, "a"), Path(folder, "b")
        path.write_bytes(content)
        ranges = [line_range(path, len(content) * k // n, len(content) * (k + 1) // n) for k in range(n)]
        with AtomicFile(copy) as target:
            newlines = sum(copy_range(path, target, start, end) for start, end in ranges)
        assert copy.read_bytes() == content
        assert newlines == content.count(b"\n")
        assert [end for _, end in ranges[:-1]] == [start for start, _ in ranges[1:]]


def test_lines_longer_than_blocks_and_a_range_within_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    long = b"x" * 1_000_000
    path.write_bytes(b"short\n" + long + b"\nend")
    assert [line for lines in blocks(path) for line in lines] == [b"short", long, b"end"]
    assert list(blocks(path, 100, 900_000)) == []
    assert list(blocks(path, 7, None)) == [[b"end"]]
    assert list(blocks(path, 6, 7)) == [[long]]


def test_blocks_of_a_missing_file_name_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.ndjson cannot be read: No such file"):
        list(blocks(tmp_path / "gone.ndjson"))


def pack(kind: str, data: bytes) -> bytes:
    return (
        gzip.compress(data) if kind == "gz" else zstandard.ZstdCompressor(write_checksum=True).compress(data)
    )


DATA = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(20_000))


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_compressed_input_with_several_members(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    skippable = b"\x50\x2a\x4d\x18\x05\x00\x00\x00hello" if kind == "zst" else b""
    path.write_bytes(pack(kind, DATA) + skippable + pack(kind, b"second"))
    digest = hashlib.sha256()
    with open_input(path, kind, digest) as stream:  # type: ignore[arg-type]
        assert stream.read() == DATA + b"second"
    assert digest.hexdigest() == file_sha256(path)


def test_plain_input_feeds_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(DATA)
    digest = hashlib.sha256()
    with open_input(path, "", digest) as stream:
        assert b"".join(iter(lambda: stream.read(1000), b"")) == DATA
    assert digest.hexdigest() == file_sha256(path) == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("kept", [0, 1, 3, 10, 30_000, -1, -5])
def test_a_truncated_compressed_file_is_refused(tmp_path: Path, kind: str, kept: int) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(pack(kind, DATA)[:kept])
    with pytest.raises(InputError, match=rf"a.{kind} is cut off"), open_input(path, kind) as stream:  # type: ignore[arg-type]
        stream.read()


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("place", [0, 5000, -1])
def test_a_damaged_compressed_file_is_refused(tmp_path: Path, kind: str, place: int) -> None:
    path = tmp_path / f"a.{kind}"
    packed = bytearray(pack(kind, DATA))
    packed[place] ^= 0x55
    path.write_bytes(packed)
    with pytest.raises(InputError, match=rf"a.{kind} is (damaged|cut off)"), open_input(path, kind) as stream:  # type: ignore[arg-type]
        stream.read()


def test_plain_text_named_gz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(b'{"resourceType":"Patient"}\n')
    with (
        pytest.raises(InputError, match=r"a.gz is damaged, or not of the kind"),
        open_input(path, "gz") as stream,
    ):
        stream.read()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=5).map(str.encode), st.binary(max_size=3)), max_size=6).map(b"".join)
)
@example(b"\xed\xa0\x80")  # a surrogate
@example(b"\xc0\xaf")  # overlong
@example("€".encode()[:2])
def test_utf8_fault_finds_what_decode_finds(data: bytes) -> None:
    try:
        data.decode()
        expected = -1
    except UnicodeDecodeError as error:
        expected = error.start
    assert utf8_fault(data) == utf8_fault(memoryview(data)) == utf8_fault(bytearray(data)) == expected


def test_utf8_fault_beyond_the_first_piece_and_across_pieces() -> None:
    whole = b"x" * ((1 << 20) - 1) + "€".encode() * 700_000
    assert utf8_fault(whole) == -1
    assert utf8_fault(whole + b"\xff") == len(whole)
    assert utf8_fault(whole[:-1]) == len(whole) - 3


@pytest.mark.parametrize("kind", ["", "gz", "zst"])
@pytest.mark.parametrize("level", ["fastest", "default", "better", "best"])
def test_atomic_file_counts_and_digests_and_is_deterministic(tmp_path: Path, kind: str, level: str) -> None:
    results = set()
    for name in ("a", "other"):
        path = tmp_path / "sub" / name
        with AtomicFile(path, 0o640, kind, level) as file:  # type: ignore[arg-type]
            for at in range(0, len(DATA), 999):
                file.write(DATA[at : at + 999])
            assert not path.exists()
        with open_input(path, kind) as stream:  # type: ignore[arg-type]
            assert stream.read() == DATA
        assert (file.bytes, file.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
        assert file.file_sha256 == file_sha256(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        results.add(path.read_bytes())
    assert len(results) == 1
    assert sorted(os.listdir(tmp_path / "sub")) == ["a", "other"]


def test_other_tools_read_the_gzip_file(tmp_path: Path) -> None:
    with AtomicFile(tmp_path / "a.gz", compression="gz") as file:
        file.write(DATA)
    assert zlib.decompress((tmp_path / "a.gz").read_bytes(), wbits=31) == DATA


@pytest.mark.parametrize("kind", ["", "gz", "zst"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_nothing(tmp_path: Path, kind: str, error: type[BaseException]) -> None:
    with pytest.raises(error), AtomicFile(tmp_path / "a", compression=kind) as file:  # type: ignore[arg-type]
        file.write(DATA)
        raise error
    assert os.listdir(tmp_path) == []


def test_an_exception_keeps_the_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(ValueError), AtomicFile(tmp_path / "a") as file:
        file.write(b"new")
        raise ValueError
    assert (tmp_path / "a").read_text() == "old"


def test_private_folders(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o755)
    for folder in (loose, tmp_path / "new" / "deep"):
        write_json(folder / "a.json", {"b": 1, "a": [2]}, 0o600, dir_mode=0o700)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "a.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert (loose / "a.json").read_text() == '{\n  "a": [\n    2\n  ],\n  "b": 1\n}\n'


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with (
        pytest.raises(OutputError, match=r"cannot write .*a: Is a directory"),
        AtomicFile(tmp_path / "a") as file,
    ):
        file.write(b"x")
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*a.json"):
        write_json(tmp_path / "jobs" / "a.json", {})


@pytest.mark.parametrize("kind", ["", "gz", "zst"])
@pytest.mark.parametrize("amount", [10, 5_000_000])
def test_a_full_device_surfaces_even_at_close(
    tmp_path: Path, kind: str, amount: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 10 bytes everything is still in a buffer when the block ends."""

    opener = os.open

    def full(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if not str(path).endswith(".tmp"):
            return opener(path, flags, mode)
        os.close(opener(path, flags, mode))
        return opener("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", full)
    with (
        pytest.raises(OutputError, match=r"disk full while writing .*result"),
        AtomicFile(tmp_path / "result", compression=kind) as file,  # type: ignore[arg-type]
    ):
        file.write(os.urandom(amount))
    assert os.listdir(tmp_path) == []


FULL_DISK = """
import os, sys
from pathlib import Path
from dimpflow.errors import DimpflowError
from dimpflow.ndjson import write_json
from dimpflow.sources import Source
from dimpflow.steps.imports import import_source
from dimpflow.steps.inventory import take_inventory
from dimpflow.steps.results import join_results
from dimpflow.steps.split import split_shard

folder, disk = Path(sys.argv[1]), Path(sys.argv[2])
noise = os.urandom(3_000_000).hex().encode()
line = b'{"resourceType":"Binary","data":"%s"}\\n'
(folder / "in.ndjson").write_bytes(b"".join(line % noise[at : at + 60_000] for at in range(0, len(noise), 60_000)))
source = Source("in", folder / "in.ndjson", (folder / "in.ndjson").stat().st_size, "", False)
import_source(source, folder / "ok.ndjson", folder / "ok.json", folder / "bad.ndjson", "fail")
os.system(f"mount -t tmpfs -o size=1m tmpfs {disk}") == 0 or sys.exit(77)

def attempt(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
        print("no error")
    except DimpflowError as error:
        print(error)
    left = [str(p.relative_to(disk)) for p in disk.rglob("*") if p.is_file()]
    print("left behind:", left)

ok, manifest = folder / "ok.ndjson", folder / "ok.json"
attempt(import_source, source, disk / "i" / "a.ndjson", disk / "i" / "a.json", disk / "i" / "bad.ndjson", "fail")
attempt(split_shard, ok, manifest, 1, 1, 10**9, disk / "s" / "a.ndjson", disk / "s" / "a.json", remote=False)
attempt(split_shard, ok, manifest, 1, 1, 100, disk / "s" / "a.ndjson", disk / "s" / "a.json", remote=False)
for kind in ("", "gz", "zst"):
    attempt(join_results, [ok], disk / "results.ndjson", compression=kind)
(disk / "fill").write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
attempt(take_inventory, [source], disk)
"""


def test_a_really_full_disk(tmp_path: Path) -> None:
    """A tmpfs of 1 MB, in a mount namespace of its own, so that nothing is left mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["unshare", "-m", sys.executable, "-c", FULL_DISK, str(tmp_path), str(disk)]
    environ = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    try:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("needs unshare (util-linux)")
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("needs root and the right to mount a tmpfs")
    assert done.stderr == "" and done.returncode == 0
    said = done.stdout.splitlines()
    assert [line for line in said[0:-2:2] if not line.startswith(f"disk full while writing {disk}")] == []
    assert said[1:-2:2] == ["left behind: []"] * 6
    assert said[-2].startswith(f"disk full while writing {disk / 'in.json'}")
    assert said[-1] == "left behind: ['fill']"


WRITER = """
import sys, time
from pathlib import Path
from dimpflow.ndjson import AtomicFile
with AtomicFile(Path(sys.argv[1])) as file:
    file.write(b"x" * 1_000_000)
    print("half", flush=True)
    sys.stdin.readline()
print("done", flush=True)
"""


def start_writer(path: Path) -> "subprocess.Popen[str]":
    environ = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout and writer.stdout.readline() == "half\n"
    return writer


def test_kill_9_leaves_no_final_file_and_the_next_run_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "a"
    killed, alive = start_writer(path), start_writer(tmp_path / "b")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    foreign = tmp_path / ".a.another-host.1.tmp"
    unrelated = tmp_path / ".editor.tmp"
    foreign.touch()
    unrelated.touch()
    of_killed = tmp_path / f".a.{HOST}.{killed.pid}.tmp"
    of_alive = tmp_path / f".b.{HOST}.{alive.pid}.tmp"
    assert of_killed.exists() and of_alive.exists() and not path.exists()

    after = start_writer(path)
    assert not of_killed.exists()
    assert of_alive.exists() and foreign.exists() and unrelated.exists()
    for writer in (after, alive):
        assert writer.communicate("\n", timeout=10)[0] == "done\n"
    assert path.stat().st_size == (tmp_path / "b").stat().st_size == 1_000_000
    assert sorted(os.listdir(tmp_path)) == [".a.another-host.1.tmp", ".editor.tmp", "a", "b"]


def test_a_locked_temporary_file_is_left_alone_though_its_process_id_means_nothing_here(
    tmp_path: Path,
) -> None:
    """As of a writer in a container with the same host name."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    alive = start_writer(tmp_path / "a")
    locked = (tmp_path / f".a.{HOST}.{alive.pid}.tmp").rename(tmp_path / f".a.{HOST}.{gone.pid}.tmp")
    with AtomicFile(tmp_path / "b") as file:
        file.write(b"x")
    assert locked.exists()
    alive.kill()
    alive.communicate()
