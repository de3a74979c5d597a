"""Numbers as .NET's `decimal` has them: at most 28 decimals, a coefficient under 2^96, rounded half to even."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

_EXACT = Context(prec=1000)
"""More digits than any number has that is worked with."""
_MOST_DECIMALS = 28
_LIMIT = 1 << 96


def fitted(number: Decimal) -> Decimal | None:
    """The number in the precision of .NET; None where it is too large (there: an overflow)."""
    decimals = min(max(-_exponent(number), 0), _MOST_DECIMALS)
    while decimals >= 0:
        try:
            rounded = number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, _EXACT)
        except ArithmeticError:
            return None
        if abs(int(rounded.scaleb(decimals, _EXACT))) < _LIMIT:
            return rounded
        decimals -= 1
    return None


def to_decimals(number: Decimal, decimals: int) -> Decimal:
    """Rounded half to even."""
    return number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, _EXACT)


def plain(number: Decimal) -> str:
    """Without an exponent; a zero has no sign."""
    text = format(number, "f")
    return text[1:] if text.startswith("-") and not number else text


def add(left: Decimal, right: Decimal) -> Decimal | None:
    return fitted(_EXACT.add(left, right))


def subtract(left: Decimal, right: Decimal) -> Decimal | None:
    return fitted(_EXACT.subtract(left, right))


def multiply(left: Decimal, right: Decimal) -> Decimal | None:
    return fitted(_EXACT.multiply(left, right))


def divide(left: Decimal, right: Decimal) -> Decimal | None:
    """None for a division by zero, as for what is too large."""
    if not right:
        return None
    exact = _EXACT.divide(left, right)
    quotient = fitted(exact)
    if quotient is None or quotient == exact:
        return quotient
    shortest = quotient.normalize(_EXACT)  # rounding may have left zeros at the end
    return shortest if _exponent(shortest) <= 0 else fitted(shortest)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent
