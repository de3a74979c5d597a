"""What has stayed: the values of each path of some lines before and after, counted."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

CODED = frozenset({"code", "system", "value", "unit", "comparator", "status", "version", "url"})


class Profile:
    """By path, how many values stood there, stand there, and stand there as before."""

    def __init__(self) -> None:
        self.lines = 0
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()
        self.same: Counter[str] = Counter()

    def add(self, before: bytes, after: bytes) -> None:
        """Of two lines that belong together."""
        one, two = _values(before), _values(after)
        self.lines += 1
        self.before.update(path for path, _ in one.elements())
        self.after.update(path for path, _ in two.elements())
        self.same.update(path for path, _ in (one & two).elements())

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


def _values(line: bytes) -> Counter[tuple[str, Any]]:
    return Counter(_leaves(orjson.loads(line), ""))


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Path and value of each leaf; numbers by their text, since 1 and True would be equal."""
    if isinstance(node, dict):
        kind = node.get("resourceType")
        at = kind if isinstance(kind, str) else path
        for name, value in node.items():
            if name != "resourceType" or not isinstance(value, str):
                yield from _leaves(value, f"{at}.{name}")
    elif isinstance(node, list):
        for item in node:
            yield from _leaves(item, path)
    elif node is not None:
        yield path, node if isinstance(node, str) else repr(node)
