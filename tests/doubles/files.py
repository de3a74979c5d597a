"""A file server on loopback that serves a folder as nginx does, and can misbehave in every way that a download may meet.

"torch-crtdl", section 1.5: Content-Length, ETag, Last-Modified, single ranges, If-Range, text/plain, errors as HTML. Bodies go from
the disk to the socket in pieces, so that a process that serves large files stays small.
"""

import contextlib
import mmap
import os
import socket
import ssl
import stat
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from doubles.wire import Answer, LoopbackServer, Request

STATUSES = ("401", "403", "404", "408", "429", "500", "502", "503", "504")
KINDS = frozenset(
    (*STATUSES, "slow", "trickle", "stall", "truncated", "truncated-at-line", "reset", "reset-headers", "reset-body",
     "too-large-length", "too-small-length", "chunked", "chunked-truncated", "gzip", "no-ranges", "changed", "wrong-range",
     "redirect", "html", "empty")
)  # fmt: skip

_BLOCK = 1 << 18
_TICK = 0.01
"""Seconds between the pieces of a trickle."""
_MOMENT = 0.05
"""Seconds that a client gets to read the beginning of a body before its connection is reset."""
_LINGER_NOT = struct.pack("ii", 1, 0)
_OTHER = bytes.maketrans(b"12345678", b"21436587")
"""Makes other content of the same length of JSON: other numbers and ids, the same distinctions."""
_LOGIN = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form method=post></form></body></html>\n"


@dataclass(frozen=True)
class FileFault:
    """Something that goes wrong with requests for files.

    name: of the file (the last part of the path) that it hits, None: all. at: numbers, from 1, of the requests for a file that it
    hits, each file counted by itself; None: all (for "changed": all but the first). times: at most so often, all files together.

    Kinds, beside the statuses (HTML of a proxy; value: Retry-After): "slow" waits (value: seconds) before it answers. "trickle"
    sends so many bytes (value) each hundredth of a second. "stall" sends so many bytes (value; half if None) and no more until the
    client goes. "truncated" ends in order after half of what Content-Length says (or after value bytes), "truncated-at-line" after
    a line end. "reset" is RST before a byte was sent, "reset-headers" within the head, "reset-body" after half of the body (or
    after value bytes). "too-large-length" promises so many bytes (value; 1000) more than there are, "too-small-length" a third
    less. "chunked" has no length, "chunked-truncated" lacks its end as well. "gzip": chunked, no length, no ranges, if the client
    offers gzip (value: "always": in any case). "no-ranges" sends everything. "changed": another ETag and other bytes of the same
    length. "wrong-range" sends, asked for a range, another one: from 0 on, or from value. "redirect": to value. "html" is a page to
    sign in with status 200, "empty" is 200 without a byte.
    """

    kind: str
    name: str | None = None
    at: Collection[int] | None = None
    times: int | None = None
    value: float | str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind}; there are {', '.join(sorted(KINDS))}")
        if self.kind == "redirect" and not isinstance(self.value, str):
            raise ValueError("redirect: the value must be the address")
        if self.kind in ("slow", "trickle") and not isinstance(self.value, int | float):
            raise ValueError(f"{self.kind}: the value must be a number")

    def number(self, default: int) -> int:
        """The value as a number."""
        return default if self.value is None else int(self.value)


@dataclass(frozen=True)
class FileRequest:
    """What came. headers: names in lower case, of credentials only their scheme; range: the header, "" for none."""

    method: str
    path: str
    headers: Mapping[str, str]
    range: str


