"""Which originals there are in which domains: what a source was asked, in sorted files that are merged into one mapping."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from dimpflow.errors import InputError
from dimpflow.ndjson import AtomicFile, blocks
from dimpflow.pseudonyms import Pseudonyms

Pair = tuple[str, str]
"""Domain, with the rule's domain prefix in front, and original."""

_decode = msgspec.json.Decoder(Pair).decode
_encode = msgspec.json.Encoder().encode


class Recorder:
    """A source of pseudonyms that remembers what it was asked."""

    def __init__(self, source: Pseudonyms) -> None:
        self._source = source
        self.pairs: set[Pair] = set()

    def __call__(self, domain: str, original: str) -> str:
        self.pairs.add((domain, original))
        return self._source(domain, original)


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Writes pairs, sorted by code points; only their owner may read them."""
    with AtomicFile(path, 0o600, dir_mode=0o700) as file:
        for pair in sorted(pairs):
            file.write(_encode(pair) + b"\n")


def read_pairs(path: Path) -> Iterator[Pair]:
    """The pairs in a file, in its order. InputError: it is damaged."""
    for lines in blocks(path):
        for line in lines:
            try:
                yield _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise InputError(f"{path} is damaged; remove it and run again") from None


def merged(paths: Sequence[Path]) -> Iterator[Pair]:
    """All pairs of sorted files, each once, sorted."""
    last: Pair | None = None
    for pair in heapq.merge(*map(read_pairs, paths)):
        if pair != last:
            yield pair
            last = pair
