"""Resources walked through by FHIR's definitions: their ids, the references in them, and what may hold a value that identifies.

The walk is compiled (see `native`), many times as fast as to decode a line. Nothing is known here of what values are; see `leaks`.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np
import orjson

from dimpflow.audit.paths import CITING, PERSONS, paths
from dimpflow.audit.references import links_in, meant
from dimpflow.audit.words import fold
from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.native import people
from dimpflow.native import walk as native
from dimpflow.native.folding import fold_table
from dimpflow.native.hashing import Hasher
from dimpflow.native.ids import LONGEST_WORD, MOST_WORDS
from dimpflow.native.marks import Marked
from dimpflow.native.tables import table
from dimpflow.native.types import Bytes, Integers, Numbers

OWN_CODES = native.OWN_CODES
"""Codes from here on are of what the walk understands."""
NODE, NODE_OF_PATIENT = native.NODE, native.NODE_OF_PATIENT
REFERENCE_MASK = ((1 << 64) - 1) & ~3
_SEEN = 1 << 16
_EVENTS, _IDS, _LINKS = 1 << 15, 1 << 16, 1 << 17
"""Rows that are told at a time; a line that has more of them is told as a whole."""


class Code(IntEnum):
    """What is told. LINE: to be taken apart by other means; OTHER_…: a string that is no usual id or reference, OTHER_LINK where only
    the link counts; the rest: objects, and the texts of a contact point, an author, a birth date."""

    LINE = native.LINE
    OTHER_ID = native.OTHER_ID
    OTHER_IDENTIFIER = native.OTHER_IDENTIFIER
    OTHER_REFERENCE = native.OTHER_REFERENCE
    OTHER_LINK = native.OTHER_LINK
    OTHER_TARGET = native.OTHER_TARGET
    HUMAN_NAME = people.HUMAN_NAME
    ADDRESS = people.ADDRESS
    REFERENCE = people.REFERENCE
    EXTENSION = people.EXTENSION
    CONTACT_POINT = people.CONTACT_POINT
    AUTHOR = people.AUTHOR
    BIRTH_DATE = people.BIRTH_DATE


class Taken(NamedTuple):
    """events: rows of a code, of where it begins and ends in the block, of the number of its resource and of that of its type; ids, identifiers: the hashes of their words and of the words that stand for them; links: see `native.walk`."""

    events: Integers
    ids: Numbers
    identifiers: Numbers
    anchors: Numbers
    links: Numbers


class Table(NamedTuple):
    """keys, entries: what each member of each type is; told: of each type, the code that is told of its objects, negative if only of
    those that were flagged; patient: the number of patients."""

    keys: Numbers
    entries: Integers
    told: Integers
    patient: int


class Walker:
    """Walks through blocks; what it was told of before (ids above all) is mostly not told again. Not for several threads.

    lengths, sizes: marks the numbers of words of ids, and the bytes of the words that stand for them.
    """

    def __init__(self, hasher: Hasher) -> None:
        self._key = hasher.key
        self._seen = np.zeros(_SEEN, np.uint64)
        self._events = np.empty(_EVENTS * native.COLUMNS, np.int64)
        self._ids = np.empty(_IDS * native.ID_COLUMNS, np.uint64)
        self._links = np.empty(_LINKS, np.uint64)
        self._counts = np.zeros(native.COUNTS, np.int64)
        self._frames = np.zeros(native.ROOM_FRAMES, np.int64)
        self._words = np.zeros(native.ROOM_WORDS, np.uint8)
        self.lengths: Bytes = np.zeros(MOST_WORDS + 1, np.uint8)
        self.sizes: Bytes = np.zeros(LONGEST_WORD + 1, np.uint8)

    def take(self, block: Marked, *, values: bool = True) -> Iterator[Taken]:
        """Walk through whole lines. values: whether more than links is wanted. The events are those of one step only."""
        data, known, counts = block.data, _table(), self._counts
        at = 0
        while at < len(data):
            counts[: native.RESOURCES] = 0
            at = native.walk(
                data, block.marks, at, self._key, folds(), known.keys, known.entries, known.told, known.patient, values,
                self._seen, self._events, self._ids, self._links, self.lengths, self.sizes, counts, self._frames, self._words,
            )  # fmt: skip
            told, ids, links = counts[: native.RESOURCES].tolist()
            found = self._ids[: ids * native.ID_COLUMNS].reshape(-1, native.ID_COLUMNS)
            of_ids = found[:, 0] == 0
            yield Taken(
                self._events[: told * native.COLUMNS].reshape(-1, native.COLUMNS),
                found[of_ids, 1],
                found[~of_ids, 1],
                found[:, 2].copy(),
                self._links[:links].copy(),
            )


def links_of(block: Marked, walker: Walker, hasher: Hasher) -> Iterator[Numbers]:
    """The links of whole lines. ValueError: a line is not JSON."""
    for taken in walker.take(block, values=False):
        others = [
            number
            for code, start, end, *_ in taken.events.tolist()
            for number in other_links(code, block.block[start:end], hasher)
        ]
        yield taken.links
        yield np.array(others, np.uint64)


def other_links(code: int, data: bytes, hasher: Hasher) -> list[int]:
    """The links of what was told with a code, in so far as the walk has not taken them."""
    if code == Code.LINE:
        return links_in(data, hasher)
    if code in (Code.OTHER_REFERENCE, Code.OTHER_LINK):
        return [hasher(meant(orjson.loads(b'"%b"' % data)).encode()) & REFERENCE_MASK]
    return []


def prepare() -> None:
    """Make what a walk needs, before other processes are forked."""
    folds()
    _table()
    type_numbers()


@cache
def folds() -> Numbers:
    """What characters fold to; see `native.folding`."""
    return fold_table(fold)


_REQUEST = "Bundle.entry.request"


@cache
def _numbers() -> dict[str, int]:
    """Of each type, its state."""
    keys = dict.fromkeys(sorted(RESOURCE_TYPES))
    todo = list(keys)
    while todo:
        for child in paths(todo.pop(), full=True).values():
            if child != "Resource" and child not in keys:
                keys[child] = None
                todo.append(child)
    every = [*keys, *([] if _REQUEST in keys else [_REQUEST])]
    return {
        "Resource": native.RESOURCE,
        **{key: number for number, key in enumerate(every, native.TYPES + 1)},
    }


@cache
def type_numbers() -> dict[str, int]:
    """Of each type of resources, its number in lines."""
    return {type_: _state(type_) for type_ in RESOURCE_TYPES}


def _state(key: str) -> int:
    return _numbers()[key]


@cache
def _table() -> Table:
    """What the members of FHIR's types are."""
    numbers = _numbers()
    members: dict[tuple[int, bytes], int] = {}
    told = [0] * (max(numbers.values()) + 1)

    def put(key: str, name: str, action: int, more: int = 0) -> None:
        members[numbers[key], name.encode()] = action | more << 8

    for key in numbers:
        if key == "Resource":
            continue
        plain = paths(key, full=False)
        for name, child in paths(key, full=True).items():
            if child == "Resource":
                put(key, name, native.CONTAINED if name == "contained" else native.DESCEND, native.RESOURCE)
            else:
                wanted = name in plain or child == "Extension"
                put(key, name, native.DESCEND if wanted else native.EXTENDED, numbers[child])
    for type_ in RESOURCE_TYPES:
        members[native.TYPES, type_.encode()] = numbers[type_]
        put(type_, "id", native.ID)
    for type_ in PERSONS:
        put(type_, "birthDate", native.EACH_TEXT, Code.BIRTH_DATE)
    for type_ in CITING:
        put(type_, "reference", native.LINK)
    put("ContactPoint", "value", native.TEXT, Code.CONTACT_POINT)
    put("Annotation", "authorString", native.TEXT, Code.AUTHOR)
    put("Identifier", "value", native.IDENTIFIER)
    put("Identifier", "assigner", native.QUIET, numbers["Reference"])
    put("Reference", "reference", native.REFERENCE)
    put("Reference", "display", native.FLAG, native.NEW)
    put("Extension", "valueString", native.FLAG, native.EACH)
    put("Bundle.entry", "fullUrl", native.FULL_URL)
    put("Bundle.entry", "request", native.DESCEND, numbers[_REQUEST])
    put(_REQUEST, "url", native.URL)
    told[numbers["HumanName"]] = Code.HUMAN_NAME
    told[numbers["Address"]] = Code.ADDRESS
    told[numbers["Reference"]] = -Code.REFERENCE
    told[numbers["Extension"]] = -Code.EXTENSION
    return Table(*table(members), np.array(told, np.int64), numbers["Patient"])
