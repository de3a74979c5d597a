"""Enrichment: a CRTDL document gets attributes that its author need not think of, such as those that pseudonyms are made from."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dimpflow.crtdl.enrichment_rules import (
    MOST_NAME,
    AttributeRule,
    Enrichment,
    parse_enrichments,
    read_enrichments,
)
from dimpflow.crtdl.findings import printable
from dimpflow.crtdl.reading import Crtdl, parse_crtdl, repeated_keys
from dimpflow.crtdl.structure import slugified
from dimpflow.errors import ConfigError

__all__ = ["AttributeRule", "Enriched", "Enrichment", "enrich", "parse_enrichments", "read_enrichments"]

ADDED = "addedByEnrichment"
"""Key of an attribute that is new and was to be mustHave. Without it, to enrich the result again would make it so, and patients
would be lost without a word. TORCH ignores it, and the schema allows it (torch-crtdl.md 2.2)."""

_FILE = Path("enriched-crtdl.json")
_Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Enriched:
    """crtdl: what is to be sent, the document itself if nothing was to add; notes: what a person may not expect, a line each."""

    crtdl: Crtdl
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it is written: 1.10 stays 1.10."""

    text: str


def enrich(crtdl: Crtdl, rules: Sequence[Enrichment]) -> Enriched:
    """The document with what the rules add; nothing is ever removed, and all places in it stay where they were.

    Groups are found by the URL of their profile; a URL without a version stands for every version. First the groups that are
    missing are made, then attributes added, then links, so the order of rules does not matter. A new attribute is never
    mustHave, for that would exclude patients whom the author of the document wants. The result is without indentation; to
    enrich it again changes nothing.

    A document that cannot be enriched (no list of groups, keys that stand twice) comes back as it is, with a note; `check_crtdl`
    has the error. ConfigError: all links to profiles that no group has. Source: aether.md 1.8.
    """
    if not rules:
        return Enriched(crtdl, ())
    if next(repeated_keys(crtdl.document), None):
        return Enriched(
            crtdl, ("not enriched: keys stand twice in the document, one of which would be lost",)
        )
    document = json.loads(crtdl.raw, parse_int=_Number, parse_float=_Number)
    extraction = document.get("dataExtraction")
    groups = extraction.get("attributeGroups") if isinstance(extraction, dict) else None
    if not isinstance(groups, list):
        return Enriched(crtdl, ("not enriched: the document has no attributeGroups",))
    before = _written(document)
    work = _Work(groups)
    for rule in rules:
        work.create(rule)
    for rule in rules:
        work.add(rule)
    for rule in rules:
        work.link(rule)
    if work.faults:
        raise ConfigError("\n".join(dict.fromkeys(work.faults)))
    after = _written(document)
    if after != before:
        crtdl = parse_crtdl(after, _FILE)
    return Enriched(crtdl, tuple(dict.fromkeys(work.notes)))


