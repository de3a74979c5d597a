"""Dates as they are written in texts."""

from dimpflow.native.compiled import inlined
from dimpflow.native.types import Bytes


@inlined
def digits(data: Bytes, at: int, count: int) -> bool:
    """Whether there are so many digits."""
    if at + count > len(data):
        return False
    for place in range(at, at + count):
        if data[place] < 0x30 or data[place] > 0x39:
            return False
    return True


@inlined
def iso_day(data: Bytes, start: int, at: int, out: Bytes) -> int:
    """The bytes `yyyymmdd` of a date as `1958-05-17` whose year is data[start:at]; 8, or 0 if there is none."""
    if not (
        at - start == 4 and digits(data, start, 4) and digits(data, at + 1, 2) and digits(data, at + 4, 2)
    ):
        return 0
    if data[at + 3] != 0x2D or digits(data, at + 6, 1):
        return 0
    for place in range(4):
        out[place] = data[start + place]
    for place in range(2):
        out[4 + place] = data[at + 1 + place]
        out[6 + place] = data[at + 4 + place]
    return 8


@inlined
def german_day(data: Bytes, start: int, at: int, out: Bytes) -> int:
    """The same of a date as `17.05.1958` or `7. 5. 1958`, whose day is data[start:at]."""
    if at - start > 2 or not digits(data, start, at - start):
        return 0
    month = at + 1
    if month < len(data) and data[month] == 0x20:
        month += 1
    size = 2 if digits(data, month, 2) else 1
    if not digits(data, month, size) or month + size >= len(data) or data[month + size] != 0x2E:
        return 0
    year = month + size + 1
    if year < len(data) and data[year] == 0x20:
        year += 1
    if not digits(data, year, 4) or digits(data, year + 4, 1):
        return 0
    for place in range(4):
        out[place] = data[year + place]
    out[4] = data[month] if size == 2 else 0x30
    out[5] = data[month + size - 1]
    out[6] = data[start] if at - start == 2 else 0x30
    out[7] = data[at - 1]
    return 8


@inlined
def is_moment(data: Bytes, start: int, end: int) -> bool:
    """Whether a string that begins with a date goes on as a time of it and holds nothing else (FHIR R4 section 2.24.0.1)."""
    if not (digits(data, start + 11, 2) and data[start + 10] == 0x54 and digits(data, start + 14, 2)):
        return False
    if data[start + 13] != 0x3A:
        return False
    for at in range(start + 16, end):
        byte = data[at]
        if not (0x30 <= byte <= 0x3A or byte == 0x2E or byte == 0x2B or byte == 0x2D or byte == 0x5A):
            return False
    return True
