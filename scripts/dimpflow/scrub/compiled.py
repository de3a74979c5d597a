"""The search for terms by compiled loops, for texts of common scripts: the tables it wants, and how it is
called.

To be imported only where texts are scrubbed: Numba takes half a second and 140 MB.
"""

import re
import unicodedata

import msgspec
import numpy as np

from dimpflow.native import cutting
from dimpflow.native.cutting import Table
from dimpflow.native.lexicon import Letters, lexicon_of
from dimpflow.native.search import BIRTHS, CODES, PHONES, ROOM, RUNS, replaced
from dimpflow.scrub.markup import Span, plain_tags
from dimpflow.scrub.search import DATE_MARKS, LIGHT, TRUNKS
from dimpflow.scrub.spellings import APOSTROPHES, INFLECTIONS, JOINERS, LATIN, MONTHS, UNUSUAL, plain
from dimpflow.scrub.terms import Terms

_CHARACTERS = "".join(map(chr, range(0x2C00)))
"""What the table knows: the scripts of Europe and signs. Letters of others are left to the search in
Python."""
_OTHER_SCRIPTS = range(0x0590, 0x2000)
_ROOM_FOR_TEXT = 32_768
"""Bytes of a text for which there is always room."""

_encode = msgspec.json.Encoder().encode


def _kinds() -> Table:
    """The row of each character, as `dimpflow.native.cutting` wants it."""
    table = np.zeros((len(_CHARACTERS), 4), np.int32)
    for bit, pattern in (
        (cutting.LETTER, f"[{LATIN}]"),
        (cutting.ANY_LETTER, rf"[^\W\d_]|[{JOINERS}]"),
        (cutting.DIGIT, r"\d"),
        (cutting.UNUSUAL, f"[{UNUSUAL}]"),
        (cutting.SPACE, r"\s"),
    ):
        table[[match.start() for match in re.finditer(pattern, _CHARACTERS)], 0] |= bit
    for bit, characters in ((cutting.LIGHT, LIGHT), (cutting.DATE_MARK, DATE_MARKS)):
        table[[ord(char) for char in characters if char], 0] |= bit
    for number, char in enumerate(APOSTROPHES, 1):
        table[ord(char), 0] |= number * cutting.APOSTROPHE
    for code in np.flatnonzero(table[:, 0] & (cutting.ANY_LETTER | cutting.DIGIT)).tolist():
        folded = plain(chr(code))
        # accents that stay would be put in order with those of the letters around
        if code in _OTHER_SCRIPTS or len(folded) > 3 or any(map(unicodedata.combining, folded)):
            table[code, 0] |= cutting.UNKNOWN
        else:
            table[code, 1 : len(folded) + 1] = list(map(ord, folded))
            table[code, 0] |= cutting.FIGURE * chr(code).isdigit()
    return table


class _Tags:
    """The tags that may stand in a text, for `replaced`: those that were met before."""

    def __init__(self) -> None:
        self._known = -1
        self._lexicon = _NONE

    def lexicon(self) -> Letters:
        if self._known != len(plain_tags):
            self._known = len(plain_tags)
            lists = [
                [tag for tag, shown in plain_tags.items() if (shown != "") == divides and tag.isprintable()]
                for divides in (False, True)
            ]
            self._lexicon = lexicon_of(_encode(lists), 2)
            assert len(self._lexicon)  # an empty one would make text of tags
        return self._lexicon


_KINDS = _kinds()
_COMMON_LISTS = [INFLECTIONS, sorted(TRUNKS), *map(sorted, MONTHS)]
_COMMON = lexicon_of(_encode(_COMMON_LISTS), len(_COMMON_LISTS))
_NONE = np.empty(0, np.int32)
_tags = _Tags()


class _Room:
    """For a search and for the text that comes of it: so many bytes of each."""

    __slots__ = ("numbers", "out", "text")

    def __init__(self, most: int) -> None:
        self.numbers = np.empty(ROOM * (most + 1), np.int32)
        self.text = bytearray(most)
        self.out = np.frombuffer(self.text, np.uint8)


_room = _Room(_ROOM_FOR_TEXT)


def _replaced(
    text: bytes, lexicon: Letters, tags: Letters, marker: bytes, room: _Room = _room
) -> tuple[int, int, _Room]:
    """How many terms there are, the size of the text without them, and the room where both are; see
    `dimpflow.native.search`."""
    if len(text) > len(room.text):
        room = _Room(len(text))
    found, size = replaced(text, lexicon, _COMMON, _KINDS, tags, marker, room.numbers, room.out)
    if size > len(room.text):
        return _replaced(text, lexicon, tags, marker, _Room(size))
    return found, size, room


def compiled_search(terms: bytes) -> "CompiledSearch | None":
    """For encoded terms; None for such as only the search in Python can do, and for what is no terms."""
    found = lexicon_of(terms, len(Terms.__slots__), RUNS | CODES | PHONES, BIRTHS)
    return CompiledSearch(found) if len(found) else None


class CompiledSearch:
    """The terms of one patient, ready to be searched for. All of a process share the room for what is found:
    no threads."""

    __slots__ = ("_lexicon",)

    def __init__(self, lexicon: Letters) -> None:
        self._lexicon = lexicon

    def spans(self, text: str) -> list[Span] | None:
        """Where terms stand in a text without markup, in order, not overlapping; None if it has characters
        that the table lacks."""
        try:
            found, _, room = _replaced(text.encode(), self._lexicon, _NONE, b"")
        except UnicodeEncodeError:  # half a surrogate pair
            return None
        places = iter(room.numbers[: 2 * found].tolist() if found > 0 else ())
        return list(zip(places, places, strict=True)) if found >= 0 else None

    def scrubbed(self, text: str, marker: str, *, markup: bool) -> str | None:
        """The text with each term replaced by the marker; the same text where there is none; None as in
        `spans`.

        markup: it is XHTML that begins with a tag and has no entities; None, too, if it has other markup than
        tags that were met before.
        """
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            return None
        tags = _tags.lexicon() if markup else _NONE
        found, size, room = _replaced(encoded, self._lexicon, tags, marker.encode())
        if found <= 0:
            return text if found == 0 else None
        return room.text[:size].decode()
