"""What the methods do to a value: one module per method, each giving the function for one place in the model.

A *value operation* takes the value of a primitive (str, bool, int, or Raw for decimals) and gives the new one, or UNSET
where nothing remains. Structure (walking, taking nodes out, pruning) is the compiler's part.
"""

from collections.abc import Callable
from typing import Any

from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.crypto_hash import Digests, crypto_hash
from dimpflow.engine.methods.generalize import generalize
from dimpflow.engine.methods.place import Place
from dimpflow.engine.methods.pseudonymize import pseudonymize
from dimpflow.errors import LineError
from dimpflow.keys import KeyedHash
from dimpflow.pseudonyms import Pseudonyms
from dimpflow.ruleset.rules import CryptoHash, Generalize, Pseudonymize, Rule

__all__ = ["Place", "Tools", "value_operation"]


class Tools:
    """What value operations need from outside. keyed: the hash of cryptoHash; pseudonyms: where pseudonyms come from."""

    def __init__(self, keyed: KeyedHash, pseudonyms: Pseudonyms) -> None:
        self.pseudonyms = pseudonyms
        self._keyed = keyed
        self._digests: dict[int | None, Digests] = {}

    def digests(self, length: int | None) -> Digests:
        """Hashes cut to a length; one memory for all places, since an id is met again in references."""
        return self._digests.setdefault(length, Digests(self._keyed, length))


def value_operation(rule: Rule, place: Place, tools: Tools) -> Callable[[Any], Any]:
    """The operation of a rule at a place. TypeError for methods that do not work on values (keep, redact, remove)."""
    match rule.method:
        case CryptoHash(truncate=length):
            return (
                crypto_hash(tools.digests(length), place)
                if place.takes_text
                else place.named(rule, no_text(place))
            )
        case Generalize() as method:
            operation = generalize(method, place)
        case Pseudonymize() as method:
            operation = pseudonymize(method, place, tools.pseudonyms)
        case _:
            raise TypeError(f"{type(rule.method).__name__} has no value operation")
    named = place.named(rule, operation)
    return named if place.type == "decimal" else Cache(named).__getitem__  # Raw values cannot be keys


def no_text(place: Place) -> Callable[[Any], Any]:
    """The operation where text would be put that does not fit: every value is refused."""

    def refuse(value: Any) -> Any:
        raise LineError(f"a hash does not fit into a {place.type}")

    return refuse
