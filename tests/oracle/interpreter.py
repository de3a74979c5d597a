"""The walk over the resources of a tree, rule by rule (2.2, 2.3)."""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import methods, writing
from .dates import dateshift, redact
from .errors import Refused
from .fhirpath import evaluate
from .node import Node
from .reading import read_resource
from .rules import Parameters, Rule, load_parameters, load_rules
from .substitute import substitute


def deidentify(
    resource: bytes,
    rules: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Any],
    *,
    today: datetime.date,
    pseudonyms: Callable[[str, str], str],
    labels: bool = True,
    terms: methods.Terms = lambda _: None,
) -> bytes:
    """The resource after the rules, as compact JSON; Refused if that is impossible, ValueError for bad rules."""
    loaded_rules, loaded_parameters = load_rules(rules), load_parameters(parameters)
    try:
        root = read_resource(resource)
        _Run(root, loaded_rules, loaded_parameters, today, pseudonyms, labels, terms).walk(root)
        writing.prune(root)
        return writing.write(root).encode()
    except RecursionError:
        raise Refused("nested too deeply") from None


@dataclass(frozen=True)
class _Run:
    """What stays the same for one top-level resource."""

    root: Node
    rules: Sequence[Rule]
    parameters: Parameters
    today: datetime.date
    pseudonyms: Callable[[str, str], str]
    labels: bool
    terms: methods.Terms

    def walk(self, resource: Node) -> set[str]:
        """All rules on a resource, then on those in it; the answer is what was done, in them as well."""
        operations: set[str] = set()
        for rule in self.rules:
            if rule.applies_to(resource.type_name):
                for node in _matches(rule, resource):
                    self._process(node, rule, resource, operations)
        for nested in list(_nested_resources(resource)):
            operations |= self.walk(nested)
        # The root is named by its type, so this is about items of `contained` only.
        if self.labels and resource.name != "contained":
            writing.add_labels(resource, operations)
        return operations

    def _process(self, node: Node, rule: Rule, resource: Node, operations: set[str]) -> None:
        if node.handled:
            return
        # Those that `remove` detaches from the node are still to be processed.
        children = list(node.children)
        if rule.method == "redact" and node.came_empty:
            node.came_empty = False
            operations.add("redact")
        operation = self._apply(node, rule, resource)
        if operation is not None:
            operations.add(operation)
        node.handled = True
        for child in children if rule.method == "remove" else list(node.children):
            if not child.is_resource:
                self._process(child, rule, resource, operations)

    def _apply(self, node: Node, rule: Rule, resource: Node) -> str | None:
        """Run the method; the answer is the operation to record (2.7)."""
        match rule.method:
            case "keep":
                return None
            case "remove":
                if node is resource and node.parent is not None:
                    raise Refused("remove of a nested resource by its own rule")
                node.came_empty = False
                node.detach()
                return "remove"
            case "redact":
                return redact(node, self.parameters, self.today)
            case "dateshift":
                return dateshift(node, self.parameters, self.today, self.root)
            case "substitute":
                substitute(node, rule.replace_with)
                return "substitute"
            case "cryptohash":
                changed = methods.crypto_hash(node, rule, self.parameters)
            case "encrypt":
                changed = methods.encrypt(node, self.parameters)
            case "perturb":
                changed = methods.perturb(node, rule, self.parameters)
            case "generalize":
                changed = methods.generalize(node, rule)
            case "scrub":
                return "redact" if methods.scrub(node, rule, self.terms) else None
            case _:
                changed = methods.pseudonymize(node, rule, self.pseudonyms)
        return rule.method if changed else None


def _matches(rule: Rule, resource: Node) -> list[Node]:
    """What a rule selects; it has to be nodes of the tree."""
    if rule.expression is None:
        return [resource]
    nodes: list[Node] = []
    for item in evaluate(rule.expression, [resource]):
        if not isinstance(item, Node):
            raise Refused("a path selects a computed value")
        nodes.append(item)
    return nodes


def _nested_resources(node: Node) -> Iterator[Node]:
    """The nearest resources below, in document order."""
    for child in node.children:
        if child.is_resource:
            yield child
        else:
            yield from _nested_resources(child)
