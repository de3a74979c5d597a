"""A place in the model, and which values fit there."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import UNSET, Raw

from dimpflow.errors import LineError
from dimpflow.fhir.primitives import instant_of, normal_base64, normal_instant
from dimpflow.fhir.table import Element, codes, type_name
from dimpflow.fhirpath.numbers import plain

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)
_WHOLE = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
WHOLE_NUMBERS = ("integer", "positiveInt", "unsignedInt")
DATES = ("date", "dateTime", "instant")
_LONGEST_NUMBER = 400
"""Digits that a decimal may stand for when it is written out; 1e999999999 is a number, too."""

Operation = Callable[[Any], Any]
"""A value (str, bool, int, or Raw for decimals) to the new one; UNSET where nothing remains."""


@dataclass(frozen=True, slots=True)
class Place:
    """A primitive element. name: FHIR name; type: its primitive type; parent: FHIR type name of what it belongs to; codes: id
    of the value set that a code must be from."""

    name: str
    type: str
    parent: str
    codes: str = ""

    @property
    def is_reference(self) -> bool:
        """Reference.reference."""
        return self.parent == "Reference" and self.name.lower() == "reference"

    @property
    def takes_text(self) -> bool:
        """Whether any text may stand there (dates, too, are not checked when the model is made of the result)."""
        checked = (*WHOLE_NUMBERS, "boolean", "decimal", "instant", "base64Binary")
        return self.type not in checked and not self.codes

    def fit(self, value: Any) -> Any:
        """A value as the element's JSON type wants it; LineError where it does not fit (specification, section 2.5)."""
        if isinstance(value, str):
            value = value.strip()
        if value is UNSET or value == "":
            return UNSET
        if self.type == "boolean":
            fitted = value if isinstance(value, bool) else _BOOLEANS.get(str(value).lower())
        elif isinstance(value, bool):
            fitted = None
        else:
            fitted = self._fit_text(plain(value) if isinstance(value, Decimal) else str(value))
        if fitted is None:
            raise LineError(f"what it gives is no {self.codes and 'bound '}{self.type}")
        return fitted

    def _fit_text(self, text: str) -> Any:
        match self.type:
            case "decimal":
                return Raw(text.encode()) if _NUMBER.fullmatch(text) else None
            case "integer" | "positiveInt" | "unsignedInt":
                whole = int(text) if _WHOLE.fullmatch(text) and len(text) < 12 else 1 << 31
                return whole if -(1 << 31) <= whole < 1 << 31 else None
            case "instant":
                return instant_of(text)
            case "base64Binary":
                return normal_base64(text)
        return None if self.codes and text not in codes(self.codes) else text

    @property
    def key(self) -> str:
        """How seeds of noise and encryption name the place."""
        return f"{self.parent}.{self.name}"


_BOOLEANS = {"true": True, "false": False}


def place_of(parent: str, element: Element) -> Place:
    """The place of a primitive element of a type key."""
    return Place(element.name, element.type, type_name(parent), element.codes)


def text_of(value: Any) -> str:
    """A value as methods see it (specification, section 3): text without white space around it, numbers without exponent.

    LineError for text of nothing but white space, which FHIR does not allow.
    """
    if isinstance(value, str):
        text = value.strip()
        if not text:
            raise LineError("a text of nothing but white space")
        return text
    if isinstance(value, Raw):
        return plain(number_of(value))
    return str(value)


def number_of(raw: Raw) -> Decimal:
    """A decimal's value. LineError where it is too large to be written out."""
    text = bytes(raw).decode()
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")  # an exponent beyond even what Python can calculate with
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) + len(text) > _LONGEST_NUMBER:
        raise LineError("a number that is too large to work with")
    return number


def checked(place: Place) -> Operation | None:
    """What is done to a value that no rule changes: None, or its check, which also gives it its usual form."""
    match place.type:
        case "decimal":
            return check_number
        case "instant":
            return _instant
        case "base64Binary":
            return _base64
    return None


def check_number(raw: Any) -> Any:
    """LineError unless a decimal, which was decoded unread, is a number: of all JSON values only they start so."""
    if not b"," < bytes(raw) < b":":
        raise LineError("expected a number for a decimal")
    return raw


def _instant(text: str) -> str:
    found = normal_instant(text) or normal_instant(text.strip())
    if found is None:
        raise LineError("expected a date and time with seconds and zone for an instant")
    return found


def _base64(text: str) -> str:
    found = normal_base64(text)
    if found is None:
        raise LineError("expected base64")
    return found
