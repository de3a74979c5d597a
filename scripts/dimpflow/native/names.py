"""Names of people, as `dimpflow.audit.leaks.values` takes them, as far as they fold to ASCII and are as FHIR has them."""

from dimpflow.native.compiled import called, inlined
from dimpflow.native.folding import in_words
from dimpflow.native.ids import is_digit, is_letter
from dimpflow.native.json import is_plain
from dimpflow.native.types import Bytes
from dimpflow.native.values import (
    DISPLAY,
    FAMILY,
    FULL_NAME,
    GIVEN,
    NAME,
    NO_ROOM,
    OTHERWISE,
    PARTICLE,
    PERSON,
    STAFF,
    TAKEN,
    TARGET,
    TELLING,
    TEXT,
    TITLE,
    TYPE,
    Known,
    Room,
    is_word,
    put,
    read_members,
    word_end,
    words_of,
)


@called
def _untitled(known: Known, words: Bytes, start: int, end: int) -> int:
    """Where a name begins behind its titles."""
    while start < end:
        behind = word_end(words, start, end)
        if not is_word(known, words, start, behind, TITLE):
            break
        start = min(behind + 1, end)
    return start


@inlined
def _family_again(words: Bytes, family: int, to: int) -> int:
    """Put the family name, which stands first, behind other words; where it ends."""
    words[to] = 0x20
    for at in range(family):
        words[to + 1 + at] = words[at]
    return to + 1 + family


@called
def put_displayed(data: Bytes, first: int, last: int, resource: int, known: Known, room: Room) -> int:
    """A name as it is displayed; a single word may be a function, such as "Hausarzt"."""
    end = in_words(known.folds, data, first, last, room.words, 0)
    if end < 0:
        return OTHERWISE
    start = _untitled(known, room.words, 0, end)
    if word_end(room.words, start, end) < end and not put(known, room, start, end, FULL_NAME, resource):
        return NO_ROOM
    return TAKEN


@called
def put_name(data: Bytes, first: int, last: int, staff: bool, resource: int, known: Known, room: Room) -> int:
    """A HumanName: the usual orders of its parts, and each part alone."""
    words = room.words
    count = read_members(data, first, last, known, room)
    family, _ = words_of(data, FAMILY, count, 0, known, room)
    if count < 0 or family < 0:
        return OTHERWISE
    words[family] = 0x20
    given = family + 1
    end, one = words_of(data, GIVEN, count, given, known, room)
    if end < 0:
        return OTHERWISE
    words[end] = 0x20
    text, _ = words_of(data, TEXT, count, end + 1, known, room)
    if text < 0 or text + 2 * end + 4 > len(words):
        return OTHERWISE
    start = _untitled(known, words, end + 1, text)
    fits = True
    if word_end(words, start, text) < text:
        fits = put(known, room, start, text, FULL_NAME, resource)
    at = 0
    while at < text and fits:  # each word, those of the text without titles
        if at == end + 1:
            at = start
        behind = word_end(words, at, text)
        figures = 0
        for place in range(at, behind):
            figures += is_digit(words[place])
        if (
            behind - at > 2
            and figures < behind - at
            and not is_word(known, words, at, behind, TITLE | PARTICLE)
        ):
            fits = put(known, room, at, behind, STAFF if staff else NAME, resource)
        at = behind + 1
    if family > 0 and end > given:
        fits = fits and put(known, room, 0, end, FULL_NAME, resource)
        fits = fits and put(known, room, given, _family_again(words, family, end), FULL_NAME, resource)
        if given < one < end:
            fits = fits and put(known, room, 0, one, FULL_NAME, resource)
            fits = fits and put(known, room, given, _family_again(words, family, one), FULL_NAME, resource)
    return TAKEN if fits else NO_ROOM


@called
def put_reference(data: Bytes, first: int, last: int, resource: int, known: Known, room: Room) -> int:
    """What is displayed for a reference, if that is to a person."""
    count = read_members(data, first, last, known, room)
    if count < 0:
        return OTHERWISE
    person, shown, shown_end = False, 0, 0
    for row in range(count):
        begin, end = room.spans[row, 1], room.spans[row, 2]
        if room.spans[row, 0] == DISPLAY:
            shown, shown_end = begin, end
            continue
        if not is_plain(data, begin, end):
            return OTHERWISE
        if room.spans[row, 0] == TYPE:
            person = person or is_word(known, data, begin, end, PERSON)
        elif room.spans[row, 0] == TARGET:
            while begin <= end:
                behind = begin
                while behind < end and data[behind] != 0x2F:
                    behind += 1
                person = person or is_word(known, data, begin, behind, PERSON)
                begin = behind + 1
    return put_displayed(data, shown, shown_end, resource, known, room) if person else TAKEN


@called
def tells(data: Bytes, first: int, last: int, known: Known) -> bool:
    """Whether an extension may hold a family name, by what is in it."""
    at = first
    while at < last:
        start = at
        while at < last and (is_letter(data[at]) or data[at] == 0x2D):
            at += 1
        if at > start and is_word(known, data, start, at, TELLING):
            return True
        at += 1
    return False