class FileServer(LoopbackServer):
    """Serves GET and HEAD of {prefix}/{path of a file below root}.

    authorize: called first; its answer, if any, is the answer, and faults do not count such a request. A file that nobody may read
    (mode 000) is forbidden, also to root.
    """

    def __init__(
        self,
        root: Path,
        *,
        prefix: str = "",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        authorize: Callable[[Request], Answer | None] | None = None,
        faults: Sequence[FileFault] = (),
    ) -> None:
        super().__init__(port=port, tls=tls)
        self.root = root
        self.prefix = prefix
        self.requests: list[FileRequest] = []
        """All that came so far."""
        self._authorize = authorize
        self._faults = [*faults]
        self._left = [fault.times for fault in faults]
        self._asked: Counter[str] = Counter()
        self._files_lock = threading.Lock()

    @property
    def base(self) -> str:
        """Address of the root, without a slash at the end."""
        return self.url + self.prefix

    def add(self, fault: FileFault) -> None:
        """One more fault, from now on."""
        with self._files_lock:
            self._faults.append(fault)
            self._left.append(fault.times)

    def asked_for(self, name: str) -> list[FileRequest]:
        """The requests for a file."""
        return [one for one in self.requests if one.path.partition("?")[0].endswith(f"/{name}")]

    def respond(self, request: Request) -> Answer:
        headers = dict(request.headers)
        if "authorization" in headers:
            headers["authorization"] = headers["authorization"].partition(" ")[0]
        with self._files_lock:
            self.requests.append(FileRequest(request.method, request.path, headers, headers.get("range", "")))
        answer = self._authorize(request) if self._authorize else None
        answer = answer or self._serve_file(request)
        return _without_body(answer) if request.method == "HEAD" else answer

    def _serve_file(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return _page(405)
        path = unquote(request.path.partition("?")[0])
        fault = self._pick(path)
        kind = fault.kind if fault else ""
        if fault and kind == "slow":
            self.stopping.wait(float(fault.value or 0))
        elif fault and (answer := _instead(fault)):
            return answer
        inside = path.removeprefix(f"{self.prefix}/")
        if not path.startswith(f"{self.prefix}/") or "\0" in path:
            return _page(404)
        if ".." in inside.split("/"):
            return _page(400)
        file = self.root / inside
        try:
            found = file.stat()
        except OSError:
            return _page(404)
        if not stat.S_ISREG(found.st_mode) or not found.st_mode & 0o444 or not os.access(file, os.R_OK):
            return _page(403)
        return _Sending(self.stopping, file, found, request.headers, fault).answer()

    def _pick(self, path: str) -> FileFault | None:
        name = path.rpartition("/")[2]
        with self._files_lock:
            self._asked[path] += 1
            number = self._asked[path]
            for i, fault in enumerate(self._faults):
                if self._left[i] == 0 or fault.name not in (None, name):
                    continue
                if (
                    number not in fault.at
                    if fault.at is not None
                    else fault.kind == "changed" and number == 1
                ):
                    continue
                left = self._left[i]
                if left is not None:
                    self._left[i] = left - 1
                return fault
        return None


def _page(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """As nginx words it."""
    title = f"{status} {HTTPStatus(status).phrase}"
    body = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    return Answer(status, body.encode(), {"Server": "nginx", "Content-Type": "text/html", **(headers or {})})


def _without_body(answer: Answer) -> Answer:
    """To HEAD."""
    length = {} if answer.send else {"Content-Length": str(len(answer.body))}
    headers = {**answer.headers, **length}
    return Answer(
        answer.status, headers=headers, close=answer.close, manner=answer.manner, send=lambda _: True
    )


def _instead(fault: FileFault) -> Answer | None:
    """What comes instead of the file, whether or not there is one."""
    if fault.kind in STATUSES:
        headers = {} if fault.value is None else {"Retry-After": str(fault.value)}
        if fault.kind == "401":
            headers["WWW-Authenticate"] = 'Basic realm="files"'
        return _page(int(fault.kind), headers)
    match fault.kind:
        case "redirect":
            return _page(301, {"Location": str(fault.value)})
        case "html":
            return Answer(200, _LOGIN, {"Server": "nginx", "Content-Type": "text/html; charset=utf-8"})
        case "empty":
            return Answer(200, b"", {"Server": "nginx", "Content-Type": "text/plain"})
        case "reset" | "reset-headers":
            return Answer(200, headers={"Server": "nginx"}, manner=fault.kind)
    return None


class _Sending:
    """A file, or a range of it, on its way."""

    def __init__(
        self,
        stopping: threading.Event,
        file: Path,
        found: os.stat_result,
        headers: Mapping[str, str],
        fault: FileFault | None,
    ) -> None:
        self._stopping = stopping
        self._file = file
        self._size = found.st_size
        self._asked = headers
        self._fault = fault
        self._kind = fault.kind if fault else ""
        self._changed = self._kind == "changed"
        mark = "-2" if self._changed else ""
        self._etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}{mark}"'
        self._modified = formatdate(found.st_mtime + (10 if self._changed else 0), usegmt=True)
        self._start, self._end = 0, self._size

    def answer(self) -> Answer:
        gzip = self._kind == "gzip" and (
            "gzip" in self._asked.get("accept-encoding", "")
            or (self._fault is not None and self._fault.value == "always")
        )
        headers = {"Server": "nginx", "Content-Type": "text/plain", "Last-Modified": self._modified}
        if gzip:
            headers |= {
                "ETag": f"W/{self._etag}",
                "Content-Encoding": "gzip",
                "Transfer-Encoding": "chunked",
            }
            return Answer(200, headers=headers, send=self._send_gzip)
        headers["ETag"] = self._etag
        status = 200
        if self._kind != "no-ranges":
            headers["Accept-Ranges"] = "bytes"
            status = self._choose_range()
        if status == 416:
            return _page(416, {"Content-Range": f"bytes */{self._size}"})
        if status == 206:
            headers["Content-Range"] = f"bytes {self._start}-{self._end - 1}/{self._size}"
        length = self._end - self._start
        match self._kind:
            case "chunked" | "chunked-truncated":
                headers["Transfer-Encoding"] = "chunked"
                return Answer(status, headers=headers, send=self._send_chunked)
            case "too-large-length":
                assert self._fault
                length += self._fault.number(1000)
            case "too-small-length":
                length -= max(1, length // 3)
        headers["Content-Length"] = str(length)
        return Answer(status, headers=headers, send=self._send_plain)

    def _choose_range(self) -> int:
        """RFC 9110, section 14: 200, 206 or 416."""
        unit, _, text = self._asked.get("range", "").partition("=")
        if unit != "bytes" or "," in text:  # several ranges may be overlooked
            return 200
        if self._asked.get("if-range", self._etag) not in (self._etag, self._modified):
            return 200
        first, _, last = text.strip().partition("-")
        if not ((first + last).isascii() and (first + last).isdigit()):
            return 416
        if not first:
            self._start = max(0, self._size - int(last)) if int(last) else self._size
        else:
            self._start = int(first)
            self._end = min(self._size, int(last) + 1) if last else self._size
        if self._start >= self._end:
            return 416
        if self._fault and self._kind == "wrong-range":
            self._start = min(self._fault.number(0), self._size - 1)
            self._end = self._size
        return 206

    # ---- bodies --------------------------------------------------------------------------------------------------

    def _send_plain(self, connection: socket.socket) -> bool:
        """The bytes, or as many of them as the fault lets through."""
        length = self._end - self._start
        half = self._fault.number(length // 2) if self._fault and self._kind != "trickle" else length
        half = min(half, length)
        match self._kind:
            case "trickle":
                return self._trickle(connection)
            case "truncated":
                return self._send_part(connection, half, whole=False)
            case "truncated-at-line":
                return self._send_part(connection, self._line_end(length // 2), whole=False)
            case "too-large-length" | "too-small-length":
                return self._send_part(connection, length, whole=False)
            case "stall":
                self._send_part(connection, half)
                while connection.recv(_BLOCK):
                    pass
                return False
            case "reset-body":
                self._send_part(connection, half)
                self._stopping.wait(_MOMENT)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
                return False
        return self._send_part(connection, length)

    def _send_part(self, connection: socket.socket, length: int, *, whole: bool = True) -> bool:
        if self._changed:
            for block in self._blocks(length):
                connection.sendall(block)
        elif length:
            with self._file.open("rb") as file:
                connection.sendfile(file, self._start, length)  # os.sendfile, unless there is TLS
        return whole

    def _blocks(self, length: int, size: int = _BLOCK) -> Iterator[bytes]:
        with self._file.open("rb", buffering=0) as file:
            file.seek(self._start)
            while length and (block := file.read(min(size, length))):
                length -= len(block)
                yield block.translate(_OTHER) if self._changed else block

    def _trickle(self, connection: socket.socket) -> bool:
        assert self._fault
        for block in self._blocks(self._end - self._start, self._fault.number(1)):
            connection.sendall(block)
            if self._stopping.wait(_TICK):
                return False
        return True

    def _line_end(self, middle: int) -> int:
        """Bytes up to a line end: the last one in the first half, or the first one after it, but not the last of the file."""
        with contextlib.suppress(ValueError), self._file.open("rb") as file:  # an empty file cannot be mapped
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                found = content.rfind(b"\n", self._start, self._start + middle)
                if found < 0:
                    found = content.find(b"\n", self._start + middle, self._end - 1)
            return found + 1 - self._start if found >= 0 else 0
        return 0

    def _send_chunked(self, connection: socket.socket) -> bool:
        length = self._end - self._start
        if self._kind == "chunked-truncated":
            assert self._fault
            length = min(length, self._fault.number(length // 2))
        for block in self._blocks(length):
            _send_chunk(connection, block)
        if self._kind == "chunked-truncated":
            return False
        _send_chunk(connection, b"")
        return True

    def _send_gzip(self, connection: socket.socket) -> bool:
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        for block in self._blocks(self._size):
            if packed := packer.compress(block):
                _send_chunk(connection, packed)
        _send_chunk(connection, packer.flush())
        _send_chunk(connection, b"")
        return True


def _send_chunk(connection: socket.socket, block: bytes) -> None:
    """RFC 9112, section 7.1; an empty one is the last."""
    connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
