"""The double of the FHIR Pseudonymizer: each fault does what its name says."""

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

from doubles.dimp import DimpDouble, Fault, Foreign, random_faults, retry_date
from doubles.faults import FINAL, TRANSIENT
from doubling import BUNDLE, DAY, JSON, KEYS, PATIENT, RULES, encoded, engine, post

RIGHT = "application/fhir+json; charset=utf-8"
LABEL = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, encoding="utf-8")
    return path


def faulty(rules: Path, *faults: Fault, **more: Any) -> DimpDouble:
    return DimpDouble(rules, environ=KEYS, reference_date=DAY, faults=faults, **more)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """One pooled connection, as a client holds it; nothing is sent again."""
    with requests.Session() as one:
        one.trust_env = False
        yield one


def send(
    session: requests.Session, server: DimpDouble, resource: object = PATIENT, **more: Any
) -> requests.Response:
    return session.post(
        f"{server.url}/fhir/$de-identify", data=encoded(resource), headers=JSON, timeout=30, **more
    )


# ---- which requests are hit ------------------------------------------------------------------------------------------


def statuses(server: DimpDouble, count: int, resource: object = PATIENT) -> list[int]:
    return [post(server, resource).status_code for _ in range(count)]


def test_by_number_and_times(rules: Path) -> None:
    with faulty(rules, Fault("503", at=(2, 3)), Fault("429", at=range(3, 10**9), times=2)) as double:
        assert statuses(double, 6) == [200, 503, 503, 429, 429, 200]
        assert [seen.fault for seen in double.posts] == ["", "503", "503", "429", "429", ""]


def test_every_post_counts_and_no_get(rules: Path, session: requests.Session) -> None:
    with faulty(rules, Fault("403", at=(2,)), bearer="t") as double:
        assert session.get(f"{double.url}/ready", timeout=30).ok
        assert statuses(double, 1) == [401]
        assert post(double, PATIENT, Authorization="Bearer t").status_code == 403


def test_by_content(rules: Path) -> None:
    with faulty(rules, Fault("500", containing=b"kanarie-9")) as double:
        assert statuses(double, 2, {**PATIENT, "id": "kanarie-9"}) == [500, 500]
        assert statuses(double, 1) == [200]
        assert statuses(double, 1, BUNDLE) == [500]


def test_a_body_is_spared(rules: Path) -> None:
    with faulty(rules, Fault("502", spare_after=2)) as double:
        assert statuses(double, 4) == [502, 502, 200, 200]
        assert statuses(double, 3, BUNDLE) == [502, 502, 200]


@pytest.mark.parametrize(
    ("kind", "value"), [("teapot", None), ("redirect", None), ("slow", None), ("slow", "1"), ("413", "1")]
)
def test_faults_that_make_no_sense(kind: str, value: str | None) -> None:
    with pytest.raises(ValueError, match=kind):
        Fault(kind, value=value)


# ---- statuses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["408", "429", "500", "502", "503", "504", "413", "401", "403", "404"])
def test_statuses(rules: Path, session: requests.Session, kind: str) -> None:
    with faulty(rules, Fault(kind, times=1)) as double:
        answer = send(session, double)
        assert answer.status_code == int(kind) and "Retry-After" not in answer.headers
        if kind in ("413", "502", "504"):
            assert answer.headers["Content-Type"] == "text/html" and "<html>" in answer.text
        assert ("WWW-Authenticate" in answer.headers) == (kind == "401")
        assert send(session, double).ok
        assert [seen.status for seen in double.posts] == [kind, "200"]


def test_500_tells_what_it_should_not(rules: Path, session: requests.Session) -> None:
    with faulty(rules, Fault("500")) as double:
        issue = send(session, double).json()["issue"][0]
    assert all(text in issue["diagnostics"] for text in ("Müller-Kanarie", "kanarie-7", "\n   at "))


