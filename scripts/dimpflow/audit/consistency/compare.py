"""Lines of a result compared with those that they were made from, one by one: of many lines every n-th.

Nothing is imported here that takes long to load; see `skim`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from dimpflow.audit.consistency.kept import Profile
from dimpflow.audit.consistency.pairs import Every, Imported
from dimpflow.audit.consistency.structure import Groups
from dimpflow.audit.references import mentions_of
from dimpflow.audit.skim import Lines
from dimpflow.errors import InputError

_COMPARED = 5_000
"""Lines that are compared, at most; of more, every n-th. What befalls one line in a thousand is missed once in 150 times."""


@dataclass
class Compared:
    """lines: of the result; step: every how many lines one was compared; groups: whether those of the lines compared mean the same as
    before; mentions: how many that are; gone: of these lines, references that are no more there, by path; unlike: such lines whose
    resource type is another one; profile: what stood and stands in them."""

    lines: int
    step: int
    groups: bool = True
    mentions: int = 0
    gone: Counter[str] = field(default_factory=Counter)
    unlike: int = 0
    profile: Profile = field(default_factory=Profile)


class Comparison:
    """Takes the lines of a result in their order. lines: how many there are."""

    def __init__(self, imported: Sequence[Imported], result: Path, lines: int) -> None:
        self._found = Compared(lines, max(1, -(-lines // _COMPARED)))
        self._result = result
        self._before, self._after = Groups(), Groups()
        self._befores = Every(self._found.step, imported)
        self._total = 0

    def take(self, lines: Lines) -> None:
        """The next lines. InputError: not all of them were imported, or one is no JSON."""
        step = self._found.step
        for place in range(-lines.first % step, len(lines.ends), step):
            number, before = next(self._befores, (-1, b""))
            if number != lines.first + place:
                raise self._unlike()
            self._compare(number, before, lines[place])
        self._total += len(lines.ends)

    def done(self) -> Compared:
        """After the last lines. InputError: there should be more."""
        for _ in self._befores:
            raise self._unlike()
        if self._befores.total != self._total:
            raise self._unlike()
        self._found.groups = self._before.mark == self._after.mark
        self._found.mentions = self._before.mentions
        return self._found

    def _compare(self, number: int, before: bytes, after: bytes) -> None:
        try:
            was, became = orjson.loads(before), orjson.loads(after)
        except orjson.JSONDecodeError:
            raise InputError(
                f"{self._result}: line {number + 1}, or the imported line that it was made from, is no JSON; "
                "remove the results and run again"
            ) from None
        one, two, gone = mentions_of(was, became)
        self._before.add(number, one)
        self._after.add(number, two)
        self._found.gone.update(gone)
        self._found.unlike += was.get("resourceType") != became.get("resourceType")
        self._found.profile.add(was, became)

    def _unlike(self) -> InputError:
        return InputError(
            f"{self._result}: not as many lines as were imported and not refused; run again, and if this stays, report it"
        )
