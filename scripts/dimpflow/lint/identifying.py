"""Which elements of FHIR R4 may hold what tells who a patient is: by the type that they belong to, their name, their type.

Text that is not known to be technical counts as free text: better one element too many than one too few.
"""

from functools import cache

from dimpflow.fhir.table import RESOURCE_TYPES, Element, elements

NAME, PLACE, CONTACT, IDENTIFIER, LINK, TEXT, LABEL = (
    "name",
    "place",
    "contact",
    "identifier",
    "link",
    "text",
    "label",
)
CONTENT, BIRTH, ID, EXTENSION, ADDRESS, REQUEST, TITLE = (
    "content",
    "birth",
    "id",
    "extension",
    "address",
    "request",
    "title",
)
VALUE, THING, DEFINITION = "value", "thing", "definition"
"""Kinds of such elements. label: text that belongs to a code; thing: the name of something that is no person; address: on the
web; value: of an element that may be many things (`value[x]`); definition: in resources that describe no patient."""

_PARTS: dict[str, dict[str, str]] = {
    "HumanName": dict.fromkeys(("text", "family", "given", "prefix", "suffix"), NAME),
    "Address": dict.fromkeys(("text", "line", "city", "district", "state", "postalCode", "country"), PLACE),
    "ContactPoint": {"value": CONTACT},
    "ContactDetail": {"name": NAME},
    "Contributor": {"name": NAME},
    "Identifier": {"value": IDENTIFIER},
    "Reference": {"reference": LINK, "display": TEXT},
    "Annotation": {"author": TEXT, "text": TEXT},
    "Attachment": dict.fromkeys(("data", "url", "hash", "title"), CONTENT),
    "Signature": {"data": CONTENT},
    "Narrative": {"div": TEXT},
    "CodeableConcept": {"text": TEXT},
    "Coding": {"display": LABEL},
    "Dosage": {"text": TEXT, "patientInstruction": TEXT},
    "Meta": {"source": ADDRESS},
    "Extension": {"value": EXTENSION},
}
"""Data types that stand in data of patients."""

_NOTHING = frozenset(("Quantity", "Age", "Count", "Distance", "Duration", "SampledData"))
"""Data types whose texts are units and numbers."""

_BIRTHS = frozenset(
    (
        "Patient.birthDate", "Patient.deceased", "Person.birthDate", "Practitioner.birthDate", "RelatedPerson.birthDate",
        "FamilyMemberHistory.born", "FamilyMemberHistory.deceased",
    )
)  # fmt: skip

_IDENTIFIERS = frozenset(
    (
        "subscriberId", "dependent", "preAuthRef", "serialNumber", "distinctIdentifier", "deviceIdentifier", "lotNumber",
        "partNumber", "carrierHRF", "carrierAIDC", "altId", "uid", "datasetId", "variantsetId", "readsetId",
        "sourceIdentityCertificate", "proxyIdentityCertificate", "identityCertificate",
    )
)  # fmt: skip
"""Elements that identify something, in whatever resource."""

_OTHER_IDENTIFIERS = frozenset(
    ("Coverage.class.value", "AuditEvent.agent.network.address", "MessageHeader.response.identifier")
)

_REQUESTS = frozenset(
    (
        "Bundle.entry.fullUrl", "Bundle.entry.request.url", "Bundle.entry.request.ifNoneExist",
        "Bundle.entry.response.location", "Bundle.link.url",
    )
)  # fmt: skip

_THINGS = frozenset(("name", "alias", "deviceName", "productName", "organismName", "tester", "author"))
_TITLES = frozenset(("title", "subtitle", "label", "description", "display"))

_ADDRESSES = frozenset(
    ("source", "url", "uri", "location", "reference", "authorizationUrl", "onlineInformation")
)
"""Elements of type `uri` that lead somewhere; all others name vocabularies, definitions, policies."""

_TECHNICAL = frozenset(
    (
        "id", "version", "linkId", "contextLinkId", "requesterLinkId", "performerLinkId", "reasonLinkId", "path", "expression",
        "xpath", "unit", "max", "searchParam", "relation", "etag", "status", "ifMatch", "ifNoneMatch", "sliceName", "mustSupport",
    )
)  # fmt: skip
"""Elements of type `string` that software reads, not people."""

_TEXT_TYPES = frozenset(("string", "markdown", "xhtml", "base64Binary", "uri", "url", "oid", "uuid"))


def kind_of(owner: str, element: Element) -> str:
    """The kind of a primitive element of a type; '' if it identifies nobody. owner: a type key."""
    if owner in _PARTS:
        return _PARTS[owner].get(element.name, "") if element.type in _TEXT_TYPES else ""
    resource_type = owner.partition(".")[0]
    if element.name == "id":
        return ID if owner in RESOURCE_TYPES else ""
    if resource_type in _NOTHING:
        return ""
    kind = _of_element(owner, element)
    return DEFINITION if kind and _defines(resource_type) else kind


def _of_element(owner: str, element: Element) -> str:
    path = f"{owner}.{element.name}"
    if path in _BIRTHS:
        return BIRTH if element.type in ("date", "dateTime", "string") else ""
    if element.name in _IDENTIFIERS or path in _OTHER_IDENTIFIERS:
        return IDENTIFIER
    if element.type not in _TEXT_TYPES:
        return ""
    if path in _REQUESTS:
        return REQUEST
    if element.choice:
        return VALUE
    if element.type == "base64Binary":
        return CONTENT
    if element.type in ("uri", "url"):
        return ADDRESS if element.type == "url" or element.name in _ADDRESSES else ""
    if element.name in _TECHNICAL:
        return ""
    if element.name in _THINGS:
        return THING
    return TITLE if element.name in _TITLES else TEXT


@cache
def _defines(type_: str) -> bool:
    """Whether a type serves definitions (questionnaires, measures, profiles), not data: resources that have a publisher, and
    data types that stand in such resources."""
    return type_ not in RESOURCE_TYPES or any(e.name == "publisher" for e in elements(type_))
