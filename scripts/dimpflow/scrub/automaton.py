"""Finds the terms of one patient in a text, in time linear in the text, and replaces them.

The text is folded word by word (one memory serves all patients), its words are looked up in a set, and what may be divided is
searched for in the folded words written together. That search is Python's own (`str.find`: two-way, no backtracking). Measured on
100 patients: ready in 5 us, where an Aho-Corasick automaton takes 150 and a compiled alternation 320; one text takes 16 us in all,
where searching alone takes 21 and 13.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from itertools import accumulate

from dimpflow.scrub.markup import Markup, Span, edited
from dimpflow.scrub.spellings import (
    APOSTROPHES,
    INFLECTIONS,
    MONTHS,
    Stems,
    cut,
)
from dimpflow.scrub.terms import SHORTEST_RUN, Terms

MARKER = "***"
INSIDE_WORDS = 8
"""Letters from which a name is found within a longer word; the whole word then goes. A shorter one (Rose, Berg, Klein) is replaced
only where it is a word of its own, with the endings of names."""

_WIDEST = 3
"""Characters that may stand between the parts of a term."""
_LIGHT = frozenset(("", " ", "-", "\u00a0", "\u2010", "\u2011", "\u2013"))
"""What may stand between two terms that become one marker."""
_ENDINGS = frozenset(INFLECTIONS)
_TRUNKS = frozenset(("0", "49", "049", "0049", "490", "00490", "00"))
"""What may stand before a telephone number as we know it."""
_LONGEST_TRUNK = 5
_DATE_MARKS = frozenset((".", "/", "-", "–"))
_stems = Stems().__getitem__


class Automaton:
    """The terms of one patient, ready to be searched for. It is asked for one text at a time and keeps nothing of it."""

    __slots__ = ("_beside", "_births", "_codes", "_phones", "_runs", "_words")

    def __init__(self, terms: Terms) -> None:
        self._words = terms.words
        self._runs = tuple(terms.runs)
        self._codes = tuple(terms.codes)
        self._phones = tuple(terms.phones)
        self._beside = terms.beside
        self._births = [birth_of(day) for day in terms.births]

    def scrub(self, text: str, marker: str = MARKER, *, xhtml: bool = False) -> str:
        """The text with each term replaced by the marker; the same text where there is none.

        xhtml: the text is XHTML, which stays well-formed (the marker must be text without `<`, `&`, quotes, `--`).
        """
        if "<" in text or "&" in text:
            markup = Markup(text, xhtml=xhtml)
            spans = self.spans(markup.seen)
            if not spans and not markup.hidden:
                return text
            return markup.replaced(spans, marker, lambda part: self.scrub(part, marker))
        spans = self.spans(text)
        return edited(text, [(start, end, marker) for start, end in spans]) if spans else text

    def spans(self, text: str) -> list[Span]:
        """Where terms stand in a text without markup, in order, not overlapping."""
        parts = cut(text)
        stems = list(map(_stems, parts[1::2]))
        keys = [forms[0] for forms in stems]
        line = "".join(keys)
        apart = self._words.isdisjoint
        hits = [(i, i) for i, forms in enumerate(stems) if not apart(forms)]
        whole = _Text(text, parts, keys, line)
        for key in self._runs:
            # most are words of their own, which were found already
            if key in line and line.count(key) != keys.count(key):
                hits += whole.hits(key, whole.name)
        for key in self._codes:
            if key in line:
                hits += whole.hits(key, whole.code)
        for key in self._phones:
            if key in line:
                hits += whole.hits(key, whole.phone)
        for birth in self._births:
            if not birth.last.isdisjoint(keys):
                hits += birth.hits(whole)
        return whole.joined(hits, self._beside) if hits else []


class Birth:
    """A date of birth in its usual spellings: 1970-05-06, 06.05.1970, 6.5.70, 6. Mai 1970, May 6, 1970, 05/06/1970, 060570."""

    def __init__(self, day: str) -> None:
        year, month, date = day.split("-")
        self.years = (year, year[2:])
        self._year = year
        self._dates = {date, str(int(date))}
        self._numbers = {month, str(int(month))}
        known = int(month) in range(1, 13)
        self._names: frozenset[str] = MONTHS[int(month) - 1] if known else frozenset()
        self._compact = frozenset((year + month + date, date + month + year, date + month + year[2:]))
        self.last = self._compact.union(self.years)
        """Words of which one must be there."""

    def hits(self, text: "_Text") -> Iterator[Span]:
        keys = text.keys
        for at, key in enumerate(keys):
            if key in self._compact:
                yield at, at
            if key not in self.years:
                continue
            if at >= 2 and self._before(text, at):
                yield at - 2, at
            if key == self._year and at + 2 < len(keys) and self._behind(text, at):
                yield at, at + 2

    def _before(self, text: "_Text", at: int) -> bool:
        first, second = text.keys[at - 2 : at]
        gaps = text.gap(at - 2), text.gap(at - 1)
        named = first in self._dates and second in self._names
        named_first = first in self._names and second in self._dates
        if named or named_first:
            return max(map(len, gaps)) <= _WIDEST
        marks = [gap.strip() for gap in gaps]
        if not (_DATE_MARKS.issuperset(marks) or (text.keys[at] == self._year and gaps == (" ", " "))):
            return False
        american = marks == ["/", "/"] and first in self._numbers and second in self._dates
        return american or (first in self._dates and second in self._numbers)

    def _behind(self, text: "_Text", at: int) -> bool:
        second, third = text.keys[at + 1 : at + 3]
        marks = [text.gap(at).strip(), text.gap(at + 1).strip()]
        return second in self._numbers and third in self._dates and _DATE_MARKS.issuperset(marks)


birth_of = lru_cache(10_000)(Birth)


class _Text:
    """A text, cut into words and what is between them (parts), with its folded words (keys), these written together (line)."""

    __slots__ = ("__dict__", "keys", "line", "parts", "text")

    def __init__(self, text: str, parts: list[str], keys: list[str], line: str) -> None:
        self.text, self.parts, self.keys, self.line = text, parts, keys, line

    @cached_property
    def _starts(self) -> list[int]:
        """Where the words begin in the line, and its end."""
        return list(accumulate(map(len, self.keys), initial=0))

    def hits(self, key: str, check: Callable[[str, int], Span | None]) -> list[Span]:
        """Words of a term, wherever it stands. It may begin in a word near its beginning only, so that no text takes long."""
        found = []
        at = self.line.find(key)
        while at >= 0:
            span = check(key, at)
            if span:
                found.append(span)
            word = bisect_right(self._starts, at)
            near = at + 1 - self._starts[word - 1] <= _LONGEST_TRUNK
            at = self.line.find(key, at + 1 if near else self._starts[word])
        return found

    def gap(self, word: int) -> str:
        """What stands between a word and the next."""
        return self.parts[2 * word + 2]

    def name(self, key: str, at: int) -> Span | None:
        """The words of a name at a place of the line, if it is one there."""
        first, last = self._words(key, at)
        if first == last and len(key) >= INSIDE_WORDS:
            return first, last
        rest = self.line[at + len(key) : self._end(last)]
        whole = self._starts[first] == at and (not rest or rest in _ENDINGS)
        return (first, last) if whole and self._close(first, last) else None

    def code(self, key: str, at: int) -> Span | None:
        """The words of a number or a line; a short one must not be divided (120/80 is no number 12080)."""
        first, last = self._words(key, at)
        if self._starts[first] != at or self._end(last) != at + len(key):
            return None
        divided = any(self.gap(word) for word in range(first, last)) and len(key) < SHORTEST_RUN
        return (first, last) if not divided and self._close(first, last) else None

    def phone(self, key: str, at: int) -> Span | None:
        """The words of a telephone number, with the country's and the trunk digits before it."""
        first, last = self._words(key, at)
        before = self.line[self._starts[first] : at]
        if (
            self._end(last) != at + len(key)
            or not (not before or before in _TRUNKS)
            or not self._close(first, last)
        ):
            return None
        while first and self.keys[first - 1] in _TRUNKS and len(self.gap(first - 1)) <= _WIDEST:
            first -= 1
        return first, last

    def joined(self, hits: list[Span], beside: set[str]) -> list[Span]:
        """Places in the text of words that were hit, with what belongs to them; what stands side by side becomes one."""
        found: list[Span] = []
        places = list(accumulate(map(len, self.parts)))
        words = len(self.keys)
        end = -1
        for first, last in sorted(hits):
            while first and self.keys[first - 1] in beside and self.gap(first - 1) in _LIGHT:
                first -= 1
            if (
                last + 1 < words
                and self.keys[last + 1] in _ENDINGS
                and self.gap(last) in APOSTROPHES
                and self.gap(last)
            ):
                last += 1
            if found and (first <= end or (first == end + 1 and self.gap(end) in _LIGHT)):
                if last > end:
                    end = last
                    found[-1] = (found[-1][0], places[2 * end + 1])
            else:
                end = last
                found.append((places[2 * first], places[2 * last + 1]))
        return [(self._opened(start, end), end) for start, end in found]

    def _words(self, key: str, at: int) -> Span:
        return bisect_right(self._starts, at) - 1, bisect_left(self._starts, at + len(key)) - 1

    def _end(self, word: int) -> int:
        return self._starts[word + 1]

    def _close(self, first: int, last: int) -> bool:
        return first == last or max(map(len, self.parts[2 * first + 2 : 2 * last + 1 : 2])) <= _WIDEST

    def _opened(self, start: int, end: int) -> int:
        """Where a span begins, with the + or the bracket before a telephone number."""
        if self.text[start].isdigit():
            if start and self.text[start - 1] == "(" and ")" in self.text[start:end]:
                start -= 1
            if start and self.text[start - 1] == "+":
                start -= 1
        return start
