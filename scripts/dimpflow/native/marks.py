"""Where the quotes, brackets and line ends of JSON stand, found 64 bytes at a time: as bits of numbers, so that whoever goes through the
JSON need not look at each byte. This is the first stage of Langdale and Lemire, Parsing Gigabytes of JSON per Second, 2019.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from dimpflow.native.bits import WIDTH, beyond_ascii, bits_in, equal, lowest
from dimpflow.native.compiled import compiled, inlined
from dimpflow.native.hashing import bytes_of
from dimpflow.native.siphash import eight
from dimpflow.native.types import (
    BYTES,
    U64,
    WRITABLE_BYTES,
    WRITABLE_INTEGERS,
    WRITABLE_NUMBERS,
    Bytes,
    Integers,
    Numbers,
)

QUOTE, OPEN, CLOSE, LINE, UNUSUAL, EXTENSION = range(6)
"""What is marked: quotes that begin or end a string; brackets outside strings; line ends; backslashes and what is no ASCII; the end of a
string that ends with `xtension`, as the names of FHIR's extensions do."""
_BEFORE = 6
"""Not a mark, but how many quotes there are before."""
_COLUMNS = 7
_AT_ONCE = 8
"""Places of quotes that are written whether there are so many or not, since a guess of the processor that fails costs more."""


class Marks(NamedTuple):
    """bits: for every WIDTH bytes of the data, begun or not, _COLUMNS numbers, and as many more, where any search ends; quotes: their
    places, and behind them one that is not before the end of the data."""

    bits: Numbers
    quotes: Integers


MARKS: Any = types.NamedTuple((WRITABLE_NUMBERS, WRITABLE_INTEGERS), Marks)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_ALL = ~_ZERO
_XTENSION = np.uint64(int.from_bytes(b"xtension", "little"))


@inlined
def quotes_before(marks: Marks, at: int) -> int:
    """How many quotes there are before a place, which is where the next one stands among all."""
    row = (at >> 6) * _COLUMNS
    below = (_ONE << np.uint64(at & 63)) - _ONE
    return int(np.int64(marks.bits[row + _BEFORE])) + bits_in(marks.bits[row + QUOTE] & below)


@inlined
def next_quote(marks: Marks, at: int) -> int:
    """The place of the next quote, from `at` on; the end of the data, or one behind it, if there is none."""
    return marks.quotes[quotes_before(marks, at)]


@inlined
def next_mark(marks: Marks, kind: int, at: int) -> int:
    """The next place of a kind, from `at` on; the end of the data, or one behind it, if there is none."""
    word = at >> 6
    found = marks.bits[word * _COLUMNS + kind] >> np.uint64(at & 63)
    if found != _ZERO:
        return at + lowest(found)
    word += 1
    while marks.bits[word * _COLUMNS + kind] == _ZERO:
        word += 1
    return (word << 6) + lowest(marks.bits[word * _COLUMNS + kind])


@inlined
def marked(marks: Marks, kind: int, start: int, end: int) -> bool:
    """Whether there is one of a kind in between."""
    word, last = start >> 6, end >> 6
    found = marks.bits[word * _COLUMNS + kind] >> np.uint64(start & 63)
    if word == last:
        return found << np.uint64(63 - (end - start)) << _ONE != _ZERO
    while found == _ZERO and word + 1 < last:
        word += 1
        found = marks.bits[word * _COLUMNS + kind]
    return (
        found != _ZERO or marks.bits[last * _COLUMNS + kind] & ((_ONE << np.uint64(end & 63)) - _ONE) != _ZERO
    )


@inlined
def closing(marks: Marks, at: int) -> tuple[int, bool]:
    """The place of the bracket that closes the one here, the end of the data if there is none; whether an extension is between."""
    depth, word, wanted, extended = 0, at >> 6, _ALL << np.uint64(at & 63), _ZERO
    last = len(marks.bits) // _COLUMNS - 1
    while word < last:
        opens, closes = (
            marks.bits[word * _COLUMNS + OPEN] & wanted,
            marks.bits[word * _COLUMNS + CLOSE] & wanted,
        )
        extensions = marks.bits[word * _COLUMNS + EXTENSION] & wanted
        count = bits_in(closes)
        if count < depth:
            depth += bits_in(opens) - count
        else:
            both = opens | closes
            while both != _ZERO:
                low = both & (~both + _ONE)
                both ^= low
                depth += 1 if opens & low != _ZERO else -1
                if depth <= 0:
                    before = extended | (extensions & (low - _ONE))
                    return (word << 6) + lowest(low), before != _ZERO
        extended = extended | extensions
        wanted = _ALL
        word += 1
    return last << 6, extended != _ZERO


@inlined
def behind_value(data: Bytes, marks: Marks, at: int, stop: int) -> tuple[int, bool]:
    """The place behind a value that begins here, and whether there are FHIR's extensions in it; if it does not end before `stop`, a
    place behind that."""
    byte = data[at]
    if byte == 0x22:
        return next_quote(marks, at + 1) + 1, False
    if byte == 0x7B or byte == 0x5B:
        end, extended = closing(marks, at)
        return end + 1, extended
    while at < stop and data[at] != 0x2C and data[at] != 0x7D and data[at] != 0x5D:
        at += 1
    return at, False


