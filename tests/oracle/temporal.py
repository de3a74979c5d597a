"""Dates, times and instants: reading, comparing, normalising (2.4, 2.8)."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

_DATE = r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})%s)?)?"
_CLOCK = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:\.[0-9]+)?))?"
_ZONE = r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?"
_FORMS = {
    "Date": re.compile(_DATE % ""),
    "DateTime": re.compile(_DATE % f"(?:T{_CLOCK}{_ZONE})?"),
    "Time": re.compile(_CLOCK),
}
# FHIRPath literals may also stop at the hour.
_HOUR = {
    "DateTime": re.compile(_DATE % "T(?P<hour>[0-9]{2})"),
    "Time": re.compile(r"(?P<hour>[0-9]{2})"),
}
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_PARTIAL_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_LONGEST_OFFSET = 14 * 60


@dataclass(frozen=True)
class Temporal:
    """A partial date, dateTime or time; `parts` are year to second, for a time hour to second."""

    kind: str
    text: str
    parts: tuple[int | Decimal, ...]
    zone: int | None
    """Minutes east of Greenwich; None where the text names no zone."""


def read_temporal(kind: str, text: str, *, literal: bool = False) -> Temporal | None:
    """The value if the text is well-formed and real, else None."""
    match = _FORMS[kind].fullmatch(text)
    if match is None and literal and kind in _HOUR:
        match = _HOUR[kind].fullmatch(text)
    if match is None:
        return None
    groups = match.groupdict()
    numbers = [int(groups[name]) for name in ("year", "month", "day", "hour", "minute") if groups.get(name)]
    parts: list[int | Decimal] = [*numbers]
    if groups.get("second"):
        parts.append(Decimal(groups["second"]))
    zone = _offset(groups["zone"]) if groups.get("zone") else None
    if groups.get("zone") and zone is None:
        return None
    if kind != "Time" and not _is_date(*numbers[:3]):
        return None
    clock = parts if kind == "Time" else parts[3:]
    if any(part >= limit for part, limit in zip(clock, (24, 60, 60), strict=False)):
        return None
    return Temporal(kind, text, tuple(parts), zone)


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1; None if it cannot be decided, because one is less precise or only one has a zone (2.4)."""
    one, other = _in_utc(left), _in_utc(right)
    hour = 0 if left.kind == "Time" else 3
    for index in range(max(len(one), len(other))):
        if index >= len(one) or index >= len(other):
            return None
        if index == hour and (left.zone is None) != (right.zone is None):
            return None
        if one[index] != other[index]:
            return -1 if one[index] < other[index] else 1
    return 0


def utc_date(value: Temporal) -> date:
    """The calendar date in UTC, of a value that has a day; OverflowError or ValueError if outside the calendar."""
    year, month, day = (int(part) for part in _in_utc(value)[:3])
    return date(year, month, day)


def normal_instant(text: str) -> str | None:
    """An instant in the form in which it is written (2.8), or None if it is none."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, zone = match.groups()
    if read_temporal("DateTime", seconds + zone) is None:
        return None
    fraction = (fraction or "")[:7].rstrip("0")
    zone = "+00:00" if zone in {"Z", "-00:00"} else zone
    return seconds + ("." + fraction if fraction else "") + zone


def instant_from(text: str) -> str | None:
    """What an instant becomes that a method wrote: a (partial) date is UTC midnight of its first day (2.8)."""
    match = _PARTIAL_DATE.fullmatch(text)
    if match is None:
        return normal_instant(text)
    year, month, day = match.groups()
    return normal_instant(f"{year}-{month or '01'}-{day or '01'}T00:00:00Z")


def _offset(zone: str) -> int | None:
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:])
    total = hours * 60 + minutes
    if minutes > 59 or total > _LONGEST_OFFSET:
        return None
    return -total if zone[0] == "-" else total


def _is_date(year: int, month: int = 1, day: int = 1) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _in_utc(value: Temporal) -> tuple[int | Decimal, ...]:
    """The parts in UTC; without a zone they are taken as UTC already."""
    if not value.zone:
        return value.parts
    year, month, day, hour, minute, *second = value.parts
    # Years repeat every 400, so the sum can be done in the middle of the calendar, far from its ends.
    cycle, in_cycle = divmod(int(year), 400)
    minutes = int(hour) * 60 + int(minute) - value.zone
    moved = date(in_cycle + 2000, int(month), int(day)) + timedelta(days=minutes // 1440)
    year = moved.year - 2000 + cycle * 400
    return (year, moved.month, moved.day, minutes % 1440 // 60, minutes % 60, *second)
