"""The compiled loops against Python's own functions, and against themselves without compilation."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dimpflow.audit.walking import folds
from dimpflow.audit.words import days, fold, words
from dimpflow.native.filters import put_into_filter
from dimpflow.native.folding import UNKNOWN, letters_of
from dimpflow.native.hashing import Hasher
from dimpflow.native.ids import LONGEST_WORD
from dimpflow.native.marks import Marker
from dimpflow.native.strings import COLUMNS, NAME, NUMBER, TALLY, VALUE, WORD_ROOM, Known, Wanted, find
from dimpflow.native.types import Bytes, Numbers

ROOT = Path(__file__).parents[2]
HASHER = Hasher(bytes(range(16)))
ALPHABET = "abz AZ019._-/&\\\"'äöüßéøłŁÆ–„“\u0301\u00a0ﬁ€漢😀\n"


def random_texts(seed: int, count: int) -> list[str]:
    drawn = random.Random(seed)
    return ["".join(drawn.choices(ALPHABET, k=drawn.randrange(40))) for _ in range(count)]


def test_the_hash_is_that_of_python() -> None:
    """SipHash-1-3, whose key is zeros if PYTHONHASHSEED is."""
    values = [b"a" * n for n in range(1, 40)] + [os.urandom(n) for n in (1, 7, 8, 9, 64, 1000)]
    code = f"print([hash(value) % 2**64 for value in {values!r}])"
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True
    )
    zeros = Hasher(bytes(16))
    assert [zeros(value) for value in values] == json.loads(run.stdout) == zeros.each(values).tolist()
    assert zeros(b"a") != Hasher(bytes(15) + b"1")(b"a")


def test_a_character_is_folded_as_it_is_in_a_text() -> None:
    """Whatever stands beside it: what is in the table does not depend on that."""
    table = folds()
    known = [chr(code) for code in range(len(table)) if table[code] != UNKNOWN]
    assert {"ä", "ß", "É", "a", "7", " ", "–"} <= set(known)
    drawn = random.Random(1)
    for _ in range(3000):
        text = "".join(drawn.choices(known, k=8))
        parts = [int(table[ord(character)]) for character in text]
        folded = "".join(
            (part >> 8).to_bytes(3, "little")[: part & 0xFF].decode() if part else " " for part in parts
        )
        assert words(fold(text)) == folded.split(), ascii(text)


def wanted_of(letters: Numbers, others: Numbers, sizes: Bytes, longest_short: int) -> Wanted:
    table = folds()
    arrays = (letters_of(table), letters, others, sizes)
    for array in arrays:
        array.setflags(write=False)
    return Wanted(HASHER.key, arrays[0], table, letters, others, sizes, longest_short)


def nothing_known() -> Known:
    return Known(np.zeros(16, np.uint64), np.zeros(64, np.uint64), np.zeros(16, np.uint64))


def found(data: bytes, words_wanted: list[str], longest_short: int = 0) -> list[tuple[str, int]]:
    """The strings that may hold one of the words."""
    bits = [np.zeros(1 << 12, np.uint64) for _ in range(2)]
    sizes = np.zeros(LONGEST_WORD + 1, np.uint8)
    for word in words_wanted:
        number = HASHER.word(word.encode()[:LONGEST_WORD])
        put_into_filter(bits[number & 1], np.array([number], np.uint64))
        sizes[min(len(word.encode()), LONGEST_WORD)] = 1
    out, at, rows = np.empty(7 * COLUMNS, np.int64), 0, []
    marked, wanted, known = Marker()(data), wanted_of(*bits, sizes, longest_short), nothing_known()
    while at < len(data):
        count, at = find(
            marked.data, marked.marks, at, wanted, known, np.empty(WORD_ROOM, np.uint8), np.zeros(TALLY, np.int64), out,
        )  # fmt: skip
        rows += [
            (data[start:end].decode(), what)
            for start, end, what, _ in out[: count * COLUMNS].reshape(-1, COLUMNS).tolist()
        ]
    return rows


def test_no_string_with_a_word_is_missed() -> None:
    """All that has one is told; of the rest only what has characters that others must look at."""
    texts = random_texts(2, 4000)
    data = json.dumps(texts, ensure_ascii=False).encode()
    every = {word for text in texts for word in words(fold(text)) if len(word) > 2}
    wanted = sorted(every)[::40]
    told = [json.loads(f'"{text}"') for text, what in found(data, wanted) if what == VALUE]
    holding = [text for text in texts if not set(wanted).isdisjoint(words(fold(text)))]
    assert len(holding) > 50
    assert set(holding) <= set(told)
    table = folds()
    for text in set(told) - set(holding):
        assert any(
            character in "&" or ord(character) >= len(table) or table[ord(character)] == UNKNOWN
            for character in text
        ), ascii(text)


def test_dates_numbers_names_and_long_words() -> None:
    data = json.dumps(
        {
            "on": "1958-05-17", "in text": "am 17.5.1958 und", "spaced": "7. 12. 1960", "moment": "1958-05-17T12:30:00+01:00",
            "moment and more": "1958-05-17T12:30 17.05.1958", "longer": "11958-05-17", "other": "1958-05-18", "rosenberg": 12345678,
            "short number": 1234567, "long": "x" * 500, "longer word": "x" * 400 + " y", "as a key": {"rosenberg": "rosenbergs"},
        }
    ).encode()  # fmt: skip
    wanted = ["19580517", "19601207", "rosenberg", "12345678", "x" * 500]
    numbers = [HASHER(day.encode()) | 1 for day in wanted[:2]]
    assert [(days(one), HASHER.word(day.encode()) & ~1) for one, day in (("1958-05-17", wanted[0]),)] == [
        ({wanted[0]}, numbers[0] & ~1)
    ]
    assert found(data, wanted) == [
        ("1958-05-17", VALUE), ("am 17.5.1958 und", VALUE), ("7. 12. 1960", VALUE), ("1958-05-17T12:30 17.05.1958", VALUE),
        ("rosenberg", NAME), ("12345678", NUMBER), ("x" * 500, VALUE), ("x" * 400 + " y", VALUE), ("rosenberg", NAME),
    ]  # fmt: skip


@pytest.mark.parametrize("place", ["id", "value", "url", "reference", "fullUrl", "code"])
def test_short_ids_are_looked_for_at_ends_where_ids_stand(place: str) -> None:
    data = json.dumps({place: "Patient/17"}).encode() + json.dumps({place: "urn:x:17", "a": "17"}).encode()
    number = HASHER(b"17") | 1
    bits = np.zeros(1 << 12, np.uint64)
    put_into_filter(bits, np.array([number], np.uint64))
    told = found_short(data, bits)
    assert told == ([] if place == "code" else ["Patient/17", "urn:x:17"])


@pytest.mark.parametrize("colon", [":", ": ", " :", " \t: "])
def test_what_stands_at_a_name_is_known_whatever_is_around_the_colon(colon: str) -> None:
    """Also where the name was met before."""
    bits = np.zeros(1 << 12, np.uint64)
    put_into_filter(bits, np.array([HASHER(b"17") | 1], np.uint64))
    line = '{"code"COLON"x","id"COLON"17"}\n{"id"COLON"x","code"COLON"17"}\n'.replace("COLON", colon)
    assert found_short(3 * line.encode(), bits) == ["17"] * 3


def found_short(data: bytes, others: Numbers) -> list[str]:
    out = np.empty(20 * COLUMNS, np.int64)
    none = np.zeros(LONGEST_WORD + 1, np.uint8)
    marked = Marker()(data)
    count, _ = find(
        marked.data, marked.marks, 0, wanted_of(np.zeros(1, np.uint64), others, none, 4), nothing_known(),
        np.empty(WORD_ROOM, np.uint8), np.zeros(TALLY, np.int64), out,
    )  # fmt: skip
    return [data[row[0] : row[1]].decode() for row in out[: count * COLUMNS].reshape(-1, COLUMNS).tolist()]
