"""A small OIDC issuer on loopback: discovery, and tokens for one client by client credentials (RFC 6749, section 4.4)."""

import base64
import itertools
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote_plus
from uuid import uuid4

DISCOVERY = "/.well-known/openid-configuration"
KEYCLOAK = "/protocol/openid-connect/token"


class OidcIssuer:
    """Use it in a `with`. What it does can be changed while it runs; what it was asked is counted.

    path: of the issuer, such as `/realms/x`; by default another one each time, since a process keeps tokens by the issuer's address,
    and a port is soon given out again: a test would start with the token of an earlier issuer. discovery: the document's members that differ (None: 404); lifetime: seconds,
    or None to leave it out; status: an answer of every token request, in place of its work; methods: how a client may
    identify itself.
    """

    def __init__(self, client_id: str = "dimp", secret: str = "s3cret", *, path: str = "") -> None:
        path = path or f"/realms/{uuid4()}"
        self.client_id = client_id
        self.secret = secret
        self.path = path
        self.discovery: Mapping[str, Any] | None = {}
        self.discovery_status = 200
        self.token_path = f"{path}/oauth/token"
        self.methods: tuple[str, ...] | None = ("client_secret_basic", "client_secret_post")
        self.lifetime: Any = 300
        self.answer: tuple[int, bytes] | None = None  # of the token endpoint, in place of a token
        self.scopes: list[str] = []
        self.ways: list[str] = []
        self.tokens: list[str] = []
        self.discoveries = 0
        self.token_requests = 0
        self.most_at_once = 0
        self.gate = threading.Event()  # token requests wait for it
        self.gate.set()
        self._at_once = 0
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.issuer = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "OidcIssuer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def origin(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Address of the issuer."""
        return f"{self.origin}{self.path}"

    def document(self) -> tuple[int, dict[str, Any]]:
        """What discovery answers."""
        with self._lock:
            self.discoveries += 1
        if self.discovery is None:
            return 404, {}
        facts: dict[str, Any] = {"issuer": self.url, "token_endpoint": f"{self.origin}{self.token_path}"}
        if self.methods is not None:
            facts["token_endpoint_auth_methods_supported"] = list(self.methods)
        return self.discovery_status, {**facts, **self.discovery}

    def grant(self, authorization: str, form: Mapping[str, list[str]]) -> tuple[int, bytes]:
        """What the token endpoint answers."""
        with self._lock:
            self.token_requests += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        self.gate.wait()
        try:
            return self.answer or self._judge(authorization, form)
        finally:
            with self._lock:
                self._at_once -= 1

    def _judge(self, authorization: str, form: Mapping[str, list[str]]) -> tuple[int, bytes]:
        if authorization.startswith("Basic "):
            way = "client_secret_basic"
            name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            name, secret = unquote_plus(name), unquote_plus(secret)
        else:
            way = "client_secret_post"
            name, secret = form.get("client_id", [""])[0], form.get("client_secret", [""])[0]
        allowed = self.methods is None or way in self.methods
        if not allowed or (name, secret) != (self.client_id, self.secret):
            return 401, json.dumps({"error": "invalid_client", "error_description": f"no {secret}"}).encode()
        if form.get("grant_type") != ["client_credentials"]:
            return 400, b'{"error":"unsupported_grant_type"}'
        with self._lock:
            token = f"token-{next(self._numbers)}"
            self.tokens.append(token)
            self.ways.append(way)
            self.scopes += form.get("scope", [])
        facts: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}
        return 200, json.dumps({k: v for k, v in facts.items() if v is not None}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    issuer: OidcIssuer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        issuer = self.server.issuer
        if self.path == f"{issuer.path}{DISCOVERY}":
            status, facts = issuer.document()
            self._answer(status, json.dumps(facts).encode())
        else:
            self._answer(404, b"<html>not here</html>")

    def do_POST(self) -> None:
        issuer = self.server.issuer
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        there = issuer.token_path if issuer.discovery is not None else f"{issuer.path}{KEYCLOAK}"
        if self.path == there:
            self._answer(*issuer.grant(self.headers.get("Authorization", ""), form))
        else:
            self._answer(404, b"<html>not here</html>")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""
