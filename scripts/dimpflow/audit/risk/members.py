"""Some members of a resource, read without making objects of all the others; and what follows from them, remembered by their bytes.

What is of interest (a diagnosis, a gender, the subject) comes again and again in nearly the same bytes, and is then not even parsed.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import msgspec
import orjson

from dimpflow.audit.risk.attributes import Steps, Values

Members = tuple[msgspec.Raw, ...]
"""The bytes of each member, none for one that is not there."""

_REMEMBERED = 1 << 16


class Reader:
    """Reads the members of these names. It does not look whether the others are FHIR."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        fields = [f"member{number}" for number in range(len(self.names))]
        type_ = msgspec.defstruct(
            "Resource",
            [(field, msgspec.Raw, msgspec.Raw(b"")) for field in fields],
            rename=dict(zip(fields, self.names, strict=True)),
        )
        self._decoder = msgspec.json.Decoder(type_)
        self._taken: Callable[[Any], Any] = attrgetter(*fields)

    def __call__(self, data: bytes) -> Members:
        """msgspec.DecodeError: it is no object."""
        taken = self._taken(self._decoder.decode(data))
        return taken if len(self.names) > 1 else (taken,)


class Remembered:
    """The values at a path, by the bytes of the members at which it begins. values: of a resource as parsed JSON."""

    def __init__(self, reader: Reader, steps: Steps, values: Callable[[dict[str, Any]], Values]) -> None:
        self._names = [name for name in steps[0] if name in reader.names]
        self._places = [reader.names.index(name) for name in self._names]
        self._values = values
        self._known: dict[tuple[bytes, ...], Values] = {}

    def __call__(self, members: Members) -> Values:
        """orjson.JSONDecodeError."""
        key = tuple([bytes(members[place]) for place in self._places])
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            resource = {name: orjson.loads(data) for name, data in zip(self._names, key, strict=True) if data}
            found = self._known[key] = self._values(resource)
        return found


def parsed(members: Iterable[msgspec.Raw]) -> list[Any]:
    """What stands at those that are there. orjson.JSONDecodeError."""
    return [orjson.loads(data) for one in members if (data := bytes(one))]
