"""What is taken of the values that identify people: of each its kind and its hashes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import types

from dimpflow.native.compiled import called, inlined
from dimpflow.native.filters import word_hash
from dimpflow.native.folding import in_words
from dimpflow.native.ids import LONG, LONGEST_WORD, MOST_WORDS, anchor
from dimpflow.native.json import behind_space, is_plain, string_end, value_end
from dimpflow.native.siphash import sip
from dimpflow.native.tables import entry_of, member_hash, table
from dimpflow.native.types import (
    INTEGERS,
    NUMBERS,
    WRITABLE_BYTES,
    WRITABLE_FRAMES,
    WRITABLE_INTEGERS,
    WRITABLE_NUMBERS,
    Bytes,
    Frames,
    Integers,
    Numbers,
)

FULL_NAME, NAME, STAFF, PLACE, STREET, PHONE, E_MAIL, BIRTH = range(2, 10)
"""Kinds of values; those before are ids."""
COLUMNS = 4
"""Of a value: its kind, the hash of its words and of the word that stands for them (0 for dates), the number of its resource."""
FAMILY, GIVEN, TEXT, LINE, CITY, POSTAL_CODE, DISPLAY, TYPE, TARGET = range(1, 10)
"""Members of names, addresses and references."""
TITLE, PARTICLE, COUNTRY, PO_BOX, PERSON, TELLING = 1, 2, 4, 8, 16, 32
"""What a word is; PERSON: a type of resources; TELLING: the end of an extension's address."""
TAKEN, OTHERWISE, NO_ROOM = 1, -1, -2
"""What comes of a value: it was taken, it is not as expected and must be looked at otherwise, there was no room for it."""
_MEMBERS, _WORDS = 1, 2
_SPANS, _BYTES = 64, 2048


class Known(NamedTuple):
    """key: of the hashes; folds: see `folding`; keys, entries: what members and words are."""

    key: Numbers
    folds: Numbers
    keys: Numbers
    entries: Integers


class Room(NamedTuple):
    """found: for rows of COLUMNS; counts: the number of rows; lengths, sizes: marks the numbers of words of values, and the bytes of the
    words that stand for them; words: for the words of one; spans: for where its members are."""

    found: Numbers
    counts: Integers
    lengths: Bytes
    sizes: Bytes
    words: Bytes
    spans: Frames


KNOWN: Any = types.NamedTuple((NUMBERS, NUMBERS, NUMBERS, INTEGERS), Known)
ROOM: Any = types.NamedTuple(
    (WRITABLE_NUMBERS, WRITABLE_INTEGERS, WRITABLE_BYTES, WRITABLE_BYTES, WRITABLE_BYTES, WRITABLE_FRAMES),
    Room,
)


def known(key: Numbers, folds: Numbers, members: Mapping[bytes, int], words: Mapping[bytes, int]) -> Known:
    """members, words: what those of these names are."""
    keys, entries = table(
        {(_MEMBERS, name): member for name, member in members.items()}
        | {(_WORDS, word): what for word, what in words.items()}
    )
    for array in (keys, entries):
        array.setflags(write=False)  # as Numba is told
    return Known(key, folds, keys, entries)


def room(rows: int, lengths: Bytes, sizes: Bytes) -> Room:
    """Room for so many values."""
    return Room(
        np.empty(rows * COLUMNS, np.uint64),
        np.zeros(1, np.int64),
        lengths,
        sizes,
        np.zeros(_BYTES, np.uint8),
        np.zeros((_SPANS, 3), np.int64),
    )


@inlined
def is_word(known: Known, text: Bytes, start: int, end: int, what: int) -> bool:
    """Whether a word is one of some kinds."""
    return entry_of(known.keys, known.entries, member_hash(_WORDS, text, start, end)) & what != 0


@inlined
def word_end(words: Bytes, start: int, end: int) -> int:
    """Where the word ends that begins here."""
    while start < end and words[start] != 0x20:
        start += 1
    return start


@called
def put(known: Known, room: Room, start: int, end: int, kind: int, resource: int) -> bool:
    """Add a value, some of the words in the room, of which MOST_WORDS count; False if there is no room."""
    row = room.counts[0] * COLUMNS
    if row + COLUMNS > len(room.found):
        return False
    spaces = 0
    for at in range(start, end):
        spaces += room.words[at] == 0x20
        if spaces == MOST_WORDS:
            end = at
            break
    first, last, count = anchor(room.words, start, end, LONG)
    last = min(last, first + LONGEST_WORD)
    room.found[row] = np.uint64(kind)
    room.found[row + 1] = sip(known.key, room.words, start, end)
    room.found[row + 2] = word_hash(known.key, room.words, first, last)
    room.found[row + 3] = np.uint64(resource)
    room.lengths[count] = 1
    room.sizes[last - first] = 1
    room.counts[0] += 1
    return True


@called
def read_members(data: Bytes, start: int, end: int, known: Known, room: Room) -> int:
    """Where the strings of an object are, as rows of what member it is and of where it begins and ends; how many, or OTHERWISE."""
    count, seen = 0, 0
    at = start + 1
    while at < end:
        at = behind_space(data, at)
        if data[at] == 0x7D:
            return count
        if data[at] == 0x2C:
            at += 1
            continue
        first = at + 1
        last = string_end(data, first)
        member = entry_of(known.keys, known.entries, member_hash(_MEMBERS, data, first, last))
        at = behind_space(data, behind_space(data, last + 1) + 1)
        if not is_plain(data, first, last):
            return OTHERWISE
        many = member == GIVEN or member == LINE
        if member == 0 or data[at] == 0x6E:  # null
            at, _ = value_end(data, at)
            continue
        if (seen >> member) & 1 or data[at] != (0x5B if many else 0x22):
            return OTHERWISE
        seen |= 1 << member
        at += many
        while data[at] != 0x5D:
            if data[at] == 0x22 and count < _SPANS:
                first = at + 1
                last = string_end(data, first)
                room.spans[count, 0] = member
                room.spans[count, 1] = first
                room.spans[count, 2] = last
                count += 1
                at = last + 1
            elif data[at] == 0x2C or data[at] == 0x20:
                at += 1
            elif data[at] == 0x6E:
                at, _ = value_end(data, at)
            else:
                return OTHERWISE
            if not many:
                break
        at += many
    return OTHERWISE


@called
def words_of(data: Bytes, member: int, count: int, start: int, known: Known, room: Room) -> tuple[int, int]:
    """Put the words of a member into the room, from a place on: where they end, and where those of its first string end; OTHERWISE."""
    end, first_end, first = start, start, True
    for row in range(count):
        if room.spans[row, 0] != member or end < 0:
            continue
        begin = end
        if begin > start:
            room.words[begin] = 0x20
            begin += 1
        behind = in_words(known.folds, data, room.spans[row, 1], room.spans[row, 2], room.words, begin)
        end = behind if behind < 0 or behind > begin else end
        if first:
            first, first_end = False, end
    return end, first_end
