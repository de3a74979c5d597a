"""Lines that went wrong: bytes, texts and parts of resources changed as no FHIR server, but many a script and disk, changes them.

Objects are lists of pairs here, so that a key can stand twice; numbers keep their words.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from drawing import Decimal

Json = Any


class Object(list[tuple[str, Json]]):
    """The members of a JSON object in their order."""


class Text(str):
    """A text that is written in its own words, quotes included."""


def mutated(source: random.Random, line: bytes) -> bytes:
    """A line with one to three things wrong; without line breaks."""
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        line = source.choice(_WAYS)(source, line)
    return line.replace(b"\n", b" ")


# ---- bytes ---------------------------------------------------------------------------------------------------------


def _flipped(source: random.Random, line: bytes) -> bytes:
    found = bytearray(line)
    for _ in range(source.choice((1, 1, 2, 5)) if found else 0):
        found[source.randrange(len(found))] ^= 1 << source.randrange(8)
    return bytes(found)


def _cut(source: random.Random, line: bytes) -> bytes:
    first, second = sorted((source.randrange(len(line) + 1), source.randrange(len(line) + 1)))
    return source.choice(
        (line[:first], line[second:], line[:first] + line[second:], line + line[first:second])
    )


def _inserted(source: random.Random, line: bytes) -> bytes:
    at = source.randrange(len(line) + 1)
    return line[:at] + source.choice(_PIECES) + line[at:]


_PIECES = (
    b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x1f", b",", b"]", b"}", b'"', b"{", b"[", b":", b"//", b"NaN",
    b"-", b"null,", b"\\", b"\r", "\u2028".encode(), b"1e", b"0", b'"a":1,', b" ",
)  # fmt: skip


# ---- parts ---------------------------------------------------------------------------------------------------------


def _with_part_changed(source: random.Random, line: bytes) -> bytes:
    try:
        document = json.loads(line, object_pairs_hook=Object, parse_float=Decimal, parse_int=Decimal)
        places = list(_places(document))
        if places:
            holder, at = source.choice(places)
            source.choice(_CHANGES)(source, holder, at)
        return _text(document).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):  # broken, or made very deep before
        return _flipped(source, line)


def _places(document: Json) -> Any:
    """Every place of a document: what holds it and its index there."""
    if isinstance(document, list):
        for at, item in enumerate(document):
            yield document, at
            yield from _places(item[1] if isinstance(document, Object) else item)


def _put(holder: list[Json], at: int, value: Json) -> None:
    holder[at] = (holder[at][0], value) if isinstance(holder, Object) else value


def _get(holder: list[Json], at: int) -> Json:
    return holder[at][1] if isinstance(holder, Object) else holder[at]


def _other_value(source: random.Random, holder: list[Json], at: int) -> None:
    _put(holder, at, source.choice(_OTHERS))


def _other_spelling(source: random.Random, holder: list[Json], at: int) -> None:
    """The same content as another type: a number as text, text as a number, one as a list, a list as one."""
    value = _get(holder, at)
    if isinstance(value, Decimal):
        _put(
            holder,
            at,
            source.choice((str(value), Decimal(f"{value}.0"), Decimal(f"-{value}"), Decimal(f"{value}e2"))),
        )
    elif isinstance(value, str):
        _put(
            holder,
            at,
            source.choice((f" {value}\t", value.upper(), Decimal("7"), [value], value + "\u00a0", value[:3])),
        )
    elif isinstance(value, list) and value and not isinstance(value, Object):
        _put(holder, at, source.choice((value[0], [*value, None], [None, *value], [value], value * 2)))
    else:
        _put(holder, at, [value])


def _deep(source: random.Random, holder: list[Json], at: int) -> None:
    depth = source.choice((2, 20, 150, 1000, 20_000))
    before, after = source.choice(
        (("[", "]"), ('{"a":', "}"), ('{"extension":[', "]}"), ('{"contained":[', "]}"))
    )
    _put(holder, at, Text(before * depth + "1" + after * depth))


def _doubled(source: random.Random, holder: list[Json], at: int) -> None:
    """A key twice, or a list's item twice; the second time perhaps with another value."""
    item = holder[at]
    if isinstance(holder, Object):
        key, value = item
        item = (source.choice((key, key, "_" + key)), source.choice((value, source.choice(_OTHERS))))
    holder.insert(source.randrange(len(holder) + 1), item)


def _dropped(source: random.Random, holder: list[Json], at: int) -> None:
    del holder[at]


def _renamed(source: random.Random, holder: list[Json], at: int) -> None:
    if isinstance(holder, Object):
        key, value = holder[at]
        names = (
            key + "x",
            key.upper(),
            "_" + key,
            key[:-1],
            "",
            "value",
            "resourceType",
            "extension",
            "id",
            "valueString",
            "ſ",
        )
        holder[at] = (source.choice(names), value)


def _moved(source: random.Random, holder: list[Json], at: int) -> None:
    source.shuffle(holder)


_CHANGES: tuple[Callable[[random.Random, list[Json], int], None], ...] = (
    _other_value, _other_value, _other_spelling, _other_spelling, _deep, _doubled, _doubled, _dropped, _renamed, _moved,
)  # fmt: skip
_WAYS = (_flipped, _cut, _inserted, *[_with_part_changed] * 5)

_OTHERS: tuple[Json, ...] = (
    None, True, False, "", " ", "x", [], Object(), [None], [[]], [Object()], Object([("a", None)]), Object([("", "")]), "Patient",
    Object([("extension", [Object([("url", "u")])])]), Object([("resourceType", "Patient")]), Object([("id", "x")]),
    Object([("resourceType", "Patient"), ("resourceType", "Observation")]), Object([("resourceType", Decimal("1"))]),
    *map(Decimal, ("0", "-0", "1.0", "1e0", "1e400", "-1e-400", "2147483648", "-2147483649", "9" * 25, "9" * 5000, "0." + "3" * 400,
                   "1E+9999999999999999999", "0e-99999999999", "1.5", "18446744073709551616")),
    *map(Text, ('"\\ud800"', '"\\udc00\\ud800"', '"a\\ud83d\\ude00b"', '"\\u0000"', '"\\u00e4"', '"\\/"', '"\\x"', '"' + "x" * 70_000 + '"')),
    "\u2028", "\ud800", "\x7f", "\ufeffx", "2020-13-45", "0000", "9999-12-31T23:59:59.999999999+14:00", "10000-01-01", "٢٠٢٠-01-01",
    "#", "/", "http://[", "Patient/", "urn:uuid:", "Patient/é", "a" * 65, "=" * 7, "http://s|", "%", "?", "Patient?", "Patient?a=%zz",
)  # fmt: skip


def _text(value: Json) -> str:
    if isinstance(value, (Decimal, Text)):
        return str(value)
    if isinstance(value, Object):
        return (
            "{"
            + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_text(item)}" for key, item in value)
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
