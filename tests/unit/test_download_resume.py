"""dimpflow.clients.download: what an earlier process left is gone on with where that is right, and only there."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
import requests

from dimpflow.clients.partial import PartFile
from dimpflow.errors import InputError, OutputError
from doubles.files import FileFault, FileServer
from doubles.wire import Answer, Request
from downloading import NAME, NO_SLEEP, QUERY, content, fetch, left_in, served

DATA = content()
OTHER = DATA.replace(b"female", b"other ")
GOT = 100_000
"""Bytes that a process gets before it is killed."""
STALL = FileFault("stall", NAME, at=(1,), value=GOT)
PART, SIDE = f".{NAME}.part", f".{NAME}.part.json"

CHILD = """
import sys
from pathlib import Path
from dimpflow.clients.access import Access, open_session
from dimpflow.clients.download import Patience, download
from dimpflow.clients.retry import Retry
from dimpflow.clients.torch.lines import TorchLines

url, target = sys.argv[1:]
session = open_session(Access(url=url.partition("?")[0], section="s"), {}, connections=1)
download(session, url, Path(target), key="k", auth_key="a", retry=Retry(1, 1, 1), patience=Patience(), check=TorchLines)
"""


@contextmanager
def another_process(server: FileServer, target: Path, size: int = GOT) -> Iterator[Callable[[], None]]:
    """One that has got so many bytes and waits for more; gives what kills it."""
    command = [sys.executable, "-c", CHILD, f"{server.url}/{NAME}?{QUERY}", str(target)]
    paths = {"PYTHONPATH": str(Path(__file__).parents[2] / "scripts")}
    process = subprocess.Popen(command, env=paths, stderr=subprocess.PIPE)

    def kill() -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    try:
        part = target.parent / PART
        until = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size >= size):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.01)
        yield kill
    finally:
        kill()
        assert process.stderr
        process.stderr.close()


def broken_off(server: FileServer, target: Path, size: int = GOT) -> None:
    """A download that was killed after so many bytes."""
    with another_process(server, target, size) as kill:
        kill()
    assert left_in(target.parent) == {PART, SIDE} and not target.exists()


def test_after_a_kill_another_process_goes_on(tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    with served(tmp_path, DATA, STALL) as server:
        broken_off(server, target)
        assert (target.parent / PART).read_bytes() == DATA[:GOT]
        assert (target.parent / PART).stat().st_mode & 0o777 == 0o600
        side = (target.parent / SIDE).read_text()
        assert (target.parent / SIDE).stat().st_mode & 0o777 == 0o600
        assert QUERY not in side and json.loads(side)["total"] == len(DATA)
        found = fetch(server, target)
        assert [one.range for one in server.requests] == ["", f"bytes={GOT - 1}-"]
        assert server.requests[1].headers["if-range"] == json.loads(side)["validator"]
    assert target.read_bytes() == DATA and left_in(target.parent) == {NAME}
    assert (found.resumed_bytes, found.requests, found.lines) == (GOT, 1, 1000)
    assert found.sha256 == hashlib.sha256(DATA).hexdigest()


def test_after_a_kill_with_all_bytes_there(tmp_path: Path) -> None:
    """As between the last byte and the renaming; with a length that is known, and one that is not."""
    for kind in ("truncated", "chunked-truncated"):
        target = tmp_path / kind / NAME
        with served(tmp_path, DATA, FileFault("stall", at=(1,), value=GOT)) as server:
            broken_off(server, target)
            (target.parent / PART).write_bytes(DATA)
            side = json.loads((target.parent / SIDE).read_text())
            if kind == "chunked-truncated":
                (target.parent / SIDE).write_text(json.dumps({**side, "total": None}))
            found = fetch(server, target)
            assert server.requests[-1].range == f"bytes={len(DATA) - 1}-"
        assert (found.resumed_bytes, found.requests) == (len(DATA), 1)
        assert target.read_bytes() == DATA and left_in(target.parent) == {NAME}


def test_a_file_that_has_changed_comes_anew(tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    with served(tmp_path, DATA, STALL) as server:
        broken_off(server, target)
        time.sleep(0.01)  # or it would have the same time
        (server.root / NAME).write_bytes(OTHER)
        found = fetch(server, target)
    assert target.read_bytes() == OTHER
    assert (found.resumed_bytes, found.requests) == (0, 1)
    assert found.sha256 == hashlib.sha256(OTHER).hexdigest()


def test_a_file_that_changes_on_the_way_is_never_mixed(tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    half = FileFault("truncated", at=(1,))
    with served(tmp_path, DATA, half, FileFault("changed")) as server:
        found = fetch(server, target)
    assert found.requests == 2 and found.resumed_bytes == 0
    assert target.read_bytes() == DATA.translate(bytes.maketrans(b"12345678", b"21436587")) != DATA


@pytest.mark.parametrize(
    "range_",
    [
        f"bytes {GOT}-{len(DATA) - 1}/{len(DATA)}",  # not from where it was asked for
        f"bytes {GOT - 1}-{len(DATA)}/{len(DATA) + 1}",  # of a file of another length
        "bytes */5",
        "lines 1-2/3",
        "",
    ],
)
def test_a_range_that_does_not_fit(tmp_path: Path, range_: str) -> None:
    def lie(request: Request) -> Answer | None:
        if not request.headers.get("range"):
            return None
        return Answer(206, DATA[GOT - 1 :], {"Content-Range": range_} if range_ else {})

    target = tmp_path / "out" / NAME
    with served(tmp_path, DATA, STALL, authorize=lie) as server:
        broken_off(server, target)
        found = fetch(server, target)
        assert [one.range for one in server.requests] == ["", f"bytes={GOT - 1}-", ""]
    assert target.read_bytes() == DATA and found.resumed_bytes == 0


def test_a_range_that_was_not_asked_for(tmp_path: Path) -> None:
    asked: list[str] = []

    def lie(request: Request) -> Answer | None:
        asked.append(request.headers.get("range", ""))
        return Answer(206, DATA, {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}) if len(asked) == 1 else None  # fmt: skip

    with served(tmp_path, DATA, authorize=lie) as server:
        assert fetch(server, tmp_path / "out" / NAME).lines == 1000
    assert asked == ["", ""]


def test_a_range_of_other_bytes_under_the_same_mark(tmp_path: Path) -> None:
    """The byte that is asked for once more gives it away."""
    other = DATA[:GOT - 1] + bytes([DATA[GOT - 1] ^ 1]) + DATA[GOT:]  # fmt: skip

    def lie(request: Request) -> Answer | None:
        if not request.headers.get("range"):
            return None
        headers = {"Content-Range": f"bytes {GOT - 1}-{len(DATA) - 1}/{len(DATA)}"}
        return Answer(206, other[GOT - 1 :], headers)

    target = tmp_path / "out" / NAME
    with served(tmp_path, DATA, STALL, authorize=lie) as server:
        broken_off(server, target)
        assert fetch(server, target).requests == 2
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("kind", ["wrong-range", "no-ranges", "gzip"])
def test_servers_without_good_ranges(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out" / NAME
    value = "always" if kind == "gzip" else None
    with served(tmp_path, DATA, STALL, FileFault(kind, at=(2,), value=value)) as server:
        broken_off(server, target)
        found = fetch(server, target)
        assert found.requests == (2 if kind == "wrong-range" else 1)
    assert target.read_bytes() == DATA and found.resumed_bytes == 0 and left_in(target.parent) == {NAME}


def test_a_file_that_has_become_shorter(tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    shorter = content(100)
    with served(tmp_path, DATA, STALL) as server:
        broken_off(server, target)
        side = json.loads((target.parent / SIDE).read_text())
        (server.root / NAME).write_bytes(shorter)
        etag = requests.head(f"{server.url}/{NAME}", timeout=10).headers["ETag"]
        (target.parent / SIDE).write_text(json.dumps({**side, "validator": etag}))
        found = fetch(server, target)
        assert [one.range for one in server.requests[-2:]] == [f"bytes={GOT - 1}-", ""]
    assert target.read_bytes() == shorter and found.lines == 100


@pytest.mark.parametrize(
    "side",
    [None, b"", b"{", b"[]", b"{}", b'{"url": 1, "validator": 2, "total": 3}', b"\xff"],
)
def test_a_part_that_nobody_knows_about(tmp_path: Path, side: bytes | None) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / PART).write_bytes(b"something else" * 100_000)
    if side is not None:
        (out / SIDE).write_bytes(side)
    with served(tmp_path, DATA) as server:
        fetch(server, out / NAME)
        assert [one.range for one in server.requests] == [""]
    assert (out / NAME).read_bytes() == DATA and left_in(out) == {NAME}


def test_a_part_of_another_address(tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    with served(tmp_path, DATA, STALL) as server:
        broken_off(server, target)
        (server.root / "other").write_bytes(OTHER)
        fetch(server, target, url=f"{server.url}/other")
        assert server.requests[-1].range == ""
    assert target.read_bytes() == OTHER


def test_the_query_may_change(tmp_path: Path) -> None:
    """Signed addresses are others each time."""
    target = tmp_path / "out" / NAME
    with served(tmp_path, DATA, STALL) as server:
        broken_off(server, target)
        assert fetch(server, target, url=f"{server.url}/{NAME}?token=other").resumed_bytes == GOT


def test_damage_to_the_part_is_found(tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    with served(tmp_path, DATA, STALL) as server:
        broken_off(server, target)
        (target.parent / PART).write_bytes(b"\0" * (GOT - 1) + DATA[GOT - 1 : GOT])
        found = fetch(server, target)
    assert target.read_bytes() == DATA
    assert found.sha256 == hashlib.sha256(DATA).hexdigest() and found.resumed_bytes == 0


def test_wrong_content_is_not_gone_on_with(tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    with served(tmp_path, DATA + b"{}\n") as server:
        with pytest.raises(InputError):
            fetch(server, target)
        assert left_in(target.parent) == set()
        (server.root / NAME).write_bytes(DATA)
        assert fetch(server, target).resumed_bytes == 0


def test_last_modified_in_place_of_an_etag(tmp_path: Path) -> None:
    modified = "Tue, 24 Nov 2026 10:00:00 GMT"
    asked: list[str] = []

    def without_etag(request: Request) -> Answer | None:
        asked.append(request.headers.get("if-range", ""))
        headers = {"ETag": 'W/"1"', "Last-Modified": modified}
        if not request.headers.get("range"):
            return Answer(200, DATA, {**headers}, manner="truncated")
        start = int(request.headers["range"][6:-1])
        headers["Content-Range"] = f"bytes {start}-{len(DATA) - 1}/*"
        return Answer(206, DATA[start:], headers)

    with served(tmp_path, DATA, authorize=without_etag) as server:
        found = fetch(server, tmp_path / "out" / NAME)
    assert asked == ["", modified] and found.resumed_bytes == len(DATA) // 2
    assert (tmp_path / "out" / NAME).read_bytes() == DATA


def test_no_mark_no_range(tmp_path: Path) -> None:
    asked: list[str] = []

    def without_marks(request: Request) -> Answer | None:
        asked.append(request.headers.get("range", ""))
        return Answer(200, DATA, manner="truncated" if len(asked) < 3 else "")

    with served(tmp_path, DATA, authorize=without_marks) as server:
        assert fetch(server, tmp_path / "out" / NAME).resumed_bytes == 0
    assert asked == ["", "", ""]


# ---- processes beside each other -----------------------------------------------------------------------------------


def test_a_second_process_waits(tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    slept: list[float] = []
    with (
        served(tmp_path, DATA, STALL) as server,
        another_process(server, target) as kill,
    ):

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            assert len(server.requests) == 1
            if len(slept) == 3:
                kill()

        found = fetch(server, target, sleep=sleep)
    assert slept == [1.0, 1.0, 1.0]
    assert target.read_bytes() == DATA and found.resumed_bytes == GOT


def test_the_file_that_the_first_one_made_is_not_written_to(tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    first = PartFile(target, "http://a")
    holding = first.opened(NO_SLEEP)
    holding.__enter__()
    first.begin('"1"', 3)
    first.append(b"{}\n")

    def sleep(seconds: float) -> None:
        first.rename()
        assert target.read_bytes() == b"{}\n"
        kept = target.open("rb")
        holding.__exit__(None, None, None)
        opened.append(kept)

    opened: list[BinaryIO] = []
    with served(tmp_path, DATA) as server:
        assert fetch(server, target, sleep=sleep).resumed_bytes == 0
    with opened[0] as kept:
        assert kept.read() == b"{}\n"
    assert target.read_bytes() == DATA and left_in(target.parent) == {NAME}


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite

    def full(fd: int, data: memoryview, at: int) -> int:
        if at >= GOT:
            raise OSError(errno.ENOSPC, "full")
        return write(fd, data[: GOT - at], at)

    target = tmp_path / "out" / NAME
    with served(tmp_path, DATA) as server:
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(OutputError, match="disk full"):
            fetch(server, target)
        monkeypatch.undo()
        assert fetch(server, target).resumed_bytes == GOT
    assert target.read_bytes() == DATA
