"""Files of lines: byte ranges of plain files, streams of compressed ones, atomic writing, digests."""

import codecs
import errno
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import zstandard
from isal import igzip, igzip_lib, isal_zlib

from dimpflow.atomic import AtomicFile, Data
from dimpflow.errors import InputError
from dimpflow.sources import Compression

# The type stub of isal takes its exceptions for instances.
_DAMAGED = cast(
    tuple[type[Exception], ...],
    (igzip_lib.IsalError, isal_zlib.error, igzip.BadGzipFile, zstandard.ZstdError),
)
BLOCK = 1 << 17  # bytes; larger blocks are slower, since they fall out of the CPU's cache

__all__ = [
    "AtomicFile", "Data", "blocks", "copy_range", "file_sha256", "line_range", "open_input", "read_errors",
    "utf8_fault", "write_json",
]  # fmt: skip


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turn what can go wrong while reading `path` into an InputError of one line."""
    try:
        yield
    except EOFError:
        raise InputError(f"{path} is cut off: its end is missing; copy it again") from None
    except _DAMAGED as error:
        if "memory" in str(error):
            raise InputError(f"{path} needs a window of over 128 MB (zstd --long); pack it without") from None
        raise InputError(f"{path} is damaged, or not of the kind that its name says; copy it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {os.strerror(error.errno or errno.EIO)}") from None


def blocks(
    path: Path, start: int = 0, end: int | None = None, *, block_bytes: int = BLOCK
) -> Iterator[list[bytes]]:
    """Lines, without terminators, of a plain file whose first byte lies in [start, end).

    So n ranges that cover the file give each line exactly once. Lists are as long as `block_bytes` allows
    and never empty; a longer line comes alone, and is in memory once.
    """
    first, last = line_range(path, start, end)
    with read_errors(path), open(path, "rb", buffering=0) as raw, io.BufferedReader(raw, 1) as file:
        at = first
        while at < last:
            file.seek(at)
            data = file.read(min(block_bytes, last - at))
            whole = data.rfind(b"\n") + 1
            if not data:
                raise EOFError  # the file was shortened meanwhile
            if whole:
                at += whole
                yield data[: whole - 1].split(b"\n")
                continue
            next_line = _line_start(file, at + len(data), last)
            file.seek(next_line - 1)
            length = next_line - at - (file.read(1) == b"\n")
            del data
            file.seek(at)
            lines = [file.read(length)]
            if len(lines[0]) < length:
                raise EOFError
            at = next_line
            yield lines
            del lines  # before the next long line is read


def line_range(path: Path, start: int = 0, end: int | None = None) -> tuple[int, int]:
    """The byte range of exactly the lines whose first byte lies in [start, end)."""
    with read_errors(path), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        return _line_start(file, start, size), _line_start(file, size if end is None else end, size)


def _line_start(file: BinaryIO, offset: int, size: int) -> int:
    """The first start of a line at or after `offset`; `size` if there is none."""
    if offset <= 0:
        return 0
    at = offset - 1  # a line starts at `offset` if the byte before ends one
    file.seek(min(at, size))
    while at < size and (data := file.read(BLOCK)):
        found = data.find(b"\n")
        if found >= 0:
            return min(at + found + 1, size)
        at += len(data)
    return size


def copy_range(source: Path, target: AtomicFile, start: int = 0, end: int | None = None) -> int:
    """Copy bytes [start, end) and return the number of newlines among them."""
    newlines = 0
    buffer = bytearray(1 << 18)
    view = memoryview(buffer)
    with read_errors(source), open(source, "rb", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size - start if end is None else end - start
        file.seek(start)
        while left > 0:
            n = file.readinto(view[: min(left, len(view))])
            if not n:
                raise EOFError
            newlines += _count_newlines(buffer, n)
            target.write(view[:n])
            left -= n
    return newlines


def _count_newlines(buffer: bytearray, end: int) -> int:
    """On lines of some hundred bytes and more, twice as fast as `count`, which goes byte by byte."""
    count = 0
    at = buffer.find(b"\n", 0, end)
    while at >= 0:
        count += 1
        at = buffer.find(b"\n", at + 1, end)
    return count


def open_input(path: Path, compression: Compression, digest: Any = None) -> BinaryIO:
    """A stream of the decompressed bytes; multi-member gzip and multi-frame zstd included.

    `digest` (hashlib) is fed with the bytes of the file as it lies there.

    Raises:
        InputError: also while reading, for a truncated or damaged file.
    """
    with read_errors(path):
        file = _DigestedFile(path, digest) if digest is not None else io.FileIO(path)
        if compression and not os.fstat(file.fileno()).st_size:
            file.close()
            raise EOFError
    return cast(BinaryIO, io.BufferedReader(_Decompressed(path, file, compression), BLOCK))


class _DigestedFile(io.FileIO):
    """A file that feeds a digest with what is read from it, in order."""

    def __init__(self, path: Path, digest: Any) -> None:
        super().__init__(path)
        self._digest = digest

    def readinto(self, buffer: Any) -> int:
        n = super().readinto(buffer) or 0
        self._digest.update(memoryview(buffer)[:n])
        return n

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._digest.update(data)
        return data


class _Decompressed(io.RawIOBase):
    def __init__(self, path: Path, file: io.FileIO, compression: Compression) -> None:
        self._path = path
        self._file = file
        self._inner: Any = file
        if compression == "gz":
            self._inner = cast(Any, igzip.IGzipFile)(fileobj=file)
        elif compression == "zst":
            self._inner = _ZstdFrames(file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with read_errors(self._path):
            return cast(int, self._inner.readinto(buffer))

    def close(self) -> None:
        self._file.close()
        super().close()


class _ZstdFrames:
    """All frames of a zstd file. The library's own stream reader takes a truncated file for a whole one."""

    _LARGEST_READ = 1 << 12

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame: Any = None
        self._ready = memoryview(b"")
        self._size = 256  # bytes to read next; they may unpack to thousands of times as much

    def readinto(self, buffer: memoryview) -> int:
        while not self._ready:
            data = self._file.read(self._size)
            if not data:
                if self._frame is not None:
                    raise EOFError
                return 0
            self._ready = memoryview(self._unpack(data))
            if len(self._ready) > 4 * BLOCK:
                self._size = max(self._size // 4, 16)
            elif len(self._ready) < BLOCK:
                self._size = min(self._size * 2, self._LARGEST_READ)
        n = min(len(buffer), len(self._ready))
        buffer[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def _unpack(self, data: bytes) -> bytes:
        out = []
        while data:
            frame = self._frame or self._decompressor.decompressobj()
            out.append(frame.decompress(data))
            data = frame.unused_data if frame.eof else b""
            self._frame = None if frame.eof else frame
        return b"".join(out)


def utf8_fault(data: Data) -> int:
    """Position of the first byte that is not UTF-8, or -1. In pieces: a str may take 4 times the bytes."""
    if not isinstance(data, memoryview) and data.isascii():
        return -1
    view = memoryview(data)
    at = 0
    while at < len(view):
        piece = view[at : at + (1 << 20)]
        try:
            at += codecs.utf_8_decode(piece, "strict", at + len(piece) == len(view))[1]
        except UnicodeDecodeError as error:
            return at + error.start
    return -1


def write_json(
    path: Path, content: Any, mode: int = 0o644, *, dir_mode: int | None = None, durable: bool = True
) -> None:
    """Write JSON with sorted keys, indented, at once or not at all."""
    text = orjson.dumps(
        content, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    with AtomicFile(path, mode, dir_mode=dir_mode, durable=durable) as file:
        file.write(text)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex digits."""
    with read_errors(path), open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
