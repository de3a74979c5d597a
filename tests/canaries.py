"""Searches outputs for identifying strings that must not be there.

    python tests/canaries.py CANARIES FILE...

The list is what `tests/generate.py --canaries` wrote. Hundreds of thousands of strings over hundreds of megabytes:
windows of 8 bytes of the text, read as numbers, are looked up among windows of the strings; only where one meets is the
string itself compared. The windows of a string are taken where the fewest other strings look the same, so that common
parts (`@mail.example`) cost little.

JSON escapes in the text (\\u00fc, \\/, \\") are undone first, so both spellings of a name are found.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import zstandard
from isal import igzip

WIDTH = 8  # bytes of a window: one unsigned 64-bit number
BLOCK = 1 << 22
LOOK = 64  # windows are chosen among the first bytes of a string
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|(.))", re.DOTALL)
_CONTROL = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}


def _unescaped(match: re.Match[bytes]) -> bytes:
    first, second, plain = match.groups()
    if plain is not None:
        return _CONTROL.get(plain, plain)
    code = int(first, 16)
    if 0xD800 <= code < 0xDC00 and second is not None:
        return chr(0x10000 + ((code - 0xD800) << 10) + (int(second, 16) - 0xDC00)).encode()
    tail = chr(int(second, 16)).encode("utf-8", "surrogatepass") if second is not None else b""
    return chr(code).encode("utf-8", "surrogatepass") + tail


def unescape(text: bytes) -> bytes:
    """JSON text with its string escapes undone; no longer JSON, but searchable."""
    return _ESCAPE.sub(_unescaped, text) if b"\\" in text else text


def _windows(one: bytes) -> list[int]:
    end = min(len(one), LOOK) - WIDTH + 1
    return [int.from_bytes(one[at : at + WIDTH], sys.byteorder) for at in range(end)]


class _Group:
    """Strings so long that each holds, wherever it lies in a text, a window at a multiple of `stride`."""

    def __init__(self, stride: int, strings: Sequence[bytes]) -> None:
        self.stride = stride
        self.at_window: dict[int, list[tuple[bytes, int]]] = defaultdict(
            list
        )  # window -> (string, its place in it)
        windows_of = [(one, _windows(one)) for one in strings]
        shared = Counter(window for _, windows in windows_of for window in windows)
        for one, windows in windows_of:
            counts = [shared[window] for window in windows]
            runs = range(0, len(windows) - stride + 1, stride)
            first = min(runs, key=lambda start: max(counts[start : start + stride]))
            for at in range(first, first + stride):
                self.at_window[windows[at]].append((one, at))
        self.keys = frozenset(self.at_window)

    def search(self, text: bytes, found: set[bytes]) -> None:
        """Add to `found` the strings of this group that occur in `text`."""
        keys, at_window = self.keys, self.at_window
        for start in range(0, WIDTH, self.stride):
            whole = max(len(text) - start, 0) // WIDTH * WIDTH
            windows = memoryview(text)[start : start + whole].cast("Q")
            if keys.isdisjoint(windows):
                continue
            hits = [index for index, window in enumerate(windows) if window in keys]
            for index in hits:
                here = start + index * WIDTH
                for one, at in at_window[windows[index]]:
                    if one not in found and at <= here and text.startswith(one, here - at):
                        found.add(one)


class Searcher:
    """Finds which of many byte strings occur in a text."""

    def __init__(self, wanted: Iterable[bytes]) -> None:
        by_stride: dict[int, list[bytes]] = defaultdict(list)
        for one in sorted(set(wanted)):
            # `stride` neighbouring windows need WIDTH + stride - 1 bytes; too short a string is searched plainly (0).
            stride = next((step for step in (8, 4, 2, 1) if len(one) >= WIDTH + step - 1), 0)
            by_stride[stride].append(one)
        self.short = by_stride.pop(0, [])
        self.groups = [_Group(stride, strings) for stride, strings in by_stride.items()]

    def search(self, text: bytes) -> set[bytes]:
        """The strings that occur in `text`, JSON escapes undone."""
        text = unescape(text)
        found = {one for one in self.short if one in text}
        for group in self.groups:
            group.search(text, found)
        return found


def _open(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, cast(Any, igzip.open)(path, "rb"))  # not typed
    if path.suffix.lower() == ".zst":
        stream = zstandard.ZstdDecompressor().stream_reader(
            path.open("rb"), read_across_frames=True, closefd=True
        )
        return cast(BinaryIO, stream)
    return path.open("rb")


def _texts(path: Path) -> Iterator[bytes]:
    """The file in pieces of whole lines, about 4 MB each: no string and no escape is cut in two."""
    with _open(path) as file:
        rest = b""
        while block := file.read(BLOCK):
            head, newline, tail = block.rpartition(b"\n")
            if newline:
                yield rest + head
                rest = tail
            else:
                rest += tail
        if rest:
            yield rest


def surviving(paths: Sequence[Path], canary_file: Path) -> set[tuple[str, str]]:
    """Every (kind, value) of the list that occurs in the files."""
    kinds: dict[bytes, set[str]] = defaultdict(set)
    with canary_file.open("rb") as file:
        for line in file:
            canary = orjson.loads(line)
            kinds[canary["value"].encode()].add(canary["kind"])
    searcher = Searcher(kinds)
    found: set[bytes] = set()
    for path in paths:
        for text in _texts(path):
            found |= searcher.search(text)
    return {(kind, one.decode()) for one in found for kind in kinds[one]}


def find_canaries(paths: Sequence[Path], canary_file: Path) -> list[tuple[str, int]]:
    """(kind, number of different strings of that kind that survived), sorted; an empty list is what one hopes for."""
    return sorted(Counter(kind for kind, _ in surviving(paths, canary_file)).items())


def main(arguments: Sequence[str]) -> int:
    """Exit code 0: none found, 1: some found, 2: wrong use."""
    if len(arguments) < 2:
        print(f"usage: {Path(__file__).name} CANARIES FILE...", file=sys.stderr)
        return 2
    listed, *paths = map(Path, arguments)
    found = find_canaries(paths, listed)
    for kind, count in found:
        print(f"{kind}: {count} planted strings are still there")
    if not found:
        print(f"none of the identifying strings in {listed} is in {', '.join(map(str, paths))}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
