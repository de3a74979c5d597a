"""Hash tables from names, such as those of members, to numbers."""

from collections.abc import Mapping

import numpy as np

from dimpflow.native.compiled import inlined
from dimpflow.native.siphash import few
from dimpflow.native.types import Bytes, Integers, Numbers

_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x9E3779B97F4A7C15)
_MASK = (1 << 64) - 1


@inlined
def member_hash(state: int, data: Bytes, start: int, end: int) -> np.uint64:
    """The key of a member of a state; eight bytes at a time, since names are short and many."""
    number = (_OFFSET ^ np.uint64(state)) * _PRIME
    while start < end:
        word = few(data, start, min(end - start, 8))
        number = (number ^ word) * _PRIME
        number ^= number >> np.uint64(29)
        start += 8
    return number


def member_key(state: int, name: bytes) -> int:
    """The same for those who make a table."""
    number = (int(_OFFSET) ^ state) * int(_PRIME) & _MASK
    for at in range(0, len(name), 8):
        number = (number ^ int.from_bytes(name[at : at + 8], "little")) * int(_PRIME) & _MASK
        number ^= number >> 29
    return number


@inlined
def entry_of(keys: Numbers, entries: Integers, key: np.uint64) -> int:
    """What stands in a table at a key; 0 for nothing."""
    mask = np.int64(len(keys) - 1)
    slot = np.int64(key >> np.uint64(32)) & mask
    while keys[slot] != np.uint64(0):
        if keys[slot] == key:
            return entries[slot]
        slot = (slot + 1) & mask
    return 0


def table(members: Mapping[tuple[int, bytes], int]) -> tuple[Numbers, Integers]:
    """Keys and entries, by `member_hash` of a state and a name; an empty slot has the key 0."""
    size = 1 << (2 * len(members)).bit_length()
    keys, entries = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    for (state, name), entry in members.items():
        key = member_key(state, name)
        slot = key >> 32 & (size - 1)
        while keys[slot]:
            slot = (slot + 1) & (size - 1)
        keys[slot], entries[slot] = key, entry
    return keys, entries
