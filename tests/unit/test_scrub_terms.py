"""Terms of many patients: gathered from lines, kept in a file, found again."""

import json
import stat
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimpflow.errors import InputError
from dimpflow.scrub.gather import TermsGatherer
from dimpflow.scrub.terms import Terms
from dimpflow.scrub.terms_store import TermsStore, read_terms, write_terms
from generate import generate


def patient(id_: str, *families: str) -> dict[str, object]:
    return {"resourceType": "Patient", "id": id_, "name": [{"family": family} for family in families]}


def gathered(*lines: object) -> dict[str, Terms]:
    gatherer = TermsGatherer()
    for line in lines:
        gatherer.take(line if isinstance(line, bytes) else orjson.dumps(line))
    rows = list(gatherer.rows())
    assert rows == sorted(rows)
    return {id_: Terms.decode(terms) for id_, terms in rows}


def test_lines_and_entries_of_bundles() -> None:
    inner = {"resourceType": "Bundle", "entry": [{"resource": patient("c", "Ulmen")}]}
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "urn:uuid:7f1e", "resource": patient("b", "Zeder")},
            {"fullUrl": "http://x/Patient/d", "resource": patient("d", "Birken")},
            {"resource": inner},
            {"request": {"url": "Patient/e", "method": "DELETE"}},
        ],
    }
    found = gathered(
        patient("a", "Amsel"), {"resourceType": "Observation", "subject": {"reference": "Patient/a"}}, bundle
    )
    assert {id_: terms.words for id_, terms in found.items()} == {
        "a": {"amsel"}, "b": {"zeder"}, "7f1e": {"zeder"}, "c": {"ulmen"}, "d": {"birken"},
    }  # fmt: skip


def test_a_patient_who_comes_twice_has_all_terms() -> None:
    assert gathered(patient("a", "Amsel"), patient("a", "Zeder"), patient("a", "Amsel"))["a"].words == {
        "amsel",
        "zeder",
    }


def test_escapes_and_white_space_do_not_hide_a_patient() -> None:
    spaced = json.dumps(patient("a", "Amsel"), indent=1).encode()
    assert gathered(spaced.replace(b"\n", b" "))["a"].words == {"amsel"}
    assert gathered(rb'{"resourceType":"P\u0061tient","id":"a","name":[{"family":"Amsel"}]}')["a"].words == {
        "amsel"
    }


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b'{"resourceType":"Patient"',
        b'{"resourceType":"Bundle","entry":["Patient"]}',
        b"Patient\xff",
    ],
)
def test_broken_lines_are_passed_over(line: bytes) -> None:
    assert gathered(line) == {}


def test_a_contained_patient_is_nobody_others_refer_to() -> None:
    contained = {"resourceType": "Observation", "id": "o", "contained": [patient("rel", "Ulmen")]}
    assert gathered(contained) == {}


IDS = st.text(min_size=1, max_size=12)


@given(st.lists(st.dictionaries(IDS, st.sets(st.sampled_from("abcdef")), max_size=8), max_size=4), IDS)
@settings(max_examples=120, deadline=None)
def test_what_was_written_is_found(
    tmp_path_factory: pytest.TempPathFactory, parts: list[dict[str, set[str]]], other: str
) -> None:
    path = tmp_path_factory.mktemp("terms") / "terms.tsv"
    rows = [sorted((id_, Terms(words=set(words)).encode()) for id_, words in part.items()) for part in parts]
    expected: dict[str, set[str]] = {}
    for part in parts:
        for id_, words in part.items():
            expected.setdefault(id_, set()).update(words)
    assert write_terms(path, rows) == len(expected)
    assert {id_: Terms.decode(terms).words for id_, terms in read_terms(path)} == expected
    with TermsStore(path, remembered=2) as store:
        for id_, words in expected.items():
            automaton = store(id_)
            assert automaton is not None
            assert {word for word in "abcdef" if automaton.scrub(word) == "***"} == words
        assert (store(other) is None) == (other not in expected)


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "zone" / "terms.tsv"
    write_terms(path, [[("a", Terms(words={"x"}).encode())]])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_broken_file_is_an_error_that_shows_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    for content in (b"secret\n", b'"a"\tsecret\n', b'"a"\t[[],[]', b'"secret"'):
        path.write_bytes(content)
        with pytest.raises(InputError) as error, TermsStore(path) as store:
            store("a")
        assert "secret" not in str(error.value) and str(path) in str(error.value)
    with pytest.raises(InputError):
        TermsStore(tmp_path / "missing")


