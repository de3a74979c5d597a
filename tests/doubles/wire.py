"""A small HTTP/1.1 server on loopback that can also break off, hang and lie: what doubles of services are made of.

Written on sockets, since http.server takes longer over a request than the engine over a resource, and hides the connection.
"""

import contextlib
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

LIMIT = 30_000_000
"""Bytes of a body above which Kestrel, the web server of the FHIR Pseudonymizer, answers 413."""

_HEAD = 1 << 16
_BLOCK = 1 << 18
_LINGER_NOT = struct.pack("ii", 1, 0)
_MOMENT = 0.05
"""Seconds that a client gets to read the beginning of an answer before its connection is reset."""


@dataclass(slots=True)
class Request:
    """What came. headers: names in lower case; body: decompressed; sent: as it came.

    problem: status that the request has earned already: 0 for none, 400 broken, 413 too large, 415 unknown compression.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    sent: bytes = b""
    problem: int = 0


@dataclass(slots=True)
class Answer:
    """What goes back, and in which manner.

    send: writes the body, instead of `body`, and says whether the connection can be used again. The headers then have to say
    where the body ends. It is called with the connection when the head is out; what it raises of OSErrors ends the connection.

    manner: "" whole; "reset" RST, no byte of it; "reset-headers" RST after half of the headers; "reset-middle" RST after half of
    the body; "truncated" the same with an orderly end; "wrong-length" a Content-Length of two thirds of the body, the rest
    follows; "hang" nothing, until the client gives up; "close-idle" whole, and the connection goes away, unannounced, when the
    next request comes on it.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False
    manner: str = ""
    send: Callable[[socket.socket], bool] | None = None


class LoopbackServer:
    """Serves on 127.0.0.1, on a free port if it is 0, from `__enter__` to `__exit__`. One thread a connection.

    tls: serve https with this context; limit: bytes of a body above which 413 is answered, as it came or decompressed.
    """

    def __init__(self, *, port: int = 0, limit: int = LIMIT, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.limit = limit
        self.tls = tls
        self.connections = 0
        """How many were opened so far."""
        self.stopping = threading.Event()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()

    def respond(self, request: Request) -> Answer:
        """The answer to a request; called by many threads at once."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.stopping.clear()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(256)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            pass  # wakes up accept
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            still = list(self._open.items())
        for connection, _ in still:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in still:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self.stopping.is_set():
                    return
                continue  # the client has gone already
            if self.stopping.is_set():
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                self.connections += 1
                self._open[connection] = thread
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        try:
            if self.tls:
                connection = self.tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._open[connection] = self._open.pop(plain)
                connection.do_handshake()
            _Connection(connection, self).serve()
        except OSError:
            pass  # the client has gone, or does not trust us; ssl's errors are OSErrors
        finally:
            with self._lock:
                self._open.pop(plain, None)
                self._open.pop(connection, None)
            connection.close()


class _Gone(OSError):
    """The client has closed its side."""


class _Broken(Exception):
    """Not HTTP as we read it."""


class _Connection:
    def __init__(self, connection: socket.socket, server: LoopbackServer) -> None:
        self._socket = connection
        self._server = server
        self._rest = b""
        """What came beyond what was read so far."""

    def serve(self) -> None:
        while True:
            try:
                request, last = self._read()
            except _Broken:
                self._write(Answer(400, close=True))
                return
            answer = self._server.respond(request)
            answer.close = answer.close or last
            if not self._write(answer):
                return

    # ---- requests ----------------------------------------------------------------------------------------------

    def _read(self) -> tuple[Request, bool]:
        """The next request, and whether the client wants no other."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise _Broken
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise _Broken
            headers[name.lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        request = Request(words[0], words[1], headers)
        sent = self._body(headers)
        if sent is None:
            request.problem = 413
        else:
            request.sent = sent
            self._decompress(request)
        return request, words[2] == "HTTP/1.0" or headers.get("connection", "").lower() == "close"

    def _body(self, headers: Mapping[str, str]) -> bytes | None:
        """None if it is over the limit; it is read all the same, so that the client can read the answer."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunked()
        text = headers.get("content-length", "0")
        if not (text.isascii() and text.isdigit()):
            raise _Broken
        length = int(text)
        if length <= self._server.limit:
            return self._exactly(length)
        while length:
            length -= len(self._exactly(min(length, _BLOCK)))
        return None

    def _chunked(self) -> bytes | None:
        parts: list[bytes] = []
        total = 0
        while True:
            try:
                size = int(self._until(b"\r\n").partition(b";")[0], 16)
            except ValueError:
                raise _Broken from None
            if not size:
                while self._until(b"\r\n"):
                    pass  # trailers
                return b"".join(parts) if total <= self._server.limit else None
            part = self._exactly(size + 2)[:-2]
            total += size
            if total <= self._server.limit:
                parts.append(part)

    def _until(self, end: bytes) -> bytes:
        while (at := self._rest.find(end)) < 0:
            if len(self._rest) > _HEAD:
                raise _Broken
            self._rest += self._more(_HEAD)
        found, self._rest = self._rest[:at], self._rest[at + len(end) :]
        return found

    def _exactly(self, length: int) -> bytes:
        parts = [self._rest[:length]]
        self._rest = self._rest[length:]
        missing = length - len(parts[0])
        while missing:
            parts.append(self._more(min(missing, _BLOCK)))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _more(self, most: int) -> bytes:
        data = self._socket.recv(most)
        if not data:
            raise _Gone
        return data

    def _decompress(self, request: Request) -> None:
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding == "identity":
            request.body = request.sent
        elif encoding == "gzip":
            opener = zlib.decompressobj(31)
            try:
                request.body = opener.decompress(request.sent, self._server.limit + 1)
            except zlib.error:
                request.problem = 400
                return
            if len(request.body) > self._server.limit:
                request.body, request.problem = b"", 413
            elif not opener.eof:
                request.problem = 400
        else:
            request.problem = 415

    # ---- answers -----------------------------------------------------------------------------------------------

    def _write(self, answer: Answer) -> bool:
        """Whether the connection can be used again."""
        manner, body = answer.manner, answer.body
        if manner == "hang":
            while self._socket.recv(_HEAD):
                pass
            return False
        if manner == "reset":
            self._reset()
            return False
        declared = len(body) - (max(1, len(body) // 3) if manner == "wrong-length" else 0)
        head = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        if answer.send is None:
            head.append(f"Content-Length: {declared}")
        if answer.close:
            head.append("Connection: close")
        data = "\r\n".join((*head, "", "")).encode("latin-1")
        if manner == "reset-headers":
            self._socket.sendall(data[: len(data) // 2])
            self._server.stopping.wait(_MOMENT)
            self._reset()
            return False
        if answer.send is not None:
            self._socket.sendall(data)
            return answer.send(self._socket) and not answer.close
        if manner in ("reset-middle", "truncated"):
            self._socket.sendall(data + body[: len(body) // 2])
            if manner == "reset-middle":
                self._server.stopping.wait(_MOMENT)
                self._reset()
            return False
        self._socket.sendall(data + body)
        if manner == "close-idle":
            # It goes away when the next request is on its way. Closed at once, a client could see that before it sends one.
            self._more(1)
            self._reset()
            return False
        return not answer.close

    def _reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)


class Foreign(LoopbackServer):
    """Somebody else's server: keeps every request with its headers and body, and gives the body back as if all were well."""

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(port=port, tls=tls)
        self.requests: list[Request] = []

    def respond(self, request: Request) -> Answer:
        self.requests.append(request)
        return Answer(200, request.body, {"Content-Type": "application/fhir+json; charset=utf-8"})
