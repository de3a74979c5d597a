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

Transform = Callable[[str], str]
"""An id to the new id."""


def is_resource_reference(text: str) -> bool:
    """Whether a uri names a resource by type and id, or by type and identifier."""
    return bool(_LITERAL.match(text) or _CONDITIONAL.match(text))


def transform(text: str, new_id: Transform, *, before: Callable[[str], Transform] | None = None) -> str:
    """A reference with its id replaced; a text of no known form is taken as an id as a whole.

    before: gives the function for the new id from what stands before the id, in place of `new_id`.
    """
    type_, slash, id_ = text.partition("/")
    if type_ in RESOURCE_TYPES and _IS_ID(
        id_
    ):  # nearly all references; what the first pattern says, in a tenth of the time
        prefix, suffix = type_ + slash, ""
    elif not text or text == "#":
        return text
    elif text[0] == "#":
        prefix, id_, suffix = "#", text[1:], ""
    else:
        match = next((m for m in (pattern.match(text) for pattern in _PATTERNS) if m), None)
        prefix, id_, suffix = (
            (match["prefix"], match["id"], match["suffix"] or "") if match else ("", text, "")
        )
    return prefix + (new_id if before is None else before(prefix))(id_) + suffix
