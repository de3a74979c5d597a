"""Whether a job did what we would ask for, by what its manifest notes (torch-crtdl.md 1.4)."""

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimpflow.clients.torch.manifest import asked_for
from dimpflow.crtdl.reading import read_crtdl
from shared import SHARED, needs_shared
from torch_manifests import body, job, manifest

CRTDL: dict[str, Any] = {
    "version": "1",
    "cohortDefinition": {"version": "2", "inclusionCriteria": [[{"n": 1.10, "yes": True}]]},
    "dataExtraction": {
        "attributeGroups": [
            {"id": "p", "name": "P", "groupReference": "http://a/Patient", "attributes": [{"attributeRef": "Patient.gender", "mustHave": False}]},
            {
                "id": "c", "name": "C", "groupReference": "http://a/Condition",
                "attributes": [{"attributeRef": "Condition.code", "mustHave": True}, {"attributeRef": "Condition.stage", "mustHave": False}],
                "filter": [
                    {"type": "date", "name": "recorded-date", "start": "2020-01-01", "end": "2021-01-01"},
                    {"type": "token", "name": "code", "codes": [{"system": "s", "code": "A", "display": "a"}, {"system": "s", "code": "B", "display": "b"}]},
                ],
            },
        ]
    },
}  # fmt: skip


def noted(crtdl: object, patients: object = (), **parameters: object) -> bytes:
    """A manifest of a job with these parameters."""
    patients = list(patients) if isinstance(patients, tuple) else patients
    return body(
        manifest(
            job() | {"parameters": {"crtdl": crtdl, "paramBatch": patients, "kickOffUrl": "x"} | parameters}
        )
    )


def changed(change: Callable[[Any], object]) -> dict[str, Any]:
    found = copy.deepcopy(CRTDL)
    change(found)
    return found


def groups(crtdl: Any) -> Any:
    return crtdl["dataExtraction"]["attributeGroups"]


def annotate(crtdl: Any) -> None:
    """As TORCH does: with members and attributes of its own, others left out, in another order."""
    del crtdl["version"]
    crtdl["consentCodes"] = None
    for group in groups(crtdl):
        group.pop("name")
        group["compiledFilter"] = "x"
        group["includeReferenceOnly"] = False
        group["attributes"].insert(
            0, {"attributeRef": f"{group['attributes'][0]['attributeRef'][:4]}.id", "mustHave": False}
        )
        group["attributes"].append(group["attributes"].pop(1) | {"fhirPath": "x", "linkedGroups": ["p"]})
        group.setdefault("filter", None)
    groups(crtdl)[1]["filter"].reverse()
    groups(crtdl)[1]["filter"][0]["codes"].reverse()
    groups(crtdl)[1]["filter"][0] |= {"start": None, "end": None}
    groups(crtdl).reverse()


@pytest.mark.parametrize(
    "form",
    [
        lambda crtdl: crtdl, json.dumps, lambda crtdl: json.dumps(crtdl, indent=2), lambda crtdl: base64.b64encode(json.dumps(crtdl).encode()).decode(),
    ],
)  # fmt: skip
@pytest.mark.parametrize("crtdl", [CRTDL, changed(annotate)])
def test_the_same(crtdl: object, form: Callable[[object], object]) -> None:
    assert asked_for(noted(form(crtdl)), CRTDL, ()) is True


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["cohortDefinition"].update(version="3"), lambda c: c["cohortDefinition"].update(more=1),
        lambda c: c["cohortDefinition"]["inclusionCriteria"][0][0].update(n=1.2), lambda c: c["cohortDefinition"]["inclusionCriteria"][0][0].update(yes=1),
        lambda c: c["cohortDefinition"]["inclusionCriteria"].append([]), lambda c: c["cohortDefinition"].update(inclusionCriteria={}),
        lambda c: c.update(cohortDefinition="x"),
        lambda c: groups(c).pop(), lambda c: groups(c)[0].update(id="x"), lambda c: groups(c)[0].update(groupReference="x"),
        lambda c: groups(c).append({"id": "z", "attributes": []}), lambda c: groups(c)[1]["attributes"].pop(),
        lambda c: groups(c)[1]["attributes"][0].update(mustHave=False), lambda c: groups(c)[1]["attributes"][1].update(mustHave=True),
        lambda c: groups(c)[1]["filter"].pop(), lambda c: groups(c)[1].update(filter=[]), lambda c: groups(c)[1].update(filter=None),
        lambda c: groups(c)[1]["filter"][0].update(start="2019-01-01"), lambda c: groups(c)[1]["filter"][0].pop("end"),
        lambda c: groups(c)[1]["filter"][1]["codes"].pop(), lambda c: groups(c)[1]["filter"][1]["codes"][0].update(system="t"),
        lambda c: groups(c)[0].update(filter=[{"type": "date", "name": "x"}]),
    ],
)  # fmt: skip
def test_another(change: Callable[[Any], object]) -> None:
    assert asked_for(noted(changed(change)), CRTDL, ()) is False


