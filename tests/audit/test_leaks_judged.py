"""What the leak check counts as a finding, and what as a word of the language, a code, a coincidence."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from dimpflow.audit.leaks import LeakReport, check_leaks
from dimpflow.errors import ConfigError, InputError

Json = dict[str, Any]


def patient(number: int, given: str = "Ida", family: str = "", **more: Any) -> Json:
    name = {"family": family or f"Nachname{chr(97 + number // 26)}{chr(97 + number % 26)}", "given": [given]}
    return {"resourceType": "Patient", "id": f"original-{number}", "name": [name], **more}


def observation(number: int, **more: Any) -> Json:
    subject = {"reference": f"Patient/p{number}"}
    return {"resourceType": "Observation", "id": f"o{number}", "subject": subject, **more}


def label(text: str) -> Json:
    return {"coding": [{"system": "http://loinc.org", "code": "1-8", "display": text}]}


def check(folder: Path, imported: list[Json], result: list[Json] | bytes, **options: Any) -> LeakReport:
    (folder / "import.ndjson").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in imported))
    if not isinstance(result, bytes):
        result = b"".join(orjson.dumps(one) + b"\n" for one in result)
    (folder / "result.ndjson").write_bytes(result)
    return check_leaks(
        [folder / "import.ndjson"],
        folder / "result.ndjson",
        work=folder / "work",
        **{"processes": 1, **options},
    )


def found(rows: list[Json]) -> dict[tuple[str, str], int]:
    return {(row["path"], row["kind"]): row["count"] for row in rows}


ROSE = patient(0, "Rose", "Berg")


@pytest.mark.parametrize("subjects", [4, 5, 6, 20])
def test_a_word_of_labels_is_common_if_enough_have_it(tmp_path: Path, subjects: int) -> None:
    """One person is called so: five more subjects than that are needed."""
    report = check(tmp_path, [ROSE], [observation(i, code=label(f"Rose {i % 2}")) for i in range(subjects)])
    expected = {("Observation.code.coding.display", "name"): subjects}
    assert found(report.common) == (expected if subjects >= 6 else {})
    assert found(report.findings) == ({} if subjects >= 6 else expected)


def test_a_word_of_texts_is_common_if_enough_have_it(tmp_path: Path) -> None:
    texts = [observation(i, valueString="Sturz auf einem Berg") for i in range(6)]
    assert check(tmp_path, [ROSE], texts).passed
    assert not check(tmp_path, [ROSE], texts[:5]).passed
    assert not check(tmp_path, [ROSE], [observation(1, valueString="Sturz auf einem Berg")] * 20).passed
    # Up to three words may be a name; they are never common.
    few = [observation(i, valueString="Berg") for i in range(20)]
    assert found(check(tmp_path, [ROSE], few).findings) == {("Observation.valueString", "name"): 20}


def test_a_name_that_many_bear_does_not_become_a_word(tmp_path: Path) -> None:
    """As many texts as people of that name: their names are in them."""
    many = [patient(i, family="Berg") for i in range(30)]
    notes = [observation(i, note=[{"text": "Herr Berg hat gut geschlafen"}]) for i in range(30)]
    report = check(tmp_path, many, notes)
    assert found(report.findings) == {("Observation.note.text", "name"): 30}


def test_full_names_are_never_common(tmp_path: Path) -> None:
    texts = [observation(i, valueString="Besuch von Berg, Rose am Abend") for i in range(30)]
    assert found(check(tmp_path, [ROSE], texts).findings) == {("Observation.valueString", "full name"): 30}


def test_names_of_staff_are_common_as_labels_only(tmp_path: Path) -> None:
    doctor = {**ROSE, "resourceType": "Practitioner"}
    labels = [observation(i, code=label("Berg")) for i in range(5)]
    texts = [observation(i, valueString="Gezeichnet von Herrn Berg") for i in range(50)]
    report = check(tmp_path, [doctor], labels + texts)
    assert found(report.common) == {("Observation.code.coding.display", "name of staff"): 5}
    assert found(report.findings) == {("Observation.valueString", "name of staff"): 50}


def test_names_of_members_and_types_are_no_names(tmp_path: Path) -> None:
    people = [patient(0, "Status", "Patient"), patient(1, "Code", "Observation")]
    assert check(tmp_path, people, [observation(1, status="final", code=label("x"))]).passed
    report = check(tmp_path, people, [observation(1, status="status")])
    assert found(report.findings) == {("Observation.status", "name"): 1}


def test_numbers_that_are_codes_as_well(tmp_path: Path) -> None:
    known = patient(0, identifier=[{"value": "11429006"}])
    coded = [observation(i, code={"coding": [{"code": "11429006"}]}) for i in range(5)]
    assert check(tmp_path, [known], coded).passed
    assert not check(tmp_path, [known], coded[:4]).passed
    assert not check(tmp_path, [known], [observation(1, valueString="11429006")]).passed
    assert not check(tmp_path, [known], [observation(1, valueInteger=11429006)]).passed


def test_short_ids_are_looked_for_where_ids_stand(tmp_path: Path) -> None:
    known = {**patient(0), "id": "12", "identifier": [{"value": "max"}]}
    same = observation(12, valueQuantity={"value": 12, "code": "12"}, valueString="max 12")
    assert check(tmp_path, [known], [same]).passed
    leaking = observation(
        1, subject={"reference": "Patient/12"}, identifier=[{"value": "Max"}], performer=[{"reference": "12"}]
    )
    report = check(tmp_path, [known], [leaking, {"resourceType": "Patient", "id": "12"}])
    assert found(report.findings) == {
        ("Observation.subject.reference", "short id"): 1,
        ("Observation.performer.reference", "short id"): 1,
        ("Observation.identifier.value", "short id"): 1,
        ("Patient.id", "short id"): 1,
    }


@pytest.mark.parametrize(
    "written", ["1958-05-17", "17.05.1958", "17.5.1958", "geb. 17. 5. 1958,", "1958-05-17T10:00 im Haus"]
)
def test_birth_dates_are_found_in_texts(tmp_path: Path, written: str) -> None:
    known = patient(0, birthDate="1958-05-17")
    report = check(tmp_path, [known], [observation(1, note=[{"text": written, "time": "1958-05-17"}])])
    assert found(report.findings) == {("Observation.note.text", "birth date"): 1}


def test_dates_of_events_are_no_birth_dates_but_those_of_persons(tmp_path: Path) -> None:
    known = patient(0, birthDate="1958-05-17")
    moment = "1958-05-17T08:00:00+01:00"
    event = observation(1, effectiveDateTime="1958-05-17", issued=moment)
    assert check(tmp_path, [known], [event]).passed
    url = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
    birth = {"extension": [{"url": url, "valueDateTime": moment}]}
    report = check(tmp_path, [known], [event, {"resourceType": "Patient", "id": "p", "_birthDate": birth}])
    assert found(report.findings) == {("Patient.birthDate.extension.valueDateTime", "birth date"): 1}


def test_shifted_birth_dates_hit_those_of_others(tmp_path: Path) -> None:
    known = [patient(i, birthDate=f"1958-05-{i + 1:02}") for i in range(10)]
    kept = [{"resourceType": "Patient", "id": f"x{i}", "birthDate": f"1958-05-{i + 1:02}"} for i in range(10)]
    shifted = [{**one, "birthDate": f"1958-05-{i + 8:02}"} for i, one in enumerate(kept)]
    assert found(check(tmp_path, known, kept).findings) == {("Patient.birthDate", "birth date"): 10}
    report = check(tmp_path, known, shifted)
    assert report.passed
    assert found(report.common) == {("Patient.birthDate", "birth date"): 3}


@pytest.mark.parametrize(
    "written",
    [
        "Müllerström", "MÜLLERSTRÖM", "Muellerstroem", r"M\u00fcllerstr\u00F6m", "mu\u0308llerstro\u0308m", r"x\nM\u00fcllerström",
        "<b>M&uuml;llerstr&#246;m</b>", r"\u003cb\u003eM\u0026uuml;llerström", "Akte_Müllerström_2021.txt", r"\\Müllerström",
        "„Müllerström“", r"siehe \"Müllerström\"", r"x\tMüllerström\/y", r"Müllerström\ud83d\ude00", r"x\u0022Müllerström\u000a",
    ],
)  # fmt: skip
def test_spellings(tmp_path: Path, written: str) -> None:
    line = f'{{"resourceType":"Patient","id":"p","text":{{"div":"{written}"}}}}\n'.encode()
    orjson.loads(line)
    report = check(tmp_path, [patient(0, family="Müllerström")], line)
    assert found(report.findings) == {("Patient.text.div", "name"): 1}


def test_paths_never_hold_what_a_resource_calls_things(tmp_path: Path) -> None:
    odd = {
        "resourceType": "Müllerström",
        "Müllerström": [{"id": "Müllerström"}],
        "contained": [{"x": "Müllerström"}],
    }
    report = check(tmp_path, [patient(0, family="Müllerström")], [odd])
    assert found(report.findings) == {
        ("resource.resourceType", "name"): 1,
        ("resource.?", "name"): 1,
        ("resource.?.id", "name"): 1,
        ("resource.contained.?", "name"): 1,
    }


def test_values_in_extensions_contained_resources_and_references(tmp_path: Path) -> None:
    imported = [
        observation(
            1,
            extension=[{"url": "x", "valueHumanName": {"family": "Kranichfeld"}}],
            contained=[
                {"resourceType": "RelatedPerson", "id": "a", "telecom": [{"value": "+49 351 4711 0815"}]}
            ],
            performer=[{"reference": "Practitioner/of-another-7", "display": "Dr. Sönke Tannenkamp"}],
            focus=[{"identifier": {"value": "FALL-77-1234"}}],
        )
    ]
    for text in (
        "Kranichfeld",
        "0351/4711-0815",
        "of-another-7",
        "Tannenkamp",
        "Sönke Tannenkamp",
        "fall 77 1234",
    ):
        report = check(tmp_path, imported, [observation(2, valueString=f"vgl. {text}")])
        assert report.passed == (text == "Tannenkamp")  # what is displayed may be a function: only as a whole


def test_family_names_in_extensions(tmp_path: Path) -> None:
    mother = {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
        "valueString": "Kranichfeld",
    }
    report = check(tmp_path, [patient(0, extension=[mother])], [observation(1, valueString="Kranichfeld")])
    assert found(report.findings) == {("Observation.valueString", "name"): 1}


def test_tolerated_paths(tmp_path: Path) -> None:
    known = {**patient(0), "identifier": [{"value": "FALL-77-1234"}]}
    for allowed, left in (
        ((), 2),
        (("Patient.id",), 1),
        (("Patient.*",), 0),
        (("Patient.identifier.*", "Patient.id"), 0),
        (("Patient",), 2),
        (("Pat.*", "Patient.i"), 2),
    ):
        report = check(tmp_path, [known], [known | {"name": []}], tolerated=allowed)
        assert len(report.findings) == left, allowed
        assert len(report.tolerated) == 2 - left
        assert report.passed == (left == 0)


@pytest.mark.parametrize("path", ["", "Patient..id", "*.id", "Patient.id.*.x", "1"])
def test_what_is_no_path_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigError, match="tolerated paths"):
        check(tmp_path, [ROSE], [ROSE], tolerated=[path])


@pytest.mark.parametrize("line", [b'{"id":"Rose",\n', b'["Rose"]\n'])
def test_a_broken_result_is_an_error_without_its_content(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(InputError, match="no JSON object") as error:
        check(tmp_path, [ROSE], line)
    assert "Rose" not in str(error.value)
    assert not (tmp_path / "work").exists()
