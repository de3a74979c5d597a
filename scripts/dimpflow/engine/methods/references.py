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

# strict: any server in front of type and id, its address and the version are dropped
_ANY_LITERAL = re.compile(rf"(?:https?://[^\s?#|]*/)?({_TYPES})/({_ID})(?:/_history/{_ID})?")
_ANY_CONDITIONAL = re.compile(rf"(?:https?://[^\s?#|]*/)?(({_TYPES})\?|(?=identifier=))([^\s#]+)")
_ONE_PARAMETER = re.compile(r"[^=&]+=(?:[^|&]*\|)?([^|&]+)")

_IS_ID = re.compile(_ID).fullmatch

Transform = Callable[[str], str]
"""An id to the new id."""


class References:
    """How ids are found in references: as the FHIR Pseudonymizer does, or strictly.

    strict: nothing of a server's address, a version or an identifier system stays, and `fullUrl`, `reference` and request
    urls that meant the same resource still do.
    """

    def __init__(self, strict: bool) -> None:
        self.strict = strict

    def is_resource_reference(self, text: str) -> bool:
        """Whether a uri names a resource by type and id, or by type and identifier."""
        if self.strict:
            patterns = (_ANY_LITERAL, _ANY_CONDITIONAL, _OID, _UUID)
            return text in RESOURCE_TYPES or any(pattern.fullmatch(text) for pattern in patterns)
        return bool(_LITERAL.match(text) or _CONDITIONAL.match(text))

    def transform_uri(self, text: str, new_id: Transform) -> str:
        """A uri that is a resource reference, with its id replaced; strictly, the url of a POST (a type) stays."""
        return text if self.strict and text in RESOURCE_TYPES else self.transform(text, new_id)

    def transform(
        self, text: str, new_id: Transform, *, before: Callable[[str], Transform] | None = None
    ) -> str:
        """A reference with its id replaced; a text of no known form is taken as an id as a whole.

        before: gives the function for the new id from what stands before the id, in place of `new_id`.
        """
        type_, slash, id_ = text.partition("/")
        if type_ in RESOURCE_TYPES and _IS_ID(id_):
            # nearly all references; what the first pattern says, in a tenth of the time
            prefix, suffix = type_ + slash, ""
        elif text[0] == "#":
            prefix, id_, suffix = "#", text[1:], ""
        else:
            prefix, id_, suffix = _strict_parts(text) if self.strict else _parts(text)
        return prefix + (new_id if before is None else before(prefix))(id_) + suffix


def _parts(text: str) -> tuple[str, str, str]:
    """What stands before the id, the id, and what stands behind it."""
    for pattern in _PATTERNS:
        match = pattern.match(text)
        if match:
            return match["prefix"], match["id"], match["suffix"] or ""
    return "", text, ""


def _strict_parts(text: str) -> tuple[str, str, str]:
    literal = _ANY_LITERAL.fullmatch(text)
    if literal:
        return literal[1] + "/", literal[2], ""
    conditional = _ANY_CONDITIONAL.fullmatch(text)
    if conditional:
        only = _ONE_PARAMETER.fullmatch(conditional[3])
        return f"{conditional[1]}identifier=", only[1] if only else conditional[3], ""
    return _parts(text)


def default_domain(prefix: str, *, conditional: bool = False) -> str:
    """The domain of a pseudonym that the rule leaves open: what stands before the id (specification, section 3.11)."""
    if prefix == "#":
        return ""
    return re.split(r"[/?]", prefix, maxsplit=1)[0] if conditional else prefix.rstrip("/")


def id_in(text: str, type_: str) -> str:
    """The id in a reference to a resource of a type, or in one by `urn:uuid:`, which may be of any; '' for others."""
    prefix, id_, _ = _parts(text)
    return id_ if prefix.endswith(f"{type_}/") or prefix == "urn:uuid:" else ""
