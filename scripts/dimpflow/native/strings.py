"""Finds the strings of JSON, and the numbers, in which something may be that is in a filter of hashes: a word, a date, an id at the end.

A filter says yes for all that is in it and for little else, so what is found here must be looked at again.
"""

import numpy as np
from numba import types

from dimpflow.native.compiled import compiled, inlined
from dimpflow.native.filters import OTHERS, in_filter, word_hash
from dimpflow.native.folding import NO_TEXT, UNKNOWN, folded_at, in_words
from dimpflow.native.ids import LONGEST_WORD
from dimpflow.native.json import string_end
from dimpflow.native.siphash import eight, sip
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
LINES, BIRTHS, _NAMED = range(3)
"""What is counted: line ends, full birth dates. And what stands at the last name."""
TALLY = 3
_AN_ID, _A_BIRTH, _A_MOMENT = 1, 2, 3
WORD_ROOM = LONGEST_WORD + 8
_A_NUMBER = 8  # digits
_QUOTE, _BACKSLASH = 0x22, 0x5C
_EACH = np.uint64(0x0101010101010101)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_NAMES = np.uint64(0x9E3779B97F4A7C15)
"""Makes the hash of a name another one than that of the same string as a value."""


@inlined
def digits(data: Bytes, at: int, count: int) -> bool:
    """Whether there are so many digits."""
    if at + count > len(data):
        return False
    for place in range(at, at + count):
        if data[place] < 0x30 or data[place] > 0x39:
            return False
    return True


@inlined
def is_known(word: Bytes, size: int, sizes: Bytes, letters: Numbers, others: Numbers, key: Numbers) -> bool:
    """Whether a word, of which LONGEST_WORD bytes count, may be in its filter."""
    size = min(size, LONGEST_WORD)
    if sizes[size] == 0:
        return False
    number = word_hash(key, word, 0, size)
    return in_filter(others if number & np.uint64(OTHERS) else letters, number)


@inlined
def is_number(digits: Bytes, size: int, others: Numbers, key: Numbers) -> bool:
    """Whether what is looked up as no word, a day or an id, may be in the filter of others."""
    return in_filter(others, sip(key, digits, 0, size) | np.uint64(OTHERS))


@inlined
def put(folded: np.uint64, word: Bytes, size: int) -> int:
    """Add what a character folds to (see `folding`) to a word, of which LONGEST_WORD bytes count; how many bytes."""
    count = int(folded & np.uint64(0xFF))
    for place in range(count):
        if size + place < LONGEST_WORD:
            word[size + place] = np.uint8((folded >> np.uint64(8 * (place + 1))) & np.uint64(0xFF))
    return count


@inlined
def iso_day(data: Bytes, start: int, at: int, out: Bytes) -> int:
    """The bytes `yyyymmdd` of a date as `1958-05-17` whose year is data[start:at]; 8, or 0 if there is none."""
    if not (
        at - start == 4 and digits(data, start, 4) and digits(data, at + 1, 2) and digits(data, at + 4, 2)
    ):
        return 0
    if data[at + 3] != 0x2D or digits(data, at + 6, 1):
        return 0
    for place in range(4):
        out[place] = data[start + place]
    for place in range(2):
        out[4 + place] = data[at + 1 + place]
        out[6 + place] = data[at + 4 + place]
    return 8


@inlined
def german_day(data: Bytes, start: int, at: int, out: Bytes) -> int:
    """The same of a date as `17.05.1958` or `7. 5. 1958`, whose day is data[start:at]."""
    if at - start > 2 or not digits(data, start, at - start):
        return 0
    month = at + 1
    if month < len(data) and data[month] == 0x20:
        month += 1
    size = 2 if digits(data, month, 2) else 1
    if not digits(data, month, size) or month + size >= len(data) or data[month + size] != 0x2E:
        return 0
    year = month + size + 1
    if year < len(data) and data[year] == 0x20:
        year += 1
    if not digits(data, year, 4) or digits(data, year + 4, 1):
        return 0
    for place in range(4):
        out[place] = data[year + place]
    out[4] = data[month] if size == 2 else 0x30
    out[5] = data[month + size - 1]
    out[6] = data[start] if at - start == 2 else 0x30
    out[7] = data[at - 1]
    return 8


