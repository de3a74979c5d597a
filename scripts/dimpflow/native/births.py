"""Dates of birth in a text that was cut, in the spellings that `dimpflow.scrub.search` knows."""

from dimpflow.native.compiled import called, inlined
from dimpflow.native.cutting import BEGIN, DATE_MARK, END, SPACE, START, Table
from dimpflow.native.lexicon import BEGIN as LETTERS_BEGIN
from dimpflow.native.lexicon import CHAIN, ENTRIES, ENTRY, LENGTH, NEXT, Letters, lists_with

WIDEST = 3
"""Characters that may stand between the parts of a term."""
ENDINGS, TRUNKS, MONTHS = 1, 2, 4
"""The lists in the lexicon of all: of each month there is one, this is the first."""

_DATE = 10  # letters of YYYY-MM-DD
_DASH, _BLANK, _SLASH, _ZERO, _NINE = 0x2D, 0x20, 0x2F, 0x30, 0x39


@called
def number(line: Letters, start: int, end: int) -> int:
    """The number of eight digits or less that is written there; -1 for what is none."""
    if not 0 < end - start <= 8:
        return -1
    found = 0
    for at in range(start, end):
        if not _ZERO <= line[at] <= _NINE:
            return -1
        found = found * 10 + line[at] - _ZERO
    return found


@inlined
def _is(line: Letters, words: Table, word: int, wanted: int) -> bool:
    """Whether a word is a number of one or two digits."""
    start, end = words[word, START], words[word + 1, START]
    return end - start <= 2 and number(line, start, end) == wanted


@called
def _names(common: Letters, line: Letters, words: Table, word: int, month: int) -> bool:
    """Whether a word is the name of a month."""
    lists = lists_with(common, line, words[word, START], words[word + 1, START])
    return 0 < month < 13 and (lists & (MONTHS << (month - 1))) != 0


@called
def _mark(chars: Letters, kinds: Table, words: Table, word: int) -> int:
    """The mark of dates before a word, with or without white space around it; 0 for anything else."""
    found = 0
    for at in range(words[word - 1, END], words[word, BEGIN]):
        kind = kinds[chars[at], 0]
        if kind & DATE_MARK and not found:
            found = chars[at]
        elif not kind & SPACE:
            return 0
    return found


@inlined
def gap(words: Table, word: int) -> int:
    """How many characters stand between a word and the one before."""
    return int(words[word, BEGIN] - words[word - 1, END])


@inlined
def _blank(chars: Letters, words: Table, word: int) -> bool:
    return gap(words, word) == 1 and chars[words[word, BEGIN] - 1] == _BLANK


@called
def _before(
    common: Letters,
    chars: Letters,
    line: Letters,
    kinds: Table,
    words: Table,
    at: int,
    month: int,
    day: int,
    full: bool,
) -> bool:
    """Whether the two words before a year make it the date. full: the year has its four digits."""
    first, second = at - 2, at - 1
    first_day, second_day = _is(line, words, first, day), _is(line, words, second, day)
    if (first_day and _names(common, line, words, second, month)) or (
        second_day and _names(common, line, words, first, month)
    ):
        return gap(words, second) <= WIDEST and gap(words, at) <= WIDEST
    one, two = _mark(chars, kinds, words, second), _mark(chars, kinds, words, at)
    if not (one and two) and not (full and _blank(chars, words, second) and _blank(chars, words, at)):
        return False
    if first_day and _is(line, words, second, month):
        return True
    return one == two == _SLASH and second_day and _is(line, words, first, month)


@called
def mark_births(
    lexicon: Letters,
    common: Letters,
    chars: Letters,
    line: Letters,
    kinds: Table,
    words: Table,
    count: int,
    reach: Letters,
) -> None:
    """Writes into reach, at the first word of each date that is in the chain of the lexicon (YYYY-MM-DD), its
    last word."""
    birth = lexicon[CHAIN]
    while birth:
        entry = lexicon[ENTRIES] + (birth - 1) * ENTRY
        start, birth = lexicon[entry + LETTERS_BEGIN], lexicon[entry + NEXT]
        if lexicon[entry + LENGTH] != _DATE:
            continue
        year, month = number(lexicon, start, start + 4), number(lexicon, start + 5, start + 7)
        day = number(lexicon, start + 8, start + _DATE)
        if min(year, month, day) < 0:
            continue
        for at in range(count):
            begin, end = words[at, START], words[at + 1, START]
            size = end - begin
            if line[begin] > _NINE or size > 8 or size & 1:
                continue
            found = number(line, begin, end)
            if (size == 6 and found == day * 10_000 + month * 100 + year % 100) or (
                size == 8
                and (
                    found == year * 10_000 + month * 100 + day
                    or found == day * 1_000_000 + month * 10_000 + year
                )
            ):
                reach[at] = max(reach[at], at)
            full = size == 4 and found == year
            if not full and not (size == 2 and found == year % 100):
                continue
            if at >= 2 and _before(common, chars, line, kinds, words, at, month, day, full):
                reach[at - 2] = max(reach[at - 2], at)
            if full and at + 2 < count and _is(line, words, at + 1, month) and _is(line, words, at + 2, day):
                if _mark(chars, kinds, words, at + 1) and _mark(chars, kinds, words, at + 2):
                    reach[at] = max(reach[at], at + 2)
