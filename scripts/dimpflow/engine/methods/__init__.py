"""What the methods do to a value: one module per method, each giving the function for one place in the model.

A *value operation* takes the value of a primitive (str, bool, int, or Raw for decimals) and gives the new one, or UNSET
where nothing remains. Structure (walking, taking nodes out, pruning) is the compiler's part.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.crypto_hash import crypto_hash
from dimpflow.engine.methods.generalize import generalize
from dimpflow.engine.methods.place import Place
from dimpflow.engine.methods.pseudonymize import pseudonymize
from dimpflow.pseudonyms import Pseudonyms
from dimpflow.ruleset.rules import CryptoHash, Generalize, Pseudonymize, Rule

__all__ = ["Place", "Tools", "value_operation"]


@dataclass(frozen=True)
class Tools:
    """What value operations need from outside. hexdigest: text to the 64 characters of its keyed hash."""

    hexdigest: Callable[[str], str]
    pseudonyms: Pseudonyms


def value_operation(rule: Rule, place: Place, tools: Tools) -> Callable[[Any], Any]:
    """The operation of a rule at a place. TypeError for methods that do not work on values (keep, redact, remove)."""
    match rule.method:
        case CryptoHash(truncate=length):
            operation = crypto_hash(tools.hexdigest, length, place)
        case Generalize() as method:
            operation = generalize(method, place)
        case Pseudonymize() as method:
            operation = pseudonymize(method, place, tools.pseudonyms)
        case _:
            raise TypeError(f"{type(rule.method).__name__} has no value operation")
    return place.named(rule, operation if place.type == "decimal" else Cache(operation).__getitem__)
