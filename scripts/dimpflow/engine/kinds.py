"""Resources by kind: how each is decoded and walked, found out when the first one comes."""

from collections.abc import Callable

import msgspec

from dimpflow.bundles import peek
from dimpflow.errors import LineError
from dimpflow.fhir.model import Node, decoder, struct
from dimpflow.fhir.table import RESOURCE_TYPES

_HEAD = b'{"resourceType":"'
_TYPE_AT = len(_HEAD)

_STAY = 16
"""Resources that are decoded by the full model at once after one that did not fit the plain one."""
_ALWAYS = 1 << 62

Walk = Callable[[Node], int]


class Kind:
    """Resources of one type at one kind of place, in one model. walk: None where the rules need the tree; count: how many of
    them were de-identified."""

    __slots__ = ("count", "decode", "empty", "head", "name", "type", "walk")

    def __init__(self, type_: str, full: bool, walk: Walk | None) -> None:
        self.type = type_
        self.name = type_.encode()
        self.head = _HEAD + self.name + b'"'
        self.decode = decoder(type_, full).decode
        self.walk = walk
        self.empty = struct(type_, full)()
        self.count = 0


class Kinds:
    """Decoders and walks for the kinds of resources that come to one kind of place."""

    def __init__(self, walk_of: Callable[[str, bool], Walk | None]) -> None:
        self._walk_of = walk_of
        self._plain: dict[bytes, Kind] = {}
        self._full: dict[bytes, Kind] = {}
        self._rich: dict[bytes, int] = {}
        self._last: Kind | None = None
        """A kind of the plain model that fitted; most files hold resources of one type."""

    def decode(self, data: bytes) -> tuple[Node, Kind]:
        """The decoded resource and its kind. LineError or msgspec's errors for what is no strict FHIR R4.

        The plain model is tried first, except for some resources after one of that type that did not fit; both models
        give the same result.
        """
        last = self._last
        if last is not None and data.startswith(last.head):
            try:
                return last.decode(data), last
            except msgspec.ValidationError:
                self._last = None
                return self._decode_full(data, last.name, _STAY)
        usual = data.startswith(_HEAD)
        name = data[_TYPE_AT : data.find(b'"', _TYPE_AT)] if usual else peek(data).encode()
        left = self._rich.get(name)
        if left:
            return self._decode_full(data, name, left)
        kind = self._plain.get(name) or self._add(self._plain, name, full=False)
        if kind.walk is None:  # the rules do not go with the plain model
            return self._decode_full(data, name, _ALWAYS)
        try:
            node = kind.decode(data)
        except msgspec.ValidationError:
            return self._decode_full(data, name, _STAY)
        self._last = kind
        return node, kind

    def _decode_full(self, data: bytes, name: bytes, left: int) -> tuple[Node, Kind]:
        """left: resources of this type, this one included, that are not tried with the plain model."""
        self._rich[name] = left - 1
        kind = self._full.get(name) or self._add(self._full, name, full=True)
        return kind.decode(data), kind

    def kinds(self) -> list[Kind]:
        """All kinds that have come."""
        return [*self._plain.values(), *self._full.values()]

    def leave_to_tree(self, data: bytes) -> None:
        """From now on, resources of this one's type need the tree."""
        name = peek(data).encode()
        self._last = None
        for kinds in (self._plain, self._full):
            if name in kinds:
                kinds[name].walk = None

    def _add(self, kinds: dict[bytes, Kind], name: bytes, *, full: bool) -> Kind:
        type_ = name.decode(errors="replace")
        if type_ not in RESOURCE_TYPES:
            raise LineError("not a FHIR R4 resource")
        kind = kinds[name] = Kind(type_, full, self._walk_of(type_, full))
        return kind
