"""redact: clear a value, or keep the part of it that the parameters allow (specification, section 3.2)."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

from msgspec import UNSET, Raw

from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.place import DATES, Operation, Place, number_of, text_of
from dimpflow.errors import LineError
from dimpflow.ruleset.rules import Parameters

_YEAR = r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_DAY = r"(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1])"
_TIME = r"(T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00)))?"
DATE = re.compile(rf"{_YEAR}{_DAY})?)?", re.ASCII)
DATE_TIME = re.compile(rf"{_YEAR}{_DAY}{_TIME})?)?", re.ASCII)
"""Groups of both: 1 year, 5 month, 7 day; of the second also 8: time with zone."""

_OLDEST_AGE = 89
_LEADING = 3
"""Characters of a postal code that may stay."""
_WHOLE = re.compile(r"-?\d+", re.ASCII)


def clear(value: Any) -> Any:
    """The operation where nothing is spared."""
    return UNSET


def over_89(today: date, year: int, month: int, day: int) -> bool:
    """Whether a person born then is over 89 on the reference date (section 3.4)."""
    still_to_come = (month, day) > (today.month, today.day)
    return today.year - year - still_to_come > _OLDEST_AGE


def spares(parameters: Parameters, type_: str, name: str, parent: str) -> bool:
    """Whether something of a value at such a place may survive redact."""
    if type_ in DATES:
        return parameters.partial_dates
    if type_ == "decimal" and parent == "Age":
        return parameters.partial_ages
    return parameters.partial_zips and name.lower() == "postalcode"


def redaction(place: Place, parameters: Parameters, today: date | None, *, strict: bool) -> Operation:
    """The operation at a place."""
    if not spares(parameters, place.type, place.name, place.parent):
        return clear
    if place.type in DATES:
        if strict and place.type == "instant":
            return clear  # a year alone would look like a real moment
        assert today is not None
        return Cache(_partial_date(place, today, strict)).__getitem__
    if place.type == "decimal":
        return _partial_age_strict if strict else _partial_age
    return Cache(_partial_zip(place, parameters, strict)).__getitem__


def _partial_date(place: Place, today: date, strict: bool) -> Callable[[str], Any]:
    pattern = DATE if place.type == "date" else DATE_TIME

    def work(value: str) -> Any:
        match = pattern.search(value)
        if match is None:
            return UNSET if strict else value
        if over_89(today, int(match[1]), int(match[5] or 1), int(match[7] or 1)):
            return UNSET
        return place.fit(match[1])

    return work


def _partial_age(raw: Raw) -> Any:
    if not _WHOLE.fullmatch(text_of(raw)):
        raise LineError("an age that is not written as a whole number cannot be judged")
    return UNSET if number_of(raw) > _OLDEST_AGE else raw


def _partial_age_strict(raw: Raw) -> Any:
    return UNSET if number_of(raw) > _OLDEST_AGE else raw


def _partial_zip(place: Place, parameters: Parameters, strict: bool) -> Callable[[str], Any]:
    def work(value: str) -> Any:
        text = value.strip()
        if any(text.startswith(area) for area in parameters.restricted_zips):
            return place.fit(re.sub(r"\d", "0", text))
        if strict:
            # in a short code, three characters would be most of it; letters say as much as digits
            return UNSET if len(text) <= _LEADING else text[:_LEADING] + re.sub(r"\w", "0", text[_LEADING:])
        if len(text) < _LEADING:
            return value
        return place.fit(text[:_LEADING] + re.sub(r"\d", "0", text[_LEADING:]))

    return work
