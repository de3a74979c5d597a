"""A walk through lines of JSON by a table, which says what each member of each type is and what is to be taken of it.

Lines that are not as expected (escapes in names, a resource that does not begin with its type, no JSON) are told, and nothing is
taken of them.
"""

from typing import Final

import numpy as np
from numba import types

from dimpflow.native.compiled import compiled, inlined
from dimpflow.native.filters import word_hash
from dimpflow.native.folding import in_words
from dimpflow.native.ids import LONG, LONGEST_WORD, MOST_WORDS, NONE, ODD, anchor, in_urn, is_strong, relative
from dimpflow.native.json import LINE_END, behind_space
from dimpflow.native.marks import LINE as LINE_ENDS
from dimpflow.native.marks import MARKS, UNUSUAL, Marks, behind_value, marked, next_mark, next_quote
from dimpflow.native.siphash import sip
from dimpflow.native.tables import entry_of, member_hash, member_key
from dimpflow.native.types import (
    BYTES,
    INTEGERS,
    NUMBERS,
    WRITABLE_BYTES,
    WRITABLE_FRAMES,
    WRITABLE_INTEGERS,
    WRITABLE_NUMBERS,
    Bytes,
    Frames,
    Integers,
    Numbers,
)

# What is done with a member: the lowest 8 bits of its entry in the table, above them the state of what it holds, or a code.
# EXTENDED: its objects are walked through only if there is an extension in them; QUIET: for their links alone.
DESCEND, EXTENDED, CONTAINED, QUIET, FLAG, TEXT, EACH_TEXT = range(1, 8)
ID, IDENTIFIER, REFERENCE, LINK, FULL_URL, URL = range(8, 14)
NEW, EACH = 1, 2
"""How a flagged member makes its object be told: once for the same object, or each time."""
RESOURCE, TYPES = 1, 2
"""States: of any resource, before its type is known; of the names of types themselves."""
# Codes of what is told: a line, and strings that this walk does not understand. A table's own codes begin at OWN_CODES.
LINE, OTHER_ID, OTHER_IDENTIFIER, OTHER_REFERENCE, OTHER_LINK, OTHER_TARGET = range(1, 7)
OWN_CODES: Final = 16
COLUMNS: Final = 5
"""Of what is told: its code, where it begins and ends, the number of its resource, the state of that."""
ID_COLUMNS: Final = 3
"""Of an id: 0, or 1 for an identifier; the hash of its words; that of the word that stands for them."""
NODE, NODE_OF_PATIENT = 1, 3
"""In the lowest bits of a link: the thing itself stands here, and it is a patient. References have none of them."""
RESOURCES = 3
"""Place of a count, after those of what is told, of ids and of links."""
COUNTS: Final = 4
_TYPE_KEY = np.uint64(member_key(0, b"resourceType"))
_DEPTH = 64
_SCRATCH = 512
_LINKS = ~np.uint64(3)
_STATE, _START, _FLAG, _IS_ARRAY, _RESOURCE, _KIND, _INSIDE, _QUIET, _NAME, _NAME_END = range(10)
"""Of what is open at a depth: its state, where it begins, whether a member flagged it, whether it is an array, the number of its
resource and the state of that, whether it is contained, whether
its links alone are taken, where the name of its type begins and ends."""
ROOM_FRAMES, ROOM_WORDS = (_DEPTH, 10), _SCRATCH
"""Of what a walk needs beside: for what is open at each depth, and bytes for words."""


@inlined
def _is_new(seen: Numbers, number: np.uint64) -> bool:
    """Whether a hash is not the last one of its place."""
    slot = np.int64(number & np.uint64(len(seen) - 1))
    if seen[slot] == number:
        return False
    seen[slot] = number
    return True


@inlined
def _tell(
    events: Integers, counts: Integers, code: int, start: int, end: int, resource: int, state: int
) -> bool:
    """False if there is no room."""
    row = counts[0] * COLUMNS
    if row + COLUMNS > len(events):
        return False
    events[row] = code
    events[row + 1] = start
    events[row + 2] = end
    events[row + 3] = resource
    events[row + 4] = state
    counts[0] += 1
    return True


@inlined
def _link(links: Numbers, counts: Integers, number: np.uint64) -> bool:
    """False if there is no room."""
    if counts[2] >= len(links):
        return False
    links[counts[2]] = number
    counts[2] += 1
    return True


@inlined
def _take_id(
    data: Bytes, marks: Marks, start: int, end: int, kind: int, key: Numbers, folds: Numbers, seen: Numbers, ids: Numbers, counts: Integers,
    lengths: Bytes, sizes: Bytes, words: Bytes,
) -> tuple[bool, int]:  # fmt: skip
    """Put the hashes of an id among the ids: whether there was room, and the code with which it is to be told instead, or 0."""
    if not _is_new(seen, sip(key, data, start, end) + np.uint64(kind)):
        return True, 0
    size = NONE
    if not marked(marks, UNUSUAL, start, end) and is_strong(data, start, end):
        size = in_words(folds, data, start, end, words, 0)
    if size > 0:
        first, last, count = anchor(words, 0, size, LONG)
        if count <= MOST_WORDS and last - first <= LONGEST_WORD:
            row = counts[1] * ID_COLUMNS
            if row + ID_COLUMNS > len(ids):
                return False, 0
            ids[row] = np.uint64(kind)
            ids[row + 1] = sip(key, words, 0, size)
            ids[row + 2] = word_hash(key, words, first, last)
            counts[1] += 1
            lengths[count] = 1
            sizes[last - first] = 1
            return True, 0
    return True, OTHER_IDENTIFIER if kind else OTHER_ID


