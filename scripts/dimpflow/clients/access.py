"""How to reach a server: a pooled session with credentials, TLS and time-outs, which gives nothing to other servers."""

import base64
import os
import re
import ssl
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies
from urllib3.util.ssl_ import create_urllib3_context

from dimpflow import __version__
from dimpflow.clients.addresses import fault_of, is_loopback, origin_of
from dimpflow.clients.explain import explain
from dimpflow.clients.oauth import Client, TokenSource
from dimpflow.errors import ConfigError
from dimpflow.variables import expand

__all__ = [
    "Access", "check_access", "explain", "is_loopback", "open_session", "origin_of", "renew_token", "warnings_for",
]  # fmt: skip

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_HEADER_VALUE = re.compile(r"[!-~]([ -~\t]*[!-~])?")
_BEARER = re.compile(r"[!-~]+")
_OWN_HEADERS = frozenset(
    ("accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie",
     "expect", "host", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization")
)  # fmt: skip
_KEYS = {"oauth_issuer": "oauth_issuer_uri"}  # where a field and its key have different names
_TOKEN_TIMEOUT = 30.0
"""Seconds; all requests wait for a token."""


@dataclass(frozen=True)
class Access:
    """How to reach a server: all but secrets, which stand in environment variables and are read when a session is made.

    url: without credentials; section: its section in the configuration, such as `services.dimp`, for messages; url_key: where
    the url stands, if not in <section>.url; the secrets
    (password, bearer_token, oauth_client_secret, api_key) as configured, so `${VARIABLE}`, or text in clear;
    ca_cert_path: PEM file of authorities besides the usual ones; use_proxies: take HTTP_PROXY, HTTPS_PROXY, ALL_PROXY
    and NO_PROXY from the environment; time-outs in seconds, read_timeout between two pieces of an answer.
    """

    url: str
    section: str
    username: str = ""
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    oauth_issuer: str = ""
    oauth_client_id: str = ""
    oauth_client_secret: str = field(default="", repr=False)
    oauth_scope: str = ""
    api_key: str = field(default="", repr=False)
    api_key_header: str = "X-Api-Key"
    ca_cert_path: str = ""
    insecure_skip_verify: bool = False
    use_proxies: bool = False
    connect_timeout: float = 10.0
    read_timeout: float = 300.0
    url_key: str = ""

    @property
    def address_key(self) -> str:
        """Key of the url in the configuration."""
        return self.url_key or f"{self.section}.url"

    def key(self, name: str) -> str:
        """Key of one of the credentials in the configuration."""
        return f"{self.section}.auth.{_KEYS.get(name, name)}"


def check_access(access: Access) -> list[str]:
    """What contradicts itself or is incomplete, a line for each fault, with its key."""
    a, key, faults = access, access.key, []
    if fault := fault_of(a.url):
        faults.append(f"{a.address_key}: {fault}")
    basic, oauth = (
        bool(a.username or a.password),
        bool(a.oauth_issuer or a.oauth_client_id or a.oauth_client_secret),
    )
    ways = [
        name
        for name, used in (("username", basic), ("bearer_token", bool(a.bearer_token)), ("oauth_issuer", oauth))
        if used
    ]  # fmt: skip
    if len(ways) > 1:
        faults.append(f"{key(ways[0])}: cannot be used together with {key(ways[1])}; remove one of them")
    for given, missing in (("username", "password"), ("password", "username")):
        if getattr(a, given) and not getattr(a, missing):
            faults.append(f"{key(missing)}: missing; it belongs to {key(given)}")
    if ":" in a.username:
        faults.append(f"{key('username')}: must not hold a colon (RFC 7617)")
    needed = ("oauth_issuer", "oauth_client_id", "oauth_client_secret")
    if oauth or a.oauth_scope:
        faults += [
            f"{key(name)}: missing; {', '.join(map(key, needed))} belong together"
            for name in needed
            if not getattr(a, name)
        ]
    if a.oauth_issuer and (fault := fault_of(a.oauth_issuer)):
        faults.append(f"{key('oauth_issuer')}: {fault}")
    return [*faults, *_api_key_faults(access, ways)]


def _api_key_faults(access: Access, ways: list[str]) -> Iterable[str]:
    header, key = access.api_key_header, access.key
    if not _HEADER_NAME.fullmatch(header):
        yield f"{key('api_key_header')}: not a valid name of an HTTP header; use letters, digits and '-'"
    elif header.lower() in _OWN_HEADERS:
        yield f"{key('api_key_header')}: this header has another use in HTTP; name the header that the server asks for"
    elif header.lower() == "authorization" and access.api_key and ways:
        yield f"{key('api_key_header')}: Authorization is needed for {key(ways[0])}; remove one of them"
    if not access.api_key and header != Access.api_key_header:
        yield f"{key('api_key')}: missing; it belongs to {key('api_key_header')}"


def warnings_for(access: Access) -> list[str]:
    """What is dangerous but allowed, a line for each, to be shown loudly."""
    found = []
    places = ((access.address_key, access.url), (access.key("oauth_issuer"), access.oauth_issuer))
    for key, url in places:
        if urlsplit(url).scheme == "http" and not is_loopback(url):
            found.append(
                f"{key}: http without TLS to another machine: data and credentials can be read on the way; use https"
            )
    if access.insecure_skip_verify:
        found.append(
            "tls.insecure_skip_verify: certificates are not checked: whoever is on the way can read and change all that "
            "is sent; give the authority with tls.ca_cert_path instead"
        )
    return found


def open_session(access: Access, environ: Mapping[str, str], *, connections: int) -> requests.Session:
    """A session for many threads, with at most `connections` connections to a server; others wait for a free one.

    It never retries, follows no redirect (a body must not reach a server that nobody configured), keeps no cookies and
    reads nothing of the environment but what `access` names; credentials go to the origin of `access.url` only.
    An answer over time raises requests' Timeout after the time-outs of `access`, unless a call gives its own.

    Raises:
        ConfigError: an access that contradicts itself, a variable that is not set, a secret that cannot be sent,
            an authority file that cannot be used.
    """
    if faults := check_access(access):
        raise ConfigError("\n".join(faults))
    context = _tls_context(access)
    timeouts = access.connect_timeout, access.read_timeout
    session = _Session(timeouts, context, connections)
    session.proxies.update(_proxies(access, access.url, environ))

    def open_bare(url: str) -> requests.Session:
        brief = access.connect_timeout, min(access.read_timeout, _TOKEN_TIMEOUT)
        bare = _Session(brief, context, 1)
        bare.proxies.update(_proxies(access, url, environ))
        return bare

    session.auth = _credentials(access, environ, open_bare)
    if access.insecure_skip_verify:
        warnings.filterwarnings("ignore", category=urllib3.exceptions.InsecureRequestWarning)
    return session


def renew_token(session: requests.Session, refused: requests.Response | None = None) -> bool:
    """After a 401: forget the OAuth2 token; the next request fetches a new one.

    refused: the answer; with it, a token that another thread has fetched meanwhile stays. False if the session has no
    OAuth2 token to renew: asking again is of no use.
    """
    return isinstance(session.auth, _Credentials) and session.auth.forget(refused)


class _Credentials(requests.auth.AuthBase):
    """Adds credentials to requests to one origin."""

    def __init__(self, origin: str, headers: Mapping[str, str], tokens: TokenSource | None) -> None:
        self._origin = origin
        self._headers = headers
        self._tokens = tokens

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if origin_of(request.url or "") == self._origin:
            request.headers.update(self._headers)
            if self._tokens:
                request.headers["Authorization"] = f"Bearer {self._tokens.token()}"
        return request

    def forget(self, refused: requests.Response | None) -> bool:
        if self._tokens is None:
            return False
        sent = refused.request.headers.get("Authorization", "") if refused is not None else ""
        self._tokens.forget(sent.removeprefix("Bearer "))
        return True


class _Session(requests.Session):
    def __init__(self, timeouts: tuple[float, float], context: ssl.SSLContext, connections: int) -> None:
        super().__init__()
        self.trust_env = False  # or requests would read .netrc, and the proxies for each request
        self.timeouts = timeouts
        self.headers["User-Agent"] = f"dimp-workflow/{__version__}"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(context, connections)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self.timeouts
        try:
            return super().send(request, **kwargs)
        except requests.RequestException as error:
            vars(error)["timeout"] = kwargs["timeout"]  # for explain()
            raise
        except urllib3.exceptions.HTTPError as error:  # requests lets a few of them through
            raise requests.ConnectionError(error, request=request) from None

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: no redirect is followed, even if a call asks for it."""


class _Adapter(HTTPAdapter):
    """Takes all about TLS from one context, which is read once and not for each connection."""

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        super().__init__(pool_maxsize=connections, pool_block=True, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        kwargs["ssl_context"] = self._context
        if proxy.lower().startswith("https:"):
            kwargs["proxy_ssl_context"] = self._context
        return super().proxy_manager_for(proxy, **kwargs)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: the context has it."""


def _tls_context(access: Access) -> ssl.SSLContext:
    context = create_urllib3_context()
    context.load_verify_locations(certifi.where())
    if access.ca_cert_path:
        _add_authorities(context, access.ca_cert_path)
    if access.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _add_authorities(context: ssl.SSLContext, path: str) -> None:
    try:
        alone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        alone.load_verify_locations(path)
        if not alone.cert_store_stats()["x509"]:  # lists of revoked certificates pass without an error
            raise ssl.SSLError
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise ConfigError(f"tls.ca_cert_path: {path}: holds no certificate in PEM form") from None
    except OSError as error:
        raise ConfigError(f"tls.ca_cert_path: {path}: {os.strerror(error.errno or 0)}") from None


def _credentials(
    access: Access, environ: Mapping[str, str], open_bare: Callable[[str], requests.Session]
) -> _Credentials:
    """Reads the secrets."""

    def secret(name: str) -> str:
        text = expand(getattr(access, name), environ, access.key(name))
        if not text:
            raise ConfigError(f"{access.key(name)}: empty; set the variable that it names")
        return text

    def for_header(name: str, allowed: re.Pattern[str]) -> str:
        text = secret(name).strip()  # a file's last line break is easily taken along
        if not allowed.fullmatch(text):  # http.client would refuse it, and quote it
            raise ConfigError(
                f"{access.key(name)}: holds characters that an HTTP header cannot carry; only printable ASCII can be sent"
            )
        return text

    headers, tokens = {}, None
    if access.api_key:
        headers[access.api_key_header] = for_header("api_key", _HEADER_VALUE)
    if access.bearer_token:
        headers["Authorization"] = f"Bearer {for_header('bearer_token', _BEARER)}"
    if access.username:
        pair = f"{access.username}:{secret('password')}".encode(errors="surrogateescape")
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    if access.oauth_issuer:
        client = Client(
            issuer=access.oauth_issuer,
            client_id=access.oauth_client_id,
            secret=secret("oauth_client_secret"),
            scope=access.oauth_scope,
            key=f"{access.section}.auth",
        )
        tokens = TokenSource(client, open_bare)
    return _Credentials(origin_of(access.url), headers, tokens)


def _proxies(access: Access, url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy for an address as requests wants it; names in lower case win, as with curl."""

    def value(name: str) -> str:
        return environ.get(name) or environ.get(name.upper()) or ""

    if not access.use_proxies or should_bypass_proxies(url, no_proxy=value("no_proxy")):
        return {}
    scheme = urlsplit(url).scheme
    proxy = value(f"{scheme}_proxy") or value("all_proxy")
    return {scheme: proxy} if proxy else {}
