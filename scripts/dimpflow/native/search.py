"""Where the terms of a lexicon stand in a text: as words, divided, or within words, with what belongs to them.

It finds what `dimpflow.scrub.search` finds, which says why.
"""

import numpy as np
from numba import types

from dimpflow.native.births import ENDINGS, TRUNKS, WIDEST, gap, mark_births
from dimpflow.native.compiled import compiled
from dimpflow.native.cutting import (
    ANY_LETTER,
    APOSTROPHE,
    BEGIN,
    COLUMNS,
    END,
    FIGURE,
    KNOWN,
    LETTER,
    LIGHT,
    START,
    TABLE,
    UNUSUAL,
    Table,
    characters,
    cut,
)
from dimpflow.native.lexicon import BEGIN as LETTERS_BEGIN
from dimpflow.native.lexicon import (
    ENTRIES,
    ENTRY,
    FIRST,
    HEAD,
    LENGTH,
    LETTERS,
    LISTS,
    MASK,
    NEXT,
    PRIME,
    SEED,
    TEXT,
    Letters,
    bucket_of,
    code_point,
    lists_with,
    probed,
    slot_of,
)
from dimpflow.native.types import WRITABLE_BYTES, Bytes

NAMES, RUNS, CODES, PHONES, BIRTHS, BESIDE = 1, 2, 4, 8, 16, 32
"""The lists in the lexicon of a patient."""

LONGEST_ENDING, LONGEST_TRUNK = 5, 5
INSIDE, SHORTEST_RUN = 8, 6
"""Letters from which a name is found within a word, and a code with something between its parts."""

_S, _OPEN, _CLOSE, _PLUS = 0x73, 0x28, 0x29, 0x2B


@compiled(types.boolean(LETTERS, LETTERS, types.int64, types.int64, types.int64))
def _inflected(common: Letters, line: Letters, start: int, name: int, end: int) -> bool:
    """Whether the word line[start:end] may be an inflected form of the name line[start:name]. Behind an `s` of the
    name, that of the ending is lost."""
    if lists_with(common, line, name, end) & ENDINGS:
        return True
    return (
        line[name - 1] == _S and name - 1 > start and lists_with(common, line, name - 1, end) & ENDINGS != 0
    )


@compiled(types.void(LETTERS, LETTERS, LETTERS, TABLE, types.int64, LETTERS))
def _mark_names(
    lexicon: Letters, common: Letters, line: Letters, words: Table, count: int, reach: Letters
) -> None:
    """Marks the words that are names, with or without an ending, and notes the lists that a word is in as it is."""
    mask, entries = int(lexicon[MASK]), int(lexicon[ENTRIES])
    for word in range(count):
        start, end = int(words[word, START]), int(words[word + 1, START])
        lists, hash_ = 0, SEED
        for at in range(start, end):
            hash_ = (hash_ ^ line[at]) * PRIME
            if end - at > LONGEST_ENDING + 1:
                continue
            slot = slot_of(hash_, mask)
            if lexicon[slot]:
                number = lexicon[probed(lexicon, slot, line, start, at + 1)]
                if number:
                    lists = int(lexicon[entries + (number - 1) * ENTRY + LISTS])
                    if lists & NAMES and (at + 1 == end or _inflected(common, line, start, at + 1, end)):
                        reach[word] = word
                    lists = lists if at + 1 == end else 0
        words[word, KNOWN] = lists


@compiled(types.boolean(TABLE, types.int64, types.int64, types.int64))
def _gaps_within(words: Table, first: int, last: int, most: int) -> bool:
    """Whether no more than so many characters stand between any two words."""
    for word in range(first + 1, last + 1):
        if gap(words, word) > most:
            return False
    return True


@compiled(types.int64(LETTERS, LETTERS, TABLE, types.int64))
def _with_trunk(common: Letters, line: Letters, words: Table, first: int) -> int:
    """The word where a telephone number begins with the country's and the trunk digits before it."""
    while first and gap(words, first) <= WIDEST:
        if not lists_with(common, line, words[first - 1, START], words[first, START]) & TRUNKS:
            break
        first -= 1
    return first


