"""Files that are there whole or not at all."""

import errno
import fcntl
import functools
import hashlib
import io
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, cast

import zstandard
from isal import igzip

from dimpflow.errors import OutputError

Data: TypeAlias = bytes | bytearray | memoryview
Level: TypeAlias = Literal["fastest", "default", "better", "best"]

_ZSTD_LEVELS = {"fastest": 1, "default": 3, "better": 7, "best": 11}
_GZIP_LEVELS = {"fastest": 0, "default": 1, "better": 2, "best": 3}  # of ISA-L: 10 times as fast as zlib's
_HOST = socket.gethostname().replace("/", "-")[:32]


class AtomicFile:
    """Write a file under a temporary name; it takes its own when the `with` block ends without an exception.

    Counts `bytes` and, unless `digest` is off, `sha256` of what is written, and `file_sha256` of what lies
    on the disk then (another one only with compression). Same content gives the same bytes on the disk.
    `dir_mode` (for example 0o700) is given to missing parent folders, and takes rights that it does not
    have from the file's own folder. `durable` waits until the content is on the disk; only side files that
    are checked before they are used, and easily made again, do without.

    Raises:
        OutputError: disk full, no permission and the like.
    """

    def __init__(
        self,
        path: Path,
        mode: int = 0o644,
        compression: Literal["", "gz", "zst"] = "",
        level: Level = "default",
        *,
        dir_mode: int | None = None,
        digest: bool = True,
        durable: bool = True,
    ) -> None:
        self.path = path
        self.bytes = 0
        self.digest: Any = hashlib.sha256() if digest else None
        self._mode = mode
        self._compression = compression
        self._level = level
        self._dir_mode = dir_mode
        self._durable = durable
        # The host keeps processes of other nodes, whose ids mean nothing here, apart.
        self._temporary = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.tmp")

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes written (before compression), as hex digits."""
        return cast(str, self.digest.hexdigest())

    @property
    def file_sha256(self) -> str:
        """SHA-256 of the file on the disk; complete after the `with` block."""
        return self._disk.digest.hexdigest() if self._compression else self.sha256

    def __enter__(self) -> Self:
        with write_errors(self.path):
            _make_folder(self.path.parent, self._dir_mode)
            _remove_leftovers(self.path.parent)
            fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._mode)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._disk = _Disk(fd, digest=bool(self._compression) and self.digest is not None)
            self._sink: Any = self._disk
            if self._compression == "gz":
                gzip_file = cast(Any, igzip.IGzipFile)
                level = _GZIP_LEVELS[self._level]
                self._sink = gzip_file("", "wb", level, fileobj=self._disk, mtime=0)
            elif self._compression == "zst":
                packer = zstandard.ZstdCompressor(level=_ZSTD_LEVELS[self._level], write_checksum=True)
                self._sink = packer.stream_writer(self._disk, closefd=False)
        return self

    def write(self, data: Data) -> None:
        try:
            self._sink.write(data)
        except OSError as error:
            raise _output_error(self.path, error) from None
        self.bytes += len(data)
        if self.digest is not None:
            self.digest.update(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with write_errors(self.path):
                    self._commit()
        finally:
            # Nothing to do after a commit. While an error is on its way, a second one would only hide it.
            with suppress(OSError):
                self._disk.raw.close()
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)

    def _commit(self) -> None:
        if self._sink is not self._disk:
            self._sink.close()  # writes what is left: a full disk may show here only
        self._disk.flush()
        if self._durable:
            os.fsync(self._disk.fileno())
        os.replace(
            self._temporary, self.path
        )  # lost in a power cut: then the file is missing, and made again
        self._disk.close()


class _Disk(io.BufferedWriter):
    """The temporary file, with a digest of the compressed bytes."""

    def __init__(self, fd: int, digest: bool) -> None:
        super().__init__(io.FileIO(fd, "wb"), 1 << 17)
        self.digest: Any = hashlib.sha256() if digest else None

    def write(self, data: Any) -> int:
        if self.digest is not None:
            self.digest.update(data)
        return super().write(data)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors while writing `path` into an OutputError of one line."""
    try:
        yield
    except OSError as error:
        raise _output_error(path, error) from None


def _output_error(path: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "disk full" if error.errno == errno.ENOSPC else "disk quota exceeded"
        return OutputError(f"{what} while writing {path}: make room there and run again")
    reason = os.strerror(error.errno or errno.EIO)
    return OutputError(f"cannot write {path}: {reason}; check the folder and the rights of this user")


def _make_folder(folder: Path, mode: int | None) -> None:
    if mode is None:
        folder.mkdir(parents=True, exist_ok=True)
        return
    if not folder.is_dir():
        _make_missing(folder, mode)
    # Snakemake makes the folders of outputs before a job starts, with the rights of the umask.
    rights = folder.stat().st_mode & 0o777
    if rights & ~mode:
        folder.chmod(rights & mode)


def _make_missing(folder: Path, mode: int) -> None:
    if not folder.parent.is_dir():
        _make_missing(folder.parent, mode)
    folder.mkdir(mode=mode, exist_ok=True)


@functools.cache
def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed processes of this host; once a folder, since listing it takes time."""
    for name in os.listdir(folder):
        if not (name.startswith(".") and name.endswith(".tmp")):
            continue
        target, _, pid = name[: -len(".tmp")].rpartition(".")
        if not target.endswith(f".{_HOST}") or not pid.isdigit() or _is_alive(int(pid)):
            continue
        with suppress(OSError):
            fd = os.open(folder / name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                # A writer holds a lock. Its id may mean nothing here, if it runs in a container.
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(folder / name)
            finally:
                os.close(fd)


def _is_alive(pid: int) -> bool:
    """Whether another process has this id; a file with our own is of one that had our id before us."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # alive, and not ours
        return True
    return True