def test_what_does_not_change_the_data() -> None:
    for change in (
        lambda c: c.update(display="x"),
        lambda c: groups(c)[1]["filter"][1]["codes"][0].update(display="x"),
        lambda c: groups(c)[1]["filter"].reverse(),
        lambda c: groups(c)[1]["attributes"].reverse(),
        lambda c: groups(c)[1]["attributes"][0].pop("mustHave"),
    ):
        assert asked_for(noted(changed(change)), CRTDL, ()) is True


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("cohortDefinition"), lambda c: c.pop("dataExtraction"), lambda c: c.update(dataExtraction=[]), lambda c: c["dataExtraction"].update(attributeGroups={}),
        lambda c: groups(c)[0].pop("id"), lambda c: groups(c).append("x"), lambda c: groups(c)[1].pop("attributes"), lambda c: groups(c)[1]["attributes"].append("x"),
        lambda c: groups(c)[1].pop("filter"), lambda c: groups(c)[1].update(filter="x"), lambda c: groups(c)[1]["filter"][0].update(start=[2020, 1, 1]),
        lambda c: groups(c)[1]["filter"][1].update(codes="x"), lambda c: groups(c)[1]["filter"][1].update(codes=["A"]),
    ],
)  # fmt: skip
def test_what_cannot_be_told(change: Callable[[Any], object]) -> None:
    assert asked_for(noted(changed(change)), CRTDL, ()) is None


@pytest.mark.parametrize(
    "crtdl", [None, 7, [], "", "x", "{", "=", "AAAA", base64.b64encode(b"[]").decode(), "[]", {}, base64.b64encode(b'{"a').decode()]
)  # fmt: skip
def test_documents_that_are_none(crtdl: object) -> None:
    assert asked_for(noted(crtdl), CRTDL, ()) is None


@pytest.mark.parametrize(
    ("theirs", "ours", "verdict"),
    [
        ((), (), True), (None, (), True), (("a", "b"), ("b", "a"), True), (("a", "a"), ("a",), True), (("Patient/a",), ("a",), True),
        (("a",), (), False), ((), ("a",), False), (None, ("a",), False), (("a", "b"), ("a",), False), (("a",), ("A",), False),
        ("a", ("a",), None), ({"a": 1}, ("a",), None), ((1,), ("1",), None),
    ],
)  # fmt: skip
def test_patients(theirs: object, ours: tuple[str, ...], verdict: bool | None) -> None:
    assert asked_for(noted(CRTDL, theirs), CRTDL, ours) is verdict


def test_a_surely_different_part_decides() -> None:
    assert asked_for(noted("unreadable", ("a",)), CRTDL, ()) is False
    assert (
        asked_for(
            noted(changed(lambda c: (c.pop("dataExtraction"), c.update(cohortDefinition=1)))), CRTDL, ()
        )
        is False
    )


def test_manifests_that_say_nothing() -> None:
    without = job()
    del without["parameters"]
    for found in (
        body(manifest(without)),
        body(manifest(extension=[])),
        b"",
        b"<html>",
        b"[]",
        body(manifest(job() | {"parameters": []})),
    ):
        assert asked_for(found, CRTDL, ()) is None
    assert asked_for(body(manifest(job() | {"parameters": {"crtdl": CRTDL}})), CRTDL, ()) is None


def test_documents_nested_too_deep() -> None:
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    assert asked_for(noted(base64.b64encode(deep).decode()), CRTDL, ()) is None


@needs_shared
def test_real_documents() -> None:
    folder = SHARED / "data" / "crtdl"
    documents = [
        read_crtdl(file).document
        for kind in ("torch-accepts", "schema-valid")
        for file in sorted((folder / kind).glob("*.json"))
    ]
    assert len(documents) > 5
    for one in documents:
        for other in documents:
            assert asked_for(noted(other), one, ()) is (one == other)


@given(st.data())
def test_a_change_anywhere_is_never_taken_for_another_kind_of_trouble(data: st.DataObject) -> None:
    """Whatever one value becomes, the answer is one of the three."""
    found = copy.deepcopy(CRTDL)
    place: Any = found
    while isinstance(place, dict | list) and place:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        parent, key = place, data.draw(st.sampled_from(list(keys)))
        place = place[key]
        if data.draw(st.booleans()):
            break
    parent[key] = data.draw(
        st.none()
        | st.booleans()
        | st.just([])
        | st.just({})
        | st.just("x")
        | st.just([[]])
        | st.just({"a": [1]})
    )
    assert asked_for(noted(found), CRTDL, ()) in (True, False, None)
    assert asked_for(noted(CRTDL), found, ()) in (True, False, None)
