"""What the methods do to a value: one module per method, each giving the operation for one place in the model.

Structure (walking, taking nodes out, merging, pruning) is the walks' part.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dimpflow.engine.labels import (
    ABSTRACT,
    CRYPTO_HASH,
    ENCRYPT,
    GENERALIZE,
    PERTURB,
    PSEUDONYMIZE,
    REDACT,
    REMOVE,
    SUBSTITUTE,
)
from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.crypto_hash import Digests, Hash, crypto_hash, hash_of
from dimpflow.engine.methods.dateshift import Calendar, Offsets, StrictOffsets, date_shift
from dimpflow.engine.methods.encrypt import Cipher, decrypt, encrypt
from dimpflow.engine.methods.generalize import generalize, generalize_text, needs_node
from dimpflow.engine.methods.perturb import noise_hash, perturb
from dimpflow.engine.methods.place import DATES, Place
from dimpflow.engine.methods.pseudonymize import pseudonymize
from dimpflow.engine.methods.redact import clear, redaction, spares
from dimpflow.engine.methods.references import References
from dimpflow.engine.methods.scrub import TermsSource, scrub
from dimpflow.engine.methods.substitute import substitution
from dimpflow.keys import KeyedHash
from dimpflow.pseudonyms import Pseudonyms
from dimpflow.ruleset.rules import (
    CryptoHash,
    DateShift,
    Decrypt,
    Encrypt,
    Generalize,
    Method,
    Perturb,
    Pseudonymize,
    Redact,
    Remove,
    RuleSet,
    Scrub,
    Substitute,
)

__all__ = ["BITS", "Context", "Place", "Tools", "Work", "needs_node", "work_of"]

BITS: dict[type, int] = {
    Redact: REDACT,
    Remove: REMOVE,
    CryptoHash: CRYPTO_HASH,
    Encrypt: ENCRYPT,
    DateShift: PERTURB,
    Perturb: PERTURB,
    Substitute: SUBSTITUTE,
    Generalize: GENERALIZE,
    Pseudonymize: PSEUDONYMIZE,
    Scrub: REDACT,
}
"""What each method records; `keep` and `decrypt` record nothing."""


@dataclass(frozen=True, slots=True)
class Context:
    """What operations ask about the resource that they work in. prefix: of the date shift; identity: of the resource; subject:
    its id as it came, None for none; owner: the id of the patient whose it is, '' for none."""

    prefix: Callable[[], str]
    identity: Callable[[], str]
    subject: Callable[[], str | None]
    owner: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Work:
    """An operation at a place. bit: what it records; paired: it gives (value, bits); item: it also takes the node; always: it
    works where there is no value, too."""

    function: Callable[..., Any]
    bit: int = 0
    paired: bool = False
    item: bool = False
    always: bool = False


class Tools:
    """What operations need of a rule set, and the memories that they share. pseudonyms: where pseudonyms come from; terms: where
    those of a patient come from."""

    def __init__(
        self, rule_set: RuleSet, pseudonyms: Pseudonyms, terms: TermsSource = lambda _: None
    ) -> None:
        self.parameters = rule_set.parameters
        self.options = rule_set.options
        self.strict = rule_set.options.strict
        self.pseudonyms = pseudonyms
        self.terms = terms
        self.unknown = [0]
        self.references = References(self.strict)
        self._digests: dict[int | None, Digests] = {}

    @cached_property
    def hash(self) -> Hash:
        return hash_of(self.parameters)

    @cached_property
    def cipher(self) -> Cipher:
        return Cipher(self.parameters.encrypt_key)

    @cached_property
    def noise(self) -> KeyedHash:
        return noise_hash(self.parameters.hash_key)

    @cached_property
    def calendar(self) -> Calendar:
        assert self.options.reference_date is not None
        return Calendar(self.options.reference_date)

    @cached_property
    def offsets(self) -> Offsets | StrictOffsets:
        parameters = self.parameters
        if self.strict:
            return StrictOffsets(parameters.shift_key, parameters.shift_prefix)
        return Offsets(parameters.shift_key)

    def digests(self, length: int | None) -> Digests:
        """Hashes cut to a length; one memory for all places, since an id is met again in references."""
        return self._digests.setdefault(length, Digests(self.hash, length))

    def spares(self, type_: str, name: str, parent: str) -> bool:
        """Whether redact may leave something of a value at such a place."""
        return spares(self.parameters, type_, name, parent)


def work_of(method: Method, place: Place, tools: Tools, context: Context) -> Work | None:
    """The operation of a method at a place; None where it does nothing to values there (keep, remove, no date to shift)."""
    match method:
        case Redact():
            operation = redaction(place, tools.parameters, tools.options.reference_date, strict=tools.strict)
            zip_code = operation is not clear and place.type not in (*DATES, "decimal")
            return Work(operation, ABSTRACT if zip_code else REDACT)
        case CryptoHash(truncate=length):
            return Work(crypto_hash(tools.digests(length), tools.references, place), CRYPTO_HASH)
        case Encrypt():
            return Work(encrypt(tools.cipher, place, context.identity), ENCRYPT)
        case Decrypt():
            return Work(decrypt(tools.cipher, place, strict=tools.strict))
        case DateShift():
            return _date_shift(method, place, tools, context)
        case Substitute():
            return Work(substitution(method, place), SUBSTITUTE, always=True)
        case Perturb():
            found = perturb(place, method, tools.noise, context.identity, strict=tools.strict)
            return Work(found, PERTURB) if found else None
        case Generalize() if direct := generalize_text(method, place):
            return Work(Cache(direct).__getitem__, GENERALIZE)
        case Generalize():
            return Work(generalize(method, place, strict=tools.strict), GENERALIZE, item=True)
        case Scrub():
            found = scrub(method, place, tools.terms, context.owner, tools.unknown)
            return Work(found, paired=True) if found else None
        case Pseudonymize(value_from="Resource.id"):
            return Work(_of_subject(method, place, tools, context), PSEUDONYMIZE)
        case Pseudonymize():
            conditional = tools.options.conditional_references
            function = pseudonymize(
                method, place, tools.pseudonyms, tools.references, conditional=conditional
            )
            if place.type == "decimal":
                return Work(function, PSEUDONYMIZE)  # decimals cannot be keys of a memory
            return Work(Cache(function).__getitem__, PSEUDONYMIZE)
    return None


def _date_shift(method: DateShift, place: Place, tools: Tools, context: Context) -> Work | None:
    today = tools.options.reference_date
    assert today is not None
    found = date_shift(
        place,
        method,
        tools.parameters,
        calendar=tools.calendar,
        offsets=tools.offsets,
        prefix=context.prefix,
        today=today,
        strict=tools.strict,
    )
    return Work(found, paired=True) if found else None


def _of_subject(method: Pseudonymize, place: Place, tools: Tools, context: Context) -> Callable[[Any], Any]:
    domain = method.domain_prefix + method.domain

    def pseudonym(value: Any) -> Any:
        id_ = context.subject()
        return place.fit(method.prefix + tools.pseudonyms(domain, id_) if id_ else "")

    return pseudonym
