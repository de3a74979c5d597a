"""dimpflow.clients.download: whatever a server does, a file is there whole or not at all, and a person is told why."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from dimpflow.clients.download import Patience
from dimpflow.clients.retry import Retry
from dimpflow.clients.torch.lines import TorchLines
from dimpflow.errors import DimpflowError, InputError, OutputError, ServiceError
from doubles.files import FileFault
from doubles.oidc import OidcIssuer
from doubles.sessions import SECRET, opened
from doubles.web import LOOPBACK, Authority
from doubles.wire import Answer, Foreign, Request
from downloading import AUTH_KEY, KEY, NAME, QUERY, bundle, content, fetch, left_in, served

DATA = content()
BASIC = {"username": "torch", "password": "${PASSWORD}"}

PASSING = {
    "slow": 0.05, "trickle": 60_000, "stall": None, "truncated": None, "truncated-at-line": None, "reset": None,
    "reset-headers": None, "reset-body": None, "too-large-length": None, "too-small-length": None, "chunked": None,
    "chunked-truncated": None, "gzip": "always", "no-ranges": None, "empty": None, "401": None, "403": None, "404": None,
    "408": None, "429": 0, "500": None, "502": None, "503": 0, "504": None,
}  # fmt: skip
RESUMED = {"stall", "truncated", "truncated-at-line", "reset-body", "chunked-truncated"}


def refused(
    tmp_path: Path, *faults: FileFault, data: bytes = DATA, error: type[DimpflowError] = ServiceError, **options: Any
) -> str:  # fmt: skip
    """What is said of a download that must fail; it leaves no file."""
    with served(tmp_path, data, *faults) as server:
        if "url" in options:
            options["url"] = server.base + options["url"]
        with pytest.raises(error) as caught:
            fetch(server, tmp_path / "out" / NAME, **options)
    assert NAME not in left_in(tmp_path / "out")
    said = str(caught.value)
    assert "\n" not in said and QUERY not in said and "geheim" not in said and "127.0.0.1" not in said
    return said


def test_a_file_as_it_lies_there(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out" / NAME
    with served(tmp_path, DATA) as server:
        found = fetch(server, target)
    assert target.read_bytes() == DATA
    assert (found.bytes, found.lines, found.resumed_bytes, found.requests) == (len(DATA), 1000, 0, 1)
    assert found.sha256 == hashlib.sha256(DATA).hexdigest()
    assert left_in(target.parent) == {NAME}
    assert (target.stat().st_mode & 0o777, target.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_without_a_checker_nothing_is_asked_of_the_lines(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf{}\r\n\r\nnot json"
    with served(tmp_path, data) as server:
        found = fetch(server, tmp_path / "out" / NAME, check=None)
    assert (tmp_path / "out" / NAME).read_bytes() == data
    assert (found.bytes, found.lines) == (len(data), 0)


@pytest.mark.parametrize("kind", [kind for kind in PASSING if kind != "401"])
def test_what_passes(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    fault = FileFault(kind, at=(1,), value=PASSING[kind])
    slept: list[float] = []
    with served(tmp_path, DATA, fault) as server:
        found = fetch(server, tmp_path / "out" / NAME, sleep=slept.append)
        requests = server.asked_for(NAME)
    assert (tmp_path / "out" / NAME).read_bytes() == DATA
    assert (found.bytes, found.lines, found.requests) == (len(DATA), 1000, len(requests))
    assert found.sha256 == hashlib.sha256(DATA).hexdigest()
    assert left_in(tmp_path / "out") == {NAME}
    unharmed = kind in ("slow", "trickle", "chunked", "gzip", "no-ranges")
    assert (len(requests) == 1) is unharmed
    assert (found.resumed_bytes > 0) is (kind in RESUMED)
    assert [one.range for one in requests if one.range] == (
        [f"bytes={found.resumed_bytes - 1}-"]
        if kind in RESUMED
        else [f"bytes={len(DATA) - 1}-"] * (kind == "too-large-length")
    )
    assert (7.0 in slept) is (kind in ("empty", "403", "404"))
    assert QUERY not in caplog.text and "geheim" not in caplog.text


@pytest.mark.parametrize("kind", ["408", "429", "500", "502", "503", "504", "reset", "reset-headers"])
def test_what_does_not_pass(tmp_path: Path, kind: str) -> None:
    said = refused(tmp_path, FileFault(kind))
    cause = f"status {kind}" if kind.isdigit() else "the connection broke off"
    assert said == f"{KEY}: {NAME} cannot be downloaded: {cause} (tried 3 times); run again later"
    assert left_in(tmp_path / "out") == set()


@pytest.mark.parametrize("kind", ["stall", "truncated", "reset-body", "chunked-truncated"])
def test_a_file_that_never_comes_to_its_end(tmp_path: Path, kind: str) -> None:
    """After its beginning nothing but the byte that is there already."""
    faults = FileFault(kind, at=(1,), value=9000), FileFault(kind, value=1)
    said = refused(tmp_path, *faults)
    assert said.startswith(f"{KEY}: {NAME} cannot be downloaded: ")
    assert said.endswith(" (tried 3 times); what came so far is kept: run again to go on")
    assert left_in(tmp_path / "out") == {f".{NAME}.part", f".{NAME}.part.json"}


def test_a_connection_that_breaks_all_the_time_and_gets_on(tmp_path: Path) -> None:
    with served(tmp_path, DATA, FileFault("reset-body", value=30_000)) as server:
        found = fetch(server, tmp_path / "out" / NAME)
    assert found.requests == -(-len(DATA) // 30_000) and found.lines == 1000
    assert (tmp_path / "out" / NAME).read_bytes() == DATA


def test_breaks_without_ranges_are_no_progress(tmp_path: Path) -> None:
    """It would go on for ever."""
    wrong = FileFault("wrong-range", at=range(2, 100, 2))
    with served(tmp_path, DATA, wrong, FileFault("truncated")) as server:
        with pytest.raises(ServiceError, match="tried 3 times"):
            fetch(server, tmp_path / "out" / NAME)
        assert len(server.requests) <= 6


def test_a_length_that_is_too_large_for_ever(tmp_path: Path) -> None:
    assert "(tried 3 times)" in refused(tmp_path, FileFault("too-large-length"))


def test_how_long_a_server_may_ask_to_wait(tmp_path: Path) -> None:
    slept: list[float] = []
    with served(tmp_path, DATA, FileFault("429", times=1, value=20)) as server:
        fetch(server, tmp_path / "out" / NAME, sleep=slept.append)
    assert slept == [20.0]


def test_how_long_a_server_may_not_ask_to_wait(tmp_path: Path) -> None:
    said = refused(tmp_path, FileFault("503", value=7200))
    assert said == f"{KEY}: {NAME} cannot be downloaded: status 503; run again later"


def test_attempts_may_be_one(tmp_path: Path) -> None:
    said = refused(tmp_path, FileFault("502"), retry=Retry(1, 1, 1))
    assert "tried" not in said


# ---- files that are not there ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "cause", "advice"),
    [
        (
            "404",
            "there is no such file (status 404)",
            "look whether the address is right, and the file there",
        ),
        (
            "403",
            "the server does not give it out (status 403)",
            f"the file server may have no right to read it, or we none to have it ({AUTH_KEY})",
        ),
        ("empty", "the file is empty", "look at the file on the server"),
    ],
)
def test_a_file_that_does_not_come(tmp_path: Path, kind: str, cause: str, advice: str) -> None:
    slept: list[float] = []
    said = refused(tmp_path, FileFault(kind), sleep=slept.append)
    assert said == f"{KEY}: {NAME}: {cause} (asked 3 times); {advice}"
    assert slept == [7.0, 7.0]
    slept.clear()
    assert "asked" not in refused(
        tmp_path, FileFault(kind), sleep=slept.append, patience=Patience(ready_retries=0)
    )
    assert not slept


def test_a_file_that_nobody_may_read(tmp_path: Path) -> None:
    with served(tmp_path, DATA) as server:
        (server.root / NAME).chmod(0)
        with pytest.raises(ServiceError, match="status 403"):
            fetch(server, tmp_path / "out" / NAME)


# ---- refusals ----------------------------------------------------------------------------------------------------


def test_credentials_that_are_refused(tmp_path: Path) -> None:
    with served(tmp_path, DATA, FileFault("401")) as server:
        with pytest.raises(ServiceError) as caught:
            fetch(server, tmp_path / "out" / NAME, opened(server.url, **BASIC))
        assert len(server.requests) == 1  # a second one could lock the account
    assert str(caught.value) == f"{AUTH_KEY}: {NAME}: the server refuses these credentials (status 401)"


def test_a_token_is_renewed_each_time_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expired: set[str] = set()

    def authorize(request: Request) -> Answer | None:
        return Answer(401) if request.headers.get("authorization", "") in {"", *expired} else None

    with OidcIssuer(client_id="dimp", secret=SECRET) as issuer, served(
        tmp_path, DATA, FileFault("reset-body", at=(1, 2)), authorize=authorize
    ) as server:  # fmt: skip
        oauth = {
            "oauth_issuer": issuer.url,
            "oauth_client_id": "dimp",
            "oauth_client_secret": "${TOKEN}",
        }

        def expire(seconds: float) -> None:
            expired.add(f"Bearer {issuer.tokens[-1]}")

        found = fetch(server, tmp_path / "out" / NAME, opened(server.url, **oauth), sleep=expire)
        assert (issuer.token_requests, found.requests) == (3, 5)
    assert (tmp_path / "out" / NAME).read_bytes() == DATA

    with OidcIssuer(client_id="dimp", secret=SECRET) as issuer, served(
        tmp_path, DATA, authorize=lambda request: Answer(401)
    ) as server:  # fmt: skip
        oauth["oauth_issuer"] = issuer.url
        with pytest.raises(ServiceError, match="status 401"):
            fetch(server, tmp_path / "out" / NAME, opened(server.url, **oauth))
        assert (issuer.token_requests, len(server.requests)) == (2, 2)


@pytest.mark.parametrize("said_to_be_one", [True, False])
@pytest.mark.parametrize("check", [TorchLines, None])
def test_a_page_in_place_of_the_file(tmp_path: Path, said_to_be_one: bool, check: Any) -> None:
    page = b"\n <!DOCTYPE html><html><body>Sign in as geheim</body></html>\n"
    faults = [FileFault("html")] if said_to_be_one else []
    assert refused(tmp_path, *faults, data=page, check=check, expect="a list") == (
        f"{KEY}: {NAME}: the server sends a page of HTML, not a list; look whether the address and {AUTH_KEY} are right"
    )
    assert left_in(tmp_path / "out") == set()


def test_redirects_within_the_server(tmp_path: Path) -> None:
    with served(tmp_path, DATA, FileFault("redirect", name="old", value=f"/{NAME}?{QUERY}")) as server:
        session = opened(server.url, **BASIC)
        found = fetch(server, tmp_path / "out" / NAME, session, url=f"{server.base}/old")
        assert found.requests == 2
        assert [one.headers.get("authorization") for one in server.requests] == ["Basic", "Basic"]
        with pytest.raises(ServiceError, match=r"sends elsewhere \(status 301\)"):
            fetch(server, tmp_path / "out" / NAME, url=f"{server.base}/old", redirects=False)


def test_redirects_without_end(tmp_path: Path) -> None:
    said = refused(tmp_path, FileFault("redirect", value="/round"), url="/round")
    assert said.endswith("(status 301), where nothing is asked for; give the address that it means")


@pytest.mark.parametrize("scheme", ["http:", "https:", ""])
def test_redirects_to_others_are_not_followed(tmp_path: Path, scheme: str) -> None:
    with Foreign() as other:
        there = f"{scheme}//127.0.0.1:{other.port}/{NAME}?{QUERY}"
        with served(tmp_path, DATA, FileFault("redirect", value=there)) as server:
            with pytest.raises(ServiceError) as caught:
                fetch(server, tmp_path / "out" / NAME, opened(server.url, **BASIC))
            assert len(server.requests) == 1
        assert not other.requests and not other.connections
    assert QUERY not in str(caught.value) and str(other.port) not in str(caught.value)


def test_a_redirect_without_an_address(tmp_path: Path) -> None:
    assert "status 301" in refused(tmp_path, FileFault("redirect", value=""))


def test_a_file_at_another_host_gets_no_credentials(tmp_path: Path) -> None:
    with served(tmp_path, DATA) as server, Foreign() as own:
        fetch(server, tmp_path / "out" / NAME, opened(own.url, **BASIC))
        assert "authorization" not in server.requests[0].headers


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.context(LOOPBACK)
    with served(tmp_path, DATA, tls=context) as server:
        with pytest.raises(ServiceError) as caught:
            fetch(server, tmp_path / "out" / NAME)
        assert server.connections == 1 and not server.requests
        assert str(caught.value) == f"{KEY}: {NAME}: the certificate is not trusted (tls.ca_cert_path)"
        found = fetch(server, tmp_path / "out" / NAME, opened(server.url, ca_cert_path=str(authority.pem)))
    assert found.bytes == len(DATA) and (tmp_path / "out" / NAME).read_bytes() == DATA


@pytest.mark.parametrize("at", [1, 2])
def test_a_reset_in_the_headers_under_tls(tmp_path: Path, at: int) -> None:
    """It looks like headers that end early, and no body."""
    slept: list[float] = []
    authority = Authority(tmp_path)
    faults = FileFault("reset-headers", at=(at,)), FileFault("truncated", at=(1,))
    with served(tmp_path, DATA, *faults, tls=authority.context(LOOPBACK)) as server:
        session = opened(server.url, ca_cert_path=str(authority.pem))
        found = fetch(server, tmp_path / "out" / NAME, session, sleep=slept.append)
    assert (tmp_path / "out" / NAME).read_bytes() == DATA
    assert 7.0 not in slept
    assert found.resumed_bytes == (0 if at == 1 else len(DATA) // 2)


def test_nobody_there(tmp_path: Path) -> None:
    with served(tmp_path, DATA) as server:
        pass
    with pytest.raises(ServiceError, match=r"cannot connect: connection refused \(tried 3 times\)"):
        fetch(server, tmp_path / "out" / NAME)


# ---- content -----------------------------------------------------------------------------------------------------


def test_wrong_content_is_fetched_once_more(tmp_path: Path) -> None:
    bad = DATA + b'{"resourceType":"Patient","id":"geheim-1"}\n' + bundle(5000)
    said = refused(tmp_path, data=bad, error=InputError)
    assert (
        said
        == f"{NAME}:1001: not a Bundle; so it came from the server, each of 2 times: look at the file there ({KEY})"
    )
    assert left_in(tmp_path / "out") == set()
    said = refused(tmp_path, data=bad, error=InputError, patience=Patience(bad_content=1))
    assert said == f"{NAME}:1001: not a Bundle; so it came from the server: look at the file there ({KEY})"


def test_wrong_content_ends_a_download_before_its_end(tmp_path: Path) -> None:
    """A file of many GB would else come whole, twice. The fault is found while the server stalls, and shows with the next byte."""
    bad = b"{}\n" + content(100)
    with served(tmp_path, bad, FileFault("stall", value=5000)) as server:
        with pytest.raises(InputError, match=f"{NAME}:1: "):
            fetch(server, tmp_path / "out" / NAME)
        assert [one.range for one in server.requests] == ["", "bytes=4999-"] * 2


def test_a_length_that_is_too_small_for_ever(tmp_path: Path) -> None:
    said = refused(tmp_path, FileFault("too-small-length"), error=InputError)
    assert "no line end: the file is cut off; so it came from the server, each of 2 times" in said


def test_a_fault_of_the_checker_itself_is_not_hidden(tmp_path: Path) -> None:
    class Broken:
        def feed(self, block: bytes) -> None:
            raise ZeroDivisionError

        def finish(self) -> int:
            return 0

    with served(tmp_path, DATA) as server, pytest.raises(ZeroDivisionError):
        fetch(server, tmp_path / "out" / NAME, check=Broken)
    assert NAME not in left_in(tmp_path / "out")


@pytest.mark.parametrize("name", ["list.ndjson.gz", "list.ndjson.zst"])
def test_a_packed_file_stays_packed(tmp_path: Path, name: str) -> None:
    """Some servers say of such files that they are packed for the way only."""
    coding = {"gz": "gzip", "zst": "zstd"}[name.rpartition(".")[2]]

    class Packed(Foreign):
        def respond(self, request: Request) -> Answer:
            return Answer(200, b"\x1f\x8b or so", {"Content-Encoding": coding})

    with Packed() as server:
        fetch(server, tmp_path / "out" / name, url=f"{server.url}/{name}", check=None)
        assert (tmp_path / "out" / name).read_bytes() == b"\x1f\x8b or so"


def test_a_coding_that_was_not_asked_for(tmp_path: Path) -> None:
    class Brotli(Foreign):
        def respond(self, request: Request) -> Answer:
            return Answer(200, b"abc", {"Content-Encoding": "br"})

    with Brotli() as server, pytest.raises(ServiceError, match="Content-Encoding"):
        fetch(server, tmp_path / "out" / NAME, url=f"{server.url}/{NAME}")


def test_an_output_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with served(tmp_path, DATA) as server, pytest.raises(OutputError, match=NAME):
        fetch(server, tmp_path / "out" / NAME)
