"""What the check of a CRTDL document has to say, and how a person reads it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
Code = Literal[
    "bad-date", "consent-excluded", "consent-ignored", "consent-incomplete", "date-filters", "direct-identifier",
    "duplicate-attribute", "duplicate-group-id", "duplicate-key", "empty-cohort", "enrichment", "filter-type", "group-name", "missing",
    "mixed-types", "must-have-standard", "never-loaded", "no-consent", "no-identifier", "not-read", "open-date-filter",
    "patient-group", "patient-list", "reference-without-link", "reversed-dates", "schema", "search-parameter",
    "token-without-codes", "too-large", "unknown-attribute", "unknown-profile", "unlinked-group", "unresolved-link",
]  # fmt: skip

_LEVELS: tuple[Level, ...] = ("error", "warning", "note")
_MOST_SHOWN = 80
"""Characters of a text out of the document that a message shows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know about a CRTDL document before it is sent.

    level: `error` is refused by TORCH, or silently does what nobody wants; `warning` is probably not meant, or cannot be decided
    here; `note` is for a person to judge. pointer: JSON pointer (RFC 6901), "" for the document as a whole; reason: what is
    wrong; torch: what TORCH would do; remedy: what to write instead.
    """

    level: Level
    code: Code
    pointer: str
    reason: str
    torch: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.pointer}: " if self.pointer else ""
        torch = f"; TORCH {self.torch}" if self.torch else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return printable(f"{where}{self.level} {self.code}: {self.reason}{torch}{remedy}")


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By place in the document (`/2` before `/10`), errors first where several things are wrong with one place."""
    return sorted(
        set(findings), key=lambda f: (_natural(f.pointer), _LEVELS.index(f.level), f.code, f.reason)
    )


def pointer(*parts: str | int) -> str:
    """The JSON pointer to a place (RFC 6901): `~` and `/` in names are escaped."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def shown(text: str) -> str:
    """A text of the document as a message shows it: in quotes, on one line, not endless."""
    return printable(f'"{text}"' if len(text) <= _MOST_SHOWN else f'"{text[:_MOST_SHOWN]}..."')


def printable(text: str) -> str:
    """Without characters that play with a terminal, whatever the document holds."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _natural(place: str) -> list[tuple[int, str]]:
    # ASCII only: int() does not take all that isdecimal() does, and names may be anything
    return [
        (int(part), "") if part.isascii() and part.isdecimal() and len(part) < 10 else (-1, part)
        for part in place.split("/")
    ]
