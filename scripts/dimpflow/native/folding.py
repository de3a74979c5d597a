"""Texts as words: what stands in a text of JSON, in lower case without marks, for all characters that fold to ASCII by themselves."""

from collections.abc import Callable
from unicodedata import combining

import numpy as np

from dimpflow.native.compiled import called, inlined
from dimpflow.native.types import Bytes, Numbers

CHARACTERS = 0x2070
"""Characters below this are in the table; it ends with Latin script and general punctuation."""
UNKNOWN = 0xFFFFFFFF
"""For a character that must be looked at by somebody else."""
NO_TEXT = -1

_QUOTE, _BACKSLASH, _AMPERSAND = 0x22, 0x5C, 0x26


def fold_table(fold: Callable[[str], str]) -> Numbers:
    """What each character folds to: its length, and then its bytes; length 0 for one that divides words."""
    table = np.full(CHARACTERS, UNKNOWN, np.uint64)
    for code in range(CHARACTERS):
        folded = fold(chr(code))
        if code in (_QUOTE, _BACKSLASH, _AMPERSAND):
            continue
        if folded.isascii() and folded.isalnum() and len(folded) <= 3:
            table[code] = len(folded) | int.from_bytes(folded.encode(), "little") << 8
        elif folded and not any(one.isalnum() or combining(one) for one in folded):
            table[code] = 0
    table.setflags(write=False)
    return table


def letters_of(folds: Numbers) -> Bytes:
    """What bytes are that are letters and digits of ASCII, folded; others are 0."""
    found = np.zeros(256, np.uint8)
    ascii_ = folds[:128]
    found[:128] = np.where(ascii_ & np.uint64(0xFF) == 1, ascii_ >> np.uint64(8), 0)
    found[:128][ascii_ == UNKNOWN] = 0
    return found


@inlined
def folded_at(table: Numbers, data: Bytes, at: int, end: int) -> tuple[np.uint64, int]:
    """What the character at a place in UTF-8 folds to, as in the table, and where the next one is."""
    first = int(data[at])
    code = first
    size = 1
    if first >= 0xE0:
        size = 3 if first < 0xF0 else 4
        code = ((first & 0x0F) << 12) if first < 0xF0 else CHARACTERS
    elif first >= 0x80:
        size = 2
        code = (first & 0x1F) << 6
    if at + size > end:
        return np.uint64(UNKNOWN), end
    if size == 2:
        code |= int(data[at + 1]) & 0x3F
    elif size == 3:
        code |= (int(data[at + 1]) & 0x3F) << 6 | (int(data[at + 2]) & 0x3F)
    if code >= CHARACTERS:
        return np.uint64(UNKNOWN), at + size
    return table[code], at + size


@called
def in_words(table: Numbers, data: Bytes, start: int, end: int, out: Bytes, first: int) -> int:
    """Put the words of a text into `out`, from `first` on, between them a blank; where they end. NO_TEXT: somebody else must do it, or
    there is no room."""
    size, gap, at = first, False, start
    while at < end:
        folded, at = folded_at(table, data, at, end)
        if folded == np.uint64(UNKNOWN):
            return NO_TEXT
        if folded == np.uint64(0):
            gap = size > first
            continue
        if size + 4 > len(out):
            return NO_TEXT
        if gap:
            out[size] = 0x20
            size += 1
            gap = False
        for place in range(np.int64(folded & np.uint64(0xFF))):
            out[size] = np.uint8(folded >> np.uint64(8 * (place + 1)) & np.uint64(0xFF))
            size += 1
    return size
