"""Resources by kind: how each is decoded and walked, found out when the first one comes."""

from collections.abc import Callable

import msgspec

from dimpflow.bundles import peek
from dimpflow.engine.tally import NewTally, Tally
from dimpflow.errors import LineError
from dimpflow.fhir.model import Node, decoder, struct
from dimpflow.fhir.table import RESOURCE_TYPES

_HEAD = b'{"resourceType":"'
_TYPE_AT = len(_HEAD)

_STAY = 16
"""Resources that are decoded by the full model at once after one that did not fit the plain one."""

Walk = Callable[[Node, Tally], int]
Made = tuple[Walk, NewTally]
"""A walk and what makes a tally for it."""


class Kind:
    """Resources of one type at one kind of place, in one model. walk: None where the rules need the tree; tally: what the walk has
    counted, None for nothing yet; count: how many of them were de-identified."""

    __slots__ = ("_new_tally", "count", "decode", "empty", "tally", "type", "walk")

    def __init__(self, type_: str, full: bool, made: Made | None) -> None:
        self.type = type_
        self.decode = decoder(type_, full).decode
        self.walk: Walk | None = None
        self.tally: Tally | None = None
        if made is not None:
            self.walk, self._new_tally = made
        self.empty = struct(type_, full)()
        self.count = 0

    def begin(self) -> Tally:
        """A new tally."""
        self.tally = tally = self._new_tally()
        return tally


class _Models:
    """A type's two kinds. left: resources that are not tried with the plain model; last: the kind of the last one."""

    __slots__ = ("full", "last", "left", "plain")

    def __init__(self) -> None:
        self.plain: Kind | None = None
        self.full: Kind | None = None
        self.last: Kind | None = None
        self.left = 0


class Kinds:
    """Decoders and walks for the kinds of resources that come to one kind of place."""

    def __init__(self, walk_of: Callable[[str, bool], Made | None]) -> None:
        self._walk_of = walk_of
        self._types: dict[bytes, _Models] = {}
        self._done: list[Kind] = []
        """Kinds that will not come again, but have counted."""

    def decode(self, data: bytes) -> tuple[Node, Kind]:
        """The decoded resource and its kind. LineError or msgspec's errors for what is no strict FHIR R4.

        The plain model is tried first, except for some resources after one of that type that did not fit; both models
        give the same result.
        """
        models = self._types.get(data[_TYPE_AT : data.find(b'"', _TYPE_AT)])
        if models is None or not data.startswith(_HEAD):
            models = self._unusual(data)
        kind = models.plain
        if kind is not None and not models.left:
            models.last = kind
            try:
                return kind.decode(data), kind
            except msgspec.ValidationError:
                models.left = _STAY
        models.left -= 1
        kind = models.full
        if kind is None:
            kind = models.full = self._kind(data, full=True)
        models.last = kind
        return kind.decode(data), kind

    def as_before(self) -> None:
        """What is done once more with the last resource goes the same way: the other model may refuse it at another place."""
        for models in self._types.values():
            models.left = _STAY if models.last is models.full else 0

    def kinds(self) -> list[Kind]:
        """All kinds that have come."""
        found = [kind for models in self._types.values() for kind in (models.plain, models.full) if kind]
        return found + self._done

    def leave_to_tree(self, data: bytes) -> None:
        """From now on, resources of this one's type need the tree."""
        models = self._types[peek(data).encode()]
        if models.plain is not None:
            self._done.append(models.plain)
        models.plain, models.left = None, 0
        if models.full is None:
            models.full = self._kind(data, full=True)
        models.full.walk = None

    def _unusual(self, data: bytes) -> _Models:
        """A resource whose type comes for the first time, or does not stand first."""
        name = peek(data).encode()
        models = self._types.get(name)
        if models is None:
            if name.decode() not in RESOURCE_TYPES:
                raise LineError("not a FHIR R4 resource")
            models = _Models()
            kind = self._kind(data, full=False)
            models.plain = (
                kind if kind.walk is not None else None
            )  # else the rules do not go with the plain model
            self._types[name] = models  # not before: rules that cannot be compiled fail in the same way again
        return models

    def _kind(self, data: bytes, *, full: bool) -> Kind:
        type_ = peek(data)
        return Kind(type_, full, self._walk_of(type_, full))
