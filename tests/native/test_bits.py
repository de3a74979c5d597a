"""What LLVM does against what it means, and marks against JSON gone through byte by byte."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit, types

from dimpflow.native.hashing import bytes_of
from dimpflow.native.marks import (
    CLOSE,
    EXTENSION,
    LINE,
    MARKS,
    OPEN,
    QUOTE,
    UNUSUAL,
    Marker,
    Marks,
    next_mark,
    next_quote,
)

SCRIPTS = Path(__file__).parents[2] / "scripts"
PIECES = [
    b'"', b"\\", b'\\"', b"\\\\", b"{", b"}", b"[", b"]", b"\n", b":", b",", b"n", b'xtension"', b'"extension":[', "ä€".encode(), b"x" * 70,
]  # fmt: skip

_MEANING = """
import random
import numpy as np
from numba import njit, types
from dimpflow.native.bits import beyond_ascii, bits_in, equal, lowest, product
from dimpflow.native.types import BYTES

@njit(types.UniTuple(types.uint64, 7)(BYTES, types.int64, types.uint64, types.uint64))
def every(data, at, one, other):
    return (
        equal(data, at, 0x22, 0), equal(data, at, 0x7B, 0x20), beyond_ascii(data, at), np.uint64(lowest(one)), np.uint64(bits_in(one)),
        product(one, other), np.uint64(lowest(np.uint64(0))),
    )

drawn = random.Random(5)
for _ in range(300):
    data = np.frombuffer(drawn.choice((drawn.randbytes(90), bytes(drawn.choices(b'"{[}', k=90)))), np.uint8)
    one, other = (np.uint64(drawn.getrandbits(64) >> drawn.randrange(64)) for _ in range(2))
    print([int(number) for number in every(data, drawn.randrange(26), one, other)])
"""


def test_what_is_compiled_is_what_is_meant() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", _MEANING],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS), "NUMBA_DISABLE_JIT": off},
            cwd=SCRIPTS,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for off in "01"
    }
    assert len(told) == 1
    assert told.pop().count("\n") == 300


def by_hand(data: bytes) -> dict[int, set[int]]:
    """Places of each kind."""
    places: dict[int, set[int]] = {kind: set() for kind in (QUOTE, OPEN, CLOSE, LINE, UNUSUAL, EXTENSION)}
    inside = escaped = False
    for at, byte in enumerate(data):
        if byte == 0x22 and not escaped:
            places[QUOTE].add(at)
            inside = not inside
            if data[max(at - 8, 0) : at] == b"xtension":
                places[EXTENSION].add(at)
        elif not inside and byte in b"{[":
            places[OPEN].add(at)
        elif not inside and byte in b"}]":
            places[CLOSE].add(at)
        if byte == 0x0A:
            places[LINE].add(at)
        if byte == 0x5C or byte >= 0x80:
            places[UNUSUAL].add(at)
        escaped = byte == 0x5C and not escaped
    return places


@njit(types.int64(MARKS, types.int64, types.int64))  # type: ignore[untyped-decorator]
def next_place(marks: Marks, kind: int, at: int) -> int:
    return next_quote(marks, at) if kind == QUOTE else next_mark(marks, kind, at)


@pytest.mark.parametrize("seed", range(20))
def test_marks(seed: int) -> None:
    drawn = random.Random(seed)
    mark = Marker()
    for _ in range(60):
        data = b"".join(drawn.choices(PIECES, k=drawn.randrange(60)))
        marked = mark(data)
        for kind, places in by_hand(data).items():
            told, at = set(), 0
            while (at := next_place(marked.marks, kind, at)) < len(data):
                told.add(at)
                at += 1
            assert told == places, (kind, data)
        assert marked.line_ends == data.count(b"\n")
        assert marked.block is data
        assert np.array_equal(marked.data, bytes_of(data))
