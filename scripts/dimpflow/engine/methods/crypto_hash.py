"""cryptoHash: a keyed hash in place of a value, or of the id in a reference (specification, section 3.3)."""

from collections.abc import Callable
from typing import Any

from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.place import Place
from dimpflow.engine.references import is_resource_reference, transform
from dimpflow.keys import KeyedHash


class Digests(Cache):
    """Text to its keyed hash in hexadecimal, cut to a length (None: all 64); the empty text stays as it is."""

    def __init__(self, keyed: KeyedHash, length: int | None) -> None:
        super().__init__(keyed.hexdigest)
        self._length = length

    def __missing__(self, text: str) -> str:
        if len(self) >= self.MOST:
            self.clear()
        digest = self[text] = self._function(text.encode())[: self._length] if text else text
        return digest


def crypto_hash(digests: Digests, place: Place) -> Callable[[Any], Any]:
    """The operation at a place that takes text."""
    digest = digests.__getitem__

    def of_reference(text: str) -> str:
        return transform(text, digest)

    if place.is_reference:
        return Cache(of_reference).__getitem__
    if place.type == "uri":
        return Cache(
            lambda text: of_reference(text) if is_resource_reference(text) else digest(text)
        ).__getitem__
    return digest
