"""Paths of members, and as they may be told: in FHIR's own names, since one that it has not may be anything."""

from functools import lru_cache

from dimpflow.fhir.table import RESOURCE_TYPES, member_names

UNKNOWN = "?"


class Place(dict[str, "Place"]):
    """Where something stands. It holds the places below it that were asked for, so that the path of each is put together once."""

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self.path = path

    def __missing__(self, name: str) -> "Place":
        made = self[name] = type(self)(f"{self.path}.{name}" if self.path else name)
        return made


class ToldPlace(Place):
    """The same with paths that may be told."""

    def __missing__(self, name: str) -> Place:
        told = shown(name)
        return super().__missing__(told) if told == name else self[told]


@lru_cache(10_000)
def shown(name: str) -> str:
    """A name, if FHIR R4 has it."""
    return name if name.removeprefix("_") in member_names() or name in RESOURCE_TYPES else UNKNOWN


def shown_path(path: str) -> str:
    """A path in such names."""
    return ".".join(map(shown, path.split(".")))
