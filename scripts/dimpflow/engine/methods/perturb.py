"""perturb: noise on numbers (specification, section 3.8).

The FHIR Pseudonymizer draws it anew each time; ours is a keyed hash of the value and of where it stands, so that the same
input gives the same output. Equal values of one element in one resource get the same noise.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from dimpflow.engine.methods.place import WHOLE_NUMBERS, Operation, Place, text_of
from dimpflow.errors import LineError
from dimpflow.fhirpath.numbers import plain
from dimpflow.keys import KeyedHash, derive
from dimpflow.ruleset.rules import Perturb

NUMBERS = (*WHOLE_NUMBERS, "decimal")
QUANTITIES = frozenset(("Age", "Count", "Duration", "Distance", "Money", "Quantity"))
"""Types whose value is perturbed."""
_EXACT = Context(prec=50)
_SMALLEST = {"positiveInt": 1, "unsignedInt": 0}


def noise_hash(key: str) -> KeyedHash:
    """Where noise comes from."""
    return KeyedHash(derive(key.encode(), "perturb"))


def perturb(
    place: Place, method: Perturb, noise: KeyedHash, identity: Callable[[], str], *, strict: bool
) -> Operation | None:
    """The operation at a place; None where there is no number."""
    if place.type not in NUMBERS:
        return None
    digits = method.digits if place.type == "decimal" else 0

    def work(value: Any) -> Any:
        text = text_of(value)
        seed = noise.digest(f"{identity()}\n{place.key}\n{text}".encode())
        share = _EXACT.divide(Decimal(int.from_bytes(seed[:8], "big")), Decimal(1 << 64))
        number = Decimal(text)
        if method.proportional and number < 0 and not strict:
            raise LineError("a negative number has no proportional span")
        span = _EXACT.multiply(number.copy_abs(), method.span) if method.proportional else method.span
        moved = _EXACT.add(number, _EXACT.multiply(_EXACT.subtract(share, Decimal("0.5")), span))
        rounded = _rounded(moved, digits)
        return place.fit(plain(max(rounded, Decimal(_SMALLEST.get(place.type, rounded)))))

    return work


def _rounded(number: Decimal, digits: int) -> Decimal:
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and -exponent <= digits:
        return number
    return number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN, Context(prec=500))