@pytest.mark.parametrize("kind", ["429", "503"])
@pytest.mark.parametrize("value", [7, "7", "Fri, 31 Dec 2099 23:59:59 GMT"])
def test_retry_after(rules: Path, session: requests.Session, kind: str, value: float | str) -> None:
    with faulty(rules, Fault(kind, value=value)) as double:
        assert send(session, double).headers["Retry-After"] == str(value)


def test_retry_dates_are_http_dates() -> None:
    now, later = retry_date(0), retry_date(86400)
    assert now.endswith(" GMT") and parsedate_to_datetime(later) > parsedate_to_datetime(now)


def test_413_above_a_size(rules: Path) -> None:
    size = len(encoded(BUNDLE))
    with faulty(rules, Fault("413", value=size)) as double:
        packed = gzip.compress(encoded(BUNDLE) + b" ")
        assert post(double, packed, Content_Encoding="gzip").status_code == 413
        assert statuses(double, 1, encoded(BUNDLE) + b" ") == [413]
        assert statuses(double, 1, BUNDLE) == [200]


def test_an_expired_token_stays_refused(rules: Path) -> None:
    with faulty(rules, Fault("expired-token", at=(2,)), tokens={"a", "b"}.__contains__) as double:
        answers = [post(double, PATIENT, Authorization=f"Bearer {token}") for token in "aaab"]
    assert [answer.status_code for answer in answers] == [200, 401, 401, 200]
    assert "invalid_token" in answers[1].headers["WWW-Authenticate"]


