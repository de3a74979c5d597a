"""What is done at the end: labels, pruning, JSON (2.5, 2.6, 2.8)."""

from collections.abc import Iterable

from . import table
from .errors import Refused
from .node import Node, to_json

_OV = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
# operation, system, code, display; in the order in which they are added (2.6).
_LABELS = (
    ("redact", _OV, "REDACTED", "redacted"),
    ("abstract", _OV, "ABSTRED", "abstracted"),
    ("cryptohash", _OV, "CRYTOHASH", "cryptographic hash function"),
    ("encrypt", _OV, "MASKED", "masked"),
    ("perturb", None, "PERTURBED", "exact value is replaced with another exact value"),
    ("substitute", None, "SUBSTITUTED", "exact value is replaced with a predefined value"),
    ("generalize", None, "GENERALIZED", "exact value is replaced with a general value"),
    ("pseudonymize", _OV, "PSEUDED", "pseudonymized"),
    ("remove", _OV, "REDACTED", "redacted"),
)


def add_labels(resource: Node, operations: Iterable[str]) -> None:
    """Security labels for what was done, each only if none has its code already."""
    done = set(operations)
    for operation, system, code, display in _LABELS:
        if operation not in done:
            continue
        meta = _only_child(resource, "meta", "Meta")
        present = {
            str(child.value or "").lower()
            for label in meta.named("security")
            for child in label.named("code")
        }
        if code.lower() in present:
            continue
        label = Node("security", "Coding", "Coding")
        meta.add(label)
        for name, type_key, text in (
            ("system", "uri", system),
            ("code", "code", code),
            ("display", "string", display),
        ):
            if text is not None:
                label.add(Node(name, type_key, type_key, value=text, json=to_json(text)))


def _only_child(node: Node, name: str, type_key: str) -> Node:
    for child in node.named(name):
        return child
    child = Node(name, type_key, type_key)
    node.add(child)
    return child


def prune(node: Node) -> None:
    """Take out what has neither value nor children, bottom-up, except resources and what came as `{}`."""
    for child in list(node.children):
        prune(child)
        if child.value is None and not child.children and not child.is_resource and not child.came_empty:
            child.detach()


def write(node: Node) -> str:
    """Compact JSON in definition order."""
    members = _members(node)
    if node.is_resource:
        members.insert(0, f'"resourceType":{to_json(node.type_name)}')
    return "{" + ",".join(members) + "}"


def _members(node: Node) -> list[str]:
    members: list[str] = []
    for row in table.rows(node.type_key):
        children = node.named(row.name)
        if not children:
            continue
        name = row.json_name(children[0].type_key)
        if len(children) > 1 and not row.is_list:
            raise Refused(f"two values in {node.type_name}.{row.name}")
        if children[0].is_primitive:
            values = [None if child.value is None else child.json for child in children]
            others = [write(child) if child.children or child.came_empty else None for child in children]
            both = [(name, values), ("_" + name, others)]
        else:
            both = [(name, [write(child) for child in children])]
        for member, texts in both:
            if any(text is not None for text in texts):
                content = ",".join("null" if text is None else text for text in texts)
                members.append(
                    f"{to_json(member)}:[{content}]" if row.is_list else f"{to_json(member)}:{content}"
                )
    return members
