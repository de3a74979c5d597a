"""Finds the terms of one patient in a text without markup, in time linear in the text: in Python, for whatever text.

Its letters are folded where they stand, then its words (one memory serves all patients), these are looked up in a set, and what may
be divided is searched for in the folded words written together. That search is Python's own (`str.find`: two-way, no backtracking): an
Aho-Corasick automaton or a compiled alternation takes longer to make (150 and 320 us) than a patient's texts take to search.
`dimpflow.scrub.compiled` finds the same in texts of common scripts, in a fraction of the time; the tests compare them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from operator import itemgetter

from dimpflow.scrub.markup import Span
from dimpflow.scrub.spellings import (
    APOSTROPHES,
    INFLECTIONS,
    MONTHS,
    Stems,
    cut,
    shaped,
)
from dimpflow.scrub.terms import SHORTEST_RUN, Terms

INSIDE_WORDS = 8
"""Letters from which a name is found within a longer word; the whole word then goes. A shorter one (Rose, Berg, Klein) is replaced
only where it is a word of its own, with the endings of names."""

WIDEST = 3
"""Characters that may stand between the parts of a term."""
LIGHT = frozenset(("", " ", "-", "\u00a0", "\u2010", "\u2011", "\u2013"))
"""What may stand between two terms that become one marker."""
_ENDINGS = frozenset(INFLECTIONS)
_SIZES = {len(ending) for ending in INFLECTIONS}
TRUNKS = frozenset(("0", "49", "049", "0049", "490", "00490", "00"))
"""What may stand before a telephone number as we know it."""
_LONGEST_TRUNK = 5
DATE_MARKS = frozenset((".", "/", "-", "–"))
_stems = Stems()
_first = itemgetter(0)


class Search:
    """The terms of one patient, ready to be searched for. It is asked for one text at a time and keeps nothing of it."""

    __slots__ = ("_apart", "_beside", "_births", "_lettered", "_names", "_numbered", "_terms")

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._apart = terms.words.isdisjoint
        self._names = terms.runs - terms.codes - terms.phones
        divided = terms.runs | terms.codes | terms.phones
        self._lettered = list(filter(str.isalpha, divided))
        self._numbered = list(divided.difference(self._lettered))
        self._beside = terms.beside
        self._births = [birth_of(day) for day in terms.births]

    def spans(self, text: str) -> list[Span]:
        """Where terms stand in a text without markup, in order, not overlapping."""
        parts = cut(shaped(text))
        found = self._found(parts)
        if not found:
            return []
        ends = list(accumulate(map(len, parts)))
        return [(ends[2 * first] - _opening(parts, first, last), ends[2 * last + 1]) for first, last in found]

    def _found(self, parts: list[str]) -> list[Span]:
        """The words that are to be replaced: first and last of each stretch, in order, not overlapping."""
        stems = list(map(_stems.__getitem__, parts[1::2]))
        keys = list(map(_first, stems))
        apart = self._apart
        words = [at for at, forms in enumerate(stems) if not apart(forms)]
        hits = [(at, at) for at in words]
        line = "".join(keys)
        divided = [key for key in self._lettered if key in line]
        births = []
        if not line.isalpha():
            divided += [key for key in self._numbered if key in line]
            births = [birth for birth in self._births if not birth.last.isdisjoint(keys)]
        if divided:
            # most names are words of their own, which were found already
            whole, names = [keys[at] for at in words], self._names
            divided = [
                key
                for key in divided
                if key not in names or line.count(key) != whole.count(key) or _overlaps(key)
            ]
        if divided:
            hits += _Line(parts, keys, line).hits(divided, self._terms)
        for birth in births:
            hits += birth.hits(parts, keys)
        return _joined(hits, parts, keys, self._beside) if hits else []


def _overlaps(name: str) -> bool:
    """Whether a name may begin before a word that is the name, too, with an ending left of that (En Enenen):
    `count` tells one of the two."""
    return name.startswith(tuple([name[size:] for size in _SIZES]))


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

    def hits(self, parts: list[str], keys: list[str]) -> Iterator[Span]:
        """The words of the date, wherever it stands in a text, by its parts and folded words."""
        last = self.last
        for at in [at for at, key in enumerate(keys) if key in last]:
            key = keys[at]
            if key in self._compact:
                yield at, at
            if key not in self.years:
                continue
            if at >= 2 and self._before(keys[at - 2 : at + 1], parts[2 * at - 2], parts[2 * at]):
                yield at - 2, at
            if key == self._year and self._behind(keys[at + 1 : at + 3], parts[2 * at + 2 : 2 * at + 5 : 2]):
                yield at, at + 2

    def _before(self, keys: list[str], *gaps: str) -> bool:
        """Whether the two words before a year make it the date."""
        first, second, year = keys
        named = first in self._dates and second in self._names
        named_first = first in self._names and second in self._dates
        if named or named_first:
            return max(map(len, gaps)) <= WIDEST
        marks = [gap.strip() for gap in gaps]
        if not (DATE_MARKS.issuperset(marks) or (year == self._year and gaps == (" ", " "))):
            return False
        american = marks == ["/", "/"] and first in self._numbers and second in self._dates
        return american or (first in self._dates and second in self._numbers)

    def _behind(self, keys: list[str], gaps: list[str]) -> bool:
        """Whether the two words behind a year make it the date."""
        return (
            len(keys) == 2
            and keys[0] in self._numbers
            and keys[1] in self._dates
            and DATE_MARKS.issuperset(gap.strip() for gap in gaps)
        )


birth_of = lru_cache(10_000)(Birth)


class _Line:
    """A text, cut into words and what is between them (parts), with its folded words (keys), these written together (line)."""

    __slots__ = ("_keys", "_line", "_parts", "_starts")

    def __init__(self, parts: list[str], keys: list[str], line: str) -> None:
        self._parts, self._keys, self._line = parts, keys, line
        self._starts = list(accumulate(map(len, keys), initial=0))
        """Where the words begin in the line, and its end."""

    def hits(self, found: list[str], terms: Terms) -> Iterator[Span]:
        """The words of terms that may be divided, of which it is known that they are in the line."""
        line, starts = self._line, self._starts
        for key in found:
            name, code, phone = key in terms.runs, key in terms.codes, key in terms.phones
            at = line.find(key)
            while at >= 0:
                end = at + len(key)
                first, last = bisect_right(starts, at) - 1, bisect_left(starts, end) - 1
                before, rest = at - starts[first], line[end : starts[last + 1]]
                if name and first == last and len(key) >= INSIDE_WORDS:
                    yield first, last
                elif (not before or phone) and self._close(first, last):
                    whole = not before and not rest
                    if (name and not before and (whole or rest in _ENDINGS)) or (
                        code and whole and (len(key) >= SHORTEST_RUN or not any(self._gaps(first, last)))
                    ):
                        yield first, last
                    if phone and not rest and (whole or line[at - before : at] in TRUNKS):
                        yield self._with_trunk(first), last
                # it may begin in a word near its beginning only, so that no text takes long
                at = line.find(key, at + 1 if before < _LONGEST_TRUNK else starts[first + 1])

    def _with_trunk(self, first: int) -> int:
        """The word where a telephone number begins with the country's and the trunk digits before it."""
        while first and self._keys[first - 1] in TRUNKS and len(self._parts[2 * first]) <= WIDEST:
            first -= 1
        return first

    def _gaps(self, first: int, last: int) -> list[str]:
        return self._parts[2 * first + 2 : 2 * last + 1 : 2]

    def _close(self, first: int, last: int) -> bool:
        if last == first + 1:
            return len(self._parts[2 * last]) <= WIDEST
        return first == last or max(map(len, self._gaps(first, last))) <= WIDEST


def _joined(hits: list[Span], parts: list[str], keys: list[str], beside: set[str]) -> list[Span]:
    """Words that were hit, with those that belong to them; what stands side by side becomes one."""
    found: list[Span] = []
    start = end = -1
    hits.sort()
    for first, last in hits:
        if last < end:
            continue
        while first and keys[first - 1] in beside and parts[2 * first] in LIGHT:
            first -= 1
        gap = parts[2 * last + 2]
        if gap and gap in APOSTROPHES and last + 1 < len(keys) and keys[last + 1] in _ENDINGS:
            last += 1
        if end >= 0 and (first <= end or (first == end + 1 and parts[2 * first] in LIGHT)):
            end = max(last, end)
        else:
            if end >= 0:
                found.append((start, end))
            start, end = first, last
    found.append((start, end))
    return found


def _opening(parts: list[str], first: int, last: int) -> int:
    """How many characters before words belong to them: the + or the bracket before a telephone number."""
    gap = parts[2 * first]
    if not gap.endswith(("(", "+")) or not parts[2 * first + 1][0].isdigit():
        return 0
    closed = gap.endswith("(") and any(")" in part for part in parts[2 * first + 2 : 2 * last + 1 : 2])
    return closed + gap[: len(gap) - closed].endswith("+")
