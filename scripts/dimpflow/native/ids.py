"""What is told of ids and references by their bytes."""

from dimpflow.native.compiled import inlined
from dimpflow.native.types import Bytes

NONE, ODD = -1, -2
MOST_WORDS = 12
"""Of a value; of a longer one the first of them count."""
LONG = 8
"""Bytes of a word that stands for all if it is the last one; see `anchor`."""
LONGEST_WORD = 128
"""Bytes of a word that count where it stands for all."""


@inlined
def is_digit(byte: int) -> bool:
    """Of ASCII."""
    return 0x30 <= byte <= 0x39


@inlined
def is_letter(byte: int) -> bool:
    """Of ASCII."""
    return 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A


@inlined
def is_strong(data: Bytes, start: int, end: int) -> bool:
    """Whether an id of ASCII can be told from other texts: 5 characters or more, with a digit; 6 digits if it has no letter."""
    digits, letters = 0, 0
    for at in range(start, end):
        digits += is_digit(data[at])
        letters += is_letter(data[at])
    return end - start >= 5 and ((digits > 0 and letters > 0) or digits >= 6)


@inlined
def relative(data: Bytes, start: int, end: int) -> int:
    """Where the id of a reference such as `Patient/17` begins; NONE if it is no such one."""
    at = start
    while at < end and is_letter(data[at]):
        at += 1
    if at - start < 2 or data[start] > 0x5A or at >= end or data[at] != 0x2F or at + 1 == end:
        return NONE
    for place in range(at + 1, end):
        byte = data[place]
        if not (is_letter(byte) or is_digit(byte) or byte == 0x2D or byte == 0x2E):
            return NONE
    return at + 1


@inlined
def in_urn(data: Bytes, start: int, end: int) -> int:
    """Where the last part of a `urn:uuid:…` of ASCII begins; NONE if it is none, ODD if it has other characters than those."""
    if not (
        end - start > 4
        and data[start] == 0x75
        and data[start + 1] == 0x72
        and data[start + 2] == 0x6E
        and data[start + 3] == 0x3A
    ):
        return NONE
    last = NONE
    for place in range(start, end):
        byte = data[place]
        if byte >= 0x80 or byte == 0x5C or byte == 0x2F:
            return ODD
        if byte == 0x3A:
            last = place + 1
    return last


@inlined
def anchor(data: Bytes, start: int, end: int, long: int) -> tuple[int, int, int]:
    """Of words with blanks between them: where the word that stands for all begins and ends, and how many words they are. It is the
    last one if that is a `long` one, else the longest, of several the first."""
    count, first, last = 1, start, start
    for at in range(start, end + 1):
        if at == end or data[at] == 0x20:
            if at - start > last - first or (at == end and at - start >= long):
                first, last = start, at
            count += at < end
            start = at + 1
    return first, last, count
