"""cryptoHash, encrypt, pseudonymize, generalize, perturb (3.3, 3.5, 3.7, 3.8, 3.11).

Each answers whether it changed something, which is what gets recorded (2.7).
"""

import hashlib
import hmac
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from dimpflow.keys import derive

from .equality import Item
from .errors import Refused
from .fhirpath import evaluate, item_text, truth
from .node import INTEGERS, Node
from .references import is_reference, prefix_of, transform
from .rules import Parameters, Rule

Pseudonyms = Callable[[str, str], str]

_BLAKE3_CONTEXT = "FhirPseudonymizer.CryptoHash.Blake3.v1"
_NUMBERS = INTEGERS | {"decimal"}
_QUANTITIES = frozenset(
    ["age", "count", "duration", "distance", "money", "moneyquantity", "quantity", "simplequantity"],
)
_LEAST = {"positiveInt": Decimal(1), "unsignedInt": Decimal(0)}
_PERTURB_DIGITS = 50


def _hash_key(parameters: Parameters) -> str:
    if not parameters.hash_key:
        raise ValueError("cryptoHashKey is needed: without one the result is random")
    return parameters.hash_key


def hashed(text: str, key: str, *, with_blake3: bool, truncate: int | None) -> str:
    """The hash of a text, which may be cut; that of nothing is nothing (3.3)."""
    if not text:
        return text
    if with_blake3:
        derived = blake3(key.encode(), derive_key_context=_BLAKE3_CONTEXT).digest()
        digits = blake3(text.encode(), key=derived).hexdigest()
    else:
        digits = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    return digits if truncate is None else digits[:truncate]


def crypto_hash(node: Node, rule: Rule, parameters: Parameters) -> bool:
    """Hash the value, of a reference only the id."""
    text = node.text()
    if not text:
        return False
    key = _hash_key(parameters)

    def change(part: str) -> str:
        return hashed(part, key, with_blake3=parameters.blake3, truncate=rule.truncate)

    node.write(transform(text, change) if is_reference(node) else change(text))
    return True


def pseudonymize(node: Node, rule: Rule, pseudonyms: Pseudonyms) -> bool:
    """Ask for a pseudonym of the value, of a reference only of the id."""
    text = node.text()
    if not text:
        return False
    if not is_reference(node):
        node.write(pseudonyms(rule.domain_prefix + (rule.domain or ""), text))
        return True
    domain = rule.domain_prefix + (rule.domain or _domain_from(text))
    node.write(transform(text, lambda part: pseudonyms(domain, part)))
    return True


def _domain_from(reference: str) -> str:
    prefix = prefix_of(reference)
    if prefix is None:
        raise Refused("a reference from which no domain can be read")
    return prefix.rstrip("/")


def _keyed_digest(key: bytes, purpose: str, node: Node) -> bytes:
    """What stands for randomness here: it depends on the value and where it is."""
    message = f"{node.identity()}\n{node.locus()}\n{node.text()}"
    return hmac.new(derive(key, purpose), message.encode(), hashlib.sha256).digest()


def encrypted(text: str, key: bytes, vector: bytes) -> str:
    """AES-CBC as upper-case hexadecimal digits (3.5)."""
    padder = PKCS7(AES.block_size).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(AES(key), CBC(vector)).encryptor()
    return (vector + encryptor.update(padded) + encryptor.finalize()).hex().upper()


def encrypt(node: Node, parameters: Parameters) -> bool:
    """Encrypt the value; references whole, too."""
    if not node.text():
        return False
    if not parameters.encrypt_key:
        raise ValueError("encryptKey is needed: without one the result is random")
    vector = _keyed_digest(parameters.encrypt_key, "encrypt-iv", node)[: AES.block_size // 8]
    node.write(encrypted(node.text(), parameters.encrypt_key, vector))
    return True


def generalize(node: Node, rule: Rule) -> bool:
    """Give the value of the first case that fits; a predicate without an answer fits."""
    if not node.text():
        return False
    for predicate, expression in rule.cases:
        if truth(evaluate(predicate, [node])) is False:
            continue
        results = evaluate(expression, [node])
        if len(results) > 1:
            raise Refused("generalize: several values")
        new = None if not results else _written(results[0])
        if new is None:
            node.clear()
        else:
            node.write(new)
        return True
    if not rule.keep_others:
        node.clear()
    return True


def _written(item: Item) -> bool | str | None:
    """What an item puts into a node; None for an item without value."""
    return item.value if isinstance(item.value, bool) else item_text(item)


def perturb(node: Node, rule: Rule, parameters: Parameters) -> bool:
    """Add noise to a number, or to the value of a quantity."""
    target: Node | None = node
    if node.type_key not in _NUMBERS:
        is_quantity = node.type_name.lower() in _QUANTITIES
        target = next(iter(node.named("value")), None) if is_quantity else None
    if target is None or target.value is None or target.handled:
        return False
    value = Decimal(target.text())
    if rule.proportional and value < 0:
        raise Refused("perturb: proportional noise on a negative number")
    round_to = 0 if target.type_key in INTEGERS else rule.round_to
    with localcontext() as context:
        context.prec = _PERTURB_DIGITS
        digest = _keyed_digest(_hash_key(parameters).encode(), "perturb", target)
        uniform = Decimal(int.from_bytes(digest[:8], "big")) / Decimal(2**64)
        span = value * rule.span if rule.proportional else rule.span
        result = value + (uniform - Decimal("0.5")) * span
        exponent = result.as_tuple().exponent
        assert isinstance(exponent, int)
        if -exponent > round_to:
            result = result.quantize(Decimal(1).scaleb(-round_to))
    result = max(result, _LEAST.get(target.type_key, result))
    target.write(format(abs(result) if result == 0 else result, "f"))
    # Nothing below is perturbed a second time (3.8).
    target.handled = True
    for below in node.descendants():
        below.handled = True
    return True


Terms = Callable[[str], Any]
"""The id of a patient to what has `scrub(text, marker, xhtml=...)`, or to None."""


def scrub(node: Node, rule: Rule, terms: Terms) -> bool:
    """Replace a patient's terms in a text (ours); a text of which nobody knows whose it is goes, unless the rule keeps it."""
    if node.type_key not in {"string", "markdown", "xhtml"} or not isinstance(node.value, str):
        return False
    resource = node.resource()
    while resource.name == "contained" and resource.parent is not None:
        resource = resource.parent.resource()
    found = terms(resource.original_owner) if resource.original_owner else None
    if found is None:
        if not rule.keep_unknown:
            node.clear()
        return not rule.keep_unknown
    new = found.scrub(node.value, rule.marker, xhtml=node.type_key == "xhtml")
    if new == node.value:
        return False
    node.write(new)
    return True
