"""What the linter has to say, and how a person reads it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from dimpflow.ruleset.rules import Rule

Level = Literal["error", "warning", "note"]
Code = Literal[
    "incomplete", "keeps-identifier", "key-in-file", "known-terms", "missing-key", "never-matches", "no-domain", "no-op-setting", "not-loaded",
    "same-path", "shadowed", "short-hash", "short-key", "slow", "stays-in-clear", "undecidable-true", "union-by-value",
]  # fmt: skip

T = TypeVar("T")

MOST_LISTED = 8
"""Paths that a finding lists; of more it gives the number."""

_MOST_BRIEF = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know about a rule set.

    level: `error` can never do what it says; `warning` is probably not meant, or a trap; `note` stays in clear, for a person
    to judge. rule: its number, 0 for the rule set as a whole; path: the rule's, or of the element or parameter concerned;
    code: what kind of finding; remedy: what to write instead.
    """

    level: Level
    rule: int
    path: str
    code: Code
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = f"rule {self.rule} ({self.path}): " if self.rule else ""
        what = f"{self.path}: " if self.path and not self.rule else ""
        text = f"{where}{self.level} {self.code}: {what}{self.reason}"
        return _printable(f"{text}; {self.remedy}" if self.remedy else text)


def of_rule(level: Level, rule: Rule, code: Code, reason: str, remedy: str) -> Finding:
    """A finding about one rule."""
    return Finding(level, rule.number, rule.path, code, reason, remedy)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By rule, the rule set as a whole first."""
    return sorted(findings, key=lambda f: (f.rule, f.code, f.path, f.reason))


def brief(findings: Iterable[Finding], file: Path | str = "...") -> list[str]:
    """One line for each error and warning, as the start of a workflow shows them, errors first; of many only the first."""
    loud = sorted((finding for finding in findings if finding.level != "note"), key=lambda f: f.level)
    lines = [str(finding) for finding in loud]
    more = len(lines) - _MOST_BRIEF
    return lines if more <= 0 else [*lines[:_MOST_BRIEF], f"and {more} more: make lint-rules FILE={file}"]


def listed(things: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(things) - MOST_LISTED
    return ", ".join(things[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def numbered(numbers: Iterable[int]) -> str:
    """`rule 3` or `rules 3, 5`."""
    found = sorted(numbers)
    return f"rule{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"


def _printable(text: str) -> str:
    """On one line, whatever characters a path holds."""
    return "".join(c if c.isprintable() else "?" for c in text)
