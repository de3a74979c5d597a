"""A text cut into words, and these folded, letter by letter, into one line without anything between them.

What the letters are is said by a table (kinds) with a row for each code point: what it is (bits), and up to
three letters that it folds to, 0 for none.
"""

from typing import Any, TypeAlias

import numpy as np
from numba import types
from numpy.typing import NDArray

from dimpflow.native.compiled import called
from dimpflow.native.lexicon import Letters, code_point, lists_with

Table: TypeAlias = NDArray[np.int32]

TABLE: Any = types.Array(types.int32, 2, "C")

LETTER, ANY_LETTER, DIGIT = 1, 2, 4
"""Of a word of letters, of one where a text has a character that is UNUSUAL, of a word of digits."""
UNUSUAL, UNKNOWN = 8, 16
"""UNKNOWN: how it folds is not in the table; neither is what lies behind its end."""
SPACE, LIGHT, DATE_MARK, FIGURE = 32, 64, 128, 256
APOSTROPHE = 512
"""The lowest of the bits that tell one apostrophe from another: 1 and on, 0 for none."""

# of a word: its place in the text, the begin of its letters in the line, and what else is known
COLUMNS = 4
BEGIN, END, START, KNOWN = 0, 1, 2, 3

UNSEEN, LINE_END = 1, 2
"""The lists of the lexicon of tags."""

_LESS, _GREATER, _BRACKET, _LINE_END = 0x3C, 0x3E, 0x5D, 0x0A
_A, _E, _O, _S, _U = 0x61, 0x65, 0x6F, 0x73, 0x75


@called
def characters(text: bytes, kinds: Table, tags: Letters, chars: Letters, sources: Letters) -> tuple[int, int]:
    """Writes the code points of a text in UTF-8: how many, and which bits of kinds there were.

    tags: what may stand between `<` and `>`, in a list of what is not seen and one of what is seen as a line
    end; empty where the text is no markup. sources: where in the text each character begins, -1 for the line
    end of a tag. The number is -1 where a character is UNKNOWN, or something that may be markup is no such
    tag.
    """
    at = count = met = 0
    while at < len(text):
        start = at
        char, at = code_point(text, at)
        if char >= len(kinds):
            return -1, met
        if char == _LESS and len(tags):
            begin = count
            while at < len(text) and text[at] != _GREATER:
                chars[count], at = code_point(text, at)
                count += 1
            shown = lists_with(tags, chars, begin, count)
            at, count, start, char = at + 1, begin, -1, _LINE_END
            if at > len(text) or not shown:
                return -1, met
            if shown & UNSEEN:
                continue
        elif char == _GREATER and len(tags) and start >= 2 and text[start - 1] == text[start - 2] == _BRACKET:
            return -1, met  # the end of CDATA
        met |= kinds[char, 0]
        chars[count], sources[count] = char, start
        count += 1
    return -1 if met & UNKNOWN else count, met


@called
def cut(chars: Letters, count: int, letter: int, kinds: Table, line: Letters, words: Table) -> int:
    """Cuts a text: the number of its words.

    chars, count: its code points; letter: LETTER or ANY_LETTER. Written are line: the folded letters of all
    words;
    words: a row for each, and one more for what is behind the last.
    """
    at = number = size = 0
    while at < count:
        kind = kinds[chars[at], 0] & (letter | DIGIT)
        if not kind:
            at += 1
            continue
        words[number, BEGIN], words[number, START] = at, size
        last, dropping = 0, False
        while at < count and kinds[chars[at], 0] & kind:
            for place in range(1, 4):
                folded = int(kinds[chars[at], place])
                if folded == 0:
                    break
                # `ae`, `oe`, `ue` are umlauts written out; doubled `s` is `ß`. What is dropped is written
                # over: a processor cannot foretell letters, so there is no jump
                dropped = (folded == _E) & dropping
                line[size] = folded
                size += 1 - (dropped | ((folded == _S) & (last == _S)))
                dropping = dropped | (folded == _A) | (folded == _O) | (folded == _U)
                last = folded
            at += 1
        words[number, END] = at
        number += 1
    words[number, BEGIN], words[number, END], words[number, START] = count, count, size
    return number
