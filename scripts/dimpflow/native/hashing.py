"""Keyed hashes for Python's side."""

from collections.abc import Sequence

import numpy as np
from numba import types

from dimpflow.native.compiled import compiled
from dimpflow.native.filters import word_hash
from dimpflow.native.ids import LONG, LONGEST_WORD, MOST_WORDS, anchor
from dimpflow.native.siphash import sip
from dimpflow.native.types import (
    BYTES,
    INTEGERS,
    NUMBERS,
    WRITABLE_BYTES,
    WRITABLE_NUMBERS,
    Bytes,
    Integers,
    Numbers,
)


@compiled(types.uint64(NUMBERS, BYTES))
def _one(key: Numbers, data: Bytes) -> np.uint64:
    return sip(key, data, 0, len(data))


@compiled(types.uint64(NUMBERS, BYTES))
def _word(key: Numbers, data: Bytes) -> np.uint64:
    return word_hash(key, data, 0, len(data))


@compiled(types.void(NUMBERS, BYTES, INTEGERS, WRITABLE_NUMBERS))
def _each(key: Numbers, data: Bytes, ends: Integers, out: Numbers) -> None:
    start = 0
    for place in range(len(ends)):
        out[place] = sip(key, data, start, ends[place])
        start = ends[place]


@compiled(
    types.void(NUMBERS, BYTES, INTEGERS, WRITABLE_NUMBERS, WRITABLE_NUMBERS, WRITABLE_BYTES, WRITABLE_BYTES),
)
def _each_in_words(
    key: Numbers, data: Bytes, ends: Integers, whole: Numbers, seen: Numbers, lengths: Bytes, sizes: Bytes
) -> None:
    start = 0
    for place in range(len(ends)):
        end, count = start, 0
        while end < ends[place]:
            count += data[end] == 0x20
            if count == MOST_WORDS:
                break
            end += 1
        first, last, count = anchor(data, start, end, LONG)
        last = min(last, first + LONGEST_WORD)
        whole[place] = sip(key, data, start, end)
        seen[place] = word_hash(key, data, first, last)
        lengths[count] = 1
        sizes[last - first] = 1
        start = ends[place]


class Hasher:
    """SipHash with a key of 16 bytes or more, of which the first 16 count."""

    def __init__(self, key: bytes) -> None:
        self.key = np.frombuffer(key[:16], np.uint64)

    def __call__(self, data: bytes) -> int:
        """The hash of one."""
        return int(_one(self.key, bytes_of(data)))

    def word(self, data: bytes) -> int:
        """The hash of a word; see `filters`."""
        return int(_word(self.key, bytes_of(data)))

    def each(self, values: Sequence[bytes]) -> Numbers:
        """The hashes of many."""
        ends = np.fromiter(map(len, values), np.int64, len(values)).cumsum()
        found = np.empty(len(values), np.uint64)
        _each(self.key, bytes_of(b"".join(values)), ends, found)
        return found

    def each_in_words(self, values: Sequence[bytes], lengths: Bytes, sizes: Bytes) -> tuple[Numbers, Numbers]:
        """The hashes of values, words with a blank between them, of which the first MOST_WORDS count; and of the word that stands for
        each. lengths, sizes: are marked at the numbers of words, and at the bytes of the words that stand for them."""
        ends = np.fromiter(map(len, values), np.int64, len(values)).cumsum()
        whole, seen = np.empty(len(values), np.uint64), np.empty(len(values), np.uint64)
        _each_in_words(self.key, bytes_of(b"".join(values)), ends, whole, seen, lengths, sizes)
        return whole, seen


def bytes_of(data: bytes) -> Bytes:
    """The same bytes, without a copy."""
    return np.frombuffer(data, np.uint8)
