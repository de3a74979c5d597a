"""doubles.files: it serves as nginx does, and its faults are on the wire what they are called; random mixtures of them."""

import gzip
import random
from pathlib import Path
from typing import Any

import pytest
import requests

from dimpflow.clients.retry import Retry
from doubles.files import KINDS, FileFault, FileServer
from doubles.web import LOOPBACK, Authority
from doubles.wire import Answer
from downloading import NAME, content, fetch, served

DATA = content(300)


def ask(url: str, method: str = "GET", **headers: str) -> requests.Response:
    """By a client that believes everything."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(
        method, url, headers={"Accept-Encoding": "identity", **named}, timeout=10, allow_redirects=False
    )


def test_a_file_and_its_marks(tmp_path: Path) -> None:
    with served(tmp_path, DATA, prefix="/torch/files") as server:
        url = f"{server.base}/{NAME}"
        answer = ask(url, Authorization="Basic geheim")
        assert answer.status_code == 200 and answer.content == DATA
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.headers["Content-Length"] == str(len(DATA))
        assert answer.headers["ETag"].startswith('"') and answer.headers["Last-Modified"].endswith("GMT")
        head = ask(url, "HEAD")
        assert head.headers == answer.headers and head.content == b""
        assert [(one.method, one.path) for one in server.requests] == [
            (method, f"/torch/files/{NAME}") for method in ("GET", "HEAD")
        ]
        assert server.requests[0].headers["authorization"] == "Basic"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("5-9", 5, 10), ("5-", 5, None), ("-5", -5, None), ("0-999999999", 0, None), ("-999999999", 0, None)],
)
def test_ranges(tmp_path: Path, asked: str, start: int, end: int | None) -> None:
    with served(tmp_path, DATA) as server:
        answer = ask(f"{server.base}/{NAME}", Range=f"bytes={asked}")
        assert server.requests[0].range == f"bytes={asked}"
    assert answer.status_code == 206 and answer.content == DATA[start:end]
    first = start % len(DATA)
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(DATA)}"


@pytest.mark.parametrize("asked", [f"{len(DATA)}-", "9-5", "-0", "x-", "-"])
def test_ranges_that_there_are_not(tmp_path: Path, asked: str) -> None:
    with served(tmp_path, DATA) as server:
        answer = ask(f"{server.base}/{NAME}", Range=f"bytes={asked}")
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")


def test_if_range(tmp_path: Path) -> None:
    with served(tmp_path, DATA) as server:
        url = f"{server.base}/{NAME}"
        marks = ask(url, "HEAD").headers
        for mark, status in (
            (marks["ETag"], 206),
            (marks["Last-Modified"], 206),
            ('"other"', 200),
            (f"W/{marks['ETag']}", 200),
        ):
            assert ask(url, Range="bytes=5-", If_Range=mark).status_code == status
        (server.root / NAME).write_bytes(DATA[::-1])
        assert ask(url, Range="bytes=5-", If_Range=marks["ETag"]).content == DATA[::-1]


def test_what_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with served(tmp_path, DATA, prefix="/files") as server:
        (server.root / "job").mkdir()
        (server.root / "closed").write_text("x")
        (server.root / "closed").chmod(0)
        for path, status in (
            ("/files/none", 404), ("/none", 404), (f"/{NAME}", 404), ("/files/job", 403), ("/files/closed", 403),
            ("/files/%2e%2e/secret", 400),
        ):  # fmt: skip
            answer = ask(server.url + path)
            assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
        assert ask(f"{server.base}/{NAME}", "POST").status_code == 405


def test_authorize_goes_first(tmp_path: Path) -> None:
    refusals = [Answer(401), Answer(403)]
    with served(
        tmp_path, DATA, FileFault("502", at=(1,)), authorize=lambda _: refusals.pop(0) if refusals else None
    ) as server:  # fmt: skip
        statuses = [ask(f"{server.base}/{NAME}").status_code for _ in range(4)]
    assert statuses == [401, 403, 502, 200]


def test_which_requests_a_fault_hits(tmp_path: Path) -> None:
    faults = FileFault("404", "a", at=(2,)), FileFault("502", times=2, value=7)
    with served(tmp_path, DATA, *faults) as server:
        (server.root / "a").write_bytes(DATA)
        answers = [ask(f"{server.base}/{name}") for name in ("a", "a", NAME, NAME, "a")]
        assert [answer.status_code for answer in answers] == [502, 404, 502, 200, 200]
        assert answers[0].headers["Retry-After"] == "7" and b"502 Bad Gateway" in answers[0].content
        assert len(server.asked_for("a")) == 3


def test_faults_must_make_sense() -> None:
    for arguments in (("no-such",), ("redirect",), ("slow",), ("trickle",)):
        with pytest.raises(ValueError):
            FileFault(*arguments)


BROKEN = {"stall", "truncated", "truncated-at-line", "reset", "reset-headers", "reset-body", "too-large-length", "chunked-truncated"}  # fmt: skip
VALUES: dict[str, Any] = {"slow": 0.01, "trickle": 50_000, "redirect": "/there", "gzip": "always"}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("secure", [False, True])
def test_each_fault_on_the_wire(tmp_path: Path, kind: str, secure: bool) -> None:
    authority = Authority(tmp_path)
    tls = authority.context(LOOPBACK) if secure else None
    fault = FileFault(kind, at=(1,), value=VALUES.get(kind))
    with served(tmp_path, DATA, fault, tls=tls) as server, requests.Session() as session:
        session.trust_env = False
        session.verify = str(authority.pem)

        def get(**headers: str) -> requests.Response:
            return session.get(f"{server.base}/{NAME}", headers=headers, timeout=0.5, allow_redirects=False)

        if kind == "reset-headers" and secure:  # Python takes it for the end of the headers
            assert "Content-Length" not in get().headers
        elif kind in BROKEN:
            with pytest.raises(requests.RequestException):
                get()
        elif kind == "wrong-range":
            answer = get(Range="bytes=50-")
            assert answer.status_code == 206 and answer.content == DATA
        else:
            answer = get()
            check(kind, answer)
        assert get().content == DATA  # also on a connection that is used again


def check(kind: str, answer: requests.Response) -> None:
    """Of a fault that gives an answer."""
    if kind.isdigit():
        assert answer.status_code == int(kind) and answer.headers["Content-Type"] == "text/html"
        assert ("WWW-Authenticate" in answer.headers) is (kind == "401")
        return
    assert answer.status_code == (301 if kind == "redirect" else 200)
    length = int(answer.headers.get("Content-Length", -1))
    match kind:
        case "redirect":
            assert answer.headers["Location"] == "/there"
        case "html":
            assert answer.headers["Content-Type"].startswith("text/html") and answer.content[:1] == b"<"
        case "empty":
            assert (answer.content, length) == (b"", 0)
        case "too-small-length":
            assert answer.content == DATA[:length] and length < len(DATA)
        case "changed":
            assert answer.content != DATA and length == len(DATA)
        case _:
            assert answer.content == DATA
            assert (length < 0) is (kind in ("chunked", "gzip"))
            assert answer.headers.get("Content-Encoding") == ("gzip" if kind == "gzip" else None)
            assert ("Accept-Ranges" in answer.headers) is (kind not in ("gzip", "no-ranges"))


def test_gzip_only_if_it_is_offered(tmp_path: Path) -> None:
    with served(tmp_path, DATA, FileFault("gzip")) as server:
        url = f"{server.base}/{NAME}"
        assert "Content-Encoding" not in ask(url).headers
        with requests.get(
            url, headers={"Accept-Encoding": "deflate, gzip"}, stream=True, timeout=10
        ) as answer:
            assert gzip.decompress(answer.raw.read()) == DATA


def test_other_content_is_still_json_of_the_same_shape(tmp_path: Path) -> None:
    with served(tmp_path, DATA, FileFault("changed")) as server:
        url = f"{server.base}/{NAME}"
        first, second, third = ask(url), ask(url), ask(url)
    assert first.content == DATA != second.content == third.content
    assert first.headers["ETag"] != second.headers["ETag"] == third.headers["ETag"]


def test_cut_after_a_line(tmp_path: Path) -> None:
    got = b""
    with (
        served(tmp_path, DATA, FileFault("truncated-at-line")) as server,
        requests.get(f"{server.base}/{NAME}", stream=True, timeout=10) as answer,
        pytest.raises(requests.RequestException),
    ):
        for block in answer.iter_content(1):
            got += block
    assert got.endswith(b"\n") and DATA.startswith(got) and 0 < len(got) < len(DATA)


PASSING = (
    "slow", "trickle", "truncated", "truncated-at-line", "reset", "reset-headers", "reset-body", "too-large-length", "chunked",
    "chunked-truncated", "gzip", "no-ranges", "wrong-range", "empty", "403", "404", "408", "429", "500", "502", "503", "504",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
def test_random_mixtures_end_in_the_same_bytes(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    faults = []
    for number in range(1, 10):  # never three in a row, so that 5 attempts are enough
        if number % 3:
            kind = draw.choice(PASSING)
            value = {**VALUES, "429": "0", "503": draw.choice(["0", None, "soon"])}.get(kind)
            faults.append(FileFault(kind, at=(number,), value=value))
    with served(tmp_path, DATA, *faults) as server:
        found = fetch(server, tmp_path / "out" / NAME, retry=Retry(5, 1, 1))
        assert found.requests == len(server.requests) <= 10
    assert (tmp_path / "out" / NAME).read_bytes() == DATA
    assert isinstance(server, FileServer) and found.lines == 300
