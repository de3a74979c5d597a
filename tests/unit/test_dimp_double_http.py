"""The double of the FHIR Pseudonymizer: HTTP, what it notes, starting and stopping."""

import gzip
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from doubles import dimp
from doubles.dimp import DimpDouble, Foreign
from doubles.web import LOOPBACK, Authority
from doubling import (
    BUNDLE,
    DAY,
    JSON,
    KEYS,
    OTHER,
    PATIENT,
    RESOURCE,
    RULES,
    config,
    encoded,
    engine,
    parameters,
    post,
)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, encoding="utf-8")
    return path


@pytest.fixture
def double(rules: Path) -> Iterator[DimpDouble]:
    with DimpDouble(rules, environ=KEYS, reference_date=DAY) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as one:
        one.trust_env = False
        yield one


# ---- HTTP ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/fhir+json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("text/json", 415),
        ("", 415),
    ],
)
def test_content_types(double: DimpDouble, kind: str, status: int) -> None:
    assert post(double, PATIENT, Content_Type=kind).status_code == status


def test_gzip(double: DimpDouble, rules: Path) -> None:
    body = encoded(BUNDLE)
    answer = post(double, gzip.compress(body), Content_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.content == engine(rules).deidentify(body)
    seen = double.requests[0]
    assert (seen.size, seen.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert "Content-Encoding" not in post(double, body, Accept_Encoding="identity").headers
    assert "Content-Encoding" not in post(double, PATIENT).headers
    assert post(double, b"not gzip", Content_Encoding="gzip").status_code == 400
    assert post(double, gzip.compress(body)[:-9], Content_Encoding="gzip").status_code == 400
    assert post(double, body, Content_Encoding="br").status_code == 415


@pytest.mark.parametrize("compress", [False, True])
def test_the_limit(rules: Path, compress: bool) -> None:
    def sent(double: DimpDouble, body: bytes) -> int:
        data = gzip.compress(body) if compress else body
        headers = {"Content_Encoding": "gzip"} if compress else {}
        return post(double, data, **headers).status_code

    body = encoded(BUNDLE)
    with DimpDouble(rules, environ=KEYS, limit=len(body)) as double:
        assert [sent(double, body), sent(double, body + b" ")] == [200, 413]


def test_metadata_and_health(double: DimpDouble, session: requests.Session) -> None:
    statement = session.get(f"{double.url}/fhir/metadata", timeout=30).json()
    assert (statement["resourceType"], statement["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    assert statement["software"]["name"] == "FHIR Pseudonymizer"
    for path in ("/ready", "/live"):
        assert session.get(double.url + path, timeout=30).text == "Healthy"
    for path in ("/", "/fhir", "/fhir/fhir/metadata", "/fhir/$de-identify"):
        assert session.get(double.url + path, timeout=30).status_code == 404
    assert session.post(f"{double.url}/fhir/fhir/$de-identify", headers=JSON, timeout=30).status_code == 404
    assert session.head(f"{double.url}/ready", timeout=30).status_code == 404
    assert len(double.posts) == 1


def test_connections_are_kept(double: DimpDouble, session: requests.Session) -> None:
    for _ in range(5):
        assert session.post(
            f"{double.url}/fhir/$de-identify", data=encoded(PATIENT), headers=JSON, timeout=30
        ).ok
    assert (double.connections, len(double.posts)) == (1, 5)


def raw(server: DimpDouble, data: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_requests_byte_by_byte(double: DimpDouble, rules: Path) -> None:
    body = encoded(PATIENT)
    half = len(body) // 2
    chunked = b"%x;x=y\r\n%b\r\n%X\r\n%b\r\n0\r\nTrailer: 1\r\n\r\n" % (
        half,
        body[:half],
        len(body) - half,
        body[half:],
    )
    head = b"POST /fhir/$de-identify HTTP/1.1\r\nContent-Type: application/json\r\n"
    whole = head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    last = head + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n" + chunked
    answered = raw(double, whole + last)
    assert answered.count(engine(rules).deidentify(body)) == 2
    assert re.findall(rb"HTTP/1.1 (\d+) ", answered) == [b"200", b"100", b"200"]


@pytest.mark.parametrize("junk", [b"hello\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"])
def test_what_is_not_http(double: DimpDouble, junk: bytes) -> None:
    assert raw(double, junk).startswith(b"HTTP/1.1 400 Bad Request\r\n")


# ---- what was seen, and the rest -----------------------------------------------------------------------------------


def test_what_was_seen(rules: Path) -> None:
    with DimpDouble(rules, environ=KEYS, bodies=True) as double:
        post(double, BUNDLE, X_Mark="1")
    seen = double.requests[0]
    assert (seen.method, seen.path, seen.status) == ("POST", "/fhir/$de-identify", "200")
    assert (seen.resource_type, seen.entries, seen.body) == ("Bundle", 20, encoded(BUNDLE))
    assert seen.headers["x-mark"] == "1" and seen.headers["content-type"] == "application/fhir+json"


def test_many_at_once(rules: Path) -> None:
    gate = threading.Barrier(8, timeout=30)

    def good(token: str) -> bool:
        gate.wait()  # all eight are in work at this moment
        return token == "t"

    found: list[int] = []
    with DimpDouble(rules, environ=KEYS, tokens=good) as double:
        threads = [
            threading.Thread(
                target=lambda: found.append(post(double, PATIENT, Authorization="Bearer t").status_code)
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == [200] * 8
    assert (double.peak, double.connections, len(double.posts)) == (8, 8, 8)


def test_canned(session: requests.Session) -> None:
    with DimpDouble(canned=True) as double:
        assert post(double, b"anything").content == b"anything"
        assert post(double, parameters(config(OTHER), RESOURCE)).json() == PATIENT
        packed = post(double, gzip.compress(b"anything"), Content_Encoding="gzip")
        assert (packed.content, packed.headers["Content-Encoding"]) == (b"anything", "gzip")
        assert session.get(f"{double.url}/fhir/metadata", timeout=30).ok
    assert [seen.status for seen in double.posts] == ["200"] * 3


def test_it_stops_and_can_start_again(rules: Path) -> None:
    double = DimpDouble(rules, environ=KEYS)
    with double:
        first = double.url
        idle = socket.create_connection(("127.0.0.1", double.port), timeout=30)
    assert idle.recv(1) == b""
    idle.close()
    with pytest.raises(requests.ConnectionError):
        post(double, PATIENT)
    with double:
        assert double.url == first and post(double, PATIENT).ok


def test_foreign(session: requests.Session) -> None:
    with Foreign() as foreign:
        answer = session.post(f"{foreign.url}/x", data=b"body", headers={"X-Secret": "s"}, timeout=30)
    assert answer.content == b"body"
    assert [(r.path, r.body, r.headers["x-secret"]) for r in foreign.requests] == [("/x", b"body", "s")]


def test_tls(rules: Path, tmp_path: Path, session: requests.Session) -> None:
    authority = Authority(tmp_path)
    with DimpDouble(rules, environ=KEYS, tls=authority.context(LOOPBACK)) as double:
        stalled = socket.create_connection(("127.0.0.1", double.port), timeout=30)  # never shakes hands
        url = f"{double.url}/fhir/$de-identify"
        with pytest.raises(requests.exceptions.SSLError):
            session.post(url, data=encoded(PATIENT), headers=JSON, timeout=30)
        answer = session.post(url, data=encoded(PATIENT), headers=JSON, timeout=30, verify=str(authority.pem))
        assert url.startswith("https://") and answer.ok
    with stalled:
        assert stalled.recv(1) == b""


@pytest.mark.parametrize("options", [(), ("--canned",)])
def test_by_hand(rules: Path, session: requests.Session, options: tuple[str, ...]) -> None:
    command = [
        sys.executable,
        dimp.__file__,
        "--rules",
        str(rules),
        "--port",
        "0",
        "--basic",
        "u:p",
        *options,
    ]
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(command, env={**bare, **KEYS}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert url is not None
            assert f'services={{dimp: {{url: "{url[0]}"}}}}' in process.stdout.readline()
            body, to = encoded(PATIENT), f"{url[0]}/fhir/$de-identify"
            answers = [
                session.post(to, data=body, headers=JSON, auth=auth, timeout=30)
                for auth in (("u", "p"), None)
            ]
            assert [answer.status_code for answer in answers] == [200, 401]
            assert answers[0].content == (body if options else engine(rules).deidentify(body))
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def test_by_hand_without_a_key(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dimp.main(["--rules", str(rules), "--port", "0"], {}) == 2
    assert "HASH is not set" in capsys.readouterr().err
