"""The references of a resource, and what they could refer to.

Each has a path, which is the same before and after de-identification, and a value, which is another one afterwards.
"""

import re
from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from dimpflow.audit.naming import Place

_RELATIVE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[^/?#|]+)(?:/_history/[^/]*)?(?:\|.*)?$")

_PATH = attrgetter("path")
_TOP = Place()


class Mention(NamedTuple):
    """path: where; value: what is meant, as `Patient/17`; node: whether the thing itself stands here, not a reference to it."""

    path: str
    value: str
    node: bool


def mentions_of(before: Any, after: Any) -> tuple[list[Mention], list[Mention], Counter[str]]:
    """The same mentions of two resources, as parsed JSON, in the same order, and how many have gone, by path.

    Where some of a path have gone, which ones cannot be told, and none of it is compared.
    """
    one, two = mentions_in(before), mentions_in(after)
    if [m.path for m in one] == [m.path for m in two]:
        return one, two, Counter()
    counts, left = Counter(m.path for m in one), Counter(m.path for m in two)
    same = {path for path, count in counts.items() if left[path] == count}
    gone = Counter(
        {path: counts[path] - left[path] for path in counts.keys() | left.keys() if path not in same}
    )
    return [m for m in one if m.path in same], [m for m in two if m.path in same], gone


def meant(reference: str) -> str:
    """What a reference names, whichever way: type and id of a resource, else its text."""
    if reference.startswith(("urn:", "#")):
        return reference
    found = _RELATIVE.search(reference)
    return found[1] if found else reference


def links_in(line: bytes, hash_: Callable[[bytes], int]) -> list[int]:
    """The links of a resource, as the compiled walk gives them (see `native.walk`), by taking it apart."""
    return [
        hash_(value.encode()) & ~3 | (0 if not node else 3 if value.startswith("Patient/") else 1)
        for _, value, node in mentions_in(orjson.loads(line))
        if not value.startswith("#")
    ]


def mentions_in(resource: Any) -> list[Mention]:
    """Sorted by path, since members may stand in another order afterwards; those of one path as they stand in the text."""
    found: list[Mention] = []
    _of_resource(resource, _TOP, found, contained=False)
    found.sort(key=_PATH)
    return found


def _of_resource(resource: dict[str, Any], place: Place, found: list[Mention], *, contained: bool) -> None:
    """place: what holds it."""
    kind = resource.get("resourceType")
    at = place[str(kind)]
    id_ = resource.get("id")
    if isinstance(id_, str):
        found.append(Mention(at["id"].path, f"#{id_}" if contained else f"{kind}/{id_}", True))
    _below(resource, at, found)


def _below(node: dict[str, Any], at: Place, found: list[Mention]) -> None:
    # exact types are enough for what comes from JSON, and quicker to tell
    for name, value in node.items():
        kind = type(value)
        if kind is str:
            if name == "reference":
                found.append(Mention(at[name].path, meant(value), False))
            elif name == "fullUrl" and value.startswith("urn:"):
                found.append(Mention(at[name].path, value, True))
        elif kind is dict:
            if "resourceType" in value:
                _of_resource(value, at[name], found, contained=name == "contained")
            else:
                _below(value, at[name], found)
        elif kind is list:
            for item in value:
                if type(item) is dict:
                    if "resourceType" in item:
                        _of_resource(item, at[name], found, contained=name == "contained")
                    else:
                        _below(item, at[name], found)
