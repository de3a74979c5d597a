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


@pytest.mark.parametrize("shape", ["ndjson", "torch"])
def test_both_shapes_of_a_cohort_give_the_same(tmp_path: Path, shape: str) -> None:
    generate(tmp_path / "c", patients=30, seed=3, shape=shape)
    found = gathered(
        *(
            line
            for file in sorted((tmp_path / "c").glob("*.ndjson"))
            for line in file.read_bytes().splitlines()
        )
    )
    generate(tmp_path / "d", patients=30, seed=3)
    assert (
        found == gathered(*(tmp_path / "d" / "Patient.ndjson").read_bytes().splitlines()) and len(found) == 30
    )
