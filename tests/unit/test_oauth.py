"""dimpflow.clients.oauth: tokens from a real issuer on loopback, shared, renewed and forgotten."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dimpflow.clients import access, oauth
from dimpflow.clients.access import renew_token
from dimpflow.clients.oauth import TokenError
from dimpflow.errors import ConfigError, ServiceError
from doubles.oidc import OidcIssuer
from doubles.sessions import opened
from doubles.web import Recorder, answering, serving

KEY = "services.dimp.auth.oauth_issuer_uri: the issuer "


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[OidcIssuer]:
    monkeypatch.setattr(oauth, "_SLOTS", {})  # ports are used again
    with OidcIssuer() as running:
        yield running


@pytest.fixture
def here() -> Iterator[Recorder]:
    with serving(Recorder()) as server:
        yield server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time that tokens are judged by, in seconds; it stands still."""
    now = [1000.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now[0]

    monkeypatch.setattr(oauth, "time", Clock)
    yield now


def session_for(here: Recorder, issuer: OidcIssuer, secret: str = "", **values: Any) -> Any:
    client = {
        "oauth_issuer": issuer.url,
        "oauth_client_id": issuer.client_id,
        "oauth_client_secret": "${CLIENT_SECRET}",
    }
    environ = {"CLIENT_SECRET": secret or issuer.secret}
    return opened(here.url, connections=8, environ=environ, **{**client, **values})


def refused(here: Recorder, issuer: OidcIssuer, **values: Any) -> TokenError:
    """The error of a request that must not get to the service."""
    with session_for(here, issuer, **values) as session, pytest.raises(ServiceError) as caught:
        session.post(here.url, data=b"geheim")
    assert not here.seen
    said = str(caught.value)
    assert said.startswith(KEY) and "\n" not in said
    assert issuer.secret not in said and "geheim" not in said and "127.0.0.1" not in said
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert isinstance(caught.value, TokenError)
    return caught.value


def test_a_token_is_fetched_once_and_used(here: Recorder, issuer: OidcIssuer) -> None:
    for _ in range(2):  # two sessions of a process share it
        with session_for(here, issuer) as session:
            for _ in range(3):
                assert session.get(here.url).status_code == 200
    assert {headers["authorization"] for _, headers in here.seen} == {"Bearer token-1"}
    assert (issuer.discoveries, issuer.token_requests, issuer.ways) == (1, 1, ["client_secret_basic"])
    assert issuer.scopes == []


def test_tokens_go_to_the_configured_origin_only(here: Recorder, issuer: OidcIssuer) -> None:
    with serving(Recorder()) as elsewhere, session_for(here, issuer) as session:
        session.get(here.url)
        session.get(elsewhere.url)
        session.get(f"{here.url}/to/{elsewhere.url}", allow_redirects=True)
        assert [("authorization" in headers) for _, headers in elsewhere.seen] == [False]
        assert "authorization" in here.headers


def test_clients_and_scopes_have_tokens_of_their_own(here: Recorder, issuer: OidcIssuer) -> None:
    for scope in ("a", "b c", "a"):
        with session_for(here, issuer, oauth_scope=scope) as session:
            session.get(here.url)
    assert [headers["authorization"][-1] for _, headers in here.seen] == ["1", "2", "1"]
    assert issuer.scopes == ["a", "b c"]
    issuer.client_id = "other"
    with session_for(here, issuer, oauth_scope="a") as session:
        session.get(here.url)
    with OidcIssuer() as second, session_for(here, second) as session:
        session.get(here.url)
        assert second.token_requests == 1
    assert [headers["authorization"][-1] for _, headers in here.seen[3:]] == ["3", "1"]


@pytest.mark.parametrize(
    ("lifetime", "seconds", "fetched"),
    [
        (300, 269.9, 1),
        (300, 270.0, 2),
        ("300", 269.9, 1),
        (31, 0.9, 1),
        (31, 1.1, 2),
        (30, 0.0, 2),
        (5, 0.0, 2),
        (0, 0.0, 2),
        (-1, 0.0, 2),
        (None, 269.9, 1),
        (None, 270.0, 2),
        ("soon", 269.9, 1),
        (1e300, 1e9, 1),
    ],
)
def test_a_token_is_renewed_30_seconds_before_its_end(
    here: Recorder, issuer: OidcIssuer, clock: list[float], lifetime: Any, seconds: float, fetched: int
) -> None:
    issuer.lifetime = lifetime
    with session_for(here, issuer) as session:
        session.get(here.url)
        clock[0] += seconds
        session.get(here.url)
    assert here.headers["authorization"] == f"Bearer token-{fetched}"
    assert (issuer.token_requests, issuer.discoveries) == (fetched, 1)


def test_many_threads_wait_for_one_token(here: Recorder, issuer: OidcIssuer) -> None:
    issuer.gate.clear()
    with session_for(here, issuer) as session:
        threads = [threading.Thread(target=session.get, args=(here.url,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        issuer.gate.set()
        for thread in threads:
            thread.join(20)
    assert len(here.seen) == 8 and issuer.token_requests == 1

    issuer.lifetime = 1  # none is kept: each request asks, one after the other
    with session_for(here, issuer, oauth_scope="other") as session:
        threads = [threading.Thread(target=session.get, args=(here.url,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert (issuer.token_requests, issuer.most_at_once) == (9, 1)


def test_a_refused_token_is_forgotten_and_a_newer_one_kept(here: Recorder, issuer: OidcIssuer) -> None:
    with session_for(here, issuer) as session:
        first = session.get(here.url)
        assert renew_token(session, first)
        second = session.get(here.url)
        assert second.request.headers["Authorization"] == "Bearer token-2"
        assert renew_token(session, first)  # of another thread, too late
        assert session.get(here.url).request.headers["Authorization"] == "Bearer token-2"
        assert renew_token(session)
        assert session.get(here.url).request.headers["Authorization"] == "Bearer token-3"
    assert issuer.discoveries == 1
    with opened(here.url, bearer_token="${TOKEN}") as session:
        assert not renew_token(session, session.get(here.url))


# ---- where tokens are ----------------------------------------------------------------------------------------------


def test_keycloak_without_discovery(here: Recorder, issuer: OidcIssuer) -> None:
    issuer.discovery = None
    with session_for(here, issuer, oauth_issuer=f"{issuer.url}/") as session:
        session.get(here.url)
    assert here.headers["authorization"] == "Bearer token-1"
    assert (issuer.discoveries, issuer.ways) == (1, ["client_secret_basic"])


@pytest.mark.parametrize(
    ("methods", "way"),
    [
        (None, "client_secret_basic"),
        (("client_secret_basic",), "client_secret_basic"),
        (("private_key_jwt", "client_secret_post"), "client_secret_post"),
    ],
)
@pytest.mark.parametrize("secret", ["s3cret", "a:b%20+c &=ü/ ?"])
def test_how_the_client_identifies_itself(
    here: Recorder, issuer: OidcIssuer, methods: tuple[str, ...] | None, way: str, secret: str
) -> None:
    issuer.methods, issuer.secret, issuer.client_id = methods, secret, "dimp:ü 1"
    with session_for(here, issuer) as session:
        session.get(here.url)
    assert (here.headers["authorization"], issuer.ways) == ("Bearer token-1", [way])


def test_a_client_that_cannot_identify_itself(here: Recorder, issuer: OidcIssuer) -> None:
    issuer.methods = ("private_key_jwt",)
    assert "takes neither client_secret_basic nor client_secret_post" in str(refused(here, issuer))


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://sso.example/token", "names a token endpoint on another server without TLS"),
        ("https://user:geheim@sso.example/token", "names a token endpoint that is no usable address"),
        ("ftp://sso.example/token", "names a token endpoint that is no usable address"),
        ("/token", "names a token endpoint that is no usable address"),
        (7, "names no token endpoint"),
        (None, "names no token endpoint"),
    ],
)
def test_a_token_endpoint_that_may_not_have_the_secret(
    here: Recorder, issuer: OidcIssuer, endpoint: Any, expected: str
) -> None:
    issuer.discovery = {"token_endpoint": endpoint}
    assert expected in str(refused(here, issuer))
    assert issuer.token_requests == 0


def test_a_token_endpoint_on_another_port_of_this_machine(here: Recorder, issuer: OidcIssuer) -> None:
    with OidcIssuer() as other:
        issuer.discovery = {"token_endpoint": f"{other.origin}{other.token_path}?tenant=1"}
        other.token_path += "?tenant=1"
        with session_for(here, issuer) as session:
            session.get(here.url)
        assert (other.token_requests, issuer.token_requests) == (1, 0)
    assert here.headers["authorization"] == "Bearer token-1"


# ---- failures ------------------------------------------------------------------------------------------------------


def test_a_wrong_secret_and_then_the_right_one(here: Recorder, issuer: OidcIssuer) -> None:
    error = refused(here, issuer, secret="geheim-wrong")
    assert str(error) == (
        f"{KEY}gives no token (HTTP 401, invalid_client); check oauth_client_id and oauth_client_secret"
    )
    assert not error.transient
    with session_for(here, issuer) as session:
        assert session.get(here.url).status_code == 200


@pytest.mark.parametrize(
    ("status", "body", "expected", "transient"),
    [
        (
            400,
            {"error": "invalid_scope"},
            "gives no token (HTTP 400, invalid_scope); check oauth_scope",
            False,
        ),
        (400, {"error": "unauthorized_client"}, "check oauth_client_id: is the client allowed", False),
        (
            400,
            {"error": "unsupported_grant_type"},
            "check oauth_issuer_uri: client credentials are not",
            False,
        ),
        (400, {"error": "geheim"}, "gives no token (HTTP 400); check the address", False),
        (400, {"error": ["invalid_scope"]}, "gives no token (HTTP 400); check the address", False),
        (401, None, "gives no token (HTTP 401); check oauth_client_id and oauth_client_secret", False),
        (403, None, "gives no token (HTTP 403); check oauth_client_id", False),
        (404, None, "gives no token (HTTP 404); check the address", False),
        (307, None, "redirects (HTTP 307); give the address that it redirects to", False),
        (429, None, "gives no token now (HTTP 429); try again later", True),
        (500, {"error": "geheim"}, "gives no token now (HTTP 500); try again later", True),
        (503, None, "gives no token now (HTTP 503); try again later", True),
        (200, None, "answered without an access token", False),
        (200, {"access_token": ""}, "answered without an access token", False),
        (200, {"access_token": "geheim\nX: y"}, "answered without an access token", False),
        (200, {"access_token": ["geheim"]}, "answered without an access token", False),
        (200, ["geheim"], "answered without an access token", False),
        (200, {"access_token": "geheim", "token_type": "DPoP"}, "gives tokens that are no bearer", False),
    ],
)
def test_refusals(
    here: Recorder, issuer: OidcIssuer, status: int, body: Any, expected: str, transient: bool
) -> None:
    issuer.answer = status, b"<p>geheim</p>" if body is None else json.dumps(body).encode()
    error = refused(here, issuer)
    assert expected in str(error) and error.transient is transient
    issuer.answer = None  # it comes back
    with session_for(here, issuer) as session:
        session.get(here.url)
    assert (here.headers["authorization"], issuer.discoveries) == ("Bearer token-1", 2)


@pytest.mark.parametrize(
    ("status", "expected", "transient"),
    [
        (500, "gives no token now (HTTP 500)", True),
        (403, "gives no token (HTTP 403)", False),
        (302, "redirects (HTTP 302)", False),
    ],
)
def test_discovery_that_fails(
    here: Recorder, issuer: OidcIssuer, status: int, expected: str, transient: bool
) -> None:
    issuer.discovery_status = status
    error = refused(here, issuer)
    assert expected in str(error) and error.transient is transient and issuer.token_requests == 0


def test_an_issuer_that_is_not_there(here: Recorder, issuer: OidcIssuer) -> None:
    with answering(lambda connection: None) as closed:
        pass
    error = refused(here, issuer, oauth_issuer=f"{closed}/realms/geheim")
    assert error.transient
    assert str(error) == (
        f"{KEY}gives no token: cannot connect: connection refused; check the address, and whether it runs"
    )
    with answering(lambda connection: connection.sendall(b"geheim\r\n\r\n")) as broken:
        error = refused(here, issuer, oauth_issuer=broken)
    assert "gives no token: the answer is not valid HTTP;" in str(error)


def test_an_issuer_that_does_not_answer(
    here: Recorder, issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_TOKEN_TIMEOUT", 0.1)
    issuer.gate.clear()
    error = refused(here, issuer, read_timeout=300)
    assert "gives no token: no answer within 0.1 s;" in str(error) and error.transient


def test_a_variable_that_is_missing_is_told_before_anything_is_asked(
    here: Recorder, issuer: OidcIssuer
) -> None:
    with pytest.raises(ConfigError, match=r"^services.dimp.auth.oauth_client_secret: .* NOT_SET is not set"):
        session_for(here, issuer, oauth_client_secret="${NOT_SET}")
    assert issuer.discoveries == 0


def test_secrets_do_not_show(here: Recorder, issuer: OidcIssuer) -> None:
    with session_for(here, issuer) as session:
        session.get(here.url)
        source = session.auth._tokens
        shown = f"{source!r} {vars(source)!r} {session.auth!r} {source._slot.token!r}"
    assert issuer.secret not in shown and "token-1" not in shown
