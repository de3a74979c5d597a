"""Small servers on loopback for tests of clients: one that notes what comes, one that breaks every rule; certificates."""

import contextlib
import dataclasses
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


class Recorder(ThreadingHTTPServer):
    """Keeps the headers of each request; /to/<address> redirects there."""

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Recording)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.status = 307
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.gate: threading.Barrier | None = None
        self.tunnel = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def headers(self) -> dict[str, str]:
        """Of the last request, names in lower case."""
        return self.seen[-1][1]


class _Recording(BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if server.gate:
            server.gate.wait(10)
        with server.lock:
            server.at_once -= 1
        redirect = "/to/" in self.path
        self.send_response(server.status if redirect else 200)
        if redirect:
            self.send_header("Location", self.path.partition("/to/")[2])
        self.send_header("Set-Cookie", "session=abc")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def do_CONNECT(self) -> None:
        """As a proxy, which lets nobody through unless the server is to `tunnel`."""
        with self.server.lock:
            self.server.seen.append((self.path, {n.lower(): v for n, v in self.headers.items()}))
        if not self.server.tunnel:
            self.send_error(407)
            return
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port)), 10) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pass_on, args=(there, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, there)
            back.join(10)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    """A server of http.server that runs, in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclasses.dataclass
class Authority:
    """A CA of our own, and certificates that it signs, as files."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.pem = self.folder / "ca.pem"
        made = self._builder(self.name, self.key).add_extension(x509.BasicConstraints(True, None), True)
        self.pem.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: Any, days: tuple[int, int] = (-1, 2)) -> Any:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days[0]))
            .not_valid_after(now + datetime.timedelta(days[1]))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        )

    def context(self, host: x509.GeneralName, days: tuple[int, int] = (-1, 2)) -> ssl.SSLContext:
        """For a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(x509.Name([]), key, days).add_extension(
            x509.SubjectAlternativeName([host]), True
        )
        path = self.folder / "server.pem"
        path.write_bytes(
            made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@contextlib.contextmanager
def secure(context: ssl.SSLContext) -> Iterator[tuple[Recorder, str]]:
    """A recorder that speaks TLS, and its address."""
    server = Recorder()
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    with serving(server):
        yield server, server.url.replace("http:", "https:")


@contextlib.contextmanager
def answering(act: Callable[[socket.socket], object], *, read: bool = True) -> Iterator[str]:
    """A server that reads the head of a request (if it should) and then does what it is told, for each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(10)
                    if not over.is_set():
                        head = b""
                        while read and b"\r\n\r\n" not in head and (more := connection.recv(65536)):
                            head += more
                        act(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(listener.getsockname(), 1).close()
        thread.join(10)
        listener.close()


def reset(connection: socket.socket) -> None:
    """Close it as a crash would: RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
