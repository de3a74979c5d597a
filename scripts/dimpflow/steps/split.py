"""split: one shard of an imported file: whole lines, with Bundles over the limit cut into chunks."""

import logging
from pathlib import Path

import orjson

from dimpflow.bundles import cut, oversize
from dimpflow.errors import InputError
from dimpflow.ndjson import AtomicFile, blocks, copy_range, line_range, read_errors, write_json

MB = 1024 * 1024

log = logging.getLogger(__name__)


def split_shard(
    imported: Path, manifest: Path, k: int, n: int, limit_bytes: int, out: Path, index: Path, *, remote: bool
) -> None:
    """Write shard k (from 1) of n: the lines that begin in its n-th part of the file's bytes.

    `manifest` is what import wrote beside the file. The index says where in the imported file the shard
    lies, how many of its lines it has, the bytes of the shard, and for every Bundle that was cut the number
    (from 0) of its first line in the shard and the number of chunks.

    Raises:
        InputError: the file is not what import wrote; with `remote`, a resource or single entry over the
        limit.
    """
    size, longest_line = _facts(imported, manifest)
    start, end = line_range(imported, size * (k - 1) // n, size * k // n)
    splitter = _Splitter(limit_bytes)
    with AtomicFile(out, 0o600, dir_mode=0o700, digest=False) as target:
        if longest_line <= limit_bytes:
            splitter.lines = copy_range(imported, target, start, end)
        else:
            splitter.copy_lines(imported, start, end, target)
        if splitter.oversize:
            _tell(imported, start, limit_bytes, splitter, remote)
    content = {
        "start": start,
        "end": end,
        "lines": splitter.lines,
        "bytes": target.bytes,
        "chunks": splitter.chunks,
        "oversize": [{"type": name, "bytes": count} for name, count in splitter.oversize],
    }
    write_json(index, content, 0o600, dir_mode=0o700, durable=False)


def _facts(imported: Path, manifest: Path) -> tuple[int, int]:
    """Bytes of the file, and of its longest line. A manifest that a power cut has spoiled would show here."""
    with read_errors(manifest):
        text = manifest.read_bytes()
    with read_errors(imported):
        size = imported.stat().st_size
    try:
        facts = orjson.loads(text)
        expected, longest_line = int(facts["bytes"]), int(facts["longest_line"])
    except (ValueError, KeyError, TypeError):
        expected, longest_line = -1, 0
    if size != expected:
        raise InputError(
            f"{imported} and {manifest.name} are not what import wrote; remove both and run again"
        )
    return size, longest_line


class _Splitter:
    """Copies lines, cuts those over the limit, and keeps count."""

    def __init__(self, limit: int) -> None:
        self.lines = 0
        self.chunks: list[tuple[int, int]] = []
        self.oversize: list[tuple[str, int]] = []
        self.first_oversize = 0  # line in the shard's part of the imported file, from 0
        self._limit = limit
        self._written = 0

    def copy_lines(self, imported: Path, start: int, end: int, target: AtomicFile) -> None:
        for lines in blocks(imported, start, end):
            if max(map(len, lines)) <= self._limit:
                self._write(lines, target)
            else:
                for line in lines:
                    self._copy(line, target)
                del line
            del lines  # before the next long line is read

    def _write(self, lines: list[bytes], target: AtomicFile) -> None:
        target.write(b"\n".join(lines))
        target.write(b"\n")
        self.lines += len(lines)
        self._written += len(lines)

    def _copy(self, line: bytes, target: AtomicFile) -> None:
        chunks = cut(line, self._limit)
        for chunk in chunks:
            too_large = oversize(chunk, self._limit)
            if too_large:
                self.first_oversize = self.first_oversize if self.oversize else self.lines
                self.oversize.append(too_large)
            target.write(chunk)
            target.write(b"\n")
        if len(chunks) > 1:
            self.chunks.append((self._written, len(chunks)))
        self.lines += 1
        self._written += len(chunks)


def _tell(imported: Path, start: int, limit: int, splitter: _Splitter, remote: bool) -> None:
    name, count = splitter.oversize[0]
    line = splitter.first_oversize + 1 + sum(map(len, blocks(imported, 0, start)))
    others = f" (and {len(splitter.oversize) - 1} more)" if splitter.oversize[1:] else ""
    size = f"{count / MB:.2f} MB{others}"
    what = f"{imported}:{line}: a single {name} of {size} is over the limit of {limit / MB:g} MB"
    if not remote:
        log.warning("%s; the embedded engine takes it all the same", what)
        return
    raise InputError(
        f"{what}: raise services.dimp.bundle_split_threshold_mb, or split the resource or shorten its "
        "attachments at the source, or use the embedded engine (no services.dimp.url)"
    )