@compiled(types.void(LETTERS, LETTERS, LETTERS, TABLE, types.int64, types.int64, types.int64, LETTERS))
def _mark_term(
    common: Letters,
    line: Letters,
    owners: Letters,
    words: Table,
    at: int,
    end: int,
    lists: int,
    reach: Letters,
) -> None:
    """Marks the words of a term that stands in line[at:end], if it may stand there."""
    first, last = int(owners[at]), int(owners[end - 1])
    before, rest = at - words[first, START], words[last + 1, START] - end
    name = lists & RUNS
    if name and first == last and end - at >= INSIDE:
        reach[first] = max(reach[first], last)
        return
    if (before and not lists & PHONES) or not _gaps_within(words, first, last, WIDEST):
        return
    whole = not before and not rest
    if (
        name
        and not before
        and (whole or (rest <= LONGEST_ENDING and lists_with(common, line, end, end + rest) & ENDINGS))
    ) or (lists & CODES and whole and (end - at >= SHORTEST_RUN or _gaps_within(words, first, last, 0))):
        reach[first] = max(reach[first], last)
    if lists & PHONES and not rest:
        if whole or (before <= LONGEST_TRUNK and lists_with(common, line, at - before, at) & TRUNKS):
            first = _with_trunk(common, line, words, first)
            reach[first] = max(reach[first], last)


@compiled(types.void(LETTERS, LETTERS, LETTERS, LETTERS, TABLE, types.int64, LETTERS))
def _mark_divided(
    lexicon: Letters, common: Letters, line: Letters, owners: Letters, words: Table, size: int, reach: Letters
) -> None:
    """Marks what may be divided or stand within a word, wherever it begins in the line of that size."""
    entries, buckets = int(lexicon[ENTRIES]), HEAD + int(lexicon[MASK]) + 1
    for at in range(size - FIRST + 1):
        number = lexicon[buckets + bucket_of(line[at], line[at + 1], line[at + 2])]
        while number:
            entry = entries + (number - 1) * ENTRY
            end = at + int(lexicon[entry + LENGTH])
            if end <= size:
                place, shift = at, lexicon[entry + LETTERS_BEGIN] - at
                while place < end and lexicon[shift + place] == line[place]:
                    place += 1
                if place == end:
                    _mark_term(common, line, owners, words, at, end, int(lexicon[entry + LISTS]), reach)
            number = lexicon[entry + NEXT]


@compiled(types.boolean(LETTERS, TABLE, TABLE, types.int64))
def _light(chars: Letters, kinds: Table, words: Table, word: int) -> bool:
    """Whether a word and the one before it may be of one name."""
    size = gap(words, word)
    return size == 0 or (size == 1 and kinds[chars[words[word, BEGIN] - 1], 0] & LIGHT != 0)


