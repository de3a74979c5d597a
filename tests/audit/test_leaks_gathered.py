"""What is gathered of an import by the compiled walk is what is gathered when each line is taken apart."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from dimpflow.audit import walking
from dimpflow.audit.leaks import people
from dimpflow.audit.leaks.kinds import ANCHORS, KINDS
from dimpflow.audit.leaks.people import People
from dimpflow.audit.leaks.values import Gatherer
from dimpflow.audit.walking import Code, Taken, Walker
from dimpflow.native.hashing import Hasher
from dimpflow.native.marks import Marked, Marker
from generate import Shape, generate
from shared import SHARED, needs_shared

Gathered = dict[str, Any]
HASHER = Hasher(b"a key of 16 byte")
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "patient-17",
    "identifier": [{"value": "4711-0815", "assigner": {"reference": "Organization/org-4711"}}],
    "name": [{"family": "Graf zu Rosenberg", "given": ["Änne", "Lou"]}, {"text": "Dr. Änne Rosenberg"}],
    "telecom": [{"system": "phone", "value": "+49 30 1234567"}, {"value": "a.rosenberg@mail.example"}],
    "address": [{"line": ["Am Rain 7", "Postfach"], "city": "Bad Aue", "postalCode": "01234"}],
    "birthDate": "1958-05-17",
    "contact": [{"name": {"family": "Tannenkamp"}, "address": {"text": "Am Rain 9, 01234 Bad Aue"}}],
    "generalPractitioner": [{"reference": "Practitioner/doctor-7", "display": "Dr. Ole Birk"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "obs-1234",
    "subject": {
        "reference": "http://a.example/fhir/Patient/patient-17/_history/2",
        "display": "Änne Rosenberg",
    },
    "focus": [{"identifier": {"value": "FALL-77-1234"}, "type": "Patient", "display": "Lou Rosenberg"}],
    "note": [{"authorString": "Ole Birk", "text": "Rosenberg"}, {"authorReference": {"reference": "#a"}}],
    "contained": [PATIENT | {"id": "1"}, {"resourceType": "Practitioner", "name": [{"family": "Birk"}]}],
}
ORGANIZATION: dict[str, Any] = {
    "resourceType": "Organization",
    "id": "7",
    "name": "Klinik",
    "telecom": [{"value": "0049 351 99"}],
    "contact": [{"name": {"given": ["Ole", None]}}],
}
QUESTIONNAIRE = {
    "resourceType": "QuestionnaireResponse",
    "id": "q-77777",
    "item": [{"item": [{"text": "x"}]}],
}
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "id": "bundle-99",
    "identifier": {"value": "B-123456"},
    "entry": [
        {"fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "resource": OBSERVATION},
        {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/patient-17"}},
        {"resource": QUESTIONNAIRE, "response": {"status": "200"}},
    ],
}
EXTENSION = {
    "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
    "valueString": "Kranichfeld",
    "extension": [
        {"url": "y", "valueReference": {"reference": "Patient/other-88"}},
        {"valueAddress": {"text": "a b"}},
    ],
}
RESOURCES = (PATIENT, OBSERVATION, ORGANIZATION, QUESTIONNAIRE, BUNDLE)


def gathered(lines: Iterable[bytes]) -> Gathered:
    """Of each kind the hashes; and the links."""
    gatherer = Gatherer(HASHER)
    taken = list(gatherer.take(b"".join(line + b"\n" for line in lines)))
    collected = gatherer.collected()
    kinds = {kind.name: collected.numbers(kind).tolist() for kind in (*KINDS, ANCHORS)}
    links = sorted(number for one in taken for number in one.tolist())
    return kinds | vars(collected.sizes) | {"links": links}


def apart(self: Walker, block: Marked, *, values: bool = True) -> Iterator[Taken]:
    """A walk that leaves all to others."""
    none = np.empty(0, np.uint64)
    events, at = [], 0
    for number, line in enumerate(block.block.splitlines(keepends=True)):
        events.append((Code.LINE, at, at + len(line.rstrip()), number, 0))
        at += len(line)
    yield Taken(np.array(events, np.int64), none, none, none, none)


def same(lines: list[bytes], monkeypatch: pytest.MonkeyPatch) -> Gathered:
    """What is gathered, the same both ways; `monkeypatch` is used up by it."""
    quick = gathered(lines)
    with monkeypatch.context() as patch:
        patch.setattr(Walker, "take", apart)
        slow = gathered(lines)
    # marks of sizes may be of more than there is: they only say where to look
    for marks in ("lengths", "anchors"):
        assert quick.pop(marks) >= slow.pop(marks)
    assert quick == slow
    return quick


def changed(node: Any, drawn: random.Random) -> Any:
    """The same with something wrong or rare in it, here and there."""
    if isinstance(node, list):
        return [changed(one, drawn) for one in node]
    if not isinstance(node, dict):
        return drawn.choice([node] * 30 + [None, 7, {"x": "Rosenberg"}, [node], "Am Rain 7"])
    new = {name: changed(value, drawn) for name, value in node.items() if drawn.random() > 0.05}
    if "resourceType" in node:
        new = {"resourceType": node["resourceType"]} | new
    if drawn.random() < 0.1 and node.get("resourceType") != "Bundle":  # which has none
        new["extension"] = [EXTENSION]
    if drawn.random() < 0.05:
        new["unknown"] = {"identifier": {"value": "1234567890"}}
    return new


def test_of_resources_with_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    found = same([orjson.dumps(one) for one in RESOURCES], monkeypatch)
    assert all(found[kind.name] for kind in KINDS)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: str(resource["resourceType"]))
def test_of_resources_that_are_not_as_fhir_has_them(
    resource: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = random.Random(1)
    for _ in range(300):
        same(
            [orjson.dumps(changed(resource, drawn)), orjson.dumps(PATIENT | {"id": "next-one-1"})],
            monkeypatch,
        )


@pytest.mark.parametrize("shape", ["ndjson", "torch"])
def test_of_generated_cohorts(shape: Shape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(tmp_path, patients=30, seed=3, shape=shape)
    lines = [line for path in sorted(tmp_path.glob("*.ndjson")) for line in path.read_bytes().splitlines()]
    assert len(lines) > 30
    assert same(lines, monkeypatch)["full name"]


@pytest.mark.parametrize("rows", [3, 40, 400])
def test_of_more_than_there_is_room_for(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Walks go on where the room was full; a line that has no room at all is taken apart."""
    generate(tmp_path, patients=10, seed=5)
    lines = [line for path in sorted(tmp_path.glob("*.ndjson")) for line in path.read_bytes().splitlines()]
    lines += [orjson.dumps(one) for one in RESOURCES]
    expected = gathered(lines)
    for name in ("_EVENTS", "_IDS", "_LINKS"):
        monkeypatch.setattr(walking, name, rows)
    monkeypatch.setattr(people, "_VALUES", max(rows, 30))
    found = gathered(lines)
    for marks in ("lengths", "anchors"):
        assert found.pop(marks) <= expected.pop(marks)
    assert found == expected


def test_no_line_is_lost_where_the_room_is_just_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of lines that the walk leaves to others each takes one row."""
    lines = [b'{"resourceType":"Patient","\\u0069d":"patient-%d"}' % number for number in range(10)]
    expected = gathered(lines)
    assert len(expected["id"]) == 10
    monkeypatch.setattr(walking, "_EVENTS", 3)
    assert gathered(lines) == expected


@needs_shared
def test_of_third_party_data(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted((SHARED / "data").rglob("*.ndjson")):
        same(path.read_bytes().splitlines()[:2000], monkeypatch)


def test_nearly_nothing_is_left_to_others(tmp_path: Path) -> None:
    generate(tmp_path, patients=30, seed=3)
    walker = Walker(HASHER)
    people = People(HASHER, walker)
    told = left = 0
    for path in tmp_path.glob("*.ndjson"):
        block = path.read_bytes()
        for taken in walker.take(Marker()(block)):
            people.take(block, taken.events)
            told += len(taken.events)
            left += int((taken.events[:, 0] > 0).sum())
    assert 0 < left < told / 10
