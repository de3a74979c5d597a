"""cryptoHash: a keyed hash in place of a value, or of the id in a reference (specification, section 3.3)."""

from collections.abc import Callable
from typing import Any

from dimpflow.engine.methods.cache import Cache
from dimpflow.engine.methods.place import Place
from dimpflow.engine.references import is_resource_reference, transform


def crypto_hash(digest: Callable[[str], str], place: Place) -> Callable[[Any], Any]:
    """digest: text to its hash as the rule wants it, cut to length; the empty text stays as it is."""

    def of_reference(text: str) -> str:
        return transform(text, lambda id_, prefix: digest(id_))

    if place.is_reference:
        return Cache(of_reference).__getitem__
    if place.type == "uri":
        return Cache(
            lambda text: of_reference(text) if is_resource_reference(text) else digest(text)
        ).__getitem__
    return digest
