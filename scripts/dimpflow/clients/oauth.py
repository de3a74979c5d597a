"""OAuth2 client credentials (RFC 6749, section 4.4) with any OIDC issuer: tokens that a process shares and renews."""

import base64
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import quote_plus

import orjson
import requests

from dimpflow.clients.addresses import fault_of, is_loopback, origin_of
from dimpflow.clients.explain import explain
from dimpflow.errors import ServiceError

RENEW_BEFORE = 30.0
"""Seconds before its expiry from which a token is not used any more; it must outlive the request that carries it."""

DEFAULT_LIFETIME = 300.0
"""Seconds that a token is taken to live if its issuer does not say (RFC 6749, section 5.1 only recommends it)."""

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})

# RFC 6749, section 5.2: error code -> configuration keys to look at. Other texts of the issuer are not shown.
_REFUSALS = {
    "invalid_client": "oauth_client_id and oauth_client_secret",
    "unauthorized_client": "oauth_client_id: is the client allowed to use client credentials?",
    "unsupported_grant_type": "oauth_issuer_uri: client credentials are not offered there",
    "invalid_scope": "oauth_scope",
}


class TokenError(ServiceError):
    """No token from the issuer. transient: a little later there may be one."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


@dataclass(frozen=True)
class Client:
    """Who asks which issuer. key: of the section that holds the values, such as `services.dimp.auth`, for messages."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    scope: str
    key: str


@dataclass(frozen=True)
class _Endpoint:
    url: str
    post: bool  # the client's id and secret go into the body, not into a header


@dataclass(frozen=True)
class _Token:
    text: str = field(repr=False)
    until: float  # on the clock of time.monotonic


