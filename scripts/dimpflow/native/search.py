"""Where the terms of a lexicon stand in a text: as words, divided, or within words, with what belongs to
them.

It finds what `dimpflow.scrub.search` finds, which says why.
"""

from numba import types

from dimpflow.native.births import ENDINGS, TRUNKS, WIDEST, gap, mark_births
from dimpflow.native.compiled import called, compiled, inlined
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
    buckets_of,
    code_point,
    lists_with,
    may_have,
    probed,
    slot_of,
)
from dimpflow.native.types import WRITABLE_BYTES, Bytes

NAMES, RUNS, CODES, PHONES, BIRTHS, BESIDE = 1, 2, 4, 8, 16, 32
"""The lists in the lexicon of a patient."""

LONGEST_ENDING, LONGEST_TRUNK = 5, 5
INSIDE, SHORTEST_RUN = 8, 6
"""Letters from which a name is found within a word, and a code with something between its parts."""
ROOM = 11
"""Numbers that a search needs for each byte of a text, and for one more."""

_S, _OPEN, _CLOSE, _PLUS = 0x73, 0x28, 0x29, 0x2B


@called
def _inflected(common: Letters, line: Letters, start: int, name: int, end: int) -> bool:
    """Whether the word line[start:end] may be an inflected form of the name line[start:name]. Behind an `s`
    of the name, that of the ending is lost."""
    if lists_with(common, line, name, end) & ENDINGS:
        return True
    return (
        line[name - 1] == _S and name - 1 > start and lists_with(common, line, name - 1, end) & ENDINGS != 0
    )


@called
def _mark_names(
    lexicon: Letters, common: Letters, line: Letters, words: Table, count: int, reach: Letters
) -> None:
    """Marks the words that are names, with or without an ending, and notes the lists that a word is in as it
    is."""
    mask, entries = int(lexicon[MASK]), int(lexicon[ENTRIES])
    for word in range(count):
        start, end = int(words[word, START]), int(words[word + 1, START])
        lists, hash_ = 0, SEED
        ending = max(start, end - LONGEST_ENDING - 1)
        for at in range(start, ending):
            hash_ = (hash_ ^ line[at]) * PRIME
        for at in range(ending, end):
            hash_ = (hash_ ^ line[at]) * PRIME
            slot = slot_of(hash_, mask)
            if may_have(lexicon, hash_, slot, mask):
                number = lexicon[probed(lexicon, slot, line, start, at + 1)]
                if number:
                    lists = int(lexicon[entries + (number - 1) * ENTRY + LISTS])
                    if lists & NAMES and (at + 1 == end or _inflected(common, line, start, at + 1, end)):
                        reach[word] = word
                    lists = lists if at + 1 == end else 0
        words[word, KNOWN] = lists


@called
def _gaps_within(words: Table, first: int, last: int, most: int) -> bool:
    """Whether no more than so many characters stand between any two words."""
    for word in range(first + 1, last + 1):
        if gap(words, word) > most:
            return False
    return True


@called
def _with_trunk(common: Letters, line: Letters, words: Table, first: int) -> int:
    """The word where a telephone number begins with the country's and the trunk digits before it."""
    while first and gap(words, first) <= WIDEST:
        if not lists_with(common, line, words[first - 1, START], words[first, START]) & TRUNKS:
            break
        first -= 1
    return first


