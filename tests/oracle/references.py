"""References: which part of them is an id (3.9)."""

import re
from collections.abc import Callable

from .node import Node
from .table import RESOURCES

_RT = "|".join(RESOURCES)
_HEX = "[0-9a-fA-F]"
_LITERAL = (
    rf"^(?P<prefix>((http|https)://([A-Za-z0-9\\/.:%$])*)?({_RT})/)"
    r"(?P<id>[A-Za-z0-9\-.]{1,64})(?P<suffix>/_history/[A-Za-z0-9\-.]{1,64})?$"
)
_CONDITIONAL = (
    rf"^(?P<prefix>(({_RT})\?)?identifier=((http|https)://([A-Za-z0-9\\/.:%$\-])*\|)?)"
    r"(?P<id>[A-Za-z0-9\-.]{1,64})(?P<suffix>)$"
)
_OID = r"^(?P<prefix>urn:oid:)(?P<id>[0-2](\.(0|[1-9][0-9]*))+)(?P<suffix>)$"
_UUID = rf"^(?P<prefix>urn:uuid:)(?P<id>{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}})(?P<suffix>)$"

_RESOURCE_REFERENCES = (re.compile(_LITERAL), re.compile(_CONDITIONAL))
_PATTERNS = (*_RESOURCE_REFERENCES, re.compile(_OID), re.compile(_UUID))


def is_reference(node: Node) -> bool:
    """Whether only the id in the node is transformed: a reference string or a reference uri (3)."""
    if node.name.lower() == "reference" and node.parent is not None and node.parent.type_name == "Reference":
        return True
    return node.type_key == "uri" and any(pattern.match(node.text()) for pattern in _RESOURCE_REFERENCES)


def transform(reference: str, change: Callable[[str], str]) -> str:
    """The reference with its id changed; all of it if no pattern fits."""
    if not reference:
        return reference
    if reference.startswith("#"):
        return "#" + change(reference[1:])
    match = _matched(reference)
    if match is None:
        return change(reference)
    return f"{match['prefix']}{change(match['id'])}{match['suffix'] or ''}"


def prefix_of(reference: str) -> str | None:
    """What stands before the id; None if no pattern fits or the reference is one to a contained resource."""
    match = None if reference.startswith("#") else _matched(reference)
    return None if match is None else match["prefix"]


def _matched(reference: str) -> re.Match[str] | None:
    for pattern in _PATTERNS:
        match = pattern.match(reference)
        if match is not None:
            return match
    return None


def patient_in(resource: Node) -> str:
    """The id of the patient that a resource refers to as its own; '' for none."""
    for name in ("patient", "subject", "beneficiary", "individual", "for", "candidate", "source", "target"):
        for reference in resource.named(name):
            for node in reference.named("reference") if reference.type_name == "Reference" else []:
                match = _matched(str(node.value or "").strip())
                if match and (match["prefix"].endswith("Patient/") or match["prefix"] == "urn:uuid:"):
                    return match["id"]
    return ""