def test_redirect(rules: Path, session: requests.Session) -> None:
    with Foreign() as foreign, faulty(rules, Fault("redirect", value=f"{foreign.url}/there")) as double:
        answer = send(session, double, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (307, f"{foreign.url}/there")
        assert not foreign.requests
        assert send(session, double).content == encoded(PATIENT)
        assert [(r.path, r.body) for r in foreign.requests] == [("/there", encoded(PATIENT))]


# ---- answers that lie --------------------------------------------------------------------------------------------------


def test_another_resource(rules: Path, session: requests.Session) -> None:
    with faulty(rules, Fault("other-resource", times=1), Fault("other-resource", value="Person")) as double:
        assert [send(session, double).json()["resourceType"] for _ in range(2)] == ["Basic", "Person"]


def test_not_json(rules: Path, session: requests.Session) -> None:
    with faulty(rules, Fault("not-json")) as double:
        answer = send(session, double)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


def test_missing_entry(rules: Path, session: requests.Session) -> None:
    right = json.loads(engine(rules).deidentify(encoded(BUNDLE)))
    with faulty(rules, Fault("missing-entry")) as double:
        entries = right["entry"]
        assert send(session, double, BUNDLE).json() == {**right, "entry": entries[:10] + entries[11:]}
        one = send(session, double, {**BUNDLE, "entry": BUNDLE["entry"][:1]}).json()
        assert "entry" not in one and one["resourceType"] == "Bundle"
        assert send(session, double).content == engine(rules).deidentify(encoded(PATIENT))


def test_reordered(rules: Path, session: requests.Session) -> None:
    right = json.loads(engine(rules).deidentify(encoded(BUNDLE)))
    with faulty(rules, Fault("reordered")) as double:
        first, second, *others = right["entry"]
        assert first != second
        assert send(session, double, BUNDLE).json() == {**right, "entry": [second, first, *others]}
        one = {**BUNDLE, "entry": BUNDLE["entry"][:1]}
        assert send(session, double, one).content == engine(rules).deidentify(encoded(one))


def test_emptied(rules: Path, session: requests.Session) -> None:
    label = {"security": [{"system": LABEL, "code": "REDACTED", "display": "redacted"}]}
    nothing = {"resourceType": "Patient", "meta": label}
    with faulty(rules, Fault("emptied")) as double:
        assert send(session, double).json() == nothing
        bundle = send(session, double, BUNDLE).json()
    assert bundle == {"resourceType": "Bundle", "meta": label, "entry": [{"resource": nothing}] * 20}


def test_garbage_gzip(rules: Path, session: requests.Session) -> None:
    with (
        faulty(rules, Fault("garbage-gzip")) as double,
        pytest.raises(requests.exceptions.ContentDecodingError),
    ):
        send(session, double, BUNDLE)


def test_a_fault_of_the_answer_needs_one(rules: Path, session: requests.Session) -> None:
    with faulty(rules, Fault("truncated")) as double:
        assert send(session, double, {**PATIENT, "nickname": "Max"}).status_code == 500


# ---- the connection ----------------------------------------------------------------------------------------------------


def bytes_of(server: DimpDouble, body: bytes) -> bytes:
    """What comes back, byte for byte, until the server closes; ConnectionResetError if it does so without ceremony."""
    head = b"POST /fhir/$de-identify HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head % len(body) + body)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_reset_before_any_answer(rules: Path, session: requests.Session) -> None:
    with faulty(rules, Fault("reset", times=2)) as double:
        with pytest.raises(ConnectionResetError):
            bytes_of(double, encoded(PATIENT))
        with pytest.raises(requests.ConnectionError, match="reset by peer"):
            send(session, double)
        assert send(session, double).ok
        assert [seen.status for seen in double.posts] == ["", "", "200"]


def test_reset_in_the_middle(rules: Path) -> None:
    head = b"POST /fhir/$de-identify HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    body, got = encoded(BUNDLE), b""
    with faulty(rules, Fault("reset-middle")) as double:
        with socket.create_connection(("127.0.0.1", double.port), timeout=30) as connection:
            connection.sendall(head % len(body) + body)
            with pytest.raises(ConnectionResetError):
                while block := connection.recv(65536):
                    got += block
                pytest.fail("an orderly end")
        assert double.posts[0].status == ""
    sent, _, part = got.partition(b"\r\n\r\n")
    right = engine(rules).deidentify(body)
    # what the kernel had not yet handed over when the reset came is lost
    assert right.startswith(part) and len(part) <= len(right) // 2
    assert b"Content-Length: %d" % len(right) in sent


def test_truncated(rules: Path, session: requests.Session) -> None:
    right = engine(rules).deidentify(encoded(PATIENT))
    with faulty(rules, Fault("truncated", times=2)) as double:
        head, _, part = bytes_of(double, encoded(PATIENT)).partition(b"\r\n\r\n")
        assert part == right[: len(right) // 2] and head.endswith(b"Content-Length: %d" % len(right))
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            send(session, double)
        assert [seen.status for seen in double.posts] == ["", ""]


def test_wrong_length(rules: Path, session: requests.Session) -> None:
    right = engine(rules).deidentify(encoded(PATIENT))
    with faulty(rules, Fault("wrong-length", times=2)) as double:
        answer = send(session, double)
        assert answer.content == right[: len(right) - len(right) // 3]
        head = b"POST /fhir/$de-identify HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        head %= len(encoded(PATIENT))
        both = head + b"\r\n" + encoded(PATIENT) + head + b"Connection: close\r\n\r\n" + encoded(PATIENT)
        with socket.create_connection(("127.0.0.1", double.port), timeout=30) as connection:
            connection.sendall(both)
            came = b"".join(iter(lambda: connection.recv(65536), b""))
    assert right + b"HTTP/1.1 200 OK" in came and came.count(right) == 2


def test_close_idle(rules: Path, session: requests.Session) -> None:
    with faulty(rules, Fault("close-idle", times=1)) as double:
        answer = send(session, double)
        assert answer.ok and "Connection" not in answer.headers
        with pytest.raises(requests.ConnectionError):
            send(session, double)
        assert send(session, double).ok
        assert len(double.posts) == 2  # the one in between was never read


def test_close_idle_shows_nothing_until_the_next_request(rules: Path) -> None:
    head = b"POST /fhir/$de-identify HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    body, right, got = encoded(PATIENT), engine(rules).deidentify(encoded(PATIENT)), b""
    with (
        faulty(rules, Fault("close-idle")) as double,
        socket.create_connection(("127.0.0.1", double.port), timeout=30) as connection,
    ):
        connection.sendall(head % len(body) + body)
        while not got.endswith(right):
            got += connection.recv(65536)
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(30)
        connection.sendall(head % len(body) + body)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_hang(rules: Path, session: requests.Session) -> None:
    with faulty(rules, Fault("hang", times=1)) as double:
        with pytest.raises(requests.exceptions.ReadTimeout):
            session.post(
                f"{double.url}/fhir/$de-identify", data=encoded(PATIENT), headers=JSON, timeout=(30, 0.1)
            )
        assert send(session, double).ok
        assert [seen.status for seen in double.posts] == ["", "200"]


@pytest.mark.parametrize("fault", [Fault("hang"), Fault("slow", value=3600)])
def test_a_server_that_waits_stops_all_the_same(rules: Path, fault: Fault) -> None:
    with faulty(rules, fault) as double:
        connection = socket.create_connection(("127.0.0.1", double.port), timeout=30)
        head = b"POST /fhir/$de-identify HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        connection.sendall(head)
        while not double.posts or not double.posts[0].fault:
            threading.Event().wait(0.01)
    with connection:
        assert b"HTTP/1.1 200" not in connection.recv(65536)


def test_slow(rules: Path, session: requests.Session) -> None:
    with faulty(rules, Fault("slow", value=0.3, times=1)) as double:
        answer = send(session, double)
        assert answer.elapsed.total_seconds() >= 0.3  # it waits at least so long, on any machine
        assert answer.content == engine(rules).deidentify(encoded(PATIENT))
        assert answer.headers["Content-Type"] == RIGHT


def test_latency(rules: Path, session: requests.Session) -> None:
    with faulty(rules, latency=0.1) as double:
        assert send(session, double).elapsed.total_seconds() >= 0.1


# ---- random mixes ------------------------------------------------------------------------------------------------------


def test_random_mixes_are_repeatable_and_varied() -> None:
    assert random_faults(1, 400) == random_faults(1, 400) != random_faults(2, 400)
    assert {fault.kind for fault in random_faults(3, 400)} == set(TRANSIENT)
    severe = {fault.kind for fault in random_faults(3, 2000, transient_only=False)}
    assert severe == {*TRANSIENT, *FINAL} - {"hang", "redirect"}


@pytest.mark.parametrize("seed", range(50))
def test_random_mixes_are_as_thin_as_promised(seed: int) -> None:
    faults = random_faults(seed, 40)
    numbers = [number for fault in faults for number in fault.at or ()]
    assert numbers and all(1 <= number <= 40 for number in numbers)
    assert all(second - first >= 2 for first, second in pairwise(numbers))
    assert sum(fault.kind == "close-idle" for fault in faults) <= 2
    assert all(fault.spare_after == (1 if fault.kind == "500" else 2) for fault in faults)


@pytest.mark.parametrize("seed", range(4))
def test_a_patient_client_survives_a_random_mix(rules: Path, seed: int) -> None:
    bodies = [{**PATIENT, "id": f"kanarie-{n}"} for n in range(40)]
    done: dict[str, bytes] = {}

    def client(mine: list[dict[str, Any]], server: DimpDouble) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for body in mine:
                failures_500 = 0
                for _ in range(5):
                    try:
                        answer = send(session, server, body)
                    except requests.RequestException:
                        continue
                    failures_500 += answer.status_code == 500
                    if answer.ok and failures_500 < 2:
                        done[body["id"]] = answer.content
                        break

    with faulty(rules, *random_faults(seed, 60)) as double:
        threads = [threading.Thread(target=client, args=(bodies[n::4], double)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(bool(seen.fault) for seen in double.posts) >= 8
    machine = engine(rules)
    assert done == {body["id"]: machine.deidentify(encoded(body)) for body in bodies}
