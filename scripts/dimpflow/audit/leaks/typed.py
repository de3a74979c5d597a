"""Resources decoded into just what holds values, by FHIR's definitions: ten times as fast as to take a line apart and walk through it.

What a line holds is put into lists while it is decoded, so that nobody has to look for it. Lines that are not as FHIR R4 has them,
types that hold themselves (`Questionnaire.item.item`), and extensions with values are for somebody else to take apart.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from dimpflow.audit.leaks.paths import leads, paths
from dimpflow.fhir.table import RESOURCE_TYPES, elements

_TYPE = b'{"resourceType":"'
_START = len(_TYPE)
_TELLING = (
    b"mothersMaidenName",
    b"humanname-",
    *(
        b'"%b"' % element.json.encode()
        for element in elements("Extension")
        if not element.primitive and element.json != "extension" and leads(element.type, full=False)
    ),
)
"""What makes an extension worth a look."""
_EXTENDED = b'xtension"'

Add = Callable[[Any], None]


class Found:
    """What has been decoded; who takes it clears it. The lists stay the same ones."""

    def __init__(self) -> None:
        self.references: list[Reference] = []
        self.identifiers: list[str] = []
        self.points: list[str] = []
        self.authors: list[str] = []
        self.names: list[HumanName] = []
        self.addresses: list[Address] = []

    def clear(self) -> None:
        """Forget all."""
        for each in vars(self).values():
            each.clear()


found = Found()


class Reference(msgspec.Struct, gc=False):
    """FHIR R4 section 2.3.0."""

    reference: str = ""
    type: str = ""
    display: str = ""
    identifier: "Identifier | None" = None

    def __post_init__(self, add: Add = found.references.append) -> None:
        add(self)


class Identifier(msgspec.Struct, gc=False):
    """FHIR R4 section 2.24.0.10; not who has given it."""

    value: str = ""

    def __post_init__(self, add: Add = found.identifiers.append) -> None:
        add(self.value)


class ContactPoint(msgspec.Struct, gc=False):
    """FHIR R4 section 2.24.0.14."""

    value: str = ""

    def __post_init__(self, add: Add = found.points.append) -> None:
        add(self.value)


class Annotation(msgspec.Struct, gc=False):
    """FHIR R4 section 2.24.0.13."""

    authorString: str = ""
    authorReference: Reference | None = None

    def __post_init__(self, add: Add = found.authors.append) -> None:
        add(self.authorString)


class HumanName(msgspec.Struct, gc=False):
    """FHIR R4 section 2.24.0.11."""

    family: str = ""
    given: list[str | None] = []
    text: str = ""

    def __post_init__(self, add: Add = found.names.append) -> None:
        add(self)


class Address(msgspec.Struct, gc=False):
    """FHIR R4 section 2.24.0.12."""

    line: list[str | None] = []
    city: str = ""
    postalCode: str = ""
    text: str = ""

    def __post_init__(self, add: Add = found.addresses.append) -> None:
        add(self)


class Resource(msgspec.Struct, gc=False):
    """What a resource itself has."""

    id: str = ""
    birthDate: str = ""
    contained: list[msgspec.Raw] = []


class _Request(msgspec.Struct, gc=False):
    url: str = ""


class Entry(msgspec.Struct, gc=False):
    """FHIR R4 Bundle.entry."""

    fullUrl: str = ""
    request: _Request | None = None
    resource: msgspec.Raw = msgspec.Raw(b"")
    response: msgspec.Raw = msgspec.Raw(b"")


class Bundle(Resource, gc=False):
    """FHIR R4 section 2.36."""

    identifier: Identifier | None = None
    entry: list[Entry] = []
    signature: msgspec.Raw = msgspec.Raw(b"")


_bundle = msgspec.json.Decoder(Bundle).decode
_Known = tuple[str, Callable[[bytes], Any] | None]
_decoders: dict[bytes, _Known] = {}
"""By what stands for the type: its name, and how it is decoded."""


def decoded(resource: bytes) -> tuple[str, Resource] | None:
    """The type of a resource or Bundle and itself, with all that is in it in `found`; None if it must be taken apart."""
    type_ = resource[_START : resource.find(b'"', _START)]
    known = _decoders.get(type_)
    if known is None:
        known = _decoders[type_] = _decoder(type_)
    name, decode = known
    if decode is None or not resource.startswith(_TYPE):
        return None
    if _EXTENDED in resource and decode is not _bundle and any(map(resource.__contains__, _TELLING)):
        return None
    try:
        one = decode(resource)
    except msgspec.DecodeError:
        found.names.clear()  # of this resource alone; all else is found again
        found.addresses.clear()
        return None
    if type(one) is Bundle and not _is_plain(resource, one):
        return None
    return name, one


def _is_plain(line: bytes, bundle: Bundle) -> bool:
    """Whether nothing of a Bundle but its entries' resources can hold more than was decoded."""
    resources = [bytes(entry.resource) for entry in bundle.entry]
    return (
        not bytes(bundle.signature)
        and all(b'"outcome"' not in bytes(entry.response) for entry in bundle.entry)
        and all(one[:1] != b"[" for one in resources)
        and line.count(_EXTENDED) == sum(one.count(_EXTENDED) for one in resources)
    )


def _decoder(type_: bytes) -> _Known:
    name = type_.decode("utf-8", "replace")
    if name == "Bundle":
        return name, _bundle
    if name not in RESOURCE_TYPES:
        return "", None
    try:
        return name, msgspec.json.Decoder(_struct(name, (), Resource)).decode
    except _HoldsItselfError:
        return name, None


class _HoldsItselfError(Exception):
    """A type holds itself, or other resources."""


_WRITTEN: dict[str, type[msgspec.Struct]] = {
    one.__name__: one for one in (Reference, Identifier, ContactPoint, Annotation, HumanName, Address)
}


def _struct(
    key: str, above: tuple[str, ...], base: type[msgspec.Struct] = msgspec.Struct
) -> type[msgspec.Struct]:
    """Of a type, the members that lead to values."""
    if key in _WRITTEN:
        return _WRITTEN[key]
    if key in above or key == "Resource":
        raise _HoldsItselfError
    wanted = paths(key, full=False)
    fields: list[tuple[str, Any, Any]] = []
    names = {}
    for element in elements(key):
        if element.json in wanted and element.json != "contained":
            inner = _struct(element.type, (*above, key))
            fields.append((element.attr, list[inner] if element.many else inner, None))  # type: ignore[valid-type]
            names[element.attr] = element.json
    return msgspec.defstruct(key.replace(".", "_"), fields, bases=(base,), rename=names, gc=False)
