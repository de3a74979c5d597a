"""Lists of words in one array of numbers, to be looked up by the letters of a text: by a whole word, or by
how one begins.

The array: a head, slots (open addressing) for whole words, of each slot bits of the hashes that belong there,
buckets (chained) for words by their first letters, entries, letters. A number 0 in slots, buckets and chains
is none, n the entry n - 1. The bits are looked at first: whether a slot is taken is a toss-up, which a
processor guesses wrong.
"""

from typing import Any, TypeAlias

import numpy as np
from numba import types
from numpy.typing import NDArray

from dimpflow.native.compiled import called, compiled, inlined

Letters: TypeAlias = NDArray[np.int32]

TEXT: Any = types.Bytes(types.uint8, 1, "C")
"""`bytes` of Python: taken faster than an array over them."""
LETTERS: Any = types.Array(types.int32, 1, "C")

MASK, ENTRIES, CHAIN = 0, 1, 2
"""In the head: how many slots there are less one, where the entries begin, the first of the chain (as a
number)."""
HEAD = 4
BUCKETS = 256
FIRST = 3
"""Letters by which a word is found that may begin anywhere."""

ENTRY = 4
BEGIN, LENGTH, LISTS, NEXT = 0, 1, 2, 3
"""Of an entry: where in the array its letters begin, how many, the lists that it is in (bits), the next one
of its bucket or chain."""

SEED, PRIME = 0x811C9DC5, 0x01000193

_QUOTE, _BACKSLASH, _COMMA, _OPEN, _CLOSE = 0x22, 0x5C, 0x2C, 0x5B, 0x5D


@inlined
def code_point(data: bytes, at: int) -> tuple[int, int]:
    """The code point in UTF-8 at a place, and the place behind it."""
    first = data[at]
    if first < 0x80:
        return first, at + 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | (data[at + 1] & 0x3F), at + 2
    low = (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F)
    if first < 0xF0:
        return (first & 0x0F) << 12 | low, at + 3
    return (first & 0x07) << 18 | low << 6 | (data[at + 3] & 0x3F), at + 4


@inlined
def slot_of(hash_: int, mask: int) -> int:
    """The slot, counted from the beginning of the array, of a hash: SEED, and for each letter
    `(hash ^ letter) * PRIME`."""
    return HEAD + ((hash_ ^ (hash_ >> 15) ^ (hash_ >> 32)) & mask)


@inlined
def bit_of(hash_: int) -> int:
    """Of a hash, the bit beside its slot."""
    return 1 << ((hash_ >> 24) & 31)


@inlined
def may_have(lexicon: Letters, hash_: int, slot: int, mask: int) -> bool:
    """Whether a word of this hash may be there; mostly only if it is."""
    return lexicon[slot + mask + 1] & bit_of(hash_) != 0


@called
def probed(lexicon: Letters, slot: int, line: Letters, start: int, end: int) -> int:
    """From a slot on, the one of the entry with just the letters line[start:end], else the one that it would
    have."""
    mask, entries = int(lexicon[MASK]), int(lexicon[ENTRIES])
    while lexicon[slot]:
        entry = entries + (lexicon[slot] - 1) * ENTRY
        if lexicon[entry + LENGTH] == end - start:
            shift = lexicon[entry + BEGIN] - start
            at = start
            while at < end and lexicon[shift + at] == line[at]:
                at += 1
            if at == end:
                return slot
        slot = HEAD + ((slot - HEAD + 1) & mask)
    return slot


@called
def lists_with(lexicon: Letters, line: Letters, start: int, end: int) -> int:
    """The lists that have the word line[start:end], one bit each."""
    hash_ = SEED
    for at in range(start, end):
        hash_ = (hash_ ^ line[at]) * PRIME
    mask = int(lexicon[MASK])
    slot = slot_of(hash_, mask)
    if not may_have(lexicon, hash_, slot, mask):
        return 0
    number = lexicon[probed(lexicon, slot, line, start, end)]
    return int(lexicon[lexicon[ENTRIES] + (number - 1) * ENTRY + LISTS]) if number else 0


