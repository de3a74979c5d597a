"""dimpflow.clients.explain: why a request failed, in words, against servers that break every rule."""

import contextlib
import gzip
import socket
import threading
from typing import Any

import pytest
import requests

from dimpflow.clients.access import explain
from doubles.sessions import cause, opened
from doubles.web import answering, reset

HEAD = b"HTTP/1.1 200 OK\r\n"
PACKED = gzip.compress(b"geheim-42 " * 400)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", "the connection broke off"),
        (b"geheim-42 not HTTP\r\n\r\n", "the answer is not valid HTTP"),
        (b"HTTP/1.1 geheim-42\r\n\r\n", "the answer is not valid HTTP"),
        (HEAD + b"X: " + b"geheim" * 20_000 + b"\r\n\r\n", "the answer is not valid HTTP"),
        (HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\ngehe", "the answer is not valid HTTP"),
        (HEAD + b"Content-Length: 100\r\n\r\ngeheim-42", "the connection broke off"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\ngeh", "the connection broke off"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\ngeh\r\n", "the connection broke off"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\ngeheim\r\n", "the answer is not valid HTTP"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\ngeheim-42", "the answer is not valid gzip"),
    ],
)  # fmt: skip
def test_answers_that_are_broken(sent: bytes, expected: str) -> None:
    with answering(lambda connection: connection.sendall(sent)) as url:
        assert cause(opened(url), f"{url}/geheim?geheim") == expected


def test_connections_that_break() -> None:
    with answering(reset) as url:
        assert cause(opened(url), url) == "the connection broke off"

    def half(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: 9999\r\n\r\ngeheim-42")
        reset(connection)

    with answering(half) as url:
        assert cause(opened(url), url) == "the connection broke off"
    with answering(lambda connection: None) as url:
        closed = url
    assert cause(opened(closed), closed) == "cannot connect: connection refused"


def test_times_that_run_out() -> None:
    enough = threading.Event()
    with answering(lambda connection: bool(enough.wait(10))) as url:
        assert cause(opened(url, read_timeout=0.1), url) == "no answer within 0.1 s"
        assert cause(opened(url), url, timeout=0.2) == "no answer within 0.2 s"
        enough.set()

    enough.clear()

    def stall(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: 9999\r\n\r\ngeheim-42")
        enough.wait(10)

    with answering(stall) as url:
        assert cause(opened(url, read_timeout=0.1), url) == "no answer within 0.1 s"
        enough.set()


def test_a_connection_that_is_never_accepted() -> None:
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # fill the queue: the kernel answers no further one
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        assert cause(opened(url, connect_timeout=0.2), url) == "cannot connect within 0.2 s"


@pytest.mark.parametrize(
    ("number", "expected"),
    [(socket.EAI_NONAME, "no such host"), (socket.EAI_AGAIN, "the host's name cannot be looked up now")],
)
def test_names_without_an_address(monkeypatch: pytest.MonkeyPatch, number: int, expected: str) -> None:
    def look_up(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(number, "geheim")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert cause(opened("http://dimp.example"), "http://dimp.example/geheim") == expected


def test_a_proxy_that_is_not_there() -> None:
    with answering(lambda connection: None) as url:
        closed = url
    session = opened("http://127.0.0.1:9", environ={"http_proxy": closed}, use_proxies=True)
    assert (
        cause(session, "http://127.0.0.1:9") == "the proxy cannot be used: cannot connect: connection refused"
    )
    session = opened("http://127.0.0.1:9", environ={"http_proxy": "http://"}, use_proxies=True)
    assert (
        cause(session, "http://127.0.0.1:9") == "the proxy's address cannot be used (HTTP_PROXY, HTTPS_PROXY)"
    )


def test_what_has_no_words_of_its_own() -> None:
    assert explain(requests.exceptions.RetryError("geheim")) == "the request failed (RetryError)"
    assert explain(requests.exceptions.InvalidURL("geheim")) == "the address cannot be used"
    earlier = requests.ReadTimeout("geheim")
    later = requests.exceptions.InvalidURL("geheim")
    later.__context__ = earlier
    assert explain(later) == "the address cannot be used"
