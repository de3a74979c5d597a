"""cryptoHash: a keyed hash in place of a value, or of the id in a reference (specification, section 3.3)."""

from collections.abc import Callable
from typing import Any

from dimpflow.engine.methods.place import Place
from dimpflow.engine.references import is_resource_reference, transform
from dimpflow.errors import LineError


def crypto_hash(hexdigest: Callable[[str], str], length: int | None, place: Place) -> Callable[[Any], Any]:
    """The hash in lower-case hexadecimal, cut to `length` characters; the empty text stays as it is."""
    if place.type in ("boolean", "integer", "positiveInt", "unsignedInt", "decimal", "instant"):

        def refuse(value: Any) -> Any:
            raise LineError(f"a hash does not fit into a {place.type}")

        return refuse

    def digest(text: str) -> str:
        return hexdigest(text)[:length] if text else text

    def of_reference(text: str) -> str:
        return transform(text, lambda id_, prefix: digest(id_))

    if place.is_reference:
        return of_reference
    if place.type == "uri":
        return lambda text: of_reference(text) if is_resource_reference(text) else digest(text)
    return digest
