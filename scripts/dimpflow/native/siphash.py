"""SipHash-1-3 (Aumasson and Bernstein, SipHash: a fast short-input PRF, 2012): 64 bits that nobody can compute without the key of
128 bits. It is what `hash` gives for bytes in Python 3.11 and later."""

import numpy as np
from numba import types

from dimpflow.native.compiled import inlined
from dimpflow.native.types import U64, Bytes, Numbers

_U64 = types.uint64


@inlined
def sip_round(a: U64, b: U64, c: U64, d: U64) -> tuple[U64, U64, U64, U64]:
    """One round over the state."""
    a += b
    b = (b << np.uint64(13)) | (b >> np.uint64(51))
    b ^= a
    a = (a << np.uint64(32)) | (a >> np.uint64(32))
    c += d
    d = (d << np.uint64(16)) | (d >> np.uint64(48))
    d ^= c
    a += d
    d = (d << np.uint64(21)) | (d >> np.uint64(43))
    d ^= a
    c += b
    b = (b << np.uint64(17)) | (b >> np.uint64(47))
    b ^= c
    c = (c << np.uint64(32)) | (c >> np.uint64(32))
    return a, b, c, d


@inlined
def eight(data: Bytes, at: int) -> U64:
    """The next eight bytes as a number; for the compiler it is a single load."""
    return (
        np.uint64(data[at])
        | np.uint64(data[at + 1]) << np.uint64(8)
        | np.uint64(data[at + 2]) << np.uint64(16)
        | np.uint64(data[at + 3]) << np.uint64(24)
        | np.uint64(data[at + 4]) << np.uint64(32)
        | np.uint64(data[at + 5]) << np.uint64(40)
        | np.uint64(data[at + 6]) << np.uint64(48)
        | np.uint64(data[at + 7]) << np.uint64(56)
    )


@inlined
def few(data: Bytes, at: int, count: int) -> U64:
    """The next bytes, eight at most, as a number."""
    if at + 8 <= len(data):
        word = eight(data, at)
        return word if count == 8 else word & ((np.uint64(1) << np.uint64(8 * count)) - np.uint64(1))
    word = np.uint64(0)
    for place in range(count):
        word |= np.uint64(data[at + place]) << np.uint64(8 * place)
    return word


@inlined
def sip(key: Numbers, data: Bytes, start: int, end: int) -> U64:
    """The hash of data[start:end]. key: two numbers."""
    a = key[0] ^ np.uint64(0x736F6D6570736575)
    b = key[1] ^ np.uint64(0x646F72616E646F6D)
    c = key[0] ^ np.uint64(0x6C7967656E657261)
    d = key[1] ^ np.uint64(0x7465646279746573)
    at = start
    while at + 8 <= end:
        word = eight(data, at)
        d ^= word
        a, b, c, d = sip_round(a, b, c, d)
        a ^= word
        at += 8
    word = few(data, at, end - at)
    word |= np.uint64(end - start) << np.uint64(56)
    d ^= word
    a, b, c, d = sip_round(a, b, c, d)
    a ^= word
    c ^= np.uint64(0xFF)
    a, b, c, d = sip_round(a, b, c, d)
    a, b, c, d = sip_round(a, b, c, d)
    a, b, c, d = sip_round(a, b, c, d)
    return a ^ b ^ c ^ d
