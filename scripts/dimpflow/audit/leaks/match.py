"""Finds values of the import in texts, by the hashes of their words."""

from pathlib import Path
from typing import NamedTuple

from dimpflow.audit.leaks import kinds
from dimpflow.audit.leaks.kinds import ANCHORS, KINDS, Kind
from dimpflow.audit.leaks.store import Hashes, Sizes, opened_filters
from dimpflow.audit.words import days, words
from dimpflow.native.hashing import Hasher
from dimpflow.native.ids import LONGEST_WORD

_REMEMBERED = 1 << 17  # words


class Match(NamedTuple):
    """A value in a text: its kind, its hash."""

    kind: Kind
    number: int


class Matcher:
    """The hashes of an import, opened. letters, others: filters of all by which a text is noticed; longest_short: bytes, 0 for no short ids. Not for
    several threads."""

    def __init__(self, folder: Path, hasher: Hasher, sizes: Sizes) -> None:
        self._lengths = sorted(sizes.lengths, reverse=True)
        self.sizes = frozenset(sizes.anchors)
        self.longest_short = sizes.short
        self.hash = hasher
        self._known: dict[bytes, bool] = {}
        self._days: dict[str, int] = {}
        self.kinds = {kind: Hashes(folder, kind) for kind in KINDS}
        self._anchors = Hashes(folder, ANCHORS)
        self.letters, self.others = opened_filters(folder)
        self._everywhere = [(kind, hashes) for kind, hashes in self.kinds.items() if kind.everywhere]
        self._short, self._births = self.kinds[kinds.SHORT_ID], self.kinds[kinds.BIRTH_DATE]

    def is_anchor(self, word: bytes) -> bool:
        """Whether some value may be in a text with this word."""
        word = word[:LONGEST_WORD]
        if len(word) not in self.sizes:
            return False
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[word] = self.hash.word(word) in self._anchors
        return known

    def values(self, folded: str) -> list[Match]:
        """The values in a text that are looked for everywhere; of those that overlap the longest."""
        found = words(folded)
        at = [i for i, word in enumerate(found) if self.is_anchor(word.encode("utf-8", "replace"))]
        taken: set[int] = set()
        matches = []
        for length in self._lengths if at else ():
            starts = {start for i in at for start in range(max(i - length + 1, 0), i + 1)}
            for start in sorted(starts):
                span = range(start, start + length)
                if span.stop > len(found) or not taken.isdisjoint(span):
                    continue
                number = self.hash(" ".join(found[start : span.stop]).encode("utf-8", "replace"))
                kind = next((kind for kind, hashes in self._everywhere if number in hashes), None)
                if kind is not None:
                    taken.update(span)
                    matches.append(Match(kind, number))
        return matches

    def births(self, folded: str) -> list[Match]:
        """The birth dates in a text."""
        return [Match(kinds.BIRTH_DATE, number) for day in days(folded) if (number := self._birth(day))]

    def _birth(self, day: str) -> int:
        """The hash of a day, 0 if nobody was born then."""
        if day not in self._days:
            if len(self._days) >= _REMEMBERED:
                self._days.clear()
            number = self.hash(day.encode())
            self._days[day] = number if number in self._births else 0
        return self._days[day]

    def short(self, folded: str) -> list[Match]:
        """The short id that a text is, or that a reference ends with."""
        number = self.hash(" ".join(words(_tail(folded))).encode("utf-8", "replace"))
        return [Match(kinds.SHORT_ID, number)] if number in self._short else []

    def bearers(self, match: Match) -> int:
        """How many people bear an ordinary value."""
        return self.kinds[match.kind].count(match.number)


def _tail(folded: str) -> str:
    """What an address or reference ends with."""
    return folded[folded.rfind(":" if folded.startswith("urn:") else "/") + 1 :]
