"""Dates and URIs as the CRTDL schema means them. Without such checks of our own, jsonschema lets every text pass."""

import re
from datetime import date

from jsonschema import FormatChecker

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_AUTHORITY = rf"(?:{_CHAR}*@)?(?:\[[0-9A-Fa-f:.v]+\]|(?:(?![:@]){_CHAR})*)(?::[0-9]*)?"
_URI = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.\-]*:(?://{_AUTHORITY}(?:/(?:{_CHAR}|/)*)?|(?!//)(?:{_CHAR}|/)*)"
    rf"(?:\?(?:{_CHAR}|[/?])*)?(?:\#(?:{_CHAR}|[/?])*)?"
)


def day(text: str) -> date | None:
    """The day that `YYYY-MM-DD` names, None for any other text. Source: torch-crtdl.md 2.3."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def is_uri(text: str) -> bool:
    """Whether it is a URI with a scheme (RFC 3986). Source: torch-crtdl.md 2.2."""
    return _URI.fullmatch(text) is not None


def checker() -> FormatChecker:
    """What jsonschema needs to assert `date` and `uri`, and no other format."""
    found = FormatChecker(formats=())
    found.checks("date")(lambda value: not isinstance(value, str) or day(value) is not None)
    found.checks("uri")(lambda value: not isinstance(value, str) or is_uri(value))
    return found
