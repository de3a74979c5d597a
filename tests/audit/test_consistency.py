"""The structure of references before and after, by lines that are made and then spoilt."""

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dimpflow.audit.consistency.compare import Comparison
from dimpflow.audit.consistency.kept import Profile
from dimpflow.audit.consistency.pairs import Imported
from dimpflow.audit.consistency.run import Consistency, references
from dimpflow.audit.skim import skim
from dimpflow.audit.survey import Survey
from dimpflow.audit.walking import Walker, links_of
from dimpflow.errors import InputError
from dimpflow.native.hashing import Hasher
from dimpflow.native.marks import Marker

Lines = list[dict[str, Any]]


def hospital(patients: int = 12) -> Lines:
    """Patients, encounters, observations in Bundles and alone, with a contained device."""
    lines: Lines = [{"resourceType": "Patient", "id": f"p{n}", "gender": "female"} for n in range(patients)]
    for n in range(3 * patients):
        subject = {"reference": f"Patient/p{n % patients}"}
        lines.append({"resourceType": "Encounter", "id": f"e{n}", "subject": subject, "status": "finished"})
        observation = {
            "id": f"o{n}",
            "resourceType": "Observation",
            "contained": [{"resourceType": "Device", "id": "d1"}],
            "device": {"reference": "#d1"},
            "subject": subject,
            "encounter": {"reference": f"Encounter/e{n}"},
            "hasMember": [{"reference": f"Observation/o{(n + k) % 3}"} for k in range(n % 3)],
            "note": [{"text": "x", "authorReference": {"reference": "Practitioner/z"}}],
            "valueQuantity": {"value": n / 7, "unit": "mg"},
        }
        entry = {"fullUrl": f"urn:uuid:{n:032}", "resource": observation}
        lines.append(
            observation if n % 3 else {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
        )
    return lines


def hidden(value: str) -> str:
    kind, slash, id_ = value.rpartition("/")
    front = "#" if value.startswith("#") else f"{kind}{slash}"
    return front + hashlib.sha256(id_.removeprefix("#").encode()).hexdigest()[:24]


def deidentified(node: Any) -> Any:
    """Ids hashed, notes removed, members in another order."""
    if isinstance(node, list):
        return [deidentified(item) for item in node]
    if not isinstance(node, dict):
        return node
    done = {}
    for name, value in sorted(node.items()):
        if name in ("id", "reference"):
            done[name] = hidden(value)
        elif name != "note":
            done[name] = deidentified(value)
    return done


def write(path: Path, lines: Lines) -> Path:
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    return path


def checked(tmp_path: Path, before: Lines, after: Lines, **of_source: Any) -> Consistency:
    source = Imported(write(tmp_path / "before.ndjson", before), **of_source)
    result = write(tmp_path / "after.ndjson", after)
    comparison = Comparison([source], result, len(after))
    for part in skim(result):
        comparison.take(part)
    compared = comparison.done()
    survey = Survey(tmp_path / "survey", Hasher(b"a key of 16 byte"))
    for side, path in ((survey.before, source.path), (survey.after, result)):
        side.clear()
        side.add(links_of(Marker()(path.read_bytes()), Walker(survey.hasher), survey.hasher))
    return Consistency(*references([source], survey), compared)


def test_what_is_faithful_passes(tmp_path: Path) -> None:
    before = hospital()
    found = checked(tmp_path, before, deidentified(before))
    assert found.faults == [] and found.as_facts()["state"] == "passed"
    assert found.compared.gone == {
        "Observation.note.authorReference.reference": 24,
        "Bundle.entry.resource.Observation.note.authorReference.reference": 12,
    }
    # 36 encounters and 36 observations for 12 patients
    assert found.as_facts()["patients"]["after"] == {"patients": 12, "least": 6, "middle": 6, "most": 6}
    assert found.after.references == found.before.references - 36 == found.after.resolved
    rows = {row["path"]: row for row in found.compared.profile.rows()}
    assert rows["Observation.valueQuantity.value"] == {
        "path": "Observation.valueQuantity.value", "kept": 36, "changed": 0, "gone": 0, "new": 0
    }  # fmt: skip
    assert rows["Patient.id"]["changed"] == 12 and rows["Observation.note.text"]["gone"] == 36


def merged(after: Lines, draw: random.Random) -> None:
    """One patient takes the place of another, everywhere."""
    one, two = draw.sample([line["id"] for line in after if line["resourceType"] == "Patient"], 2)
    text = json.dumps(after).replace(one, two)
    after[:] = json.loads(text)


def pointed(after: Lines, draw: random.Random) -> None:
    """One reference leads to another patient."""
    line = draw.choice([line for line in after if line["resourceType"] == "Encounter"])
    others = {f"Patient/{one['id']}" for one in after if one["resourceType"] == "Patient"}
    line["subject"]["reference"] = draw.choice(sorted(others - {line["subject"]["reference"]}))


def lost(after: Lines, draw: random.Random) -> None:
    """One reference leads to nothing."""
    draw.choice([line for line in after if line["resourceType"] == "Encounter"])["subject"]["reference"] = (
        "Patient/none"
    )


def torn(after: Lines, draw: random.Random) -> None:
    """A contained resource is no more meant by its own resource."""
    line = draw.choice([line for line in after if "contained" in line])
    line["contained"][0]["id"] = "another"


def retyped(after: Lines, draw: random.Random) -> None:
    draw.choice(after)["resourceType"] = "Basic"


@pytest.mark.parametrize("spoil", [merged, pointed, lost, torn, retyped])
@pytest.mark.parametrize("seed", range(10))
def test_what_is_not_is_found(
    tmp_path: Path, spoil: Callable[[Lines, random.Random], None], seed: int
) -> None:
    before = hospital()
    after = deidentified(before)
    spoil(after, random.Random(seed))
    found = checked(tmp_path, before, after)
    assert found.faults and found.as_facts()["state"] == "failed"
    assert not any("p1" in fault or "Patient/" in fault for fault in found.faults)


def test_lines_that_were_refused_have_no_partner(tmp_path: Path) -> None:
    before = hospital()
    after = deidentified(before)
    refused = frozenset({3, 20, len(before) - 1})
    left = [line for n, line in enumerate(after) if n not in refused]
    found = checked(tmp_path, before, left, refused=refused)
    assert found.compared.groups and found.compared.unlike == 0
    with pytest.raises(InputError, match="not as many lines"):
        checked(tmp_path, before, left)


def test_the_same_number_but_of_another_kind_is_a_change(tmp_path: Path) -> None:
    before: Lines = [{"resourceType": "Observation", "id": "a", "valueInteger": 1, "valueBoolean": True}]
    after: Lines = [{"resourceType": "Observation", "id": "a", "valueInteger": True, "valueBoolean": True}]
    rows = {row["path"]: row for row in checked(tmp_path, before, after).compared.profile.rows()}
    assert rows["Observation.valueInteger"]["changed"] == 1 and rows["Observation.valueBoolean"]["kept"] == 1


def test_names_that_fhir_does_not_have_are_not_told() -> None:
    profile = Profile()
    resource = {"resourceType": "Secret", "id": "1", "Müller": {"code": 1}, "_status": {"id": "a"}}
    profile.add(resource, resource)
    assert [row["path"] for row in profile.rows()] == ["?.?.code", "?._status.id", "?.id"]


def test_lost_references_are_told_in_names_that_fhir_has(tmp_path: Path) -> None:
    held = {"subject": {"reference": "Patient/p1"}}
    before: Lines = [{"resourceType": "Encounter", "id": "e", "Müller": held, "Meier": held, "partOf": held}]
    found = checked(tmp_path, before, [{"resourceType": "Encounter", "id": "e"}]).as_facts()
    assert found["compared"]["gone"] == {
        "Encounter.?.subject.reference": 2,
        "Encounter.partOf.subject.reference": 1,
    }


@pytest.mark.parametrize("broken", ["before", "after"])
def test_a_line_that_is_no_json_is_told_by_its_number(tmp_path: Path, broken: str) -> None:
    """And nothing of it."""
    paths = {name: write(tmp_path / name, hospital(3)) for name in ("before", "after")}
    lines = paths[broken].read_bytes().splitlines(keepends=True)
    lines[4] = b'{"resourceType":"Patient","id":"secret-7",}\n'
    paths[broken].write_bytes(b"".join(lines))
    comparison = Comparison([Imported(paths["before"])], paths["after"], len(lines))
    with pytest.raises(InputError, match=r"after: line 5, or .* is no JSON") as error:
        for part in skim(paths["after"]):
            comparison.take(part)
    assert "secret" not in str(error.value)
