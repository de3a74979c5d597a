"""What has stayed: the values of each path of some lines before and after, counted."""

from collections import Counter
from operator import itemgetter
from typing import Any

from dimpflow.audit.naming import Place, ToldPlace

Leaf = tuple[str, str]
_path = itemgetter(0)
_TOP = ToldPlace()


class Profile:
    """By path, how many values stood there, stand there, and stand there as before."""

    def __init__(self) -> None:
        self.lines = 0
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()
        self.same: Counter[str] = Counter()

    def add(self, before: Any, after: Any) -> None:
        """Of two resources that belong together, as parsed JSON."""
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


def _leaves(resource: Any) -> list[Leaf]:
    """Path and value of each leaf; numbers by their text, since 1 and True would be equal."""
    found: list[Leaf] = []
    todo: list[tuple[Any, Place]] = [(resource, _TOP)]
    while todo:
        node, place = todo.pop()
        # exact types are enough for what comes from JSON, and quicker to tell
        kind = type(node)
        if kind is dict:
            type_ = node.get("resourceType")
            at = _TOP[type_] if type(type_) is str else place
            for name, value in node.items():
                kind = type(value)
                if kind is dict or kind is list:
                    todo.append((value, at[name]))
                elif kind is str:
                    if name != "resourceType":
                        found.append((at[name].path, value))
                elif value is not None:
                    found.append((at[name].path, repr(value)))
        elif kind is list:
            todo += [(item, place) for item in node]
        elif kind is str:
            found.append((place.path, node))
        elif node is not None:
            found.append((place.path, repr(node)))
    return found