class _Slot:
    """What is known for one (issuer, client id, scope)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # one asks, the others wait for the same token
        self.token: _Token | None = None
        self.endpoint: _Endpoint | None = None


_SLOTS: dict[tuple[str, str, str], _Slot] = {}
_SLOTS_LOCK = threading.Lock()


class TokenSource:
    """Tokens of one client; safe to use from many threads.

    open_session: makes a session without credentials for an address, since the issuer may need another proxy than
    the service does.
    """

    def __init__(self, client: Client, open_session: Callable[[str], requests.Session]) -> None:
        self._client = client
        self._open_session = open_session
        with _SLOTS_LOCK:
            place = (client.issuer.rstrip("/"), client.client_id, client.scope)
            self._slot = _SLOTS.setdefault(place, _Slot())

    def token(self) -> str:
        """A token that is good for 30 s at least, unless the issuer gives shorter ones.

        Raises:
            TokenError: the issuer cannot be reached or refuses.
        """
        kept = self._slot.token
        if kept and time.monotonic() < kept.until:
            return kept.text
        with self._slot.lock:
            kept = self._slot.token
            if kept and time.monotonic() < kept.until:
                return kept.text
            self._slot.token = None
            asked = time.monotonic()
            text, lifetime = self._fetch()
            self._slot.token = _Token(
                text, asked + lifetime - RENEW_BEFORE
            )  # of short ones, that is past already
            return text

    def forget(self, token: str = "") -> None:
        """Drop a token that was refused; a newer one, which another thread has fetched meanwhile, stays. "": any token."""
        with self._slot.lock:
            if self._slot.token and token in ("", self._slot.token.text):
                self._slot.token = None

    def _fetch(self) -> tuple[str, float]:
        """Token and lifetime in seconds."""
        client = self._client
        endpoint = self._slot.endpoint or self._discover()
        body = {"grant_type": "client_credentials"}
        if client.scope:
            body["scope"] = client.scope
        headers = {"Accept": "application/json"}
        if endpoint.post:
            body |= {"client_id": client.client_id, "client_secret": client.secret}
        else:
            headers["Authorization"] = _basic(client.client_id, client.secret)
        self._slot.endpoint = None  # if this fails, it may have moved
        answer = self._ask("POST", endpoint.url, headers=headers, data=body)
        if answer.status_code != 200:
            self._refused(answer)
        token = self._read(answer)
        self._slot.endpoint = endpoint
        return token

    def _read(self, answer: requests.Response) -> tuple[str, float]:
        facts = _json_object(answer)
        text, kind = facts.get("access_token"), facts.get("token_type", "Bearer")
        if not isinstance(text, str) or not text or not all("!" <= c <= "~" for c in text):
            self._fail("answered without an access token; is this the address of an OIDC issuer?")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            self._fail("gives tokens that are no bearer tokens, which cannot be used here")
        return text, _seconds(facts.get("expires_in"))

    def _discover(self) -> _Endpoint:
        """Where tokens are: OpenID Connect Discovery 1.0, section 4; Keycloak's path if the issuer has none."""
        issuer = self._client.issuer.rstrip("/")
        answer = self._ask(
            "GET", f"{issuer}/.well-known/openid-configuration", headers={"Accept": "application/json"}
        )
        if answer.status_code == 404:
            return _Endpoint(f"{issuer}/protocol/openid-connect/token", post=False)
        if answer.status_code != 200:
            self._refused(answer)
        facts = _json_object(answer)
        url = facts.get("token_endpoint")
        if not isinstance(url, str):
            self._fail("names no token endpoint; is this the address of an OIDC issuer?")
        if fault_of(url.partition("?")[0]):
            self._fail("names a token endpoint that is no usable address; ask who runs it")
        if not (
            url.lower().startswith("https://") or origin_of(url) == origin_of(issuer) or is_loopback(url)
        ):
            self._fail(
                "names a token endpoint on another server without TLS, where the secret could be read; "
                "ask who runs it for an https address"
            )
        ways = facts.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if not isinstance(ways, list) or "client_secret_basic" in ways:
            return _Endpoint(url, post=False)
        if "client_secret_post" in ways:
            return _Endpoint(url, post=True)
        self._fail("takes neither client_secret_basic nor client_secret_post; allow one of them there")

    def _ask(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        try:
            with self._open_session(url) as session:
                return session.request(method, url, **kwargs)
        except requests.RequestException as error:
            passing = isinstance(
                error,
                requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
            ) and not isinstance(error, requests.exceptions.SSLError)
            self._fail(
                f"gives no token: {explain(error)}; check the address, and whether it runs", transient=passing
            )

    def _refused(self, answer: requests.Response) -> NoReturn:
        status = answer.status_code
        code = _json_object(answer).get("error")
        if 300 <= status < 400:
            self._fail(f"redirects (HTTP {status}); give the address that it redirects to")
        if status in _TRANSIENT:
            self._fail(f"gives no token now (HTTP {status}); try again later", transient=True)
        if isinstance(code, str) and code in _REFUSALS:
            self._fail(f"gives no token (HTTP {status}, {code}); check {_REFUSALS[code]}")
        if status in (401, 403):
            self._fail(f"gives no token (HTTP {status}); check {_REFUSALS['invalid_client']}")
        self._fail(f"gives no token (HTTP {status}); check the address")

    def _fail(self, what: str, *, transient: bool = False) -> NoReturn:
        raise TokenError(
            f"{self._client.key}.oauth_issuer_uri: the issuer {what}", transient=transient
        ) from None


def _basic(client_id: str, secret: str) -> str:
    """RFC 6749, section 2.3.1: both are form-encoded first."""
    pair = ":".join(quote_plus(one.encode(errors="surrogateescape")) for one in (client_id, secret))
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _json_object(answer: requests.Response) -> dict[str, Any]:
    """The answer, or nothing if it is no JSON object."""
    try:
        facts = orjson.loads(answer.content)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _seconds(value: object) -> float:
    """A lifetime; some issuers write the number as text."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else DEFAULT_LIFETIME
    except (ValueError, OverflowError):
        return DEFAULT_LIFETIME
    return seconds if math.isfinite(seconds) else DEFAULT_LIFETIME
