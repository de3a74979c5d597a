"""Which members of FHIR's types can lead to a value that identifies, or to a reference."""

from functools import cache

from dimpflow.fhir.table import PRIMITIVE, elements

PERSONS = frozenset(("Patient", "RelatedPerson", "Person", "Practitioner"))
WRITTEN_OUT = frozenset(("HumanName", "ContactPoint", "Address"))
"""Types with values that can be written in several ways."""
CITING = frozenset(("DetectedIssue", "Expression", "Immunization.education"))
"""Types with a member `reference` that is an address."""
_HELD = WRITTEN_OUT | CITING | {"Identifier", "Reference", "Bundle.entry", "Annotation"}


@cache
def paths(key: str, full: bool) -> dict[str, str]:
    """The members of a type that can lead to a value, and their types; extensions only if `full`."""
    found = {}
    for element in elements(key):
        if element.primitive:
            if full and leads(PRIMITIVE, full):
                found["_" + element.json] = PRIMITIVE
        elif leads(element.type, full):
            found[element.json] = element.type
    if key == "Identifier":
        found.pop("assigner", None)  # who gave a number is no person, and has it with many others
    return found


@cache
def leads(key: str, full: bool) -> bool:
    """Whether a type holds values, or anything in it does."""
    seen, todo = {key}, [key]
    while todo:
        one = todo.pop()
        if one in _HELD or one == "Resource":
            return True
        if one == "Extension" and not full:
            continue
        for element in elements(one):
            if not element.primitive and element.type not in seen:
                seen.add(element.type)
                todo.append(element.type)
    return False