@inlined
def is_moment(data: Bytes, start: int) -> bool:
    """Whether a string that begins with a date goes on as a time of it and holds nothing else (FHIR R4 section 2.24.0.1)."""
    if not (digits(data, start + 11, 2) and data[start + 10] == 0x54 and digits(data, start + 14, 2)):
        return False
    if data[start + 13] != 0x3A:
        return False
    at = start + 16
    while at < len(data) and data[at] != _QUOTE:
        byte = data[at]
        if not (0x30 <= byte <= 0x3A or byte == 0x2E or byte == 0x2B or byte == 0x2D or byte == 0x5A):
            return False
        at += 1
    return True


@inlined
def quote_in(eight_bytes: np.uint64) -> int:
    """The place of the first quote among eight bytes, 8 if there is none."""
    other = eight_bytes ^ (_EACH * np.uint64(_QUOTE))
    zero = (other - _EACH) & ~other & (_EACH << np.uint64(7))
    if zero == np.uint64(0):
        return 8
    below = ((zero & (~zero + np.uint64(1))) >> np.uint64(7)) - np.uint64(1)  # of the lowest
    return int(np.int64(((below & _EACH) * _EACH) >> np.uint64(56)))


@inlined
def short_string(data: Bytes, start: int) -> tuple[np.uint64, np.uint64, int]:
    """The bytes of a string of 16 or less, before its first quote, as two numbers, and how many; 0 of them for any other."""
    if start + 16 > len(data):
        return np.uint64(0), np.uint64(0), 0
    one, two = eight(data, start), eight(data, start + 8)
    size = quote_in(one)
    if size < 8:
        one, two = one & ((np.uint64(1) << np.uint64(8 * size)) - np.uint64(1)), np.uint64(0)
    else:
        last = quote_in(two)
        if last == 8:
            return one, two, 0
        two, size = two & ((np.uint64(1) << np.uint64(8 * last)) - np.uint64(1)), 8 + last
    # a quote behind a backslash does not end a string
    return one, two, 0 if size > 0 and data[start + size - 1] == _BACKSLASH else size


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
def short_id(
    data: Bytes,
    start: int,
    end: int,
    key: Numbers,
    others: Numbers,
    table: Numbers,
    longest: int,
    out: Bytes,
) -> bool:
    """Whether a string may be, or end with, a short id of so many bytes at most."""
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
        if end - first > longest:
            return False
    size = in_words(table, data, first, end, out, 0)
    return size == NO_TEXT or is_number(out, size, others, key)


