"""Primitive values as the FHIR Pseudonymizer holds and writes them (specification of the rules, sections 2.1, 2.5 and 2.8)."""

import base64
import binascii
import re
from datetime import date, datetime

INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(0\d|1[0-3]|14(?=:00)):([0-5]\d))", re.ASCII
)
USUAL_TIME = re.compile(
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{0,6}[1-9])?\+(?:0\d|1[0-3]):[0-5]\d", re.ASCII
)
"""The time of an instant as most servers write it; nothing is to be changed there."""
KNOWN_DAYS: set[str] = set()
"""Days of the calendar that have come in an instant."""
_MOST_DAYS = 50_000
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_WHITE = str.maketrans("", "", " \t\r\n")


def normal_instant(text: str) -> str | None:
    """An instant as it is always written: at most 7 digits of a second, no trailing zeros, `+00:00` for UTC. None if it is none."""
    match = INSTANT.fullmatch(text)
    if match is None:
        return None
    moment, fraction, sign, hours, minutes = match.groups()
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return None
    if len(KNOWN_DAYS) < _MOST_DAYS:
        KNOWN_DAYS.add(moment[:10])
    fraction = (fraction or "")[:7].rstrip("0")
    zone = "+00:00" if sign is None or (hours, minutes) == ("00", "00") else f"{sign}{hours}:{minutes}"
    return f"{moment}{'.' if fraction else ''}{fraction}{zone}"


def instant_of(text: str) -> str | None:
    """What a method made, as an instant; a date, or a part of one, means its first moment in UTC. None if it is neither."""
    match = _DATE.fullmatch(text)
    if match is None:
        return normal_instant(text)
    try:
        day = date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return None
    return f"{day.isoformat()}T00:00:00+00:00"


def normal_base64(text: str) -> str | None:
    """Base64 without white space; None if it is none. Inside, only white space of ASCII is overlooked."""
    if " " in text or not text.isprintable():
        text = text.strip().translate(_WHITE)
    try:
        binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    if len(text) % 4:
        return None  # characters at the end that Python overlooks
    # only the last four characters can be written in more than one way
    return text[:-4] + base64.b64encode(binascii.a2b_base64(text[-4:])).decode()