class _Work:
    """The groups of a document, in the making."""

    def __init__(self, groups: list[Any]) -> None:
        self.groups = groups
        self.notes: list[str] = []
        self.faults: list[str] = []
        self._new: list[_Json] = []

    def create(self, rule: Enrichment) -> None:
        """Makes the group, if the rule says so and there is none."""
        if rule.create and not self._of(rule.profile):
            self.groups.append(
                {
                    "id": self._free_id(rule.profile),
                    "name": rule.name or self._free_name(rule.profile),
                    "groupReference": rule.profile,
                    "attributes": [],
                }
            )

    def add(self, rule: Enrichment) -> None:
        """Adds attributes that are missing, and makes others mustHave where the rule says so."""
        groups = self._of(rule.profile)
        if not groups:
            self.notes.append(
                f"{rule.where}: left out, no group has the profile {_quoted(rule.profile)}; createIfMissing: true would make one"
            )
        for group in groups:
            if not isinstance(group.get("attributes"), list):
                self.notes.append(f"{rule.where}: left out where a group has no list of attributes")
                continue
            for one in rule.attributes:
                self._add(group["attributes"], one)

    def link(self, rule: Enrichment) -> None:
        """Adds links. A profile of several groups stands for all of them."""
        for one, attribute in self._places(rule):
            for where, profile in one.links:
                ids = [g["id"] for g in self._of(profile) if isinstance(g.get("id"), str) and g["id"]]
                if not ids:
                    self.faults.append(
                        f"{where}: no group has the profile {_quoted(profile)}; "
                        "correct it, or add a rule that makes the group"
                    )
                if attribute.get("linkedGroups") is None and ids:
                    attribute["linkedGroups"] = []
                links = attribute.get("linkedGroups")
                if isinstance(links, list):  # if it is something else, the schema's findings say so
                    links += [id_ for id_ in ids if id_ not in links]

    def _add(self, attributes: list[Any], one: AttributeRule) -> None:
        attribute = _named(attributes, one.ref)
        if attribute is None:
            attribute = {"attributeRef": one.ref, "mustHave": False}
            attributes.append(attribute)
            self._new.append(attribute)
        if not one.must_have or attribute.get("mustHave") is True:
            return
        if ADDED in attribute or any(attribute is new for new in self._new):
            attribute[ADDED] = True
            self.notes.append(
                f"{one.where}: {_quoted(one.ref)} is new in the document, so it is not made mustHave, which would exclude patients"
            )
        else:
            attribute["mustHave"] = True

    def _places(self, rule: Enrichment) -> Iterator[tuple[AttributeRule, _Json]]:
        for group in self._of(rule.profile):
            for one in rule.attributes:
                attribute = _named(group.get("attributes"), one.ref)
                if attribute is not None:
                    yield one, attribute

    def _of(self, profile: str) -> list[_Json]:
        return [
            group
            for group in self.groups
            if isinstance(group, dict) and _means(profile, group.get("groupReference"))
        ]

    def _free_id(self, profile: str) -> str:
        taken = self._texts("id")
        digest = hashlib.sha256(profile.encode()).hexdigest()
        names = (f"generated-{digest[:length]}" for length in range(8, len(digest) + 1))
        return next(name for name in names if name not in taken)

    def _free_name(self, profile: str) -> str:
        taken = {slugified(name) for name in self._texts("name")}
        whole = profile.partition("|")[0].rstrip("/").rpartition("/")[2]
        name, number = whole[:MOST_NAME], 1
        while slugified(name) in taken:
            number += 1
            name = f"{whole[: MOST_NAME - len(str(number)) - 1]} {number}"
        return name

    def _texts(self, key: str) -> set[str]:
        values = (group.get(key) for group in self.groups if isinstance(group, dict))
        return {value for value in values if isinstance(value, str)}


def _quoted(text: str) -> str:
    # in full, for URLs of profiles differ at their ends
    return printable(f'"{text}"')


def _means(profile: str, reference: Any) -> bool:
    if not isinstance(reference, str):
        return False
    return profile in (reference, reference.partition("|")[0])


def _named(attributes: Any, ref: str) -> _Json | None:
    for attribute in attributes if isinstance(attributes, list) else ():
        if isinstance(attribute, dict) and attribute.get("attributeRef") == ref:
            return attribute
    return None


def _written(value: Any) -> bytes:
    # what stands as half of a surrogate pair in the document is written as it has to be in JSON: \ud800
    return "".join(_pieces(value)).encode("utf-8", "backslashreplace")


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for number, (key, sub) in enumerate(value.items()):
            yield f"{',' if number else '{'}{_text(key)}:"
            yield from _pieces(sub)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for number, sub in enumerate(value):
            yield "," if number else "["
            yield from _pieces(sub)
        yield "]" if value else "[]"
    else:
        yield value.text if isinstance(value, _Number) else _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
