"""The id inside a reference (specification of the rules, section 3.9; FHIR R4 section 2.3.0.4)."""

import re
from collections.abc import Callable

from dimpflow.fhir.table import RESOURCE_TYPES

_TYPES = "|".join(sorted(RESOURCE_TYPES))
_ID = r"[A-Za-z0-9\-.]{1,64}"
_LITERAL = re.compile(
    rf"^(?P<prefix>((http|https)://([A-Za-z0-9\\/.:%$])*)?({_TYPES})/)(?P<id>{_ID})(?P<suffix>/_history/{_ID})?$"
)
_CONDITIONAL = re.compile(
    rf"^(?P<prefix>(({_TYPES})\?)?identifier=((http|https)://([A-Za-z0-9\\/.:%$\-])*\|)?)(?P<id>{_ID})(?P<suffix>)$"
)
_OID = re.compile(r"^(?P<prefix>urn:oid:)(?P<id>[0-2](\.(0|[1-9][0-9]*))+)(?P<suffix>)$")
_UUID = re.compile(
    r"^(?P<prefix>urn:uuid:)(?P<id>[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})(?P<suffix>)$"
)
_PATTERNS = (_LITERAL, _CONDITIONAL, _OID, _UUID)

_IS_ID = re.compile(_ID).fullmatch

Transform = Callable[[str, str], str]
"""(id, what stood before it) -> the new id."""


def is_resource_reference(text: str) -> bool:
    """Whether a uri names a resource by type and id, or by type and identifier."""
    return bool(_LITERAL.match(text) or _CONDITIONAL.match(text))


def transform(text: str, new_id: Transform) -> str:
    """A reference with its id replaced; a text of no known form is taken as an id as a whole."""
    if not text:
        return text
    type_, slash, id_ = text.partition("/")
    if type_ in RESOURCE_TYPES and _IS_ID(
        id_
    ):  # nearly all references; what the first pattern says, in a tenth of the time
        return type_ + slash + new_id(id_, type_ + slash)
    if text[0] == "#":
        return "#" + (new_id(text[1:], "#") if len(text) > 1 else "")
    for pattern in _PATTERNS:
        match = pattern.match(text)
        if match:
            return match["prefix"] + new_id(match["id"], match["prefix"]) + (match["suffix"] or "")
    return new_id(text, "")
