"""substitute: a fixed value or structure in place of a node (specification, section 3.6); the merging is the walks' part."""

from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET

from dimpflow.engine.methods.place import Operation, Place
from dimpflow.errors import LineError
from dimpflow.fhir.model import struct
from dimpflow.fhir.table import PRIMITIVE_TYPES, RESOURCE_TYPES, type_name
from dimpflow.ruleset.rules import Substitute


def substitution(method: Substitute, place: Place) -> Operation:
    """The operation at a primitive: the new value, whatever stood there, or nothing."""
    text = (method.text or "").strip()

    def work(value: Any) -> Any:
        return place.fit(text) if text else UNSET

    return work


def replacement(method: Substitute, key: str) -> Any:
    """A new object of a complex type, from the setting's JSON. LineError where it is none of that type."""
    try:
        return msgspec.json.decode(_prepared(method.text or "", key), type=struct(key))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise LineError(f"replaceWith is no JSON of a {type_name(key)}") from None


def fits_plain(method: Substitute, key: str) -> bool:
    """Whether a replacement has no extensions, so that it goes with the plain model (or is wrong in any model)."""
    if key in PRIMITIVE_TYPES:
        return True
    try:
        replacement(method, key)
    except LineError:
        return True
    try:
        msgspec.json.decode(_prepared(method.text or "", key), type=struct(key, full=False))
    except msgspec.MsgspecError:
        return False
    return True


@lru_cache(64)
def _prepared(text: str, key: str) -> bytes:
    """The JSON as the reference's parser reads it: text trimmed; a resource may be given with or without its type."""
    document = _trimmed(_decode(text.strip().encode() or b"{}"))
    if key in RESOURCE_TYPES and isinstance(document, dict):
        document.setdefault("resourceType", key)
    return msgspec.json.encode(document)


_decode = msgspec.json.Decoder(float_hook=lambda text: msgspec.Raw(text.encode())).decode


def _trimmed(value: Any) -> Any:
    """Text trimmed, empty objects left out bottom-up, as pruning would do; what is wrong stays wrong."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return [_trimmed(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, one in value.items():
        new = _trimmed(one)
        if isinstance(new, list) and {} in new:
            beside = name.startswith("_")  # there, null holds the place
            new = [None if one == {} else one for one in new if beside or one != {}]
            new = None if all(one is None for one in new) else new
        if new != {} and not (new is None and one is not None):
            found[name] = new
    return found