@inlined
def _escaped(backslashes: U64, carried: U64) -> tuple[U64, U64]:
    """What stands behind a backslash that means something, and whether the next byte after all these does. They are rare."""
    escaped = carried
    left = backslashes & ~carried
    behind = _ZERO
    while left != _ZERO:
        low = left & (~left + _ONE)
        escaped |= low << _ONE
        behind = low >> np.uint64(63)
        left &= ~(low | low << _ONE)
    return escaped, behind


@inlined
def _compared(data: Bytes, at: int) -> tuple[U64, U64, U64, U64, U64, U64, U64]:
    """Where quotes, backslashes, brackets that open and that close, line ends, the letter n and what is no ASCII stand in WIDTH bytes."""
    return (
        equal(data, at, 0x22, 0),
        equal(data, at, 0x5C, 0),
        equal(data, at, 0x7B, 0x20),  # with this bit, [ and ] are { and }
        equal(data, at, 0x7D, 0x20),
        equal(data, at, 0x0A, 0),
        equal(data, at, 0x6E, 0),
        beyond_ascii(data, at),
    )


@compiled(types.int64(BYTES, MARKS, WRITABLE_BYTES))
def _mark(data: Bytes, marks: Marks, rest: Bytes) -> int:
    """Set all marks; how many line ends there are. marks: room for them; rest: WIDTH bytes for the last ones."""
    n, lines, count = len(data), 0, 0
    carried, string, before_n = _ZERO, _ZERO, _ZERO
    words = (n + WIDTH - 1) // WIDTH
    for word in range(words):
        at = word * WIDTH
        if at + WIDTH > n:
            for one in range(WIDTH):
                rest[one] = data[at + one] if at + one < n else 0x20
            quotes, backslashes, opens, closes, ends, ns, odd = _compared(rest, 0)
        else:
            quotes, backslashes, opens, closes, ends, ns, odd = _compared(data, at)
        if backslashes | carried != _ZERO:
            escaped, carried = _escaped(backslashes, carried)
            quotes &= ~escaped
        inside = quotes ^ quotes << _ONE
        inside ^= inside << np.uint64(2)
        inside ^= inside << np.uint64(4)
        inside ^= inside << np.uint64(8)
        inside ^= inside << np.uint64(16)
        inside ^= inside << np.uint64(32)
        inside ^= string
        string = _ZERO - (inside >> np.uint64(63))
        found = quotes & (ns << _ONE | before_n)
        before_n = ns >> np.uint64(63)
        extensions = _ZERO
        while found != _ZERO:
            low = found & (~found + _ONE)
            found ^= low
            end = at + lowest(low)
            if end >= 8 and eight(data, end - 8) == _XTENSION:
                extensions |= low
        row = word * _COLUMNS
        marks.bits[row + QUOTE] = quotes
        marks.bits[row + OPEN] = opens & ~inside
        marks.bits[row + CLOSE] = closes & ~inside
        marks.bits[row + LINE] = ends
        marks.bits[row + UNUSUAL] = odd | backslashes
        marks.bits[row + EXTENSION] = extensions
        marks.bits[row + _BEFORE] = np.uint64(count)
        lines += bits_in(ends)
        next_count = count + bits_in(quotes)
        for place in range(count, count + _AT_ONCE):
            marks.quotes[place] = at + lowest(quotes)
            quotes &= quotes - _ONE
        count += _AT_ONCE
        while quotes != _ZERO:
            marks.quotes[count] = at + lowest(quotes)
            quotes &= quotes - _ONE
            count += 1
        count = next_count
    row = words * _COLUMNS
    for kind in range(_COLUMNS):
        marks.bits[row + kind] = _ALL
    marks.bits[row + QUOTE] = _ZERO
    marks.bits[row + _BEFORE] = np.uint64(count)
    marks.quotes[count] = words * WIDTH
    marks.quotes[count + 1] = words * WIDTH
    return lines


class Marked(NamedTuple):
    """block, data: the bytes of whole lines; marks: of them, see `next_mark`; line_ends: how many."""

    block: bytes
    data: Bytes
    marks: Marks
    line_ends: int


class Marker:
    """Marks blocks, one after another: the marks are those of the last one. Not for several threads."""

    def __init__(self) -> None:
        self._bits = np.empty(0, np.uint64)
        self._quotes = np.empty(0, np.int64)
        self._rest = np.empty(WIDTH, np.uint8)

    def __call__(self, block: bytes) -> Marked:
        """block: whole lines."""
        data = bytes_of(block)
        wanted = ((len(data) + WIDTH - 1) // WIDTH + 1) * _COLUMNS
        if wanted > len(self._bits):
            self._bits = np.empty(wanted, np.uint64)
            self._quotes = np.empty(
                len(data) + _AT_ONCE + 2, np.int64
            )  # of what is not used the system gives nothing
        marks = Marks(self._bits[:wanted], self._quotes)
        return Marked(block, data, marks, _mark(data, marks, self._rest))
