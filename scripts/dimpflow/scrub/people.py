"""Whom else the resources of a patient name: relatives, contained persons, staff."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dimpflow.fhir.compartment import PATIENT_ELEMENTS
from dimpflow.scrub.terms import Terms, names_of, objects, terms_of_relative

_PERSON = re.compile(
    r"(?:.*/)?(Patient|RelatedPerson|Person|Practitioner)/([A-Za-z0-9\-.]{1,64})(?:/_history/.*)?"
)
_RELATIVES = frozenset(("Patient", "RelatedPerson", "Person"))
_HINTS = (b'"contained"', b"Practitioner", b"RelatedPerson", b"authorString", b"\\u")


def may_name(resource: bytes) -> bool:
    """Whether it is worth while to look for people in a resource that is no person itself."""
    return any(hint in resource for hint in _HINTS)


class People:
    """What a resource says of people. urls: `urn:uuid:` of the Bundle it stands in, to type and id.

    owner: the id of the patient whose it is, '' for none; terms: of people whom only this resource describes; staff: ids of the
    practitioners that it refers to, with the names that are displayed for them.
    """

    def __init__(self, resource: dict[str, Any], urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._inside: dict[str, str] = {}
        self.terms = Terms()
        self.staff: dict[str, set[str]] = {}
        self.owner = self._owner(resource)
        if not self.owner:
            return
        if resource.get("resourceType") == "RelatedPerson":
            self.terms.add(terms_of_relative(resource))
        for one in objects(resource.get("contained")):
            self._contained(one)
        self._named(resource)

    def _owner(self, resource: dict[str, Any]) -> str:
        if resource.get("resourceType") == "Patient":
            return str(resource.get("id", "")).strip()
        for name in PATIENT_ELEMENTS:
            for reference in objects(resource.get(name)):
                type_, id_ = self._person(reference)
                if type_ == "Patient":
                    return id_
        return ""

    def _person(self, reference: dict[str, Any]) -> tuple[str, str]:
        """Type and id of the person that is referred to; id '' for a contained one, both '' for none."""
        text = reference.get("reference")
        if not isinstance(text, str):
            return "", ""
        text = text.strip()
        if text.startswith("#"):
            return self._inside.get(text[1:], ""), ""
        match = _PERSON.fullmatch(self._urls.get(text, text))
        return (match[1], match[2]) if match else ("", "")

    def _contained(self, person: dict[str, Any]) -> None:
        type_ = person.get("resourceType")
        if type_ in _RELATIVES:
            self.terms.add(terms_of_relative(person))
        elif type_ == "Practitioner":
            self.terms.add(names_of(person))
        else:
            return
        self._inside[str(person.get("id", "")).strip()] = str(type_)

    def _named(self, resource: dict[str, Any]) -> None:
        """The names that stand beside references, and those of authors, wherever they are."""
        values: list[Any] = [resource]
        while values:
            value = values.pop()
            if type(value) is list:
                values += value
            elif type(value) is dict:
                values += value.values()
                if "reference" in value:
                    self._reference(value)
                author = value.get("authorString")
                if isinstance(author, str):
                    self.terms.add(displayed(author))

    def _reference(self, reference: dict[str, Any]) -> None:
        type_, id_ = self._person(reference)
        name = reference.get("display")
        if type_ == "Practitioner" and id_:
            names = self.staff.setdefault(id_, set())
            if isinstance(name, str):
                names.add(name)
        elif type_ and isinstance(name, str):
            self.terms.add(displayed(name))


displayed = lru_cache(10_000)(names_of)
"""The terms of a name as it is displayed; not to be changed."""
