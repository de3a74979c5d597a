"""dateshift: move dates by a number of days that nobody without the key knows (specification, section 3.4)."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from operator import mul
from typing import Any

from dimpflow.engine.labels import PERTURB, REDACT
from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.place import DATES, Operation, Place, text_of
from dimpflow.engine.methods.redact import DATE, DATE_TIME, over_89, redaction
from dimpflow.errors import LineError
from dimpflow.fhirpath.moments import in_data
from dimpflow.keys import KeyedHash
from dimpflow.ruleset.rules import DateShift, Parameters

_MODULUS = 101
_FURTHEST = 50
_POWERS = [pow(131, n, _MODULUS) for n in range(_MODULUS - 1)]
_TIME = re.compile(
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))",
    re.ASCII,
)
_ZEROS = str.maketrans("123456789", "000000000")

Prefix = Callable[[], str]
"""What the offset is made of beside the key: the id of the outermost resource at that moment; strictly, the patient."""


class Offsets(Cache):
    """Prefix to offset in days. Compat: a polynomial of the bytes of prefix and key, modulo 101; -50 to 50."""

    def __init__(self, key: str) -> None:
        super().__init__(self._offset)
        self._key = key.encode()

    def _offset(self, prefix: str) -> int:
        data = prefix.encode() + self._key
        # the sum of byte times power is what the loop over all bytes gives, at the speed of C
        powers = (_POWERS * (len(data) // len(_POWERS) + 1))[: len(data)]
        total: int = sum(map(mul, reversed(data), powers))
        return total % _MODULUS - _FURTHEST


class StrictOffsets(Cache):
    """Patient to offset: a keyed hash; -50 to 50, but never 0."""

    def __init__(self, key: str, prefix: str) -> None:
        super().__init__(self._offset)
        self._hash = KeyedHash(key.encode())
        self._prefix = prefix

    def _offset(self, patient: str) -> int:
        digest = self._hash.digest(f"{len(self._prefix)}:{self._prefix}{patient}".encode())
        days = int.from_bytes(digest[:8], "big") % (2 * _FURTHEST) - _FURTHEST
        return days if days < 0 else days + 1


class Calendar:
    """Days as numbers and back, for the whole engine: few days come again and again."""

    def __init__(self, today: date) -> None:
        self.number = Cache(lambda text: _number(text, today))
        self.text = Cache(lambda number: date.fromordinal(number).isoformat())
        self.rest = {
            "date": Cache(lambda rest: None if rest else ""),
            "dateTime": Cache(_zeroed),
            "instant": Cache(_zeroed_instant),
        }


def _number(text: str, today: date) -> int | None:
    """The number of a day; None for what is no plain date, or one that means an age over 89."""
    if not DATE.fullmatch(text) or len(text) != 10:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return None if over_89(today, day.year, day.month, day.day) else day.toordinal()


def _zeroed(rest: str) -> str | None:
    """A time with zone, with its digits cleared; '' for a day alone; None if it is no time."""
    if not rest:
        return ""
    match = _TIME.fullmatch(rest)
    if match is None:
        return None
    zone = match[3]
    return rest[: -len(zone)].translate(_ZEROS) + zone


def _zeroed_instant(rest: str) -> str | None:
    if not rest:
        return "T00:00:00+00:00"
    match = _TIME.fullmatch(rest)
    if match is None:
        return None
    return "T00:00:00" + ("+00:00" if match[3] in ("Z", "-00:00") else match[3])


def date_shift(
    place: Place,
    method: DateShift,
    parameters: Parameters,
    *,
    calendar: Calendar,
    offsets: Cache,
    prefix: Prefix,
    today: date,
    strict: bool,
) -> Operation | None:
    """The operation at a place; it gives (value, what was done). None where there is nothing to shift."""
    if place.type not in DATES:
        return None
    fixed = method.offset if method.offset is not None else parameters.shift_offset
    if parameters.shift_prefix and not strict:
        fixed_prefix = parameters.shift_prefix
        prefix = lambda: fixed_prefix  # noqa: E731
    fallback = redaction(place, parameters, today, strict=strict)
    number, day, rest_of = calendar.number, calendar.text, calendar.rest[place.type]

    def work(value: str) -> tuple[Any, int]:
        offset = fixed if fixed is not None else offsets[prefix()]
        start = number[value[:10]]
        rest = rest_of[value[10:]]
        if start is None or rest is None:
            return slow(value, offset)
        try:
            return day[start + offset] + rest, PERTURB
        except (ValueError, OverflowError):
            raise LineError("the shifted date lies outside the calendar") from None

    def slow(value: str, offset: int) -> tuple[Any, int]:
        text = text_of(value)
        match = (DATE if place.type == "date" else DATE_TIME).search(text)
        if match is None or not match[7] or over_89(today, int(match[1]), int(match[5]), int(match[7])):
            return fallback(value), REDACT
        if text != value:
            return work(text)
        try:
            moved = _loose_day(text) + timedelta(offset)
        except (ValueError, OverflowError):
            raise LineError("a date that cannot be shifted") from None
        return place.fit(moved.isoformat()), PERTURB

    return work


def _loose_day(text: str) -> date:
    """The day, in UTC, of a date and time that is not written as FHIR wants it. ValueError if it is none."""
    moment = in_data("DateTime", text)
    if moment is None or len(moment.components) < 5:
        raise ValueError
    year, month, day = (int(part) for part in moment.components[:3])
    return date(year, month, day)
