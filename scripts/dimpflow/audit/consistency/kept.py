"""What has stayed: the values of each path of some lines before and after, counted."""

from collections import Counter
from functools import lru_cache
from operator import itemgetter
from typing import Any

import orjson

from dimpflow.fhir.table import RESOURCE_TYPES, member_names

Leaf = tuple[str, str]
_path = itemgetter(0)


class Profile:
    """By path, how many values stood there, stand there, and stand there as before."""

    def __init__(self) -> None:
        self.lines = 0
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()
        self.same: Counter[str] = Counter()

    def add(self, before: bytes, after: bytes) -> None:
        """Of two lines that belong together."""
        one, two = _leaves(before), _leaves(after)
        self.lines += 1
        self.before.update(map(_path, one))
        self.after.update(map(_path, two))
        for (path, _), count in (Counter(one) & Counter(two)).items():
            self.same[path] += count

    def merge(self, other: "Profile") -> None:
        """Adds what another one has counted."""
        self.lines += other.lines
        self.before.update(other.before)
        self.after.update(other.after)
        self.same.update(other.same)

    def rows(self) -> list[dict[str, Any]]:
        """By path: kept as it was, changed, gone, new."""
        rows = []
        for path in sorted(self.before | self.after):
            before, after, same = self.before[path], self.after[path], self.same[path]
            changed = min(before, after) - same
            rows.append(
                {
                    "path": path,
                    "kept": same,
                    "changed": changed,
                    "gone": before - same - changed,
                    "new": after - same - changed,
                }
            )
        return rows


def _leaves(line: bytes) -> list[Leaf]:
    """Path and value of each leaf; numbers by their text, since 1 and True would be equal."""
    found: list[Leaf] = []
    todo: list[tuple[Any, str]] = [(orjson.loads(line), "")]
    while todo:
        node, path = todo.pop()
        if isinstance(node, str):
            found.append((path, node))
        elif isinstance(node, dict):
            kind = node.get("resourceType")
            at = _shown(kind) if isinstance(kind, str) else path
            todo += [
                (value, f"{at}.{_shown(name)}")
                for name, value in node.items()
                if name != "resourceType" or not isinstance(value, str)
            ]
        elif isinstance(node, list):
            todo += [(item, path) for item in node]
        elif node is not None:
            found.append((path, repr(node)))
    return found


@lru_cache(10_000)
def _shown(name: str) -> str:
    """A name, if FHIR R4 has it; one that it has not may be anything."""
    return name if name.removeprefix("_") in member_names() or name in RESOURCE_TYPES else "?"