@compiled(
    types.UniTuple(types.int64, 2)(
        BYTES,
        types.int64,
        NUMBERS,
        BYTES,
        NUMBERS,
        NUMBERS,
        NUMBERS,
        BYTES,
        types.int64,
        NUMBERS,
        WRITABLE_NUMBERS,
        WRITABLE_BYTES,
        WRITABLE_INTEGERS,
        WRITABLE_INTEGERS,
    ),
    allocates=False,
)
def find(
    data: Bytes,
    at: int,
    key: Numbers,
    letters_of: Bytes,
    folds: Numbers,
    letters: Numbers,
    others: Numbers,
    sizes: Bytes,
    longest_short: int,
    seen: Numbers,
    clean: Numbers,
    word: Bytes,
    tally: Integers,
    out: Integers,
) -> tuple[int, int]:
    """Put what may hold something into `out`, in rows of COLUMNS; how many, and where to go on, the end of the data if all was looked at.

    data: JSON, from `at` on, which is outside strings; letters_of, folds: see `folding`; letters, others: filters of words, see `filters`; among the others are dates (`yyyymmdd`) and short ids;
    sizes: by their number of bytes, whether such words are in it; longest_short: bytes of the longest short id, 0 for none; seen: hashes of strings that need not be told, each at the place of its lowest bits;
    clean: room for short strings in which nothing was found, two
    numbers for each;
    word: room for a word, of WORD_ROOM bytes; tally: TALLY numbers, to which what is counted
    is added.
    """
    n, rows, count = len(data), len(out) // COLUMNS, 0
    mask, clean_mask = np.uint64(len(seen) - 1), np.uint64(len(clean) // 2 - 1)
    while at < n:
        byte = data[at]
        if byte != _QUOTE:
            start = at
            while at < n and 0x30 <= data[at] <= 0x39:
                at += 1
            if at == start:
                tally[LINES] += byte == 0x0A
                at += 1
            elif at - start >= _A_NUMBER and in_filter(others, word_hash(key, data, start, at)):
                if count == rows:
                    return count, start
                out[count * COLUMNS] = start
                out[count * COLUMNS + 1] = at
                out[count * COLUMNS + 2] = NUMBER
                out[count * COLUMNS + 3] = 0
                count += 1
            continue
        if count == rows:
            return count, at
        start = at + 1
        at = start
        # names and codes come again and again, and most are short: two numbers tell them apart
        one, two, size = short_string(data, start)
        slot = 0
        if size > 0:
            slot = 2 * int(np.int64((((one ^ two * _PRIME) * _PRIME) >> np.uint64(40)) & clean_mask))
            after = data[start + size + 1] if start + size + 1 < n else np.uint8(0)
            # if there is white space, look what is behind it
            if clean[slot] == one and clean[slot + 1] == two and after > 0x20:
                if after == 0x3A:
                    tally[_NAMED] = what_stands_at(data, start, start + size)
                if after == 0x3A or tally[_NAMED] == 0:
                    at = start + size + 1
                    continue
        fits = size > 0
        size, first, hit = 0, start, False
        while at < n:
            if size == 0:
                first = at
            full = min(n, at + LONGEST_WORD - size)
            while at < full and letters_of[data[at]] != 0:
                word[size] = letters_of[data[at]]
                size += 1
                at += 1
            if at >= n:
                break
            byte = data[at]
            if byte == _QUOTE:
                break
            folded, behind = folded_at(folds, data, at, n)
            if byte == _BACKSLASH:
                hit = at + 1 < n and data[at + 1] == 0x75
                folded, behind = np.uint64(0), at + 2
            elif folded == np.uint64(UNKNOWN):
                hit = True
            elif folded != np.uint64(0):
                size += put(folded, word, size)
                at = behind
                continue
            if size > 0 and not hit:
                hit = is_known(word, size, sizes, letters, others, key)
                day = 0
                if byte == 0x2D and size == 4:
                    day = iso_day(data, first, at, word)
                    if day and tally[_NAMED] != _A_MOMENT and first == start and is_moment(data, start):
                        day = 0
                elif byte == 0x2E and size <= 2:
                    day = german_day(data, first, at, word)
                hit = hit or (day > 0 and is_number(word, day, others, key))
            if hit:
                at = string_end(data, at)
                break
            size = 0
            at = behind
        if size > 0 and not hit:
            hit = is_known(word, size, sizes, letters, others, key)
        end = min(at, n)
        at = end + 1
        place = at
        while place < n and (
            data[place] == 0x20 or data[place] == 0x0A or data[place] == 0x0D or data[place] == 0x09
        ):
            place += 1
        name = place < n and data[place] == 0x3A
        if name:
            tally[_NAMED] = what_stands_at(data, start, end)
        elif longest_short > 0 and tally[_NAMED] == _AN_ID and not hit:
            hit = short_id(data, start, end, key, others, folds, longest_short, word)
        elif tally[_NAMED] == _A_BIRTH and end - start == 10:
            tally[BIRTHS] += iso_day(data, start, start + 4, word) > 0
        if not hit:
            if fits:
                clean[slot], clean[slot + 1] = one, two
            continue
        number = sip(key, data, start, end)
        if name:
            number ^= _NAMES
        if seen[np.int64(number & mask)] == number:
            continue
        out[count * COLUMNS] = start
        out[count * COLUMNS + 1] = end
        out[count * COLUMNS + 2] = NAME if name else VALUE
        out[count * COLUMNS + 3] = np.int64(number)
        count += 1
    return count, n
