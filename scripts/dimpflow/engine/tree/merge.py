"""substitute on a tree: a replacement is merged with what earlier rules left (specification of the rules, section 3.6)."""

from itertools import zip_longest

from msgspec import UNSET

from dimpflow.engine.methods import Work
from dimpflow.engine.methods.substitute import replacement
from dimpflow.engine.tree.nodes import Node, build
from dimpflow.errors import LineError
from dimpflow.fhir.table import elements
from dimpflow.ruleset.rules import Substitute


def substitute(method: Substitute, node: Node, rule: int, work: Work | None) -> None:
    """Put the replacement in a node's place. All of the result belongs to the rule. work: the operation of a primitive."""
    if work is not None:
        new = work.function(node.raw)
        node.raw = None if new is UNSET else new
        _empty(node, list(node.kids))
    else:
        _merge(
            node,
            _ordinary(build(replacement(method, node.key), node.key, node.element, node.parent, node.at)),
        )
    node.changed_shape()
    _take(node, rule)


def _ordinary(node: Node) -> Node:
    """A replacement's empty objects do not count as content."""
    node.kept_empty = False
    for kid in node.kids:
        _ordinary(kid)
    return node


def _take(node: Node, rule: int, kept: bool = False) -> None:
    """Everything in the result is handled; what came empty stays so only in what an earlier rule had taken."""
    kept = kept or (node.rule is not None and node.rule != rule)
    node.kept_empty = node.kept_empty and kept
    if node.rule is None:
        node.rule = rule
    for kid in node.kids:
        _take(kid, rule, kept)


def _merge(node: Node, new: Node) -> None:
    """Make an unhandled node like a new one of its type."""
    node.raw = new.raw
    names = {kid.name for kid in new.kids}
    _empty(node, [kid for kid in node.kids if kid.name not in names])
    for name in dict.fromkeys(
        element.name for element in elements(node.key if not node.primitive else "Element")
    ):
        if name in names:
            pairs = zip_longest(
                [kid for kid in node.kids if kid.name == name], [kid for kid in new.kids if kid.name == name]
            )
            for old, other in list(pairs):
                _pair(node, old, other)
    order = {e.name: i for i, e in enumerate(elements(node.key if not node.primitive else "Element"))}
    node.kids.sort(key=lambda kid: order[kid.name])


def _pair(node: Node, old: Node | None, new: Node | None) -> None:
    if old is None:
        assert new is not None
        new.parent = node
        node.kids.append(new)
    elif new is None:
        _empty(node, [old])
    elif old.rule is not None:
        return
    elif old.key == new.key:
        _merge(old, new)
    elif _has_handled(old):
        raise LineError("substitute: an element of another type stands where an earlier rule left something")
    else:
        new.parent = node
        node.kids = [new if kid is old else kid for kid in node.kids]


def _has_handled(node: Node) -> bool:
    return any(kid.rule is not None or _has_handled(kid) for kid in node.kids)


def _empty(node: Node, kids: list[Node]) -> None:
    """Of these children only what was handled stays, and what is around it."""
    for kid in kids:
        if kid.rule is not None:
            continue
        if _has_handled(kid):
            kid.raw = None
            _empty(kid, list(kid.kids))
        else:
            node.kids = [other for other in node.kids if other is not kid]
