"""The leak check over files, in several processes.

Memory of a process: what 16 MB of the import give, or a block of the result with what is remembered of earlier ones; the hashes lie
in files that are mapped. It grows neither with the import nor with the result.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dimpflow.audit.leaks.gathering import Gathered, clear, gather
from dimpflow.audit.leaks.kinds import KINDS
from dimpflow.audit.leaks.match import Matcher
from dimpflow.audit.leaks.scan import Scanner
from dimpflow.audit.leaks.tally import Tally, rows
from dimpflow.audit.pieces import Stretch, stretch_blocks, stretches
from dimpflow.audit.processes import in_processes
from dimpflow.audit.walking import Walker, links_of, prepare
from dimpflow.errors import ConfigError
from dimpflow.native.marks import Marker
from dimpflow.native.types import Numbers

_PATH = re.compile(r"[A-Za-z]\w*(\.[A-Za-z?]\w*)*(\.\*)?")

_Done = tuple[Tally, list[Numbers]]
"""What was found, links."""


@dataclass(frozen=True)
class LeakReport:
    """What was looked for and found, in counts. looked_for: different values by kind; findings: what must not be there;
    tolerated: the same at paths that are allowed; common: words of the language and codes that are values as well."""

    lines: int
    bytes: int
    looked_for: dict[str, int]
    findings: list[dict[str, Any]]
    tolerated: list[dict[str, Any]]
    common: list[dict[str, Any]]
    common_from: int

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def as_facts(self) -> dict[str, Any]:
        """Plain JSON; no value in it."""
        return {
            "passed": self.passed,
            "lines": self.lines,
            "bytes": self.bytes,
            "looked_for": self.looked_for,
            "findings": self.findings,
            "tolerated": self.tolerated,
            "common": self.common,
            "common_from": self.common_from,
        }


def check_leaks(
    imported: Sequence[Path], result: Path, *, work: Path, processes: int, **judged: Any
) -> LeakReport:
    """Look for the identifying values of `imported` in `result`: `gather` and `search`.

    work: a folder for their hashes, in the identifying zone, which is gone in the end.
    """
    try:
        return search(result, gather(imported, work, processes), processes=processes, **judged)
    finally:
        with suppress(OSError):
            clear(work)
            work.rmdir()


def search(
    result: Path, known: Gathered, *, processes: int, tolerated: Sequence[str] = (), common_from: int = 5
) -> LeakReport:
    """Look for the identifying values of an import in its result (.ndjson, .ndjson.gz, .ndjson.zst), and survey that.

    tolerated: paths as in findings, `Encounter.identifier.value`, or `Organization.*` for all below.

    Raises:
        ConfigError: a tolerated path is none.
        InputError: the result cannot be read, or has a line that is not JSON.
        OutputError: no room for what is seen.
    """
    for path in tolerated:
        if not _PATH.fullmatch(path):
            raise ConfigError(
                f"tolerated paths of the leak check: {path!r} is none; write Encounter.identifier.value or Organization.*"
            )
    total = Tally(common_from)
    for tally, links in _scanned(result, known, common_from, processes):
        total.add(tally)
        known.survey.after.add(links)
    matcher = _matcher(known)
    looked_for = {kind.name: matcher.kinds[kind].distinct() for kind in KINDS}
    found, common = total.judged()
    allowed = Counter({where: n for where, n in found.items() if _is_allowed(where[0], tolerated)})
    return LeakReport(
        total.lines, total.bytes, looked_for, rows(found - allowed), rows(allowed), rows(common), common_from
    )


def _is_allowed(path: str, tolerated: Iterable[str]) -> bool:
    return any(path == one or (one.endswith(".*") and f"{path}.".startswith(one[:-1])) for one in tolerated)


def _matcher(known: Gathered) -> Matcher:
    return Matcher(known.folder, known.hasher, known.sizes)


class _Search:
    """What a process does with a piece of the result."""

    def __init__(self, known: Gathered, common_from: int) -> None:
        self._scanner = Scanner(_matcher(known), common_from)
        self._marker = Marker()
        self._walker, self._hasher = Walker(known.hasher), known.hasher

    def __call__(self, stretch: Stretch) -> _Done:
        total = Tally(self._scanner.common_from)
        links: list[Numbers] = []
        for block in stretch_blocks(stretch):
            marked = self._marker(block)
            total.add(self._scanner.take(marked))
            links += links_of(marked, self._walker, self._hasher)
        return total, links


def _scanned(result: Path, known: Gathered, common_from: int, processes: int) -> Iterator[_Done]:
    """What each piece of the result holds."""
    if processes <= 1:
        return map(_Search(known, common_from), stretches(result))
    prepare()
    return in_processes(processes, _search_here, stretches(result), _start, (known, common_from))


_search: _Search
"""Of this process, if it is one of several."""


def _start(setup: tuple[Gathered, int]) -> None:
    global _search
    _search = _Search(*setup)


def _search_here(stretch: Stretch) -> _Done:
    return _search(stretch)
