"""Whether a completed TORCH job did what we would ask for (torch-crtdl.md 1.4, torch-job.parameters)."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dimpflow.clients.torch.record import ManifestError, job_of, read_body


def asked_for(body: bytes, crtdl: Mapping[str, Any], patients: Sequence[str]) -> bool | None:
    """Whether the job of the manifest `body` was started with this CRTDL document and these patients; None if it cannot be told.

    TORCH notes a document with more members than it got. So what ours says has to be there: the same cohort definition; the same
    groups with the same profiles and filters; in each group our attributes, as compulsory as ours. patients: logical ids, in any
    order, none for the whole cohort.
    """
    try:
        job = job_of(read_body(body))
        parameters = job.get("parameters") if job else None
        if not isinstance(parameters, dict):
            return None
        verdicts = (
            _same_patients(parameters, patients),
            *_same_document(_document(parameters.get("crtdl")), crtdl),
        )
    except (ManifestError, RecursionError):
        return None
    return False if False in verdicts else None if None in verdicts else True


def _same_patients(parameters: Mapping[str, Any], patients: Sequence[str]) -> bool | None:
    if "paramBatch" not in parameters:
        return None
    theirs = parameters["paramBatch"] or []
    if not isinstance(theirs, list) or not all(isinstance(one, str) for one in theirs):
        return None
    return {one.removeprefix("Patient/") for one in theirs} == {
        one.removeprefix("Patient/") for one in patients
    }


def _document(crtdl: object) -> Mapping[str, Any] | None:
    """The noted document: an object, or the text of one, or that in base64."""
    if isinstance(crtdl, str):
        try:
            text: str | bytes = (
                crtdl if crtdl.lstrip().startswith("{") else base64.b64decode(crtdl, validate=True)
            )
            crtdl = json.loads(text)
        except ValueError:
            return None
    return crtdl if isinstance(crtdl, dict) else None


def _same_document(theirs: Mapping[str, Any] | None, ours: Mapping[str, Any]) -> Iterable[bool | None]:
    if theirs is None or "cohortDefinition" not in theirs:
        yield None
    else:
        yield _equal(theirs["cohortDefinition"], ours.get("cohortDefinition"))
    groups = [_groups(document) for document in (theirs, ours)]
    if groups[0] is None or groups[1] is None:
        yield None
        return
    yield {id_: group.get("groupReference") for id_, group in groups[0].items()} == {
        id_: group.get("groupReference") for id_, group in groups[1].items()
    }
    for id_ in groups[0].keys() & groups[1].keys():
        yield _same_attributes(groups[0][id_], groups[1][id_])
        yield _same_filters(groups[0][id_], groups[1][id_])


def _groups(document: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]] | None:
    """The attribute groups by id."""
    extraction = document.get("dataExtraction") if document else None
    groups = extraction.get("attributeGroups") if isinstance(extraction, dict) else None
    if not isinstance(groups, list):
        return None
    found: dict[str, Mapping[str, Any]] = {}
    for group in groups:
        if not isinstance(group, dict) or not isinstance(group.get("id"), str):
            return None
        found[group["id"]] = group
    return found


def _same_attributes(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool | None:
    """Whether each attribute of ours is there, as compulsory as ours where that is noted."""
    noted, wanted = _attributes(theirs), _attributes(ours)
    if noted is None or wanted is None:
        return None
    return all(
        path in noted and _bool(noted[path]) in (None, _bool(attribute) or False)
        for path, attribute in wanted.items()
    )


def _attributes(group: Mapping[str, Any]) -> dict[str, Mapping[str, Any]] | None:
    attributes = group.get("attributes")
    if not isinstance(attributes, list):
        return None
    found: dict[str, Mapping[str, Any]] = {}
    for one in attributes:
        if not isinstance(one, dict) or not isinstance(one.get("attributeRef"), str):
            return None
        found[one["attributeRef"]] = one
    return found


def _bool(attribute: Mapping[str, Any]) -> bool | None:
    found = attribute.get("mustHave")
    return found if isinstance(found, bool) else None


def _same_filters(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool | None:
    if "filter" not in theirs and ours.get("filter"):
        return None
    noted, wanted = _filters(theirs), _filters(ours)
    return None if noted is None or wanted is None else noted == wanted


def _filters(group: Mapping[str, Any]) -> set[tuple[object, ...]] | None:
    """What the filters of a group say, in a form that can be compared."""
    found = set()
    filters = group.get("filter") or []
    for one in filters if isinstance(filters, list) else [filters]:
        if not isinstance(one, dict):
            return None
        texts = [one.get(name) for name in ("type", "name", "start", "end")]
        codes = one.get("codes") or []
        if not isinstance(codes, list) or not all(isinstance(code, dict) for code in codes):
            return None
        pairs = [(code.get("system"), code.get("code")) for code in codes]
        if not all(
            text is None or isinstance(text, str)
            for text in (*texts, *(text for pair in pairs for text in pair))
        ):
            return None
        found.add((*texts, frozenset(pairs)))
    return found


def _equal(one: object, other: object) -> bool:
    """Equality of JSON: in Python, true would be 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other
