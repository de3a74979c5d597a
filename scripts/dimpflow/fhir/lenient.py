"""Resources that are no strict FHIR JSON, read as the FHIR Pseudonymizer's parser reads them (specification, section 2.1).

A bare value where a list belongs becomes a list of one; null, empty text, empty lists and empty objects count as absent; text
loses the white space around it. Done only where strict reading has failed; what is wrong otherwise stays wrong.
"""

from typing import Any

import msgspec
from msgspec import Raw

from dimpflow.fhir.model import has_sibling
from dimpflow.fhir.table import PRIMITIVE, RESOURCE_TYPES, Element, elements

_decode = msgspec.json.Decoder(
    float_hook=lambda text: Raw(text.encode())
).decode  # decimals keep their spelling


def with_single_keys(data: bytes) -> bytes:
    """The resource with each key once; of several the last one counts. msgspec's errors for what is no JSON."""
    return msgspec.json.encode(_decode(data))


def normalised(data: bytes) -> bytes:
    """The resource in strict form, as far as leniency goes. msgspec's errors for what is no JSON."""
    return msgspec.json.encode(_resource(_decode(data)))


def _resource(document: Any) -> Any:
    name = document.get("resourceType") if isinstance(document, dict) else None
    name = name.strip() if isinstance(name, str) else None
    if name not in RESOURCE_TYPES:
        return _cleaned(document)
    return {"resourceType": name, **_object({k: v for k, v in document.items() if k != "resourceType"}, name)}


def _object(document: dict[str, Any], key: str) -> dict[str, Any]:
    known: dict[str, Element] = {e.json: e for e in elements(key)}
    beside = {"_" + e.json: e for e in known.values() if has_sibling(key, e)}
    found: dict[str, Any] = {}
    for name, value in document.items():
        element = known.get(name) or beside.get(name)
        if element is None:
            found[name] = _cleaned(value)  # unknown: refused by the strict decoder
        elif not element.primitive:
            found[name] = _complex(element, value)
        elif element.json not in found:
            other = "_" + element.json
            found |= _primitive(
                element, document.get(element.json), document.get(other) if other in beside else None
            )
    return {name: value for name, value in found.items() if not _absent(value)}


def _complex(element: Element, value: Any) -> Any:
    if not element.many:
        return _part(element, value)
    return [one for one in (_part(element, item) for item in _list(value)) if not _absent(one)]


def _part(element: Element, value: Any) -> Any:
    if element.resource:
        return _resource(value)
    return _object(value, element.type) if isinstance(value, dict) else _cleaned(value)


def _primitive(element: Element, value: Any, beside: Any) -> dict[str, Any]:
    if not element.many:
        pair = {element.json: _cleaned(value), "_" + element.json: _beside(beside)}
        return {name: one for name, one in pair.items() if not _absent(one)}
    values, others = _list(value), _list(beside)
    length = max(len(values), len(others))
    values += [None] * (length - len(values))
    others += [None] * (length - len(others))
    pairs = []
    for one, other in zip(values, others, strict=True):
        one, other = _cleaned(one), _beside(other)
        if not (_absent(one) and _absent(other)):
            pairs.append((None if _absent(one) else one, None if _absent(other) else other))
    found: dict[str, Any] = {}
    if any(one is not None for one, _ in pairs):
        found[element.json] = [one for one, _ in pairs]
    if any(other is not None for _, other in pairs):
        found["_" + element.json] = [other for _, other in pairs]
    return found


def _beside(value: Any) -> Any:
    return _object(value, PRIMITIVE) if isinstance(value, dict) else _cleaned(value)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _cleaned(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _absent(value: Any) -> bool:
    """null, empty text, an empty list or object; not 0 or false."""
    return value is None or (value in ("", [], {}) and not isinstance(value, (bool, int, Raw)))
