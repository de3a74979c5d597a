"""Bloom filters of words: they say quickly of most words that they are not among those that were put in.

There are two, of words that begin and end with letters and of others. The former are few among what identifies, so their filter is
small and stays in the processor's caches, and nearly all words of a text are looked for there.
"""

import numpy as np
from numba import types

from dimpflow.native.compiled import compiled, inlined
from dimpflow.native.siphash import sip
from dimpflow.native.types import NUMBERS, WRITABLE_NUMBERS, Bytes, Numbers

OTHERS = 1
"""The lowest bit of the hash of a word that begins or ends with no letter."""
_ONE = np.uint64(1)


@inlined
def word_hash(key: Numbers, data: Bytes, start: int, end: int) -> np.uint64:
    """The hash of a word, which says in its lowest bit whether it begins or ends with something but a letter of ASCII in
    lower case."""
    last = data[end - 1] if end > start else np.uint8(0)
    others = _ONE if last < 0x61 or last > 0x7A or data[start] < 0x61 or data[start] > 0x7A else np.uint64(0)
    return (sip(key, data, start, end) & ~_ONE) | others


@inlined
def _places(number: np.uint64, words: int) -> tuple[np.uint64, np.uint64]:
    """The two bits of a hash in a filter of so many words, a power of two."""
    mask = np.uint64(words) * np.uint64(64) - _ONE
    return (number >> _ONE) & mask, (number >> np.uint64(32)) & mask


@compiled(types.void(WRITABLE_NUMBERS, NUMBERS))
def put_into_filter(filter_: Numbers, numbers: Numbers) -> None:
    """Set two bits for each hash. filter_: as many words as a power of two."""
    for number in numbers:
        for place in _places(number, len(filter_)):
            filter_[np.int64(place >> np.uint64(6))] |= _ONE << (place & np.uint64(63))


@inlined
def in_filter(filter_: Numbers, number: np.uint64) -> bool:
    """Whether a hash may be in a filter."""
    one, two = _places(number, len(filter_))
    if (filter_[np.int64(one >> np.uint64(6))] >> (one & np.uint64(63))) & _ONE == np.uint64(0):
        return False
    return (filter_[np.int64(two >> np.uint64(6))] >> (two & np.uint64(63))) & _ONE != np.uint64(0)
