"""Every fault of a service that gives pseudonyms ends as its kind says: the right pseudonyms, or one clear line."""

import logging
import socket
import threading
from typing import Any, Self

import pytest
import requests
from sorts import ALL, DOMAIN, FORBIDDEN, ORIGINALS, REVERSING, SORTS, refused, right

from dimpflow.clients.retry import Retry
from doubles.dimp import Foreign
from doubles.oidc import OidcIssuer
from doubles.pseudonyms import Fault, MiiDouble

TRANSIENT: dict[str, list[Fault]] = {
    "slow": [Fault("slow", at=(1, 3), value=0.1)],
    "429": [Fault("429", at=(1, 2))],
    "429 with seconds": [Fault("429", at=(2,), value="1")],
    "408": [Fault("408", at=(1, 4))],
    "500 once": [Fault("500", at=(2,))],
    "500 twice for one request": [Fault("500", at=(2, 3), spare_after=2)],
    "502 as a page": [Fault("502", at=(1, 2))],
    "503 with seconds": [Fault("503", at=(3,), value="0")],
    "504": [Fault("504", at=(4,))],
    "reset before the answer": [Fault("reset", at=(1, 3))],
    "reset in the middle": [Fault("reset-middle", at=(2, 4))],
    "truncated": [Fault("truncated", at=(1, 4))],
    "wrong length": [Fault("wrong-length", at=(2, 4))],
    "a page in place of JSON": [Fault("not-json", at=(3,))],
    "gzip that is none": [Fault("garbage-gzip", at=(3, 4))],
    "idle connections closed": [Fault("close-idle", at=(1, 2))],
    "no answer": [Fault("hang", at=(2,))],
    "at every first attempt": [Fault("503", spare_after=1)],
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("fault", TRANSIENT)
def test_what_passes(name: str, fault: str) -> None:
    sort = SORTS[name]
    with sort.serve(faults=TRANSIENT[fault]) as double:
        backend = sort.open(double, read_timeout=0.5)
        assert backend.create(DOMAIN, ORIGINALS) == right(double)
        assert any(seen.fault for seen in double.requests), "the fault was never there"
        needed = 4 if sort.lists else 20
        lost = 0 if fault != "idle connections closed" else backend.counts.repeated  # they reach no server
        assert backend.counts.requests == len(double.requests) + lost == needed + backend.counts.repeated


@pytest.mark.parametrize("name", REVERSING)
@pytest.mark.parametrize("fault", ["503", "reset", "not-json", "500"])
def test_what_passes_on_the_way_back(name: str, fault: str) -> None:
    sort = SORTS[name]
    with sort.serve(faults=[Fault(fault, spare_after=1)]) as double:
        backend = sort.open(double)
        made = backend.create(DOMAIN, ORIGINALS)
        assert backend.reverse(DOMAIN, list(made.values())) == {made[one]: one for one in made}


def faults(kind: str, **settings: Any) -> list[Fault]:
    return [Fault(kind, **settings)]


UNAVAILABLE = r"^services\.pseudonyms\.url: .* unavailable: "
FINAL: dict[str, tuple[list[Fault], str]] = {
    "503 for ever": (faults("503"), UNAVAILABLE + r"status 503 \(tried 4 times\)"),
    "429 for an hour and more": (faults("429", value="4000"), UNAVAILABLE + "status 429;"),
    "reset for ever": (faults("reset"), UNAVAILABLE + r".*\(tried 4 times\)"),
    "truncated for ever": (faults("truncated"), UNAVAILABLE),
    "no JSON for ever": (faults("not-json"), UNAVAILABLE + "the answer is no whole JSON"),
    "gzip that is none, for ever": (faults("garbage-gzip"), UNAVAILABLE),
    "no answers": (faults("hang"), UNAVAILABLE + r"no answer within 0\.2 s"),
    "500 for ever": (faults("500"), r"^services\.pseudonyms\.url: .* fails \(status 500\)"),
    "401": (faults("401", at=range(3, 999)), r"^services\.pseudonyms\.auth: .* \(status 401\)"),
    "403": (faults("403", at=range(2, 999)), r"^services\.pseudonyms\.auth: .* \(status 403\)"),
    "404": (
        faults("404"),
        r"^services\.pseudonyms\.url: .*studie-patients.*status 404|status 404.*studie-patients",
    ),
    "413": (faults("413", at=(2,)), r"^services\.pseudonyms\.batch: "),
    "another resource": (faults("other-resource", at=(2,)), "answers with something else|gives 0 answers"),
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("fault", FINAL)
def test_what_does_not_pass(name: str, fault: str) -> None:
    sort = SORTS[name]
    scripted, words = FINAL[fault]
    with sort.serve(faults=scripted) as double:
        backend = sort.open(double, read_timeout=0.2, options={"batch": 6})
        refused(lambda: backend.create(DOMAIN, ORIGINALS), words)
        if fault == "500 for ever":  # at most twice more, for each of those that are asked at once
            assert len(double.requests) <= 3 * (1 if sort.lists else 3)
        assert backend.counts.requests == len(double.requests)
    with sort.serve() as double:
        assert sort.open(double).create(DOMAIN, ORIGINALS) == right(double)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["503", "reset", "not-json", "403", "redirect"])
def test_the_check_says_so_too(name: str, kind: str) -> None:
    value = "http://127.0.0.1:9/" if kind == "redirect" else None
    with SORTS[name].serve(faults=[Fault(kind, value=value)]) as double:
        backend = SORTS[name].open(double)
        if (SORTS[name].kind, kind) == ("vfps", "403"):
            backend.check([DOMAIN])  # who may make pseudonyms need not be allowed to list namespaces
        else:
            refused(lambda: backend.check([DOMAIN]), r"^services\.pseudonyms\.(url|auth): ")


FALSE: dict[str, tuple[str, str]] = {
    "missing-entry": (r"gives (no pseudonym|\d answers)|something else|status 404", ""),
    "duplicate": (r"more than one answer|\d answers|gives no pseudonym", "vfps"),
    "doubled": (r"more than one answer|not their own alone", "gpas 1.10.1, vfps, entici"),
    "shared": ("not their own alone", ""),
    "blank": ("blank pseudonyms", ""),
    "same": ("back as their own pseudonyms", ""),
    "stranger": ("was not asked for|gives no pseudonym", "entici, mii 1.x, mii 2026"),
    "error": ("gives no pseudonym|status 404|reports as errors", ""),
    "other-target": ("answers for another", "gpas 1.10.1, entici, mii 1.x, mii 1.x, named, mii 2026"),
}
"""What is said of false answers, and by which sorts they cannot be told, since their protocols do not hold what is false."""


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", FALSE)
def test_answers_that_lie(name: str, kind: str) -> None:
    words, cannot = FALSE[kind]
    sort = SORTS[name]
    with sort.serve(faults=[Fault(kind, at=None if kind == "shared" else (2,))]) as double:
        backend = sort.open(double)
        if name in cannot:
            assert backend.create(DOMAIN, ORIGINALS) == right(double)
        else:
            refused(lambda: backend.create(DOMAIN, ORIGINALS), words)
        assert any(seen.fault == kind for seen in double.requests)


@pytest.mark.parametrize("name", [name for name in ALL if SORTS[name].lists and SORTS[name].named])
def test_answers_in_another_order(name: str) -> None:
    sort = SORTS[name]
    with sort.serve(faults=[Fault("reordered")]) as double:
        backend = sort.open(double)
        made = backend.create(DOMAIN, ORIGINALS)
        assert made == right(double)
        assert backend.reverse(DOMAIN, list(made.values())) == {made[one]: one for one in made}
        assert all(seen.fault == "reordered" for seen in double.requests)


@pytest.mark.parametrize("name", ["gpas 1.10.2", "gpas 2023"])
def test_an_answer_that_does_not_say_what_it_is_for(name: str) -> None:
    """It is taken for the answer to a lone question only."""
    sort = SORTS[name]
    with sort.serve(faults=[Fault("nameless")]) as double:
        refused(lambda: sort.open(double).create(DOMAIN, ORIGINALS), "cannot be read")
        assert sort.open(double, options={"batch": 1}).create(DOMAIN, ORIGINALS) == right(double)


def test_a_pseudonym_of_another_kind_is_refused() -> None:
    """2023 answers with Identifiers; a string would be another version's."""
    sort = SORTS["gpas 2023"]
    with SORTS["gpas 1.10.2"].serve() as double:
        refused(lambda: sort.open(double).create(DOMAIN, ORIGINALS), r"services\.pseudonyms\.version")


def test_refusals_within_a_bundle() -> None:
    sort = SORTS["mii 1.x"]
    with MiiDouble([DOMAIN], refusing=("geheim-7", 404, None)) as double:
        refused(lambda: sort.open(double).create(DOMAIN, ORIGINALS), r"for 1 of 5 values \(status 404\)")
    with MiiDouble([DOMAIN], refusing=("geheim", 503, 8)) as double:  # two Bundles in part
        backend = sort.open(double)
        assert backend.create(DOMAIN, ORIGINALS) == right(double)
        assert backend.counts.repeated == 2
    with MiiDouble([DOMAIN], refusing=("geheim", 503, None)) as double:
        refused(lambda: sort.open(double).create(DOMAIN, ORIGINALS), r"for 5 of 5 values \(status 503\)")
        assert len(double.requests) == 4
    with MiiDouble([DOMAIN]) as double:
        made = sort.open(double).create(DOMAIN, ORIGINALS)
        double._refusing = ("psn-", 403, None)
        refused(
            lambda: sort.open(double).reverse(DOMAIN, list(made.values())),
            r"gives no original .*\(status 403\)",
        )


# ---- credentials and logs -------------------------------------------------------------------------------------------

ACCESS = {"username": "u", "password": "${PW}", "api_key": "${KEY}"}
DEMANDS: dict[str, Any] = {"basic": ("u", "s3cret-password"), "api_key": ("X-Api-Key", "s3cret-key")}


@pytest.mark.parametrize("name", ALL)
def test_credentials(name: str) -> None:
    sort = SORTS[name]
    with sort.serve(**DEMANDS) as double:
        backend = sort.open(double, **ACCESS)
        backend.check([DOMAIN])
        assert backend.create(DOMAIN, ORIGINALS) == right(double)
        refused(
            lambda: sort.open(double).create(DOMAIN, ORIGINALS),
            r"^services\.pseudonyms\.auth: .* \(status 401\)",
        )


@pytest.mark.parametrize("name", ALL)
def test_nothing_follows_a_redirect(name: str) -> None:
    sort = SORTS[name]
    with Foreign() as foreign, sort.serve() as other:
        for target in (foreign.url, other.base_url):
            faults = [Fault("redirect", at=(2,), value=f"{target}/$pseudonymize?x=geheim")]
            with sort.serve(faults=faults, **DEMANDS) as double:
                backend = sort.open(double, **ACCESS)
                refused(
                    lambda backend=backend: backend.create(DOMAIN, ORIGINALS),
                    r"sends elsewhere \(status 307\)",
                )
        assert foreign.requests == [] and other.requests == []


@pytest.mark.parametrize("name", ALL)
def test_a_token_that_expires_is_renewed_once(name: str) -> None:
    sort = SORTS[name]
    with OidcIssuer() as issuer:
        access = {"oauth_issuer": issuer.url, "oauth_client_id": "dimp", "oauth_client_secret": "${SECRET}"}
        environ = {"SECRET": issuer.secret}
        expiring = [Fault("expired-token", at=(2,))]
        with sort.serve(faults=expiring, tokens=issuer.tokens.__contains__) as double:
            backend = sort.open(double, environ=environ, options={"connections": 1}, **access)
            assert backend.create(DOMAIN, ORIGINALS) == right(double)
            assert issuer.token_requests == 2 and backend.counts.repeated == 1
        refusing = [Fault("401", at=range(3, 999))]
        with sort.serve(faults=refusing, tokens=issuer.tokens.__contains__) as double:
            backend = sort.open(double, environ=environ, options={"connections": 1}, **access)
            refused(lambda: backend.create(DOMAIN, ORIGINALS), r"^services\.pseudonyms\.auth: .*status 401")
            assert len(double.requests) == 4  # once more with a new token, then it is over


def test_a_single_attempt_and_the_pauses_between_more() -> None:
    sort = SORTS["gpas 2023"]
    with sort.serve(faults=[Fault("503", value="7")]) as double:
        refused(lambda: sort.open(double, retry=Retry(1, 1, 1)).create(DOMAIN, ORIGINALS), "status 503;")
        assert len(double.requests) == 1
        waited: list[float] = []
        refused(lambda: sort.open(double, sleep=waited.append).create(DOMAIN, ORIGINALS), "tried 4 times")
        assert waited == [7, 7, 7]


class _Malformed:
    """Answers one request with headers that urllib3 cannot read, of which it tells its log, with the address."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join(10)
        self._listener.close()

    def _answer(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(65536)
            body = b'{"resourceType":"Parameters"}'
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nno header\r\nX: y\r\n\r\n" % len(body)
            connection.sendall(head + body)


def test_addresses_with_originals_are_not_logged() -> None:
    """urllib3 would: the first request, of a plain session, shows it."""
    seen: list[str] = []
    watcher = logging.Handler()
    watcher.emit = lambda record: seen.append(record.getMessage())
    logger = logging.getLogger("urllib3")
    logger.setLevel(logging.NOTSET)
    logger.addHandler(watcher)
    try:
        with _Malformed() as server:
            requests.get(f"{server.base_url}/?q=visible", timeout=10)
            assert any("q=visible" in text for text in seen)
        with _Malformed() as server:
            refused(
                lambda: SORTS["gpas 1.10.1"].open(server).create(DOMAIN, ["geheim-1"]), "gives no pseudonym"
            )
    finally:
        logger.removeHandler(watcher)
    assert not any(word in text for text in seen for word in FORBIDDEN)