@compiled(types.boolean(LETTERS, TABLE, TABLE, types.int64))
def _apostrophe(chars: Letters, kinds: Table, words: Table, word: int) -> bool:
    """Whether between a word and the one before it stand apostrophes and nothing else."""
    start, end = words[word - 1, END], words[word, BEGIN]
    for at in range(start, end):
        which = kinds[chars[at], 0] // APOSTROPHE
        if not which or (at > start and which != kinds[chars[at - 1], 0] // APOSTROPHE + 1):
            return False
    return start < end


@compiled(types.int64(LETTERS, TABLE, TABLE, types.int64, types.int64))
def _opening(chars: Letters, kinds: Table, words: Table, first: int, last: int) -> int:
    """How many characters before words belong to them: the + or the bracket before a telephone number."""
    least = words[first - 1, END] if first else 0
    at = int(words[first, BEGIN])
    if at == least or not kinds[chars[at], 0] & FIGURE:
        return 0
    closed = False
    if chars[at - 1] == _OPEN:
        for word in range(first + 1, last + 1):
            for place in range(words[word - 1, END], words[word, BEGIN]):
                closed |= chars[place] == _CLOSE
        if not closed:
            return 0
        at -= 1
    return int(closed) + int(at > least and chars[at - 1] == _PLUS)


@compiled(types.int64(LETTERS, LETTERS, LETTERS, TABLE, TABLE, types.int64, LETTERS, LETTERS))
def _joined(
    common: Letters,
    chars: Letters,
    line: Letters,
    kinds: Table,
    words: Table,
    count: int,
    reach: Letters,
    spans: Letters,
) -> int:
    """Writes begin and end of what is marked, with the words that belong to it; what stands side by side becomes
    one."""
    found, start, end = 0, -1, -1
    for first in range(count):
        last = int(reach[first])
        if last < 0 or last < end:
            continue
        while first and words[first - 1, KNOWN] & BESIDE and _light(chars, kinds, words, first):
            first -= 1
        if last + 1 < count and _apostrophe(chars, kinds, words, last + 1):
            if lists_with(common, line, words[last + 1, START], words[last + 2, START]) & ENDINGS:
                last += 1
        if end >= 0 and (first <= end or (first == end + 1 and _light(chars, kinds, words, first))):
            end = max(last, end)
        else:
            start, end = first, last
            found += 1
        if 2 * found <= len(spans):
            spans[2 * found - 2] = words[start, BEGIN] - _opening(chars, kinds, words, start, end)
            spans[2 * found - 1] = words[end, END]
    return found


@compiled(types.int64(LETTERS, types.int64, types.int64, LETTERS, LETTERS, TABLE, LETTERS))
def _found(
    chars: Letters, size: int, met: int, lexicon: Letters, common: Letters, kinds: Table, spans: Letters
) -> int:
    """Writes where terms stand among so many characters: how many there are."""
    line, owners = np.empty(3 * size, np.int32), np.empty(3 * size, np.int32)
    words = np.empty((size + 1, COLUMNS), np.int32)
    count = cut(chars, size, ANY_LETTER if met & UNUSUAL else LETTER, kinds, line, owners, words)
    reach = np.full(count, -1, np.int32)
    _mark_names(lexicon, common, line, words, count, reach)
    _mark_divided(lexicon, common, line, owners, words, words[count, START], reach)
    mark_births(lexicon, common, chars, line, kinds, words, count, reach)
    return _joined(common, chars, line, kinds, words, count, reach, spans)


@compiled(types.int64(TEXT, LETTERS, LETTERS, TABLE, LETTERS))
def search(text: bytes, lexicon: Letters, common: Letters, kinds: Table, spans: Letters) -> int:
    """Writes where terms stand in a text in UTF-8, as begin and end in code points, in order; how many there are, even
    where there is no room for them. -1 if the text has characters of which the table does not know how they fold.
    """
    chars, sources = np.empty(len(text), np.int32), np.empty(len(text), np.int32)
    size, met = characters(text, kinds, np.empty(0, np.int32), chars, sources)
    return _found(chars, size, met, lexicon, common, kinds, spans) if size >= 0 else -1


@compiled(types.int64(TEXT, types.int64, types.int64, WRITABLE_BYTES, types.int64))
def _copied(text: bytes, start: int, end: int, out: Bytes, size: int) -> int:
    """Adds text[start:end] to what stands in out already: its new size."""
    for at in range(start, end):
        out[size] = text[at]
        size += 1
    return size


@compiled(types.int64(TEXT, LETTERS, LETTERS, TABLE, LETTERS, TEXT, WRITABLE_BYTES))
def replaced(
    text: bytes, lexicon: Letters, common: Letters, kinds: Table, tags: Letters, marker: bytes, out: Bytes
) -> int:
    """Writes a text with each term replaced by the marker, and tags within a term left: its size, 0 if there are no
    terms, -1 as `characters` says. Where the size is more than there is room for, nothing is written, and it is what
    suffices."""
    chars, sources = np.empty(len(text), np.int32), np.empty(len(text), np.int32)
    count, met = characters(text, kinds, tags, chars, sources)
    if count < 0:
        return -1
    spans = np.empty(count + 2, np.int32)  # between two terms stands something
    found = _found(chars, count, met, lexicon, common, kinds, spans)
    most = len(text) + found * len(marker)
    if not found or most > len(out):
        return most if found else 0
    size = done = 0
    for span in range(found):
        begin, end = spans[2 * span], spans[2 * span + 1]
        size = _copied(text, done, sources[begin], out, size)
        done = int(sources[begin])
        size = _copied(marker, 0, len(marker), out, size)
        for place in range(begin, end):
            source = int(sources[place])
            if source >= 0:
                size = _copied(text, done, source, out, size)
                done = code_point(text, source)[1]
    return _copied(text, done, len(text), out, size)