def test_both_shapes_of_a_cohort_give_the_same(tmp_path: Path) -> None:
    found = []
    for shape in ("ndjson", "torch"):
        generate(tmp_path / shape, patients=30, seed=3, shape=shape)
        files = sorted((tmp_path / shape).glob("*.ndjson"))
        found.append(gathered(*(line for file in files for line in file.read_bytes().splitlines())))
    assert found[0] == found[1] and len(found[0]) == 30


# ---- other people ------------------------------------------------------------------------------------------------------

DOCTOR = {"resourceType": "Practitioner", "id": "d", "name": [{"family": "Zeder", "given": ["Ute"]}]}
RELATED = {
    "resourceType": "RelatedPerson",
    "id": "r1234",
    "patient": {"reference": "Patient/a"},
    "name": [{"family": "Ulmenwald"}],
    "telecom": [{"system": "phone", "value": "0151 2345678"}],
    "identifier": [{"value": "K-0815"}],
    "birthDate": "1970-05-06",
}


def note(**more: object) -> dict[str, object]:
    return {"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/a"}, **more}


def test_relatives() -> None:
    found = gathered(RELATED, patient("a", "Amsel"), patient("b", "Birken"))
    assert found["a"] == Terms(
        words={"amsel", "ulmenwald"},
        runs={"ulmenwald"},
        phones={"1512345678"},
        codes={"k0815"},
        births={"1970-05-06"},
    )
    assert found["b"].words == {"birken"}


@pytest.mark.parametrize("type_", ["Patient", "RelatedPerson", "Person", "Practitioner"])
def test_contained_people_and_how_they_are_displayed(type_: str) -> None:
    contained = {"resourceType": type_, "id": "x", "name": [{"family": "Eichen"}]}
    found = gathered(
        patient("a"), note(contained=[contained], focus=[{"reference": "#x", "display": "Ida Linden"}])
    )
    assert found["a"].words == {"eichen", "ida", "linden", "idalinden"}


def test_other_contained_resources_are_nobody() -> None:
    drug = {"resourceType": "Medication", "id": "x", "code": {"text": "Aspirin"}}
    found = gathered(patient("a"), note(contained=[drug], focus=[{"reference": "#x", "display": "Aspirin"}]))
    assert found["a"] == Terms()


def test_staff_in_any_order_as_words_only() -> None:
    lines = [DOCTOR, patient("a"), patient("b"), note(performer=[{"reference": "Practitioner/d"}])]
    for order in (lines, lines[::-1]):
        found = gathered(*order)
        assert found["a"] == Terms(words={"zeder", "ute"}) and found["b"] == Terms()


def test_staff_of_whom_there_is_a_name_only() -> None:
    shown = {"reference": "https://x/fhir/Practitioner/e", "display": "Dr. med. Ute Zeder"}
    signed = note(
        note=[{"authorReference": shown, "text": "x"}, {"authorString": "Schwester Ida", "text": "y"}]
    )
    assert gathered(patient("a"), signed)["a"].words == {
        "zeder", "ute", "utezeder", "schwester", "ida", "schwesterida",
    }  # fmt: skip
    place = {"reference": "Organization/e", "display": "Innere Medizin"}
    assert gathered(patient("a"), note(performer=[place], note=[{"text": "Practitioner"}]))["a"] == Terms()


def test_people_of_a_bundle_that_refers_by_urls() -> None:
    entries = [
        {"fullUrl": "urn:uuid:1", "resource": patient("a")},
        {"fullUrl": "urn:uuid:2", "resource": DOCTOR},
        {"fullUrl": "urn:uuid:3", "resource": {**RELATED, "patient": {"reference": "urn:uuid:1"}}},
        {"resource": note(subject={"reference": "urn:uuid:1"}, performer=[{"reference": "urn:uuid:2"}])},
    ]
    found = gathered({"resourceType": "Bundle", "entry": entries})
    assert found["a"] == found["1"] and found["a"].words == {"zeder", "ute", "ulmenwald"}


def test_people_of_somebody_who_is_not_there_are_nobodys() -> None:
    assert gathered(RELATED, DOCTOR, note(performer=[{"reference": "Practitioner/d"}])) == {}
