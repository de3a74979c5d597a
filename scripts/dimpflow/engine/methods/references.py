"""The id inside a reference (specification of the rules, section 3.9; FHIR R4 section 2.3.0.4)."""

import re
from collections.abc import Callable
from functools import lru_cache

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
_BASE = re.compile(r"(http|https)://([A-Za-z0-9\\/.:%$])*/")
_ELSE = ((_LITERAL, True), (_CONDITIONAL, True), (_OID, False), (_UUID, False))

# strict: any server in front of type and id, its address and the version are dropped
_ANY_LITERAL = re.compile(rf"(?:https?://[^\s?#|]*/)?({_TYPES})/({_ID})(?:/_history/{_ID})?")
_ANY_BASE = re.compile(r"https?://[^\s?#|]*")
_ANY_CONDITIONAL = re.compile(rf"(?:https?://[^\s?#|]*/)?(({_TYPES})\?|(?=identifier=))([^\s#]+)")
_ONE_PARAMETER = re.compile(r"[^=&]+=(?:[^|&]*\|)?([^|&]+)")

is_id = re.compile(_ID).fullmatch

Transform = Callable[[str], str]
"""An id to the new id."""

Parts = tuple[str, str, str, bool]
"""What stands before an id, the id, what stands behind it, and whether the text names a resource by type and id or identifier."""


class References:
    """How ids are found in references: as the FHIR Pseudonymizer does, or strictly.

    strict: nothing of a server's address, a version or an identifier system stays, and `fullUrl`, `reference` and request
    urls that meant the same resource still do.
    """

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.prefix: Transform = _prefix if strict else _type
        """What stands before an id in its transformed reference, by all before the last slash; '' where only `parts` can say it."""

    def parts(self, text: str) -> Parts:
        """The parts of a reference; a text of no known form is taken as an id as a whole."""
        return _strict_parts(text) if self.strict else _parts(text)

    def transform(
        self, text: str, new_id: Transform, *, before: Callable[[str], Transform] | None = None
    ) -> str:
        """A reference with its id replaced.

        before: gives the function for the new id from what stands before the id, in place of `new_id`.
        """
        prefix, id_, suffix, _ = ("#", text[1:], "", False) if text[0] == "#" else self.parts(text)
        return prefix + (new_id if before is None else before(prefix))(id_) + suffix


def _parts(text: str) -> Parts:
    head, _, id_ = text.rpartition("/")
    if head and is_id(id_):
        # nearly all references; what the first pattern says, in a tenth of the time
        if head in RESOURCE_TYPES:
            return head + "/", id_, "", True
        base, _, type_ = head.rpartition("/")
        if type_ in RESOURCE_TYPES and _is_base(base):
            return head + "/", id_, "", True
    for pattern, resource in _ELSE:
        match = pattern.match(text)
        if match:
            return match["prefix"], match["id"], match["suffix"] or "", resource
    return "", text, "", False


@lru_cache(1000)
def _is_base(text: str) -> bool:
    """Whether a text is the address of a server that the first pattern takes for one."""
    return _BASE.fullmatch(text + "/") is not None


@lru_cache(1000)
def _prefix(head: str) -> str:
    """The resource type with a slash that stands at the end of what is before an id; '' if there is no type, or no address before
    it."""
    base, slash, type_ = head.rpartition("/")
    known = type_ in RESOURCE_TYPES and (not slash or _ANY_BASE.fullmatch(base))
    return type_ + "/" if known else ""


def _type(head: str) -> str:
    return head + "/" if head in RESOURCE_TYPES else ""


def _strict_parts(text: str) -> Parts:
    head, _, id_ = text.rpartition("/")
    # nearly all; what the first pattern says, in less time
    prefix = _prefix(head)
    if prefix and is_id(id_):
        return prefix, id_, "", True
    if text in RESOURCE_TYPES:  # the url of a POST
        return text, "", "", True
    literal = _ANY_LITERAL.fullmatch(text)
    if literal:
        return literal[1] + "/", literal[2], "", True
    conditional = _ANY_CONDITIONAL.fullmatch(text)
    if conditional:
        only = _ONE_PARAMETER.fullmatch(conditional[3])
        return f"{conditional[1]}identifier=", only[1] if only else conditional[3], "", True
    prefix, id_, suffix, resource = _parts(text)
    return prefix, id_, suffix, resource or prefix.startswith("urn:")


def default_domain(prefix: str, *, conditional: bool = False) -> str:
    """The domain of a pseudonym that the rule leaves open: what stands before the id (specification, section 3.11)."""
    if prefix == "#":
        return ""
    return re.split(r"[/?]", prefix, maxsplit=1)[0] if conditional else prefix.rstrip("/")


def id_in(text: str, type_: str) -> str:
    """The id in a reference to a resource of a type, or in one by `urn:uuid:`, which may be of any; '' for others."""
    prefix, id_, _, _ = _parts(text)
    return id_ if prefix.endswith(f"{type_}/") or prefix == "urn:uuid:" else ""
