"""Texts as sequences of folded words, so that a value is found however it is written: case, spaces, punctuation, umlauts."""

import html
import re
import unicodedata
from functools import cache

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "œ": "oe"})
_MARKS = re.compile("[\u0300-\u036f]+")
_WORD = re.compile(r"[^\W_]+")
_ISO = re.compile(r"(?<![0-9a-z])(\d{4})-(\d\d)-(\d\d)(?![0-9])")
_GERMAN = re.compile(r"(?<![0-9a-z])(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})(?![0-9])")
_WHOLE = re.compile(r"\d{4}(-\d\d(-\d\d(t\d\d:\d\d(:\d\d(\.\d+)?)?(z|[+-]\d\d:\d\d)?)?)?)?")


def fold(text: str) -> str:
    """Lower case, entities of XHTML as the characters that they mean, `ä` as `ae`, `é` as `e`."""
    if "&" in text:
        text = html.unescape(text)
    if text.isascii():
        return text.lower()
    quick = text.translate(_singly())
    return quick.lower() if quick.isascii() else _fold(text)


@cache
def _singly() -> dict[int, str]:
    """What characters of Latin script fold to, whatever is beside them."""
    return {code: folded for code in range(0x80, 0x250) if (folded := _fold(chr(code))).isascii()}


def _fold(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().translate(_UMLAUTS)
    return _MARKS.sub("", unicodedata.normalize("NFKD", text))


def words(folded: str) -> list[str]:
    """The runs of letters and digits of a folded text."""
    return _WORD.findall(folded)


def days(folded: str) -> set[str]:
    """The full dates in a folded text, as `yyyymmdd`: `1958-05-17`, `17.05.1958`, `17. 5. 1958`."""
    found = {year + month + day for year, month, day in _ISO.findall(folded)}
    for day, month, year in _GERMAN.findall(folded):
        found.add(f"{year}{month:0>2}{day:0>2}")
    return found


def is_moment(folded: str) -> bool:
    """Whether a folded text is a date or a time on a date and nothing else (FHIR R4 section 2.24.0.1)."""
    return _WHOLE.fullmatch(folded) is not None
