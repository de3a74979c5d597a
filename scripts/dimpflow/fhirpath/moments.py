"""Dates and times with their precision, and how they compare (FHIRPath 2.0.0, sections 4.3 and 6; specification, 2.4).

A value may end at any component. Two values are compared component by component, in UTC; where only one of them has the next
component, or on getting as far as the hour only one of them has a zone, the comparison cannot be decided.
"""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_TIME = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?", re.ASCII)
_ONLY_HOUR = re.compile(r"(.*T)?\d\d(Z|[+-]\d\d:\d\d)?", re.ASCII)
_LONGEST_OFFSET = 14 * 60
_HOUR = 3
"""Index of the component from which on a zone counts."""


class Moment(NamedTuple):
    """components: year, month, day, hour, minute, second with fraction (of a time: from the hour on), as far as given."""

    components: tuple[int | Decimal, ...]
    zoned: bool


def in_data(kind: str, text: str) -> Moment | None:
    """The moment that a value of a resource says; only literals of FHIRPath may end at the hour."""
    if kind != "Date" and _ONLY_HOUR.fullmatch(text) and (kind == "Time" or "T" in text):
        return None
    return parse(kind, text)


@lru_cache(4096)
def parse(kind: str, text: str) -> Moment | None:
    """The moment that a text of the kind Date, DateTime or Time says; None if it says none, or one that does not exist."""
    pattern = {"Date": _DATE, "DateTime": _DATE_TIME, "Time": _TIME}[kind]
    match = pattern.fullmatch(text)
    if match is None:
        return None
    groups = match.groups()
    zone = groups[6] if kind == "DateTime" else None
    parts: list[int | Decimal] = [
        Decimal(g) if "." in g else int(g) for g in groups[: 6 if kind == "DateTime" else 3] if g is not None
    ]
    try:
        if kind == "Time":
            _moment([1, 1, 1, *(int(part) for part in parts)])
            return Moment(tuple(parts), False)
        moment = _moment([int(part) for part in parts])
        if zone and zone != "Z":
            hours, minutes = int(zone[1:3]), int(zone[4:])
            if minutes > 59 or hours * 60 + minutes > _LONGEST_OFFSET:
                return None
            offset = timedelta(hours=hours, minutes=minutes)
            moment -= offset if zone[0] == "+" else -offset
            in_utc = (moment.year, moment.month, moment.day, moment.hour, moment.minute)
            parts = [*in_utc[: len(parts)], *parts[5:]]
    except (ValueError, OverflowError):
        return None
    return Moment(tuple(parts), zone is not None)


def _moment(parts: list[int]) -> datetime:
    """The moment with missing parts filled up. ValueError if there is none."""
    year, month, day, hour, minute, second = parts + [1, 1, 1, 0, 0, 0][len(parts) :]
    return datetime(year, month, day, hour, minute, second)


def compare(left: Moment, right: Moment, *, time: bool = False) -> int | None:
    """-1, 0 or 1, or None if it cannot be decided. time: both are times of day, which have no zone."""
    for index in range(max(len(left.components), len(right.components))):
        if index >= len(left.components) or index >= len(right.components):
            return None
        if index == _HOUR and not time and left.zoned != right.zoned:
            return None
        one, other = left.components[index], right.components[index]
        if one != other:
            return -1 if one < other else 1
    return 0
