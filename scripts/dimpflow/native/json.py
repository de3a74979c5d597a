"""Where things of JSON end (RFC 8259); what is no JSON ends behind the data."""

from dimpflow.native.compiled import inlined
from dimpflow.native.types import Bytes

_QUOTE, _BACKSLASH = 0x22, 0x5C
_OPEN, _CLOSE = (0x7B, 0x5B), (0x7D, 0x5D)
LINE_END = 0x0A


@inlined
def string_end(data: Bytes, at: int) -> int:
    """The place of the quote that ends a string, from within it."""
    n = len(data)
    while at < n and data[at] != _QUOTE:
        if data[at] == LINE_END:
            return n
        at += 2 if data[at] == _BACKSLASH else 1
    return at


@inlined
def is_plain(data: Bytes, start: int, end: int) -> bool:
    """Whether there are no escapes, only ASCII."""
    for at in range(start, end):
        if data[at] == _BACKSLASH or data[at] >= 0x80:
            return False
    return True


@inlined
def behind_space(data: Bytes, at: int) -> int:
    """The next place without white space; line ends are none."""
    n = len(data)
    while at < n and (data[at] == 0x20 or data[at] == 0x09 or data[at] == 0x0D):
        at += 1
    return at


@inlined
def _is_extension(data: Bytes, end: int) -> bool:
    """Whether a string of more than 8 bytes ends as `extension` and `modifierExtension` do."""
    return (
        data[end - 1] == 0x6E
        and data[end - 2] == 0x6F
        and data[end - 3] == 0x69
        and data[end - 4] == 0x73
        and data[end - 5] == 0x6E
        and data[end - 6] == 0x65
        and data[end - 7] == 0x74
        and data[end - 8] == 0x78
    )


@inlined
def value_end(data: Bytes, at: int) -> tuple[int, bool]:
    """The place behind a value that begins here, and whether there are FHIR's extensions in it: a string that ends with `xtension`."""
    n = len(data)
    depth = 0
    extended = False
    while at < n:
        byte = data[at]
        if byte == _QUOTE:
            start = at
            at = string_end(data, at + 1)
            extended = extended or (at - start > 8 and at < n and _is_extension(data, at))
        elif byte in _OPEN:
            depth += 1
        elif byte in _CLOSE:
            if depth == 0:  # of a number, true, false or null, the end of what holds it
                return at, extended
            depth -= 1
        elif byte == 0x2C and depth == 0:
            return at, extended
        elif byte == LINE_END:
            return n, extended
        at += 1
        if depth == 0 and at <= n and (byte == _QUOTE or byte in _CLOSE):
            return at, extended
    return n, extended
