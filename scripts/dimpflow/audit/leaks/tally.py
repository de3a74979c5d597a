"""What was found, in counts; exact, in whatever order and pieces it is added up.

A hit at a label, or in a text of more than three words, may be a word of the language. Such hits wait in groups until all
subjects are known, and are common if enough different ones have them (see `Group`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dimpflow.audit.leaks import kinds
from dimpflow.audit.leaks.match import Match, Matcher
from dimpflow.audit.leaks.places import Nature, Place
from dimpflow.audit.words import words

_A_TEXT = 4
"""Words from which on a text is one and not a name."""
_FEW_DIGITS = 9
"""Numbers of up to so many digits may be codes of a vocabulary as well."""

Where = tuple[str, str]
"""A path and the name of a kind."""


class Group(NamedTuple):
    """Hits that are judged together. An ordinary value (`whole` is 0): common if it is at labels or in texts of so many more
    subjects than there are people who bear it. Others: common if the same `whole` label is there for so many subjects."""

    number: int
    whole: int
    bearers: int


@dataclass
class Waiting:
    """A group's subjects (as many as can matter) and hits."""

    subjects: set[int] = field(default_factory=set)
    hits: Counter[Where] = field(default_factory=Counter)


@dataclass
class Tally:
    """common_from: subjects; see `Group`. births: hits in birth dates, of `dates` full ones."""

    common_from: int
    lines: int = 0
    bytes: int = 0
    found: Counter[Where] = field(default_factory=Counter)
    waiting: dict[Group, Waiting] = field(default_factory=dict)
    births: Counter[Where] = field(default_factory=Counter)
    dates: int = 0

    def take(self, place: Place, folded: str, matches: Sequence[Match], matcher: Matcher) -> None:
        """Count what was found in a text."""
        for match in matches:
            where = (place.path, match.kind.name)
            if place.nature is Nature.BIRTH and match.kind is kinds.BIRTH_DATE:
                self.births[where] += 1
            elif (group := self._group(place, folded, match, matcher)) is None:
                self.found[where] += 1
            else:
                waiting = self.waiting.setdefault(group, Waiting())
                waiting.hits[where] += 1
                self._add_subjects(group, waiting, {matcher.hash(place.owner.encode("utf-8", "replace"))})

    def _group(self, place: Place, folded: str, match: Match, matcher: Matcher) -> Group | None:
        label = place.nature is Nature.LABEL
        if not label and place.nature is not Nature.TEXT:
            return None
        found = words(folded)
        if match.kind.ordinary and (label or len(found) >= _A_TEXT):
            return Group(match.number, 0, matcher.bearers(match))
        if label and (match.kind is kinds.STAFF or _is_number(found)):
            return Group(match.number, matcher.hash(folded.encode("utf-8", "replace")), 0)
        return None

    def _add_subjects(self, group: Group, waiting: Waiting, subjects: set[int]) -> None:
        if len(waiting.subjects) < group.bearers + self.common_from:
            waiting.subjects |= subjects

    def add(self, other: "Tally") -> None:
        """Add what was counted elsewhere."""
        self.lines += other.lines
        self.bytes += other.bytes
        self.dates += other.dates
        self.found += other.found
        self.births += other.births
        for group, new in other.waiting.items():
            waiting = self.waiting.setdefault(group, Waiting())
            waiting.hits += new.hits
            self._add_subjects(group, waiting, new.subjects)

    def judged(self) -> tuple[Counter[Where], Counter[Where]]:
        """Findings, and what is common. Birth dates that agree are common where most of the full dates do not: there they
        were shifted or rounded, and some hit upon the birthday of somebody else."""
        found, common = Counter(self.found), Counter[Where]()
        for group, waiting in self.waiting.items():
            enough = len(waiting.subjects) >= group.bearers + self.common_from
            (common if enough else found).update(waiting.hits)
        (common if 2 * self.births.total() < self.dates else found).update(self.births)
        return found, common


def _is_number(found: list[str]) -> bool:
    return len(found) == 1 and found[0].isdigit() and len(found[0]) <= _FEW_DIGITS


def rows(counts: Counter[Where]) -> list[dict[str, Any]]:
    """As JSON, sorted."""
    return [{"path": path, "kind": kind, "count": count} for (path, kind), count in sorted(counts.items())]
