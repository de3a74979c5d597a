"""What Numba has no words for: 64 bytes compared at once, the bits of a number, the product of two in full.

The instructions are LLVM's, which knows for each processor how to do them (with AVX2, 64 bytes are two comparisons). Each function says
in Python what it means; that is what runs where nothing is compiled (NUMBA_DISABLE_JIT).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

from dimpflow.native.types import U64, Bytes

WIDTH = 64
"""Bytes that are compared at once, one for each bit of a number."""
_BLOCK = ir.VectorType(ir.IntType(8), WIDTH)
_NUMBER, _WIDE = ir.IntType(64), ir.IntType(128)
_MASK = (1 << 64) - 1

F = TypeVar("F", bound=Callable[..., Any])


def _made_of(typed: Callable[..., Any]) -> Callable[[F], F]:
    """The function as LLVM does it. typed: as Numba's `intrinsic` wants it."""

    def made(meaning: F) -> F:
        if vars(config)["DISABLE_JIT"]:
            return meaning
        found: Any = intrinsic(typed)
        return cast(F, found)

    return made


def _loaded(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """WIDTH bytes of an array from a place on."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    place = builder.gep(array.data, [args[1]])
    return builder.load(builder.bitcast(place, _BLOCK.as_pointer()), align=1)


def _each(byte: int) -> Any:
    return ir.Constant(_BLOCK, [byte] * WIDTH)


def _equal(_typing: Any, data: Any, at: Any, byte: Any, ignored: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.or_(_loaded(context, builder, signature, args), _each(ignored.literal_value))
        return builder.bitcast(builder.icmp_unsigned("==", found, _each(byte.literal_value)), _NUMBER)

    if not (isinstance(byte, types.IntegerLiteral) and isinstance(ignored, types.IntegerLiteral)):
        return None  # Numba asks again, with the constants
    return types.uint64(data, types.int64, byte, ignored), code


def _beyond_ascii(_typing: Any, data: Any, at: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _loaded(context, builder, signature, args)
        return builder.bitcast(builder.icmp_signed("<", found, _each(0)), _NUMBER)

    return types.uint64(data, types.int64), code


def _lowest(_typing: Any, number: Any) -> Any:
    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), code


def _bits_in(_typing: Any, number: Any) -> Any:
    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), code


def _product(_typing: Any, one: Any, other: Any) -> Any:
    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        found = builder.mul(builder.zext(args[0], _WIDE), builder.zext(args[1], _WIDE))
        upper = builder.lshr(found, ir.Constant(_WIDE, 64))
        return builder.xor(builder.trunc(upper, _NUMBER), builder.trunc(found, _NUMBER))

    return types.uint64(types.uint64, types.uint64), code


@_made_of(_equal)
def equal(data: Bytes, at: int, byte: int, ignored: int) -> U64:
    """A bit for each of the WIDTH bytes from `at` on, all of which must be there: whether it is `byte` once the bits `ignored` are set
    in it. Both are constants."""
    return _as_bits(data[at : at + WIDTH] | np.uint8(ignored) == byte)


@_made_of(_beyond_ascii)
def beyond_ascii(data: Bytes, at: int) -> U64:
    """The same for bytes of 0x80 and more."""
    return _as_bits(data[at : at + WIDTH] >= 0x80)


@_made_of(_lowest)
def lowest(number: U64) -> int:
    """The place of the lowest bit that is set, 64 if none is."""
    value = int(number)
    return (value & -value).bit_length() - 1 if value else 64


@_made_of(_bits_in)
def bits_in(number: U64) -> int:
    """How many bits are set."""
    return int(number).bit_count()


@_made_of(_product)
def product(one: U64, other: U64) -> U64:
    """The product of two numbers in full, its upper half added to the lower one without carry."""
    found = int(one) * int(other)
    return np.uint64(found >> 64 ^ found & _MASK)


def _as_bits(found: Any) -> U64:
    return np.uint64(int.from_bytes(np.packbits(found, bitorder="little").tobytes(), "little"))
