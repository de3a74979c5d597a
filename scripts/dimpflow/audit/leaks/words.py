"""Texts as sequences of folded words, so that a value is found however it is written: case, spaces, punctuation, umlauts."""

import html
import re
import unicodedata
from collections.abc import Sequence

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "œ": "oe"})
_MARKS = re.compile("[\u0300-\u036f]+")
_WORD = re.compile(r"[^\W_]+")
_NOT_IN_WORDS = bytes(c if c >= 128 or chr(c).isalnum() else 32 for c in range(256))
_NOT_IN_WORDS_BUT_NUL = b"\0" + _NOT_IN_WORDS[1:]

_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|(.))", re.DOTALL)

_ISO = re.compile(r"(?<![0-9a-z])(\d{4})-(\d\d)-(\d\d)(?![0-9])")
_GERMAN = re.compile(r"(?<![0-9a-z])(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})(?![0-9])")
_WHOLE = re.compile(r"\d{4}(-\d\d(-\d\d(t\d\d:\d\d(:\d\d(\.\d+)?)?(z|[+-]\d\d:\d\d)?)?)?)?")


def fold(text: str) -> str:
    """Lower case, entities of XHTML as the characters that they mean, `ä` as `ae`, `é` as `e`."""
    if "&" in text:
        text = html.unescape(text)
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).casefold().translate(_UMLAUTS)
    return _MARKS.sub("", unicodedata.normalize("NFKD", text))


def words(folded: str) -> list[str]:
    """The runs of letters and digits of a folded text."""
    return _WORD.findall(folded)


def in_words(texts: Sequence[str]) -> list[bytes]:
    """The words of each text as UTF-8, between them a blank; nothing for texts without any."""
    joined = fold("\0".join(texts))
    if joined.count("\0") != len(texts) - 1 or not joined.isascii():
        values = [" ".join(words(fold(text))).encode("utf-8", "replace") for text in texts]
    else:
        data = joined.encode().translate(_NOT_IN_WORDS_BUT_NUL)
        values = data.split(b"\0")
        if b"  " in data or any(value[:1] == b" " or value[-1:] == b" " for value in values):
            values = [b" ".join(value.split()) for value in values]
    return [value for value in values if value]


def distinct_words(folded: str) -> set[bytes]:
    """The same, each once, as UTF-8; for long texts."""
    if folded.isascii():
        return set(folded.encode().translate(_NOT_IN_WORDS).split())
    return {word.encode("utf-8", "replace") for word in set(_WORD.findall(folded))}


def days(folded: str) -> set[str]:
    """The full dates in a folded text, as `yyyymmdd`: `1958-05-17`, `17.05.1958`, `17. 5. 1958`."""
    found = {year + month + day for year, month, day in _ISO.findall(folded)}
    for day, month, year in _GERMAN.findall(folded):
        found.add(f"{year}{month:0>2}{day:0>2}")
    return found


def is_moment(folded: str) -> bool:
    """Whether a folded text is a date or a time on a date and nothing else (FHIR R4 section 2.24.0.1)."""
    return _WHOLE.fullmatch(folded) is not None


def unescape(data: bytes) -> bytes:
    """JSON with the escapes in its strings undone, as long as that leaves lines and strings what they are: line ends, quotes and
    control characters become spaces."""
    return _ESCAPE.sub(_unescaped, data) if b"\\" in data else data


def _unescaped(match: re.Match[bytes]) -> bytes:
    first, second, plain = match.groups()
    if plain is not None:
        return b"/" if plain == b"/" else b" "
    code = int(first, 16)
    if 0xD800 <= code < 0xE000:
        if second is None or code >= 0xDC00:
            return b" "
        return chr(0x10000 + ((code - 0xD800) << 10) + (int(second, 16) - 0xDC00)).encode()
    after = b" " if second is not None else b""
    return (b" " if code < 32 or code in (0x22, 0x5C) else chr(code).encode()) + after
