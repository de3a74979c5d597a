"""The check as a whole: all pairs of lines, in several processes, and what is to be said of them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from dimpflow.audit.consistency.kept import Profile
from dimpflow.audit.consistency.pairs import Imported, Pair, every, refused
from dimpflow.audit.consistency.structure import Groups
from dimpflow.audit.links import Links
from dimpflow.audit.naming import shown_path
from dimpflow.audit.processes import in_processes
from dimpflow.audit.references import mentions_of
from dimpflow.audit.survey import Reader, Survey
from dimpflow.audit.walking import Walker, links_and_lines
from dimpflow.native.marks import Marker
from dimpflow.sources import Compression

_TYPE = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"([A-Za-z]+)"')
_PAIRS = 500
"""Lines that a process gets at a time."""
_COMPARED = 10_000
"""Lines whose references are compared by their places, at most; of more, every n-th."""
_PROFILED = 5_000
"""Lines whose values are compared one by one, at most."""


@dataclass(frozen=True)
class Consistency:
    """before, after: all references; groups: whether those of the lines compared mean the same as before; mentions: how many that are;
    gone: of these lines, references that are no more there, by path; unlike: such lines whose resource type is another one; step:
    every how many lines one was compared; profile: of some of them."""

    lines: int
    before: Links
    after: Links
    groups: bool
    mentions: int
    gone: Counter[str]
    unlike: int
    step: int
    profile: Profile

    @property
    def faults(self) -> list[str]:
        """What is not as it was, in words; empty if all is. References that have gone are for the reader to judge."""
        one, two = self.before, self.after
        found = []
        if self.unlike:
            found.append(f"{self.unlike} lines have become resources of another type")
        if not self.groups:
            found.append(
                "references that meant the same do not do so any more, or others have come to mean the same"
            )
        if one.references - one.resolved < two.references - two.resolved:
            found.append(
                f"{two.references - two.resolved} references lead to nothing in these data, before it were "
                f"{one.references - one.resolved}"
            )
        if one.to_patients == two.to_patients and one.per_patient != two.per_patient:
            found.append("the numbers of references to each patient are not what they were")
        return found

    def as_facts(self) -> dict[str, Any]:
        """Plain JSON, in numbers and paths."""
        return {
            "state": "failed" if self.faults else "passed",
            "faults": self.faults,
            "lines": self.lines,
            "references": {"before": _told(self.before), "after": _told(self.after)},
            "patients": {"before": _spread(self.before), "after": _spread(self.after)},
            "compared": {
                "every": self.step,
                "mentions": self.mentions,
                "gone": _gone(self.gone),
            },
            "kept": {"lines": self.profile.lines, "paths": self.profile.rows()},
        }


def check_consistency(
    imported: Sequence[Imported],
    result: Path,
    compression: Compression,
    *,
    lines: int,
    survey: Survey,
    processes: int = 1,
) -> Consistency:
    """Compares a result with what it was made from.

    lines: of the result; survey: what was seen of the import and of the result (see `leaks`).

    Raises InputError and OutputError.
    """
    step = max(1, -(-lines // _COMPARED))
    work = _Work(step * max(1, -(-lines // (step * _PROFILED))))
    total = _Done()
    for done in _mapped(work, every(step, imported, result, compression, survey), processes):
        total.merge(done)
    marker, walker = Marker(), Walker(survey.hasher)
    for line in refused(imported, survey):
        for links, others, _ in links_and_lines(marker(line), walker, survey.hasher):
            survey.before.links.remove((links, others))
    return Consistency(
        lines,
        survey.before.links.links(),
        survey.after.links.links(),
        total.before.mark == total.after.mark,
        total.before.mentions,
        total.gone,
        total.unlike,
        step,
        total.profile,
    )


@dataclass
class _Done:
    before: Groups = field(default_factory=Groups)
    after: Groups = field(default_factory=Groups)
    gone: Counter[str] = field(default_factory=Counter)
    unlike: int = 0
    profile: Profile = field(default_factory=Profile)

    def merge(self, other: "_Done") -> None:
        """Adds what is counted in memory."""
        self.before.merge(other.before)
        self.after.merge(other.after)
        self.gone.update(other.gone)
        self.unlike += other.unlike
        self.profile.merge(other.profile)


@dataclass(frozen=True)
class _Work:
    """profiled: every how many lines one is profiled."""

    profiled: int

    def __call__(self, pairs: Sequence[Pair]) -> _Done:
        done = _Done()
        with Reader() as read:
            for pair in pairs:
                before, after = pair.lines(read)
                one, two, gone = mentions_of(before, after)
                done.before.add(pair.number, one)
                done.after.add(pair.number, two)
                done.gone.update(gone)
                done.unlike += _type_of(before) != _type_of(after)
                if pair.number % self.profiled == 0:
                    done.profile.add(before, after)
        return done


def _type_of(line: bytes) -> object:
    found = _TYPE.match(line)
    return found[1].decode() if found else orjson.loads(line).get("resourceType")


def _mapped(work: _Work, pairs: Iterator[Pair], processes: int) -> Iterator[_Done]:
    """In the order of the pairs."""
    pieces = iter(lambda: list(islice(pairs, _PAIRS)), [])
    if processes < 2:
        return map(work, pieces)
    return in_processes(processes, _compare_here, pieces, _start_comparing, work)


_work: _Work
"""Of this process, if it is one of several."""


def _start_comparing(work: _Work) -> None:
    global _work
    _work = work


def _compare_here(pairs: Sequence[Pair]) -> _Done:
    return _work(pairs)


def _gone(counts: Counter[str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for path, count in counts.items():
        found[shown_path(path)] += count
    return dict(sorted(found.items()))


def _told(links: Links) -> dict[str, int]:
    return {
        "things": links.things,
        "references": links.references,
        "resolved": links.resolved,
        "distinct": links.meant,
    }


def _spread(links: Links) -> dict[str, int]:
    """How many patients, and least, middle and most references to one."""
    values = sorted(links.per_patient.elements())
    if not values:
        return {"patients": 0}
    return {
        "patients": len(values),
        "least": values[0],
        "middle": values[len(values) // 2],
        "most": values[-1],
    }
