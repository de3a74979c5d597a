"""dateshift: move dates by a number of days that nobody without the key knows (specification, section 3.4)."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
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
_BASE = 131
_OF_PAIRS = bytes(
    (first * _BASE + second) % _MODULUS for first, second in (b"%02x" % byte for byte in range(256))
)
_TIME = re.compile(
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))",
    re.ASCII,
)
_USUAL = re.compile(
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))", re.ASCII
).fullmatch
_ZONE_AT = len("2020-01-01T00:00:00")
_ZEROS = str.maketrans("123456789", "000000000")

Prefix = Callable[[], str]
"""What the offset is made of beside the key: the id of the outermost resource at that moment; strictly, the patient."""


class Offsets:
    """Prefix to offset in days: a polynomial of the bytes of prefix and key, modulo 101; -50 to 50.

    days: the offset of the prefix `of`; all dates of a resource ask for the same.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._of_key = sum(map(mul, self._key, _powers(len(self._key), _BASE, 1)))
        self._shift = pow(_BASE, len(self._key), _MODULUS)
        self.of: str | None = None
        self.days = 0

    def find(self, prefix: str) -> None:
        """Sets `of` and `days`."""
        data, base = prefix.strip().encode(), _BASE
        pairs = _pairs(prefix)
        if pairs:
            data, base = pairs, _BASE * _BASE
        total: int = sum(map(mul, data, _powers(len(data), base, self._shift))) + self._of_key
        self.of, self.days = prefix, total % _MODULUS - _FURTHEST


def _pairs(text: str) -> bytes:
    """Of a hash in hexadecimal, what each two characters count modulo 101: half as many numbers to add up. b'' for others.

    Rule sets that hash ids before they shift dates come here with each resource.
    """
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return b""
    return data.translate(_OF_PAIRS) if data.hex() == text else b""


@lru_cache(1000)
def _powers(length: int, base: int, last: int) -> tuple[int, ...]:
    """What each of so many numbers counts, the last one `last`: the sum of all is what a loop would give."""
    return tuple(pow(base, place, _MODULUS) * last % _MODULUS for place in reversed(range(length)))


class StrictOffsets:
    """Patient to offset: a keyed hash; -50 to 50, but never 0."""

    def __init__(self, key: str, prefix: str) -> None:
        self._hash = KeyedHash(key.encode())
        self._prefix = f"{len(prefix)}:{prefix}"
        self.of: str | None = None
        self.days = 0

    def find(self, prefix: str) -> None:
        """Sets `of` and `days`."""
        digest = self._hash.digest((self._prefix + prefix).encode())
        days = int.from_bytes(digest[:8], "big") % (2 * _FURTHEST) - _FURTHEST
        self.of, self.days = prefix, days if days < 0 else days + 1


class Calendar:
    """Days as numbers and back, for the whole engine: few days come again and again."""

    def __init__(self, today: date) -> None:
        self.number = Cache(lambda text: _number(text, today))
        self.text = Cache(lambda number: date.fromordinal(number).isoformat())


def _number(text: str, today: date) -> int | None:
    """The number of a day; None for what is no plain date, or one that means an age over 89."""
    if not DATE.fullmatch(text) or len(text) != 10:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return None if over_89(today, day.year, day.month, day.day) else day.toordinal()


def _zeroed(rest: str, type_: str) -> str | None:
    """What stands behind the day, its time cleared; None where no day with or without time is meant so."""
    match = _TIME.fullmatch(rest)
    if not rest:
        return "T00:00:00+00:00" if type_ == "instant" else ""
    if match is None or type_ == "date":
        return None
    zone = match[3]
    if type_ == "instant":
        return "T00:00:00" + ("+00:00" if zone in ("Z", "-00:00") else zone)
    return rest[: -len(zone)].translate(_ZEROS) + zone


def date_shift(
    place: Place,
    method: DateShift,
    parameters: Parameters,
    *,
    calendar: Calendar,
    offsets: Offsets | StrictOffsets,
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
    number, day, type_ = calendar.number, calendar.text, place.type
    bare = _zeroed("", type_)
    zones = Cache(lambda zone: _zeroed(f"T00:00:00{zone}", type_))

    def work(value: str) -> tuple[Any, int]:
        if fixed is None:
            now = prefix()
            if now != offsets.of:
                offsets.find(now)
            offset = offsets.days
        else:
            offset = fixed
        start = number[value[:10]]
        if len(value) == 10:
            rest = bare
        # no memory of times: most come once only, and what is written down for nothing costs more than it takes to look
        elif _USUAL(value, 10):
            rest = zones[value[_ZONE_AT:]]
        else:
            rest = _zeroed(value[10:], type_)
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
