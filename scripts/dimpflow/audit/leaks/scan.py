"""Searches blocks of lines of a result.

A compiled loop over their bytes tells which strings and numbers may hold a value, since they have a word by which one is noticed;
few of them are told that hold none, and only once. Lines are parsed only if they have a string in which a value was found.
"""

import numpy as np
import orjson

from dimpflow.audit.leaks.match import Match, Matcher
from dimpflow.audit.leaks.places import Nature, Place, places
from dimpflow.audit.leaks.tally import Tally
from dimpflow.audit.walking import folds
from dimpflow.audit.words import fold, is_moment
from dimpflow.errors import InputError
from dimpflow.fhir.table import RESOURCE_TYPES, member_names
from dimpflow.native.folding import letters_of
from dimpflow.native.ids import LONGEST_WORD
from dimpflow.native.marks import Marked
from dimpflow.native.strings import BIRTHS, COLUMNS, NAME, TALLY, WORD_ROOM, Known, Wanted, find

_REMEMBERED = 1 << 16
"""Strings without a value that are not looked at again; and with one, by their hash."""
_SHORT, _LONG = 1 << 12, 1 << 13
"""Short and long strings that the loop itself knows to be without a value; few enough for the processor's caches."""
_TOLD = 1 << 14
"""Strings that are told at a time."""
_MASK = (1 << 64) - 1
_TYPES = frozenset(type_.lower() for type_ in RESOURCE_TYPES)


class Scanner:
    """One process's search; `take` for every block of whole lines."""

    def __init__(self, matcher: Matcher, common_from: int) -> None:
        self._matcher = matcher
        self.common_from = common_from
        sizes = np.isin(np.arange(LONGEST_WORD + 1), list(matcher.sizes)).astype(np.uint8)
        self._wanted = Wanted(
            matcher.hash.key,
            letters_of(folds()),
            folds(),
            matcher.letters,
            matcher.others,
            sizes,
            matcher.longest_short,
        )
        for array in (self._wanted.letters_of, sizes):
            array.setflags(write=False)  # as Numba is told
        self._known = Known(
            np.zeros(_REMEMBERED, np.uint64), np.zeros(2 * _SHORT, np.uint64), np.zeros(_LONG, np.uint64)
        )
        self._tally = np.zeros(TALLY, np.int64)
        self._word = np.empty(WORD_ROOM, np.uint8)
        self._told = np.empty(_TOLD * COLUMNS, np.int64)
        self._suspects: set[int] = set()

    def take(self, marked: Marked) -> Tally:
        """Count what is in a block of whole lines. InputError: a line is no JSON."""
        block = marked.block
        self._tally[:] = 0
        lines = self._suspicious(marked)
        tally = Tally(
            self.common_from,
            lines=marked.line_ends + (not block.endswith(b"\n")),
            bytes=len(block),
            dates=int(self._tally[BIRTHS]),
        )
        for start, texts in lines.items():
            end = block.find(b"\n", start)
            self._line(block[start : end if end >= 0 else len(block)], texts, tally)
        return tally

    def _suspicious(self, marked: Marked) -> dict[int, set[str]]:
        """The lines of a block with values in them, by where they begin, and the strings that have these."""
        block, told = marked.block, self._told
        lines: dict[int, set[str]] = {}
        at, line, next_line = 0, 0, 0
        while at < len(block):
            count, at = find(
                marked.data, marked.marks, at, self._wanted, self._known, self._word, self._tally, told
            )
            for start, end, what, number in told[: count * COLUMNS].reshape(-1, COLUMNS).tolist():
                text = _text(block[start:end])
                if number not in self._suspects or number == 0:
                    if (what == NAME and text.removeprefix("_") in member_names()) or not self._holds(text):
                        self._known.seen[number & (_REMEMBERED - 1)] = number & _MASK
                        continue
                    if len(self._suspects) >= _REMEMBERED:
                        self._suspects.clear()
                    self._suspects.add(number)
                while start >= next_line:
                    line, next_line = next_line, (block.find(b"\n", next_line) + 1 or len(block) + 1)
                lines.setdefault(line, set()).add(text)
        return lines

    def _holds(self, text: str) -> bool:
        """Whether a value is in a text."""
        folded, matcher = fold(text), self._matcher
        return bool(
            matcher.values(folded)
            or (matcher.longest_short and matcher.short(folded))
            or matcher.births(folded)
        )

    def _line(self, line: bytes, suspects: set[str], tally: Tally) -> None:
        resource = _parsed(line)
        if not isinstance(resource, dict):
            raise _no_json()
        for place in places(resource):
            if place.text in suspects:
                folded = fold(place.text)
                if matches := self._matches(place, folded):
                    tally.take(place, folded, matches, self._matcher)

    def _matches(self, place: Place, folded: str) -> list[Match]:
        matcher = self._matcher
        nature = place.nature
        if nature in (Nature.DATE, Nature.BIRTH) and is_moment(folded):
            return matcher.births(folded) if nature is Nature.BIRTH else []
        head, _, tail = folded.partition("/")
        typed = nature is Nature.ID and head in _TYPES  # "Patient/1" is not the id "patient-1"
        matches = matcher.values(tail if typed else folded) + matcher.births(folded)
        if not matches and nature is Nature.ID:
            matches = matcher.short(folded)
        return matches


def _text(data: bytes) -> str:
    """A string of JSON without its quotes."""
    text = data.decode("utf-8", "replace") if b"\\" not in data else _parsed(b'"%b"' % data)
    if not isinstance(text, str):
        raise _no_json()
    return text


def _parsed(data: bytes) -> object:
    try:
        return orjson.loads(data)
    except ValueError:
        raise _no_json() from None


def _no_json() -> InputError:
    return InputError("the result of the job has a line that is no JSON object; remove it and run again")
