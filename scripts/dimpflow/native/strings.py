"""Finds the strings of JSON, and the numbers, in which something may be that is in a filter of hashes: a word, a date, an id at the end.

A filter says yes for all that is in it and for little else, so what is found here must be looked at again.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from dimpflow.native.bits import product
from dimpflow.native.compiled import compiled, inlined
from dimpflow.native.days import german_day, is_moment, iso_day
from dimpflow.native.filters import OTHERS, in_filter, word_hash
from dimpflow.native.folding import NO_TEXT, UNKNOWN, folded_at, in_words
from dimpflow.native.ids import LONGEST_WORD
from dimpflow.native.marks import MARKS, Marks, quotes_before
from dimpflow.native.siphash import eight, few, sip
from dimpflow.native.types import (
    BYTES,
    NUMBERS,
    WRITABLE_BYTES,
    WRITABLE_INTEGERS,
    WRITABLE_NUMBERS,
    Bytes,
    Integers,
    Numbers,
)

VALUE, NAME, NUMBER = 0, 1, 2
"""What a find is: a string, the name of a member, a number."""
COLUMNS = 4
"""Of a find: where it begins and ends, what it is, its hash."""
BIRTHS, _NAMED = range(2)
"""What is counted: full birth dates. And what stands at the last name."""
TALLY = 2
_AN_ID, _A_BIRTH, _A_MOMENT = 1, 2, 3
WORD_ROOM = LONGEST_WORD + 8
_A_NUMBER = 8  # digits
_SHORT = 15  # bytes
_BACKSLASH = 0x5C
_NOWHERE = -1
_ALL = ~np.uint64(0)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_NAMES = np.uint64(0x9E3779B97F4A7C15)
"""Makes the hash of a name another one than that of the same string as a value."""


class Wanted(NamedTuple):
    """key: of the hashes; letters_of, folds: see `folding`; letters, others: filters of words, see `filters`; among the others are dates
    (`yyyymmdd`) and short ids; sizes: by their number of bytes, whether such words are in it; longest_short: bytes of the longest short
    id, 0 for none."""

    key: Numbers
    letters_of: Bytes
    folds: Numbers
    letters: Numbers
    others: Numbers
    sizes: Bytes
    longest_short: int


class Known(NamedTuple):
    """What need not be looked at again, each at the place of its lowest bits. seen: hashes of strings that somebody else has looked at;
    short: strings of 15 bytes or less, in two numbers each; long: quick hashes of longer ones."""

    seen: Numbers
    short: Numbers
    long: Numbers


_WANTED: Any = types.NamedTuple((NUMBERS, BYTES, NUMBERS, NUMBERS, NUMBERS, BYTES, types.int64), Wanted)
_KNOWN: Any = types.NamedUniTuple(WRITABLE_NUMBERS, 3, Known)


@inlined
def is_known(word: Bytes, size: int, wanted: Wanted) -> bool:
    """Whether a word, of which LONGEST_WORD bytes count, may be in its filter."""
    size = min(size, LONGEST_WORD)
    if wanted.sizes[size] == 0:
        return False
    number = word_hash(wanted.key, word, 0, size)
    return in_filter(wanted.others if number & np.uint64(OTHERS) else wanted.letters, number)


@inlined
def is_number(digits: Bytes, size: int, wanted: Wanted) -> bool:
    """Whether what is looked up as no word, a day or an id, may be in the filter of others."""
    return in_filter(wanted.others, sip(wanted.key, digits, 0, size) | np.uint64(OTHERS))


@inlined
def put(folded: np.uint64, word: Bytes, size: int) -> int:
    """Add what a character folds to (see `folding`) to a word, of which LONGEST_WORD bytes count; how many bytes."""
    count = int(folded & np.uint64(0xFF))
    for place in range(count):
        if size + place < LONGEST_WORD:
            word[size + place] = np.uint8((folded >> np.uint64(8 * (place + 1))) & np.uint64(0xFF))
    return count


@inlined
def what_stands_at(data: Bytes, start: int, end: int) -> int:
    """What the value of a member may be, by its name: an id (id, url, value, fullUrl, reference), a birth date (birthDate), a time that
    counts as a date, since it may be that of a birth (valueDateTime, in an extension)."""
    size = end - start
    if size == 0:
        return 0
    first = data[start]
    if size == 9 and first == 0x62 and data[start + 5] == 0x44:
        return _A_BIRTH
    if size == 13 and first == 0x76 and data[start + 5] == 0x44:
        return _A_MOMENT
    is_id = (
        (size == 2 and first == 0x69)
        or (size == 3 and first == 0x75)
        or (size == 5 and first == 0x76)
        or (size == 7 and first == 0x66)
        or (size == 9 and first == 0x72)
    )
    return _AN_ID if is_id else 0


@inlined
def short_id(data: Bytes, start: int, end: int, wanted: Wanted, out: Bytes) -> bool:
    """Whether a string may be, or end with, a short id."""
    between = 0x2F
    if (
        end - start > 4
        and data[start] == 0x75
        and data[start + 1] == 0x72
        and data[start + 2] == 0x6E
        and data[start + 3] == 0x3A
    ):
        between = 0x3A  # urn:
    first = end
    while first > start and data[first - 1] != between:
        first -= 1
        if end - first > wanted.longest_short:
            return False
    size = in_words(wanted.folds, data, first, end, out, 0)
    return size == NO_TEXT or is_number(out, size, wanted)


@inlined
def short_string(data: Bytes, start: int, size: int) -> tuple[np.uint64, np.uint64]:
    """A string of 1 to 15 bytes as two numbers, without a branch that the processor would have to guess."""
    if start + 16 > len(data):
        return few(data, start, min(size, 8)), few(data, start + 8, max(size - 8, 0))
    one = eight(data, start) & (_ALL >> np.uint64(64 - 8 * min(size, 8)))
    return one, eight(data, start + 8) & ((np.uint64(1) << np.uint64(8 * max(size - 8, 0))) - np.uint64(1))


@inlined
def quick_hash(key: Numbers, data: Bytes, start: int, end: int) -> np.uint64:
    """A hash of a string of 16 bytes or more with a key that nobody knows, to tell strings apart that nobody chose to be alike: faster
    than `sip`. As in Wang, wyhash, 2019, two numbers of 64 bits are multiplied and both halves of the product count."""
    number = key[0] ^ np.uint64(end - start)
    while start + 16 < end:
        number = product(number ^ eight(data, start), key[1] ^ eight(data, start + 8))
        start += 16
    return product(number ^ eight(data, end - 16), key[1] ^ eight(data, end - 8))


@inlined
def holds(data: Bytes, start: int, end: int, wanted: Wanted, moment: bool, word: Bytes) -> bool:
    """Whether a string may hold a word or a date. moment: whether it may be a time, which then counts as no date."""
    size, first, at = 0, start, start
    while at < end:
        if size == 0:
            first = at
        full = min(end, at + LONGEST_WORD - size)
        while at < full and wanted.letters_of[data[at]] != 0:
            word[size] = wanted.letters_of[data[at]]
            size += 1
            at += 1
        if at >= end:
            break
        byte = data[at]
        folded, behind = folded_at(wanted.folds, data, at, end)
        if byte == _BACKSLASH:
            if at + 1 < end and data[at + 1] == 0x75:
                return True
            folded, behind = np.uint64(0), at + 2
        elif folded == np.uint64(UNKNOWN):
            return True
        elif folded != np.uint64(0):
            size += put(folded, word, size)
            at = behind
            continue
        if size > 0:
            if is_known(word, size, wanted):
                return True
            day = 0
            if byte == 0x2D and size == 4:
                day = iso_day(data, first, at, word)
                if day > 0 and moment and first == start and is_moment(data, start, end):
                    day = 0
            elif byte == 0x2E and size <= 2:
                day = german_day(data, first, at, word)
            if day > 0 and is_number(word, day, wanted):
                return True
        size = 0
        at = behind
    return size > 0 and is_known(word, size, wanted)


@compiled(
    types.UniTuple(types.int64, 2)(
        BYTES, MARKS, types.int64, _WANTED, _KNOWN, WRITABLE_BYTES, WRITABLE_INTEGERS, WRITABLE_INTEGERS
    ),
)  # fmt: skip
def find(
    data: Bytes, marks: Marks, at: int, wanted: Wanted, known: Known, word: Bytes, tally: Integers, out: Integers
) -> tuple[int, int]:  # fmt: skip
    """Put what may hold something into `out`, in rows of COLUMNS; how many, and where to go on, the end of the data if all was looked at.

    data: JSON, from `at` on, which is outside strings; marks: of all of it, see `marks`; word: room for a word, of WORD_ROOM bytes;
    tally: TALLY numbers, to which what is counted is added.
    """
    n, rows, count = len(data), len(out) // COLUMNS, 0
    seen_mask, short_mask, long_mask = len(known.seen) - 1, len(known.short) // 2 - 1, len(known.long) - 1
    number_of_quote = quotes_before(marks, at)
    while at < n:
        quote = min(marks.quotes[number_of_quote], n)
        while quote - at >= _A_NUMBER:
            start = at
            while at < quote and 0x30 <= data[at] <= 0x39:
                at += 1
            if at - start >= _A_NUMBER and in_filter(wanted.others, word_hash(wanted.key, data, start, at)):
                if count == rows:
                    return count, start
                out[count * COLUMNS] = start
                out[count * COLUMNS + 1] = at
                out[count * COLUMNS + 2] = NUMBER
                out[count * COLUMNS + 3] = 0
                count += 1
            at += 1
        if quote == n:
            break
        if count == rows:
            return count, quote
        start = quote + 1
        end = min(marks.quotes[number_of_quote + 1], n)
        number_of_quote += 2
        at, size = end + 1, end - start
        behind = at
        while behind < n and (
            data[behind] == 0x20 or data[behind] == 0x0A or data[behind] == 0x0D or data[behind] == 0x09
        ):
            behind += 1
        name = behind < n and data[behind] == 0x3A
        if name:
            tally[_NAMED] = what_stands_at(data, start, end)
        # names and codes come again and again, and most are short; of an id or a date more may be wanted than its words
        slot, one, two = _NOWHERE, np.uint64(0), np.uint64(0)
        if size > 0 and (name or tally[_NAMED] == 0):
            if size <= _SHORT:
                one, two = short_string(data, start, size)
                slot = 2 * int(np.int64(((one ^ two * _PRIME) * _PRIME) >> np.uint64(40)) & short_mask)
                if known.short[slot] == one and known.short[slot + 1] == two:
                    continue
            else:
                one = quick_hash(wanted.key, data, start, end)
                slot = int(np.int64(one) & long_mask)
                if known.long[slot] == one:
                    continue
        hit = holds(data, start, end, wanted, tally[_NAMED] != _A_MOMENT, word)
        if not name:
            if wanted.longest_short > 0 and tally[_NAMED] == _AN_ID and not hit:
                hit = short_id(data, start, end, wanted, word)
            elif tally[_NAMED] == _A_BIRTH and size == 10:
                tally[BIRTHS] += iso_day(data, start, start + 4, word) > 0
        if not hit:
            if slot >= 0 and size <= _SHORT:
                known.short[slot], known.short[slot + 1] = one, two
            elif slot >= 0:
                known.long[slot] = one
            continue
        number = sip(wanted.key, data, start, end)
        if name:
            number ^= _NAMES
        if known.seen[np.int64(number) & seen_mask] == number:
            continue
        out[count * COLUMNS] = start
        out[count * COLUMNS + 1] = end
        out[count * COLUMNS + 2] = NAME if name else VALUE
        out[count * COLUMNS + 3] = np.int64(number)
        count += 1
    return count, n