@inlined
def buckets_of(lexicon: Letters) -> int:
    """Where the buckets begin."""
    return HEAD + 2 * (int(lexicon[MASK]) + 1)


@inlined
def bucket_of(first: int, second: int, third: int) -> int:
    """The bucket, counted from the first one, of words that begin with these letters."""
    return (first * 67 + second * 13 + third) & (BUCKETS - 1)


@called
def _listed(made: Letters, entry: int, list_: int, anywhere: int, chain: int) -> bool:
    """Put a word into a list; False if that cannot be."""
    old = int(made[entry + LISTS])
    made[entry + LISTS] = old | list_
    if (old | list_) & chain:
        if old:
            return old == chain == list_
        head = CHAIN
    elif list_ & anywhere and not old & anywhere:
        if made[entry + LENGTH] < FIRST:
            return False
        at = made[entry + BEGIN]
        head = buckets_of(made) + bucket_of(made[at], made[at + 1], made[at + 2])
    else:
        return True
    made[entry + NEXT] = made[head]
    made[head] = (entry - made[ENTRIES]) // ENTRY + 1
    return True


@compiled(types.int64(TEXT, types.int64, types.int64, types.int64, LETTERS))
def _filled(data: bytes, lists: int, anywhere: int, chain: int, made: Letters) -> int:
    """Writes lists of words into an array that has a head already and is zeros else: its size, 0 for what it
    is not made of."""
    mask, entries = int(made[MASK]), int(made[ENTRIES])
    end = len(made) - len(data)
    at, depth, list_, count = 0, 0, 0, 0
    while at < len(data):
        sign = data[at]
        at += 1
        if sign == _OPEN and depth < 2:
            depth += 1
        elif sign == _CLOSE and depth:
            list_ += depth == 2
            depth -= 1
        elif sign == _QUOTE and depth == 2 and list_ < lists:
            start, hash_ = end, SEED
            while at + 4 <= len(data) and data[at] != _QUOTE:
                if data[at] == _BACKSLASH:
                    at += 1
                    if data[at] != _QUOTE and data[at] != _BACKSLASH:
                        return 0
                letter, at = code_point(data, at)
                hash_ = (hash_ ^ letter) * PRIME
                made[end] = letter
                end += 1
            if start == end or at >= len(data) or data[at] != _QUOTE:
                return 0
            at += 1
            home = slot_of(hash_, mask)
            slot = probed(made, home, made, start, end)
            if made[slot]:
                end = start
            else:
                entry = entries + count * ENTRY
                made[entry + BEGIN], made[entry + LENGTH] = start, end - start
                count += 1
                made[slot] = count
                made[home + mask + 1] |= bit_of(hash_)
            if not _listed(made, entries + (made[slot] - 1) * ENTRY, 1 << list_, anywhere, chain):
                return 0
        elif sign != _COMMA:
            return 0
    return end if depth == 0 and list_ == lists else 0


@compiled(types.int64(TEXT))
def _quotes(data: bytes) -> int:
    """How many there are: `bytes.count` is slow at what is found often."""
    found = 0
    for at in range(len(data)):
        found += data[at] == _QUOTE
    return found


def lexicon_of(data: bytes, lists: int, anywhere: int = 0, chain: int = 0) -> Letters:
    """Lists of words as an array. data: their JSON in UTF-8, `[["a","b"],["c"]]` without white space; the
    first list is bit 0.

    lists: how many there are, at most 31; anywhere, chain: bits of the lists whose words are found by how
    they begin, and of one that is only gone through. Empty for what is no such JSON, has other escapes than
    of quotes and backslashes, empty words, words too short to be found anywhere, or words of the chain in
    other lists.
    """
    words = _quotes(data) // 2 + 1
    slots = max(8, 1 << (2 * words - 1).bit_length())
    entries = HEAD + 2 * slots + BUCKETS
    made = np.zeros(entries + words * ENTRY + len(data), np.int32)
    made[MASK], made[ENTRIES] = slots - 1, entries
    return made[: _filled(data, lists, anywhere, chain, made)]