@inlined
def _open(frames: Frames, depth: int, state: int, start: int, is_array: bool, inside: bool) -> None:
    """Something in what is open at the depth before."""
    frames[depth, _STATE] = state
    frames[depth, _START] = start
    frames[depth, _FLAG] = 0
    frames[depth, _IS_ARRAY] = is_array
    frames[depth, _INSIDE] = inside
    frames[depth, _QUIET] = 0
    if depth > 0:
        frames[depth, _QUIET] = frames[depth - 1, _QUIET]
        frames[depth, _RESOURCE] = frames[depth - 1, _RESOURCE]
        frames[depth, _KIND] = frames[depth - 1, _KIND]


@inlined
def _node_link(
    key: Numbers, data: Bytes, frames: Frames, d: int, start: int, end: int, patient: int, words: Bytes
) -> np.uint64:
    """The link of a resource with an id: the hash of its type, `/` and id."""
    size = 0
    for place in range(frames[d, _NAME], frames[d, _NAME_END]):
        words[size] = data[place]
        size += 1
    words[size] = 0x2F
    size += 1
    for place in range(start, end):
        words[size] = data[place]
        size += 1
    return (sip(key, words, 0, size) & _LINKS) | np.uint64(
        NODE_OF_PATIENT if frames[d, _KIND] == patient else NODE
    )


