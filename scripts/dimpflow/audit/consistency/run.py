"""The check as a whole: all pairs of lines, in several processes, and what is to be said of them."""

import multiprocessing
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from dimpflow.audit.consistency.kept import Profile
from dimpflow.audit.consistency.links import Hashes, Links, Store, hashes_of
from dimpflow.audit.consistency.pairs import Imported, Pair, paired
from dimpflow.audit.consistency.references import mentions_of
from dimpflow.audit.consistency.structure import Groups
from dimpflow.sources import Compression

_TYPE = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"([A-Za-z]+)"')
_PAIRS = 4000
"""Lines that a process gets at a time."""
_COMPARED = 20_000
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
                "gone": dict(sorted(self.gone.items())),
            },
            "kept": {"lines": self.profile.lines, "paths": self.profile.rows()},
        }


def check_consistency(
    imported: Sequence[Imported],
    result: Path,
    compression: Compression,
    *,
    lines: int,
    work: Path,
    processes: int = 1,
) -> Consistency:
    """Compares a result with what it was made from.

    lines: of the result; work: a folder in the identifying zone for hashes, which are removed.

    Raises InputError and OutputError.
    """
    work_on = _Work(max(1, -(-lines // _COMPARED)), max(1, -(-lines // _PROFILED)))
    total = _Done()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=work, prefix="structure-")))
        before, after = Store(folder, "before"), Store(folder, "after")
        for done in _mapped(stack, work_on, paired(imported, result, compression, _PAIRS), processes):
            before.add(done.all_before)
            after.add(done.all_after)
            total.merge(done)
        return Consistency(
            lines,
            before.links(),
            after.links(),
            total.before.mark == total.after.mark,
            total.before.mentions,
            total.gone,
            total.unlike,
            work_on.step,
            total.profile,
        )


@dataclass
class _Done:
    all_before: Hashes = field(default_factory=list)
    all_after: Hashes = field(default_factory=list)
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
    """step, profiled: every how many lines one is compared, and one is profiled."""

    step: int
    profiled: int

    def __call__(self, pair: Pair) -> _Done:
        all_before, all_after = pair.before.lines(), pair.after.lines()
        done = _Done(hashes_of(all_before), hashes_of(all_after))
        for number, (before, after) in enumerate(zip(all_before, all_after, strict=True), pair.first):
            if number % self.step == 0:
                one, two, gone = mentions_of(before, after)
                done.before.add(number, one)
                done.after.add(number, two)
                done.gone.update(gone)
                done.unlike += _type_of(before) != _type_of(after)
            if number % self.profiled == 0:
                done.profile.add(before, after)
        return done


def _type_of(line: bytes) -> object:
    found = _TYPE.match(line)
    return found[1].decode() if found else orjson.loads(line).get("resourceType")


def _mapped(stack: ExitStack, work: _Work, all_pairs: Iterator[Pair], processes: int) -> Iterator[_Done]:
    """In the order of the pairs. Processes are forked: their hashes must be those of one key."""
    if processes < 2:
        yield from map(work, all_pairs)
        return
    context = multiprocessing.get_context("fork")
    pool = stack.enter_context(ProcessPoolExecutor(processes, mp_context=context))
    waiting: deque[Future[_Done]] = deque()
    for pairs in all_pairs:
        waiting.append(pool.submit(work, pairs))
        if len(waiting) > 2 * processes:  # what is read ahead must fit into memory
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


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
