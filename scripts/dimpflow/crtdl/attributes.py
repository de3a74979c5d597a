"""The attributes of each group: doubled, of the wrong type, unknown, links they lack, and what they disclose."""

import re
from collections.abc import Iterator, Sequence

from dimpflow.crtdl.elements import Target, resolve
from dimpflow.crtdl.findings import Code, Finding, shown
from dimpflow.crtdl.shape import Attribute, Group

_REFUSES = "refuses the document (400)"
_STANDARD = ("id", "meta.profile", "subject", "patient")
_LINKED_BY_ITSELF = ("subject", "patient")
_SLICE = re.compile(r":[^.]*")
_DIRECT = re.compile(r"Patient(\.(name|telecom|contact|photo)(\..*)?|\.address(\.(line|text))?)?")
"""Ids, without slices, of what names a person; of an address only what is finer than the postal code."""

_IDENTIFIER = re.compile(r"Patient(\.identifier(:[^.]*)?(\.value)?)?")
"""What brings the values of identifiers along."""


def attributes(groups: Sequence[Group]) -> Iterator[Finding]:
    """What is wrong with attributes. Source: torch-crtdl.md 2.3 and 2.4, checks 6 and 7."""
    for group in groups:
        yield from _of_one_type(group)
        seen: dict[str, Attribute] = {}
        for attribute in group.attributes:
            if not attribute.ref:
                continue
            if attribute.ref in seen:
                yield _error(
                    "duplicate-attribute", attribute, f"{shown(attribute.ref)} stands at {seen[attribute.ref].pointer}, too",
                    "keep one of them",
                )  # fmt: skip
            seen.setdefault(attribute.ref, attribute)
            if attribute.must_have is True and _is(attribute, _STANDARD):
                yield _error(
                    "must-have-standard", attribute, f"{shown(attribute.ref)} is always extracted, and may not be mustHave",
                    "write mustHave: false, or remove the attribute",
                )  # fmt: skip
            yield from _target(attribute, resolve(attribute.ref))


def disclosure(groups: Sequence[Group], identifier_needed: bool) -> Iterator[Finding]:
    """What is asked for that names a person, and whether identifiers come along. Source: torch-crtdl.md 2.4, check 12.

    identifier_needed: whether pseudonyms are made from `Patient.identifier`.
    """
    patients = [group for group in groups if group.is_patient]
    for group in groups:
        for attribute in group.attributes:
            if _DIRECT.fullmatch(_SLICE.sub("", attribute.ref)):
                yield Finding(
                    "warning", "direct-identifier", f"{attribute.pointer}/attributeRef", f"{shown(attribute.ref)} names persons",
                    "delivers it in clear", "remove it if the study does not need it (data minimisation)",
                )  # fmt: skip
    for group in patients:
        if not any(_identifier(attribute.ref) for attribute in group.attributes):
            yield Finding(
                "warning" if identifier_needed else "note", "no-identifier", f"{group.pointer}/attributes",
                "Patient.identifier is not asked for", "delivers no identifier of a patient but the id",
                "add Patient.identifier if pseudonyms are made from it",
            )  # fmt: skip


def _of_one_type(group: Group) -> Iterator[Finding]:
    types = group.types
    place = f"{group.pointer}/attributes"
    if len(types) > 1:
        yield Finding(
            "error", "mixed-types", place, f"attributes of several types: {', '.join(map(shown, types))}", _REFUSES,
            "write a group for each type",
        )  # fmt: skip
    elif types and group.profile_type and types[0] != group.profile_type:
        yield Finding(
            "error", "mixed-types", place, f"attributes of {shown(types[0])} in a group whose profile is of {group.profile_type}",
            _REFUSES, f"write attributes of {group.profile_type}, or another groupReference",
        )  # fmt: skip


def _target(attribute: Attribute, target: Target) -> Iterator[Finding]:
    ref, part = shown(attribute.ref), shown(target.part)
    match target.fault:
        case "no-resource":
            yield _error(
                "unknown-attribute",
                attribute,
                f"{ref} does not begin with a resource type of FHIR R4",
                "correct it",
            )
        case "unknown":
            yield _error(
                "unknown-attribute",
                attribute,
                f"{ref}: FHIR R4 has no {part} there",
                "correct it, or remove it",
            )
        case "typeless":
            yield _error(
                "unknown-attribute", attribute, f"{ref}: {part} has no type of its own in FHIR R4",
                "ask for the element above it",
            )  # fmt: skip
        case "choice":
            yield Finding(
                "warning", "unknown-attribute", f"{attribute.pointer}/attributeRef",
                f"{ref}: {part} is a choice of types, whose element id ends in [x]",
                "refuses attributes that are no element id of the profile (400)",
                "write such as Observation.value[x] or Observation.value[x]:valueQuantity",
            )  # fmt: skip
    pure = target.types == {"Reference"}
    if pure and not any(link for _, link in attribute.links) and not _is(attribute, _LINKED_BY_ITSELF):
        yield _error(
            "reference-without-link", attribute, f"{ref} is a reference, and has no linkedGroups",
            "add linkedGroups with the id of the group that it leads to, or remove the attribute",
        )  # fmt: skip


def _is(attribute: Attribute, names: Sequence[str]) -> bool:
    return attribute.ref in {f"{attribute.type}.{name}" for name in names}


def _identifier(ref: str) -> bool:
    return _IDENTIFIER.fullmatch(ref) is not None


def _error(code: Code, attribute: Attribute, reason: str, remedy: str) -> Finding:
    return Finding("error", code, f"{attribute.pointer}/attributeRef", reason, _REFUSES, remedy)
