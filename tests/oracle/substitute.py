"""substitute (3.6): put something else in the place of a node, but leave what earlier rules made."""

from itertools import zip_longest

from . import table
from .errors import Refused
from .node import Node
from .reading import read_replacement


def substitute(node: Node, replace_with: str | None) -> None:
    """Replace the content of a node; all of the result is then handled."""
    if node.is_primitive:
        # '' clears, whether there was a value or not.
        node.write(replace_with or "")
        _empty_children(node, list(node.children))
    else:
        replacement = read_replacement(replace_with or "{}", node)
        # What comes from the replacement is ordinary: an `{}` in it is not worth keeping.
        for new in replacement.descendants():
            new.came_empty = False
        _merge_children(node, replacement)
    _finish(node)


def _has_handled(node: Node) -> bool:
    return any(below.handled for below in node.descendants())


def _merge(node: Node, replacement: Node) -> None:
    """Make an unhandled node like the replacement, which is of the same type."""
    node.value, node.json = replacement.value, replacement.json
    _merge_children(node, replacement)


def _merge_children(node: Node, replacement: Node) -> None:
    names = {child.name for child in replacement.children}
    _empty_children(node, [child for child in node.children if child.name not in names])
    for row in table.rows(node.type_key):
        if row.name in names:
            pairs = list(zip_longest(node.named(row.name), replacement.named(row.name)))
            for old, new in pairs:
                _merge_pair(node, old, new)


def _merge_pair(node: Node, old: Node | None, new: Node | None) -> None:
    if old is None:
        assert new is not None
        node.add(new)
    elif new is None:
        _empty_children(node, [old])
    elif old.handled:
        pass
    elif old.type_key == new.type_key:
        _merge(old, new)
    elif _has_handled(old):
        raise Refused("substitute: another type in place of something that was handled")
    else:
        index = node.children.index(old)
        node.children[index] = new
        old.parent, new.parent = None, node


def _empty_children(node: Node, children: list[Node]) -> None:
    """Of these children only what was handled stays, and what is around it."""
    for child in children:
        if child.handled:
            continue
        if _has_handled(child):
            child.clear()
            _empty_children(child, list(child.children))
        else:
            node.children.remove(child)
            child.parent = None


def _finish(node: Node, *, kept: bool = False) -> None:
    """Mark everything as handled; what came empty is ordinary now, except in what was handled before."""
    kept = kept or node.handled
    node.came_empty = node.came_empty and kept
    node.handled = True
    for below in node.children:
        _finish(below, kept=kept)
