"""cryptoHash: a keyed hash in place of a value, or of the id in a reference (specification, section 3.3)."""

from collections.abc import Callable
from typing import Any, Protocol

from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.place import Operation, Place, text_of
from dimpflow.engine.methods.references import References, is_id
from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.keys import KeyedHash
from dimpflow.ruleset.rules import Parameters

_BLAKE3_CONTEXT = "FhirPseudonymizer.CryptoHash.Blake3.v1"


class Hash(Protocol):
    """A keyed hash."""

    def hexdigest(self, message: bytes) -> str:
        """64 lower-case hexadecimal characters."""
        ...


class Blake3Hash:
    """Keyed BLAKE3, 32 bytes; its key is derived from the rule set's."""

    def __init__(self, key: bytes) -> None:
        from blake3 import blake3  # few rule sets need it

        self._blake3 = blake3
        self._key = blake3(key, derive_key_context=_BLAKE3_CONTEXT).digest()

    def hexdigest(self, message: bytes) -> str:
        """64 lower-case hexadecimal characters."""
        return self._blake3(message, key=self._key).hexdigest()


def hash_of(parameters: Parameters) -> Hash:
    """The hash that a rule set asks for."""
    key = parameters.hash_key.encode()
    return Blake3Hash(key) if parameters.hash_algorithm == "blake3" else KeyedHash(key)


class Digests(Cache):
    """Text to its keyed hash in hexadecimal, cut to a length (None: all 64); the empty text (of the reference `#`) stays."""

    def __init__(self, keyed: Hash, length: int | None) -> None:
        super().__init__(keyed.hexdigest)
        self._length = length
        self.always_text = length != 0  # cut to nothing, a hash clears the value

    def __missing__(self, text: str) -> str:
        if len(self) >= self.MOST:
            self.clear()
        trimmed = text.strip() or text_of(text) if text else text
        digest = self[text] = self._function(trimmed.encode())[: self._length] if text else text
        return digest


class ReferenceDigests(Cache):
    """References with the hash of their id."""

    def __init__(self, digests: Digests, references: References, place: Place) -> None:
        super().__init__(lambda text: place.fit(references.transform(text_of(text), digests.__getitem__)))
        self._digests = digests

    def __missing__(self, text: str) -> Any:
        if len(self) >= self.MOST:
            self.clear()
        type_, _, id_ = text.rpartition("/")
        if type_ in RESOURCE_TYPES and is_id(id_):
            new = f"{type_}/{self._digests[id_]}"
        else:
            new = self._function(text)
        self[text] = new
        return new


def crypto_hash(digests: Digests, references: References, place: Place) -> Operation:
    """The operation at a place."""
    digest: Callable[[str], str] = digests.__getitem__
    if place.is_reference:
        return ReferenceDigests(digests, references, place).__getitem__
    if place.type == "uri":
        prefix_of = references.prefix

        def of_uri(value: str) -> Any:
            head, _, id_ = value.rpartition("/")
            prefix = prefix_of(head)
            if prefix and is_id(id_):  # nearly all
                return f"{prefix}{digest(id_)}"
            text = text_of(value)
            prefix, id_, suffix, resource = references.parts(text)
            # what names a resource stays text whatever the hash is
            return f"{prefix}{digest(id_)}{suffix}" if resource else place.fit(digest(text))

        return of_uri  # most come once only
    if place.takes_text and digests.always_text:
        return digest

    def fitted(value: Any) -> Any:
        return place.fit(digest(text_of(value)))

    return fitted