@called
def _word_at(words: Table, count: int, at: int) -> int:
    """The word that has a letter of the line."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if words[middle, START] <= at:
            low = middle
        else:
            high = middle
    return low


@called
def _mark_term(
    common: Letters, line: Letters, words: Table, count: int, at: int, end: int, lists: int, reach: Letters
) -> None:
    """Marks the words of a term that stands in line[at:end], if it may stand there."""
    first, last = _word_at(words, count, at), _word_at(words, count, end - 1)
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


@called
def _mark_divided(
    lexicon: Letters, common: Letters, line: Letters, words: Table, count: int, reach: Letters
) -> None:
    """Marks what may be divided or stand within a word, wherever it begins in the line."""
    entries, buckets, size = int(lexicon[ENTRIES]), buckets_of(lexicon), int(words[count, START])
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
                    _mark_term(common, line, words, count, at, end, int(lexicon[entry + LISTS]), reach)
            number = lexicon[entry + NEXT]


@inlined
def _light(chars: Letters, kinds: Table, words: Table, word: int) -> bool:
    """Whether a word and the one before it may be of one name."""
    size = gap(words, word)
    return size == 0 or (size == 1 and kinds[chars[words[word, BEGIN] - 1], 0] & LIGHT != 0)


@called
def _apostrophe(chars: Letters, kinds: Table, words: Table, word: int) -> bool:
    """Whether between a word and the one before it stand apostrophes and nothing else."""
    start, end = words[word - 1, END], words[word, BEGIN]
    for at in range(start, end):
        which = kinds[chars[at], 0] // APOSTROPHE
        if not which or (at > start and which != kinds[chars[at - 1], 0] // APOSTROPHE + 1):
            return False
    return start < end


@called
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


@called
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
    """Writes begin and end of what is marked, with the words that belong to it; what stands side by side
    becomes one."""
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
        spans[2 * found - 2] = words[start, BEGIN] - _opening(chars, kinds, words, start, end)
        spans[2 * found - 1] = words[end, END]
    return found


@inlined
def _copied(text: bytes, start: int, end: int, out: Bytes, size: int) -> int:
    """Adds text[start:end] to what stands in out already: its new size."""
    for at in range(start, end):
        out[size] = text[at]
        size += 1
    return size


@called
def _edited(text: bytes, sources: Letters, spans: Letters, found: int, marker: bytes, out: Bytes) -> int:
    """Writes a text with the marker in place of what was found: its size."""
    size = done = 0
    for span in range(found):
        begin, end = int(spans[2 * span]), int(spans[2 * span + 1])
        size = _copied(text, done, int(sources[begin]), out, size)
        done = int(sources[begin])
        size = _copied(marker, 0, len(marker), out, size)
        for place in range(begin, end):
            source = int(sources[place])
            if source >= 0:
                size = _copied(text, done, source, out, size)
                done = code_point(text, source)[1]
    return _copied(text, done, len(text), out, size)


@compiled(
    types.UniTuple(types.int64, 2)(TEXT, LETTERS, LETTERS, TABLE, LETTERS, TEXT, LETTERS, WRITABLE_BYTES),
)
def replaced(
    text: bytes,
    lexicon: Letters,
    common: Letters,
    kinds: Table,
    tags: Letters,
    marker: bytes,
    room: Letters,
    out: Bytes,
) -> tuple[int, int]:
    """Writes a text in UTF-8 with each term replaced by the marker, and tags within a term left: how many
    terms there are, -1 as `characters` says, and the size. Nothing is written where there are no terms, or
    less room than that size.

    room: ROOM numbers for each byte of the text and for one more. At its beginning are then begin and end of
    each term, in code points without tags, in order.
    """
    size = len(text) + 1
    spans, sources = room[:size], room[size : 2 * size]  # between two terms stands something
    chars, reach = room[2 * size : 3 * size], room[3 * size : 4 * size]
    line, words = room[4 * size : 7 * size], room[7 * size : ROOM * size].reshape((size, COLUMNS))
    count, met = characters(text, kinds, tags, chars, sources)
    if count < 0:
        return -1, 0
    count = cut(chars, count, ANY_LETTER if met & UNUSUAL else LETTER, kinds, line, words)
    for word in range(count):
        reach[word] = -1
    _mark_names(lexicon, common, line, words, count, reach)
    _mark_divided(lexicon, common, line, words, count, reach)
    mark_births(lexicon, common, chars, line, kinds, words, count, reach)
    found = _joined(common, chars, line, kinds, words, count, reach, spans)
    most = len(text) + found * len(marker)
    if not found or most > len(out):
        return found, most
    return found, _edited(text, sources, spans, found, marker, out)
