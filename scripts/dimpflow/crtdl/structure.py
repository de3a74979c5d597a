"""What must be there: the parts of a document and of its groups, one Patient group, ids that differ, names for files."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dimpflow.crtdl.findings import Finding, printable, shown
from dimpflow.crtdl.formats import is_uri
from dimpflow.crtdl.shape import GROUPS, Group

_NOT_RESOURCES = frozenset({"Binary", "Bundle", "Parameters"})
"""R4 resource types that are no DomainResource."""
_DEVICES = re.compile(r"con|prn|aux|nul|com[1-9]|lpt[1-9]")
_REFUSES = "refuses the document (400)"


def missing_parts(document: Mapping[str, Any], groups: Sequence[Group]) -> Iterator[Finding]:
    """Parts without which TORCH refuses a document. Source: torch-crtdl.md 2.3."""
    lost = [key for key in ("cohortDefinition", "dataExtraction") if not isinstance(document.get(key), dict)]
    if lost:
        found = printable(", ".join(sorted(document)[:8])) or "none"
        yield _missing(
            "", f"{' and '.join(lost)} missing, or no object; keys found: {found}", "is this a CRTDL?"
        )
    elif not isinstance(document["dataExtraction"].get("attributeGroups"), list):
        yield _missing("/dataExtraction", "attributeGroups is missing, or no list", "add it")
    for group in groups:
        for key in ("id", "groupReference"):
            if not isinstance(group.raw.get(key), str):
                yield _missing(group.pointer, f"the group has no {key}", f"add {key}")
        if not isinstance(group.raw.get("attributes"), list):
            yield _missing(group.pointer, "the group has no attributes", "add the list; it may be empty")
        for attribute in group.attributes:
            if not attribute.ref:
                yield _missing(attribute.pointer, "the attribute has no attributeRef, or an empty one",
                               "write an element id such as Condition.code, or remove the attribute")  # fmt: skip
            if attribute.must_have is None:
                yield _missing(
                    attribute.pointer, "the attribute has no mustHave", "add mustHave: true or false"
                )


def profiles(groups: Sequence[Group]) -> Iterator[Finding]:
    """Profiles that no TORCH can know, and such of types that it does not extract. Source: torch-crtdl.md 2.3."""
    for group in groups:
        place = f"{group.pointer}/groupReference"
        if isinstance(group.raw.get("groupReference"), str) and not is_uri(
            group.reference.partition("|")[0]  # what follows is a version
        ):
            yield Finding(
                "error", "unknown-profile", place, f"{shown(group.reference)} is no URI, so it is no profile's canonical",
                _REFUSES, "write the canonical URL of the profile",
            )  # fmt: skip
        elif group.type in _NOT_RESOURCES:
            yield Finding(
                "error", "unknown-profile", place, f"{group.type} is no DomainResource",
                _REFUSES, "remove the group",
            )  # fmt: skip


def patient_group(groups: Sequence[Group]) -> Iterator[Finding]:
    """Whether there is exactly one Patient group. Source: torch-crtdl.md 2.4, check 2."""
    sure = [group for group in groups if group.is_patient]
    perhaps = [group for group in groups if group.is_patient is None]
    add = "write exactly one group of a Patient profile; its attributes may be empty"
    if len(sure) > 1:
        where = ", ".join(group.pointer.rpartition("/")[2] for group in sure)
        yield Finding(
            "error", "patient-group", GROUPS, f"{len(sure)} Patient groups (numbers {where})", _REFUSES, add
        )
    elif not sure and not perhaps:
        yield Finding("error", "patient-group", GROUPS, "no Patient group", _REFUSES, add)
    for group in perhaps if len(sure) < 2 else ():
        count = "the only one" if not sure else "a second one"
        yield Finding(
            "warning", "patient-group", group.pointer, f"cannot tell whether this is a Patient group, {count} if it is",
            "refuses documents without exactly one (400)", "name its attributes, or see to it that there is exactly one",
        )  # fmt: skip


def group_ids(groups: Sequence[Group]) -> Iterator[Finding]:
    """Ids that several groups have. Source: torch-crtdl.md 2.4, check 3."""
    first: dict[str, Group] = {}
    for group in groups:
        if not isinstance(group.raw.get("id"), str):
            continue
        if group.id in first:
            yield Finding(
                "error", "duplicate-group-id", f"{group.pointer}/id",
                f"{shown(group.id)} is the id of {first[group.id].pointer}, too",
                "drops the earlier group without a word", "give each group an id of its own",
            )  # fmt: skip
        first.setdefault(group.id, group)


def group_names(groups: Sequence[Group]) -> Iterator[Finding]:
    """Names that cannot become file names. Source: torch-crtdl.md 2.4, check 10."""
    by_slug: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        if not group.name.strip():
            yield _name(group.pointer, "the group has no name", "add one; files of a group are named by it")
            continue
        slug = slugified(group.name)
        if not slug:
            yield _name(
                f"{group.pointer}/name",
                f"{shown(group.name)} leaves no letter or digit for a file name",
                "rename it",
            )
        elif _DEVICES.fullmatch(slug):
            yield _name(
                f"{group.pointer}/name",
                f"{shown(group.name)} gives the file name {slug}, a device of Windows",
                "rename it",
            )
        if slug and by_slug[slug]:
            first = by_slug[slug][0].pointer
            yield _name(
                f"{group.pointer}/name",
                f"{shown(group.name)} gives the file name {slug}, as {first} does",
                "rename one of them",
            )
        by_slug[slug].append(group)


def slugified(name: str) -> str:
    """A name as a file name has it: lower case, without accents, all else than letters and digits as one `_`, none outside.

    Source: torch-crtdl.md 2.6, rows 1+2 and 3.
    """
    plain = unicodedata.normalize("NFKD", name).lower().replace("ß", "ss")
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "_", letters).strip("_")


def _missing(place: str, reason: str, remedy: str) -> Finding:
    return Finding("error", "missing", place, reason, _REFUSES, remedy)


def _name(place: str, reason: str, remedy: str) -> Finding:
    return Finding("warning", "group-name", place, reason, "ignores names", remedy)
