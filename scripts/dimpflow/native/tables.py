"""Hash tables from names, such as those of members, to numbers."""

from collections.abc import Mapping

import numpy as np

from dimpflow.native.compiled import inlined
from dimpflow.native.types import Bytes, Integers, Numbers

_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


@inlined
def member_hash(state: int, data: Bytes, start: int, end: int) -> np.uint64:
    """The key of a member of a state (FNV-1a)."""
    number = (_OFFSET ^ np.uint64(state)) * _PRIME
    for at in range(start, end):
        number = (number ^ np.uint64(data[at])) * _PRIME
    return number


def member_key(state: int, name: bytes) -> int:
    """The same for those who make a table."""
    number = int(_OFFSET)
    for part in (state, *name):
        number = (number ^ part) * int(_PRIME) & (1 << 64) - 1
    return number




@inlined
def entry_of(keys: Numbers, entries: Integers, key: np.uint64) -> int:
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