@compiled(
    types.int64(
        BYTES, MARKS, types.int64, NUMBERS, NUMBERS, NUMBERS, INTEGERS, INTEGERS, types.int64, types.boolean, WRITABLE_NUMBERS,
        WRITABLE_INTEGERS, WRITABLE_NUMBERS, WRITABLE_NUMBERS, WRITABLE_BYTES, WRITABLE_BYTES, WRITABLE_INTEGERS,
        WRITABLE_FRAMES,
        WRITABLE_BYTES,
    ),
)  # fmt: skip
def walk(
    data: Bytes, marks: Marks, at: int, key: Numbers, folds: Numbers, keys: Numbers, entries: Integers, told: Integers, patient: int, values: bool,
    seen: Numbers, events: Integers, ids: Numbers, links: Numbers, lengths: Bytes, sizes: Bytes, counts: Integers,
    frames: Frames, words: Bytes,
) -> int:  # fmt: skip
    """Walk through whole lines, from `at` on; where to go on once there is room again, the end of the data if all was walked through.

    marks: of the data, see `marks`; folds: see `folding`; keys, entries, told, patient: see `Table`; values: whether more than links is to be taken; seen: what came
    before, so that ids and texts are told about once; events, ids, links: rooms, for rows of COLUMNS, of ID_COLUMNS, single
    hashes; lengths, sizes: marks the numbers of words of ids, and the bytes of the words that stand for them; counts: COUNTS of them, rows in the
    three rooms (set to 0 by the caller), and the number of resources so far; frames, words: of ROOM_FRAMES and ROOM_WORDS.
    """
    n = len(data)
    while at < n:
        at = behind_space(data, at)
        if at >= n or data[at] == LINE_END:
            at += 1
            continue
        line, stop = at, min(next_mark(marks, LINE_ENDS, at), n)
        told_before, ids_before, links_before = counts[0], counts[1], counts[2]
        room, good, depth = True, data[at] == 0x7B, 0
        if good:
            _open(frames, 0, RESOURCE, at, False, False)
            depth = 1
            at += 1
        while good and room and depth > 0:
            at = behind_space(data, at)
            if at >= stop:
                good = False
                break
            byte = data[at]
            d = depth - 1
            state = frames[d, _STATE]
            if byte == 0x2C:
                at += 1
                continue
            if frames[d, _IS_ARRAY]:
                if byte == 0x5D:
                    depth -= 1
                    at += 1
                elif byte == 0x7B and depth < _DEPTH:
                    _open(frames, depth, state, at, False, frames[d, _INSIDE] != 0)
                    depth += 1
                    at += 1
                else:
                    end, _ = behind_value(data, marks, at, stop)
                    good = end > at and byte != 0x7B
                    at = end
                continue
            if byte == 0x7D:
                at += 1
                code = told[state] if values and not frames[d, _QUIET] else 0
                if (
                    code < 0
                    and frames[d, _FLAG] == NEW
                    and not _is_new(seen, sip(key, data, frames[d, _START], at))
                ):
                    code = 0
                if code > 0 or (code < 0 and frames[d, _FLAG]):
                    room = _tell(
                        events,
                        counts,
                        abs(code),
                        frames[d, _START],
                        at,
                        frames[d, _RESOURCE],
                        frames[d, _KIND],
                    )
                good = state != RESOURCE
                depth -= 1
                continue
            if byte != 0x22:
                good = False
                break
            # the name of a member
            at += 1
            start = at
            end = next_quote(marks, at)
            at = behind_space(data, end + 1)
            if at >= stop or data[at] != 0x3A or marked(marks, UNUSUAL, start, end):
                good = False
                break
            at = behind_space(data, at + 1)
            if at >= stop:
                good = False
                break
            byte = data[at]
            if state == RESOURCE:
                if byte != 0x22 or member_hash(0, data, start, end) != _TYPE_KEY:
                    good = False
                    break
                start = at + 1
                end = next_quote(marks, start)
                at = end + 1
                state = entry_of(keys, entries, member_hash(TYPES, data, start, end)) if end < stop else 0
                good = state > 0
                counts[RESOURCES] += 1
                frames[d, _STATE], frames[d, _KIND], frames[d, _RESOURCE] = state, state, counts[RESOURCES]
                frames[d, _NAME], frames[d, _NAME_END] = start, end
                continue
            entry = entry_of(keys, entries, member_hash(state, data, start, end))
            action, child = entry & 0xFF, entry >> 8
            if action <= QUIET:
                end, extended = at, True
                if action == 0 or action == EXTENDED:
                    end, extended = behind_value(data, marks, at, stop)
                    extended = extended and action == EXTENDED
                if extended and (byte == 0x7B or byte == 0x5B) and depth < _DEPTH:
                    _open(frames, depth, child, at, byte == 0x5B, action == CONTAINED)
                    if action == QUIET:
                        frames[depth, _QUIET] = 1
                    depth += 1
                    at += 1
                    continue
                good = not extended or (byte != 0x7B and byte != 0x5B)
                if end == at:
                    end, _ = behind_value(data, marks, at, stop)
                good = good and end > at
                at = end
                continue
            if action == FLAG:
                frames[d, _FLAG] = child
            if action == FLAG or byte != 0x22:
                end, _ = behind_value(data, marks, at, stop)
                good = end > at
                at = end
                continue
            start = at + 1
            end = next_quote(marks, start)
            at = end + 1
            if end >= stop:
                good = False
                break
            code, tail, loud = 0, NONE, values and not frames[d, _QUIET]
            if action == TEXT or action == EACH_TEXT:
                if loud and (
                    action == EACH_TEXT or _is_new(seen, sip(key, data, start, end) + np.uint64(child))
                ):
                    code = child
            elif action == ID:
                good = (
                    not marked(marks, UNUSUAL, start, end)
                    and frames[d, _NAME_END] - frames[d, _NAME] + end - start < _SCRATCH
                )
                if good and not frames[d, _INSIDE]:
                    room = _link(links, counts, _node_link(key, data, frames, d, start, end, patient, words))
                if good and (not frames[d, _INSIDE] or is_strong(data, start, end)):
                    tail = start
            elif action == IDENTIFIER:
                tail = start
            elif action == URL or action == FULL_URL:
                tail = in_urn(data, start, end)
                good = tail != ODD
                if action == FULL_URL and tail >= 0:
                    room = _link(links, counts, (sip(key, data, start, end) & _LINKS) | np.uint64(NODE))
                elif tail == NONE:
                    tail = relative(data, start, end)
                if loud and tail < 0 and _is_new(seen, sip(key, data, start, end) + np.uint64(OTHER_TARGET)):
                    code = OTHER_TARGET
            elif end == start or data[start] != 0x23:  # a reference, but not to what is contained
                tail = relative(data, start, end)
                if tail == NONE:
                    tail = in_urn(data, start, end)
                if tail < 0:
                    code = OTHER_REFERENCE if action == REFERENCE and not frames[d, _QUIET] else OTHER_LINK
                else:
                    room = _link(links, counts, sip(key, data, start, end) & _LINKS)
                    tail = tail if action == REFERENCE else NONE
            if good and room and loud and tail >= 0:
                room, code = _take_id(
                    data,
                    marks,
                    tail,
                    end,
                    1 if action == IDENTIFIER else 0,
                    key,
                    folds,
                    seen,
                    ids,
                    counts,
                    lengths,
                    sizes,
                    words,
                )
                start = tail
            if good and room and code > 0 and (loud or code == OTHER_REFERENCE or code == OTHER_LINK):
                room = _tell(events, counts, code, start, end, frames[d, _RESOURCE], frames[d, _KIND])
        if good and room:
            at = behind_space(data, at)
            good = at >= n or data[at] == LINE_END
        if not (good and room):
            counts[0], counts[1], counts[2] = told_before, ids_before, links_before
            room = room and _tell(events, counts, LINE, line, stop, 0, 0)
            if not room:
                for slot in range(len(seen)):  # some of it is not told yet
                    seen[slot] = np.uint64(0)
                if told_before + ids_before + links_before > 0:
                    return line
                _tell(events, counts, LINE, line, stop, 0, 0)
            at = stop
        at += 1
    return n
