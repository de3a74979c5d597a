"""Which rule took which element, for the author of a rule set."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from dimpflow.engine.tree.nodes import Node
from dimpflow.ruleset.rules import METHOD_NAMES, Rule


class Explained(NamedTuple):
    """One element with a value, or an object that came empty. path: its JSON path; rule: the number of the rule that took it, 0
    for none; outcome: kept, changed, or gone."""

    path: str
    rule: int
    rule_path: str
    method: str
    outcome: str


def explained(root: Node, process: Callable[[], bytes], rules: Sequence[Rule]) -> list[Explained]:
    """Runs the rules (`process` does that on the tree) and looks at each element that was there before."""
    nodes = [(node, node.path, node.raw) for node in _all(root) if node.raw is not None]
    process()
    left = {id(node) for node in _all(root)}
    found = []
    for node, path, raw in nodes:
        if id(node) not in left or node.raw is None:
            outcome = "gone"
        else:
            outcome = "kept" if node.raw == raw else "changed"
        rule = None if node.rule is None else rules[node.rule]
        found.append(
            Explained(
                path,
                0 if rule is None else rule.number,
                "" if rule is None else rule.path,
                "" if rule is None else METHOD_NAMES[type(rule.method)],
                outcome,
            )
        )
    return found


def _all(node: Node) -> list[Node]:
    return [node, *(below for kid in node.kids for below in _all(kid))]


def table(found: Sequence[Explained]) -> str:
    """One line for each element: its path, what became of it, and the rule."""
    lines = []
    for one in found:
        rule = f"rule {one.rule} ({one.rule_path}): {one.method}" if one.rule else "no rule"
        lines.append(f"{one.path}\t{one.outcome}\t{rule}\n")
    return "".join(lines)
