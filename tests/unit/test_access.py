"""dimpflow.clients.access: who gets credentials and who does not, against real servers; contradictions, warnings."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from dimpflow.clients.access import (
    check_access,
    explain,
    is_loopback,
    open_session,
    origin_of,
    warnings_for,
)
from dimpflow.errors import ConfigError
from doubles.sessions import SECRET, access, opened
from doubles.web import Recorder, serving

BASIC = {"username": "dimp", "password": "${PASSWORD}"}
BEARER = {"bearer_token": "${TOKEN}"}
KEY = {"api_key": "${KEY}"}


@pytest.fixture
def here() -> Iterator[Recorder]:
    with serving(Recorder()) as server:
        yield server


@pytest.fixture
def elsewhere() -> Iterator[Recorder]:
    with serving(Recorder()) as server:
        yield server


# ---- credentials -------------------------------------------------------------------------------------------------


def test_each_kind_of_credentials_arrives(here: Recorder) -> None:
    expected = base64.b64encode(f"dimp:{SECRET}-ü".encode()).decode()
    for values, header, value in [
        (BASIC, "authorization", f"Basic {expected}"),
        (BEARER, "authorization", f"Bearer {SECRET}"),
        (KEY, "x-api-key", f"{SECRET}-key"),
        ({**KEY, "api_key_header": "X-Other"}, "x-other", f"{SECRET}-key"),
        ({"api_key": "Bearer ${TOKEN}", "api_key_header": "Authorization"}, "authorization", f"Bearer {SECRET}"),
        ({"bearer_token": "in-clear"}, "authorization", "Bearer in-clear"),
    ]:  # fmt: skip
        with opened(f"{here.url}/fhir", **values) as session:
            assert session.post(f"{here.url}/fhir/$de-identify", data=b"{}").status_code == 200
        assert here.headers[header] == value
    with opened(here.url, **BASIC, **KEY) as session:
        session.get(here.url)
    assert {"authorization", "x-api-key"} <= set(here.headers)
    with opened(here.url) as session:
        session.get(here.url)
    assert not {"authorization", "x-api-key"} & set(here.headers)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_nothing_reaches_the_foreign_server(
    here: Recorder, elsewhere: Recorder, status: int
) -> None:
    here.status = status
    for values in (BASIC, BEARER, KEY):
        with opened(here.url, **values) as session:
            for ask in (session.get, session.post):
                answer = ask(f"{here.url}/to/{elsewhere.url}/x", allow_redirects=True)
                assert (answer.status_code, answer.next, answer.history) == (status, None, [])
            assert session.get(f"{here.url}/to//same").status_code == status
    assert not elsewhere.seen


def test_a_request_to_a_foreign_server_goes_without_credentials(here: Recorder, elsewhere: Recorder) -> None:
    port = here.server_address[1]
    for values in ({**BASIC, **KEY}, {**BEARER, **KEY}):
        with opened(here.url, **values) as session:
            session.get(here.url)
            assert {"authorization", "x-api-key"} <= set(here.headers)
            session.get(elsewhere.url)
            assert not {"authorization", "x-api-key", "cookie"} & set(elsewhere.headers)
            assert SECRET not in str(elsewhere.headers)
            session.get(f"http://localhost:{port}/")  # the same server by another name
            assert not {"authorization", "x-api-key", "cookie"} & set(here.headers)
    assert all(SECRET not in str(headers) for _, headers in elsewhere.seen)


def test_neither_netrc_nor_proxies_nor_bundles_of_the_environment(
    here: Recorder, elsewhere: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    requests.get(here.url, timeout=10)
    assert "authorization" in here.headers  # so the file is found
    monkeypatch.setenv("HTTP_PROXY", elsewhere.url)
    monkeypatch.setenv("http_proxy", elsewhere.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(netrc))
    for environ in ({}, {"http_proxy": elsewhere.url}):
        with opened(here.url, environ=environ) as session:
            session.get(here.url)
        assert "authorization" not in here.headers
    assert not elsewhere.seen
    with opened(here.url, environ={"NO_PROXY": "127.0.0.1"}, use_proxies=True) as session:
        session.get(here.url)
    assert "authorization" not in here.headers


def test_proxies_if_asked_for(here: Recorder, elsewhere: Recorder) -> None:
    proxy = elsewhere.url.replace("//", "//me:pw@")
    for environ in (
        {"HTTP_PROXY": proxy},
        {"http_proxy": proxy, "HTTP_PROXY": "http://127.0.0.1:1"},
        {"ALL_PROXY": proxy, "NO_PROXY": "example.org,10.0.0.0/8"},
    ):
        with opened(here.url, environ=environ, use_proxies=True, **KEY) as session:
            session.get(f"{here.url}/fhir/metadata")
        path, headers = elsewhere.seen.pop()
        assert path == f"{here.url}/fhir/metadata" and headers["x-api-key"] == f"{SECRET}-key"
        assert headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:pw").decode()
    for no in ("127.0.0.1", "127.0.0.0/8", "example.org, 127.0.0.1", "*"):
        with opened(here.url, environ={"HTTP_PROXY": proxy, "NO_PROXY": no}, use_proxies=True) as session:
            session.get(here.url)
    assert not elsewhere.seen and len(here.seen) == 4

    with (
        opened("https://127.0.0.1:1", environ={"HTTPS_PROXY": proxy}, use_proxies=True, **KEY) as session,
        pytest.raises(requests.RequestException) as caught,
    ):
        session.get("https://127.0.0.1:1/")
    assert explain(caught.value) == "the proxy cannot be used: it refuses"
    path, headers = elsewhere.seen.pop()
    assert path == "127.0.0.1:1" and SECRET not in str(headers)


def test_no_cookie_is_kept(here: Recorder) -> None:
    with opened(here.url) as session:
        session.get(here.url)
        session.get(here.url)
        assert "cookie" not in here.headers and not list(session.cookies)


def test_connections_are_bounded_and_kept(here: Recorder) -> None:
    here.gate = threading.Barrier(3)
    with opened(here.url, connections=3) as session:
        threads = [threading.Thread(target=session.get, args=(here.url,)) for _ in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert (len(here.seen), here.most_at_once) == (
        9,
        3,
    )  # the barrier lets none through before there are three


# ---- secrets that cannot be sent, and where they are ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "environ", "message"),
    [
        (BEARER, {"TOKEN": "a b"}, "services.dimp.auth.bearer_token: holds characters"),
        (BEARER, {"TOKEN": "geheim\nX: y"}, "services.dimp.auth.bearer_token: holds characters"),
        (KEY, {"KEY": "geheim\r\nX: y"}, "services.dimp.auth.api_key: holds characters"),
        (KEY, {"KEY": "geheim-ü"}, "services.dimp.auth.api_key: holds characters"),
        (KEY, {"KEY": ""}, "services.dimp.auth.api_key: empty; set the variable"),
        (BASIC, {"PASSWORD": ""}, "services.dimp.auth.password: empty; set the variable"),
        ({"api_key": "${NOT_THERE}"}, {}, "services.dimp.auth.api_key: the environment variable NOT_THERE"),
    ],
)
def test_a_secret_that_cannot_be_sent(values: dict[str, str], environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        opened("http://127.0.0.1:1", environ=environ, **values)
    assert str(caught.value).startswith(message) and "geheim" not in str(caught.value)


def test_a_line_break_at_the_end_of_a_variable_does_no_harm(here: Recorder) -> None:
    with opened(
        here.url, environ={"KEY": f"{SECRET}\n", "TOKEN": f"{SECRET}\r\n"}, **KEY, **BEARER
    ) as session:
        session.get(here.url)
    assert (here.headers["x-api-key"], here.headers["authorization"]) == (SECRET, f"Bearer {SECRET}")


def test_secrets_do_not_show() -> None:
    clear = access(
        "http://h", password=SECRET, bearer_token=SECRET, oauth_client_secret=SECRET, api_key=SECRET
    )
    assert SECRET not in repr(clear)
    assert "dimp" in repr(clear)
    with opened("http://127.0.0.1:1", **BASIC, **KEY) as session:
        assert SECRET not in repr(vars(session)) and SECRET not in repr(session.auth)


# ---- faults and warnings -------------------------------------------------------------------------------------------

OAUTH = {"oauth_issuer": "https://i/r", "oauth_client_id": "c", "oauth_client_secret": "${S}"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        (BASIC, []),
        ({**BASIC, **KEY}, []),
        ({**OAUTH, **KEY, "oauth_scope": "s"}, []),
        ({"api_key": "${K}", "api_key_header": "Authorization"}, []),
        ({**BASIC, **BEARER}, ["username: cannot be used together with services.dimp.auth.bearer_token"]),
        ({**BASIC, **OAUTH}, ["username: cannot be used together with services.dimp.auth.oauth_issuer_uri"]),
        ({**BEARER, **OAUTH}, ["bearer_token: cannot be used together"]),
        ({"username": "u"}, ["password: missing; it belongs to services.dimp.auth.username"]),
        ({"password": "${P}"}, ["username: missing; it belongs to services.dimp.auth.password"]),
        ({**BASIC, "username": "a:b"}, ["username: must not hold a colon"]),
        ({"oauth_issuer": "https://i"}, ["oauth_client_id: missing", "oauth_client_secret: missing"]),
        ({"oauth_client_secret": "${S}"}, ["oauth_issuer_uri: missing", "oauth_client_id: missing"]),
        (
            {"oauth_scope": "s"},
            ["oauth_issuer_uri: missing", "oauth_client_id: missing", "oauth_client_secret: missing"],
        ),
        ({**OAUTH, "oauth_issuer": "i/r"}, ["oauth_issuer_uri: must be an http or https address"]),
        ({**OAUTH, "oauth_issuer": "https://u:p@i"}, ["oauth_issuer_uri: must not hold a user name"]),
        ({**KEY, "api_key_header": "X Key"}, ["api_key_header: not a valid name"]),
        ({**KEY, "api_key_header": "X-Key:\r\n"}, ["api_key_header: not a valid name"]),
        ({**KEY, "api_key_header": ""}, ["api_key_header: not a valid name"]),
        ({**KEY, "api_key_header": "Content-Length"}, ["api_key_header: this header has another use"]),
        ({"api_key_header": "X-K"}, ["api_key: missing"]),
        *[
            ({**KEY, **way, "api_key_header": "authorization"}, ["api_key_header: Authorization is needed"])
            for way in (BASIC, BEARER, OAUTH)
        ],
    ],
)
def test_contradictions(values: dict[str, str], expected: list[str]) -> None:
    faults = check_access(access("https://h/fhir", **values))
    assert len(faults) == len(expected), faults
    for fault, start in zip(faults, expected, strict=True):
        assert fault.startswith(f"services.dimp.auth.{start}")
        assert "\n" not in fault and "u:p" not in fault
    if expected:
        with pytest.raises(ConfigError) as caught:
            open_session(access("https://h/fhir", **values), {}, connections=1)
        assert str(caught.value) == "\n".join(faults)


@pytest.mark.parametrize(
    "url", ["h:80", "ftp://h", "http://", "http:///x", "http://h:x", "http://h:99999", "", "http://[::1"]
)
def test_an_address_that_is_none(url: str) -> None:
    (fault,) = check_access(access(url))
    assert fault.startswith("services.dimp.url: must be an http or https address")
    with pytest.raises(ValueError, match=r"^not an (http or https )?address$"):
        origin_of(url)


def test_an_address_with_more_than_a_path() -> None:
    for url in ("http://me:geheim@h", "http://h/fhir?apikey=geheim", "http://h/#geheim"):
        (fault,) = check_access(access(url))
        assert fault.startswith("services.dimp.url: must") and "geheim" not in fault


def test_origins() -> None:
    same = ["http://H/", "http://h:80/fhir?x", "HTTP://h:080", "http://h", "http://u:p@h/"]
    assert {origin_of(url) for url in same} == {"http://h"}
    assert {origin_of(url) for url in ("https://h:443", "https://h/x")} == {"https://h"}
    others = [
        "https://h",
        "http://h:81",
        "http://h.",
        "http://g",
        "http://h:443",
        "https://h:80",
        "http://hh",
    ]
    assert len({origin_of(url) for url in [*others, "http://h"]}) == len(others) + 1
    assert origin_of("http://[::1]:8080/x") == "http://[::1]:8080"
    assert origin_of("https://Müller.example/") == "https://xn--mller-kva.example"


def test_loopback() -> None:
    for host in ("localhost", "127.0.0.1", "127.9.9.9", "[::1]", "LOCALHOST", "a.localhost"):
        assert is_loopback(f"http://{host}:80/x"), host
    for host in ("10.0.0.1", "localhost.example", "127.0.0.1.example", "0.0.0.0", "[::2]", "dimp"):
        assert not is_loopback(f"http://{host}:80/x"), host


def test_warnings() -> None:
    assert warnings_for(access("https://h")) == warnings_for(access("http://127.0.0.1:8080")) == []
    (plain,) = warnings_for(access("http://h"))
    assert plain.startswith("services.dimp.url: http without TLS to another machine: ")
    plain, issuer, insecure = warnings_for(
        access("http://h", oauth_issuer="http://i", insecure_skip_verify=True)
    )
    assert issuer.startswith("services.dimp.auth.oauth_issuer_uri: http without TLS")
    assert insecure.startswith("tls.insecure_skip_verify: certificates are not checked")
