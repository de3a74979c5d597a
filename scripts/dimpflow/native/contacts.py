"""Where people are and when they were born, as `dimpflow.audit.leaks.values` takes it."""

import numpy as np

from dimpflow.native.compiled import called
from dimpflow.native.filters import word_hash
from dimpflow.native.folding import in_words
from dimpflow.native.ids import LONG, LONGEST_WORD, anchor, is_digit
from dimpflow.native.siphash import sip
from dimpflow.native.types import Bytes
from dimpflow.native.values import (
    BIRTH,
    CITY,
    COLUMNS,
    COUNTRY,
    E_MAIL,
    LINE,
    NO_ROOM,
    OTHERWISE,
    PHONE,
    PLACE,
    PO_BOX,
    POSTAL_CODE,
    STREET,
    TAKEN,
    TEXT,
    Known,
    Room,
    is_word,
    put,
    read_members,
    word_end,
    words_of,
)


@called
def _put_line(end: int, resource: int, known: Known, room: Room) -> bool:
    """A line of an address, whose words are in the room: with its house number, and the street alone."""
    words = room.words
    street, letters, at = end, 0, 0
    while at < end:
        behind = word_end(words, at, end)
        if at > 0 and is_digit(words[at]):
            street = at - 1
            break
        letters += behind - at
        at = behind + 1
    fits = street == end or put(known, room, 0, end, PLACE, resource)
    if letters >= 5 and not is_word(known, words, 0, street, PO_BOX):
        fits = fits and put(known, room, 0, street, STREET, resource)
    return fits


@called
def put_address(data: Bytes, first: int, last: int, resource: int, known: Known, room: Room) -> int:
    """An Address: its lines, postal code with city, the whole text."""
    count = read_members(data, first, last, known, room)
    fits = True
    for row in range(count):
        if room.spans[row, 0] == LINE and fits:
            end = in_words(known.folds, data, room.spans[row, 1], room.spans[row, 2], room.words, 0)
            if end < 0:
                return OTHERWISE
            fits = _put_line(end, resource, known, room)
    code, _ = words_of(data, POSTAL_CODE, count, 0, known, room)
    if count < 0 or code < 0:
        return OTHERWISE
    room.words[code] = 0x20
    city, _ = words_of(data, CITY, count, code + 1, known, room)
    if city < 0:
        return OTHERWISE
    if code > 0 and city > code + 1:
        fits = fits and put(known, room, 0, city, PLACE, resource)
    text, _ = words_of(data, TEXT, count, 0, known, room)
    if text < 0:
        return OTHERWISE
    if word_end(room.words, 0, text) < text:
        fits = fits and put(known, room, 0, text, PLACE, resource)
    return TAKEN if fits else NO_ROOM


@called
def put_contact_point(data: Bytes, first: int, last: int, resource: int, known: Known, room: Room) -> int:
    """An e-mail address, noticed by what is before the @; a number, also as it is written inside the country."""
    words = room.words
    mail = first
    while mail < last and data[mail] != 0x40:
        mail += 1
    end = in_words(known.folds, data, first, last, words, 0)
    if end <= 0:
        return TAKEN if end == 0 else OTHERWISE
    row = room.counts[0] * COLUMNS
    if not put(known, room, 0, end, E_MAIL if mail < last else PHONE, resource):
        return NO_ROOM
    if mail < last:
        local = in_words(known.folds, data, first, mail, words, 0)
        if local > 0:
            begin, behind, _ = anchor(words, 0, local, LONG)
            behind = min(behind, begin + LONGEST_WORD)
            room.found[row + 2] = word_hash(known.key, words, begin, behind)
            room.sizes[behind - begin] = 1
        return TAKEN
    country = word_end(words, 0, end)
    if country == end or not is_word(known, words, 0, country, COUNTRY):
        return TAKEN
    if words[country + 1] == 0x30:
        country += 1
    words[country] = 0x30
    return TAKEN if put(known, room, country, end, PHONE, resource) else NO_ROOM


@called
def put_birth(data: Bytes, first: int, last: int, resource: int, known: Known, room: Room) -> int:
    """A full date, as `yyyymmdd`."""
    size = 0
    for at in range(first, last):
        if at - first == 4 or at - first == 7:
            if data[at] != 0x2D:
                return OTHERWISE
        elif size == 8 or not is_digit(data[at]):
            return OTHERWISE
        else:
            room.words[size] = data[at]
            size += 1
    if size < 8:  # a year or month; 7 digits may be a day that is written in another way
        return TAKEN if size <= 6 else OTHERWISE
    row = room.counts[0] * COLUMNS
    if row + COLUMNS > len(room.found):
        return NO_ROOM
    room.found[row] = np.uint64(BIRTH)
    room.found[row + 1] = sip(known.key, room.words, 0, 8)
    room.found[row + 2] = np.uint64(0)
    room.found[row + 3] = np.uint64(resource)
    room.counts[0] += 1
    return TAKEN
