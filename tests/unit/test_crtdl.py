"""dimpflow.crtdl: reading, schema, cohort, consent and patient list, each rule on a small document (torch-crtdl.md 2.2 to 2.5)."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtdl_documents import CONDITION, CONSENT, GROUPS, PATIENT, POLICY, brief, check, criterion, document
from dimpflow.crtdl.check import Settings, check_crtdl
from dimpflow.crtdl.findings import Finding, in_order, pointer
from dimpflow.crtdl.formats import day, is_uri
from dimpflow.crtdl.kickoff import PROXY_LIMIT, TORCH_LIMIT, kickoff_body, patient_ids
from dimpflow.crtdl.patient_list import read_patient_list
from dimpflow.crtdl.reading import CrtdlError, parse_crtdl, read_crtdl
from dimpflow.errors import InputError

FILE = Path("cohort.json")
COHORT = "/cohortDefinition"
INCLUDED = f"{COHORT}/inclusionCriteria"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "line 1, column 1: not JSON"),
        (b'{\n "a": 1,\n  b: 2}', "line 3, column 3: not JSON"),
        (b'{"a": 1} x', "line 1, column 10: not JSON"),
        (b'{"a": "NaN",\n "b": NaN}', "line 2, column 7: not JSON: NaN is no JSON number"),
        (b'[-Infinity]', "line 1, column 2: not JSON: -Infinity"),
        ('{"ü":\n "ü'.encode() + b'\xfc"}', "line 2, column 4: not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[]", "this is a list"), (b'"x"', "this is text"), (b"null", "this is null"), (b"1", "this is a number"),
        (b'{"resourceType": "Parameters", "parameter": []}', "FHIR Parameters"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "nested more than 100"),
        (b'{"a":' + b"[" * 101 + b"]" * 101 + b"}", "nested more than 100"),
        (b"[" * 200_000, "nested more than 100"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(raw: bytes, reason: str) -> None:
    with pytest.raises(CrtdlError) as caught:
        parse_crtdl(raw, FILE)
    assert reason in caught.value.reason and str(caught.value) == f"cohort.json: {caught.value.reason}"


def test_files(tmp_path: Path) -> None:
    with pytest.raises(CrtdlError, match="No such file"):
        read_crtdl(tmp_path / "nowhere.json")
    with pytest.raises(CrtdlError, match="Is a directory"):
        read_crtdl(tmp_path)
    file = tmp_path / "a.json"
    file.write_bytes(raw := json.dumps(document()).encode())
    assert read_crtdl(file).raw == raw and read_crtdl(file).document == document()


def test_long_numbers() -> None:
    assert parse_crtdl(b'{"a": ' + b"9" * 5000 + b"}", FILE).document["a"] == float("inf")


def test_repeated_keys() -> None:
    raw = json.dumps(document()).replace('"id": "condition"', '"id": "x", "id": "condition"')
    raw = raw.replace('"version": "1"', '"a/b~c": 1, "a/b~c": 2, "version": "1"')
    found = brief(check_crtdl(parse_crtdl(raw.encode(), FILE), Settings(schema="off")))
    assert found == [("error", "duplicate-key", "/a~1b~0c"), ("error", "duplicate-key", f"{GROUPS}/1/id")]


@pytest.mark.parametrize(("level", "expected"), [("off", None), ("warn", "warning"), ("error", "error")])
def test_levels_of_the_schema(level: str, expected: str | None) -> None:
    old = {**document(), "version": "http://json-schema.org/to-be-done/schema#"}
    assert brief(check(old, schema=level)) == ([(expected, "schema", "/version")] if expected else [])


def changed(place: str, value: Any) -> dict[str, Any]:
    """The document without faults, with another value at a pointer; ... removes what is there."""
    found: Any = document()
    *path, last = [int(part) if part.isdecimal() else part for part in place.split("/")[1:]]
    here = found
    for part in path:
        here = here[part]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    whole: dict[str, Any] = found
    return whole


FIRST = f"{INCLUDED}/0/0"
CODE = {"code": "a", "system": "b", "display": "c"}
REFERENCE = {"type": "reference", "attributeCode": CODE, "criteria": [criterion("Specimen", "a")]}


@pytest.mark.parametrize(
    ("place", "value", "at", "reason"),
    [
        ("/version", "2", "/version", 'must be "1", is "2"'),
        ("/version", 1, "/version", 'must be "1", is 1'),
        ("/version", ..., "", '"version" is missing'),
        ("/extra", 1, "/extra", "not known here"),
        ("/dataExtraction/extra", 1, "/dataExtraction/extra", "not known here"),
        ("/display", 1, "/display", "must be text"),
        (f"{GROUPS}/1/extra", 1, f"{GROUPS}/1/extra", "not known here"),
        (f"{GROUPS}/1/id", "", f"{GROUPS}/1/id", "is empty"),
        (f"{GROUPS}/1/name", ..., f"{GROUPS}/1", '"name" is missing'),
        (f"{GROUPS}/1/name", "x" * 65, f"{GROUPS}/1/name", "has 65 characters, at most 64"),
        (f"{GROUPS}/1/name", " x", f"{GROUPS}/1/name", "begins or ends with a blank"),
        (f"{GROUPS}/1/attributes", [], f"{GROUPS}/1/attributes", "is empty"),
        (f"{GROUPS}/1/includeReferenceOnly", "no", f"{GROUPS}/1/includeReferenceOnly", "must be true or false"),
        (f"{GROUPS}/1/groupReference", "not a uri", f"{GROUPS}/1/groupReference", '"not a uri" is no URI'),
        (f"{GROUPS}/1/attributes/0/mustHave", "yes", f"{GROUPS}/1/attributes/0/mustHave", "must be true or false"),
        (f"{GROUPS}/1/filter", [{"type": "date", "name": "recorded-date", "start": "x"}],
         f"{GROUPS}/1/filter/0/start", '"x" is no date'),
        (f"{GROUPS}/1/filter", [{"type": "token", "name": "code", "codes": [{"code": "a", "system": "x"}]}],
         f"{GROUPS}/1/filter/0/codes/0/system", '"x" is no URI'),
        (f"{GROUPS}/1/filter", [{"type": "token", "name": "code", "codes": [{"code": "a", "system": "x:y"}]}],
         f"{GROUPS}/1/filter/0/codes/0", '"display" is missing'),
        (f"{GROUPS}/1/filter", [{"type": "token", "codes": [{**CODE, "system": "x:y"}]}], f"{GROUPS}/1/filter/0", '"name" is missing'),
        (f"{COHORT}/version", "3", f"{COHORT}/version", 'must be "2"'),
        (f"{COHORT}/inclusionCriteria", [], INCLUDED, "is empty"),
        (f"{COHORT}/inclusionCriteria", [[]], f"{INCLUDED}/0", "is empty"),
        (f"{COHORT}/inclusionCriteria", ..., COHORT, '"inclusionCriteria" is missing'),
        (f"{COHORT}/exclusionCriteria", [], f"{COHORT}/exclusionCriteria", "is empty"),
        (f"{FIRST}/termCodes", [], f"{FIRST}/termCodes", "is empty"),
        (f"{FIRST}/termCodes/0/display", ..., f"{FIRST}/termCodes/0", '"display" is missing'),
        (f"{FIRST}/timeRestriction", {}, f"{FIRST}/timeRestriction", "needs afterDate or beforeDate"),
        (f"{FIRST}/timeRestriction", {"afterDate": "2021"}, f"{FIRST}/timeRestriction/afterDate", '"2021" is no date'),
        (f"{FIRST}/valueFilter", {}, f"{FIRST}/valueFilter", '"type" is missing'),
        (f"{FIRST}/valueFilter", {"type": "reference"}, f"{FIRST}/valueFilter/type", "is not allowed"),
        (f"{FIRST}/valueFilter", {"type": "concept"}, f"{FIRST}/valueFilter", '"selectedConcepts" is missing'),
        (f"{FIRST}/valueFilter", {"type": "quantity-comparator", "comparator": "~", "value": 1},
         f"{FIRST}/valueFilter/comparator", '"~" is not allowed'),
        (f"{FIRST}/valueFilter", {"type": "quantity-range", "minValue": 1}, f"{FIRST}/valueFilter", '"maxValue" is missing'),
        (f"{FIRST}/attributeFilters", [{"type": "concept", "selectedConcepts": [CODE]}], f"{FIRST}/attributeFilters/0",
         '"attributeCode" is missing'),
        (f"{FIRST}/attributeFilters", [{**REFERENCE, "criteria": [{**criterion("Specimen", "a"), "attributeFilters": [REFERENCE]}]}],
         f"{FIRST}/attributeFilters/0/criteria/0/attributeFilters/0/type", "inside a referenced criterion"),
    ],
)  # fmt: skip
def test_the_schema(place: str, value: Any, at: str, reason: str) -> None:
    found = [
        f for f in check(changed(place, value), schema="error") if f.code == "schema" and f.pointer == at
    ]
    assert any(reason in f.reason for f in found) and all(
        f.level == "error" and f.torch and f.remedy for f in found
    )


@pytest.mark.parametrize(
    ("place", "value", "torch"),
    [
        ("/version", ..., "ignores it"),
        (f"{GROUPS}/1/name", ..., "ignores it"),
        (f"{GROUPS}/1/extra", 1, "ignores it"),
        (f"{GROUPS}/1/attributes", [], "takes a group without attributes"),
        (f"{GROUPS}/1/filter", [{"type": "token", "codes": [{"code": "a", "system": "x:y"}], "name": "code"}], "ignores it"),
        (f"{GROUPS}/1/filter", [{"type": "token", "codes": [{**CODE, "system": "x:y"}]}], "may take it"),
        (f"{GROUPS}/1/includeReferenceOnly", "no", "may take it"),
    ],
)  # fmt: skip
def test_what_torch_does_with_a_fault_of_the_schema(place: str, value: Any, torch: str) -> None:
    (finding,) = [f for f in check(changed(place, value)) if f.code == "schema"]
    assert finding.torch.startswith(torch)


def test_what_the_schema_takes() -> None:
    taken = {**CONSENT, "attributeFilters": [REFERENCE], "timeRestriction": {"afterDate": "2021-01-01"}, "x": 1,
             "valueFilter": {"type": "quantity-comparator", "comparator": "gt", "value": 1.5}}  # fmt: skip
    found = document(inclusionCriteria=[[taken]], exclusionCriteria=[[criterion("Procedure", "a")]])
    found["dataExtraction"]["attributeGroups"][1]["attributes"][0]["unknown"] = 1
    assert check(found, schema="error") == []


@pytest.mark.parametrize(
    ("criteria", "place"),
    [(..., COHORT), ([], INCLUDED), (None, INCLUDED), ([[CONSENT], []], f"{INCLUDED}/1"), ([[CONSENT], 1], f"{INCLUDED}/1")],
)  # fmt: skip
def test_an_empty_cohort(criteria: Any, place: str) -> None:
    content = changed(INCLUDED, criteria)
    without_list = brief(check(content, schema="off"))
    assert ("error", "empty-cohort", place) in without_list
    with_list = brief(check(content, ["1"], schema="off"))
    assert with_list == [fault for fault in without_list if fault[1] != "empty-cohort"]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([["8", "6"]], []),
        ([["6"], ["8"]], []),
        ([["8", "6", "45", "46"]], []),
        ([["8"]], [("error", "consent-incomplete", "/0/0/termCodes/0")]),
        ([["6"]], [("error", "consent-incomplete", "/0/0/termCodes/0")]),
        ([["45"]], [("warning", "consent-incomplete", "/0/0/termCodes/0")]),
        ([["8", "6"], ["7"]], [("note", "consent-ignored", "/1/0/termCodes/0")]),
        ([["7"]], [("error", "consent-ignored", "/0/0/termCodes/0")]),
    ],
)
def test_consent(codes: list[list[str]], expected: list[tuple[str, str, str]]) -> None:
    criteria = [[criterion("Einwilligung", *(POLICY + code for code in inner))] for inner in codes]
    found = brief(check(document(inclusionCriteria=criteria)))
    assert found == [(level, code, INCLUDED + place) for level, code, place in expected]


def test_the_old_combined_consent_key() -> None:
    old = document(inclusionCriteria=[[criterion("Einwilligung", "yes-yes-yes-yes")]])
    old["cohortDefinition"]["inclusionCriteria"][0][0]["termCodes"][0]["system"] = "fdpg.consent.combined"
    (finding,) = check(old)
    assert finding.code == "consent-ignored" and "empty result" in finding.torch


def test_no_consent() -> None:
    content = document(inclusionCriteria=[[criterion("Patient", POLICY + "8", POLICY + "6")]])
    assert brief(check(content)) == [("warning", "no-consent", COHORT)]
    assert brief(check(content, require_consent=True)) == [("error", "no-consent", COHORT)]
    assert brief(check(content, ["1"])) == [("warning", "no-consent", COHORT)], (
        "a list does not replace consent"
    )


def test_consent_in_exclusion() -> None:
    content = document(exclusionCriteria=[[criterion("Patient", "a"), CONSENT]])
    assert brief(check(content)) == [("error", "consent-excluded", f"{COHORT}/exclusionCriteria/0/1")]


def test_patient_list() -> None:
    ids, found = patient_ids(
        [" Patient/a ", "a", "b-1.C", "", " ", "Patient/", "x_y", "Patient/Patient/c", "d" * 65, "ä"]
    )
    assert ids == ("a", "b-1.C")
    assert [(f.level, f.reason.removeprefix("patient list: entry ")[:2].strip()) for f in found] == [
        ("warning", "2"), ("error", "6"), ("error", "7"), ("error", "8"), ("error", "9"), ("error", "10"),
    ]  # fmt: skip
    assert all(f.pointer == "" and f.torch and f.remedy for f in found)
    assert not any(word in str(f) for f in found for word in ("x_y", "dddd", "ä", "b-1"))
    assert patient_ids(["b", "a"]) == (("b", "a"), [])


def test_a_file_of_patients(tmp_path: Path) -> None:
    file = tmp_path / "patients.txt"
    file.write_bytes("\ufeff# of ward 7 \u2028\r\n\r\nPatient/a\r\n b # the second\rä\n\ta\n\n".encode())
    entries = read_patient_list(file)
    assert entries == ("", "", "Patient/a", "b", "ä", "a")
    ids, found = patient_ids(entries)
    assert ids == ("a", "b") and [f.reason for f in found] == [
        "patient list: entry 5 is no FHIR id",
        "patient list: entry 6 is the same patient as entry 3",
    ], "entries are lines"


def test_files_without_patients(tmp_path: Path) -> None:
    file = tmp_path / "patients.txt"
    for content in (b"", b"\n \n", b"# nobody\n"):
        file.write_bytes(content)
        ids, found = patient_ids(read_patient_list(file))
        assert ids == () and [(f.level, f.code) for f in found] == [("error", "patient-list")]


@pytest.mark.parametrize("before", [b"secret\r\n\r\n", b"secret\n\n", b"secret\r\r"])
def test_files_of_patients_that_cannot_be_read(tmp_path: Path, before: bytes) -> None:
    file = tmp_path / "patients.txt"
    with pytest.raises(InputError, match="cannot read the list of patients: No such file"):
        read_patient_list(file)
    file.write_bytes(before + b"secret\xff\n")
    with pytest.raises(InputError) as caught:
        read_patient_list(file)
    assert str(caught.value) == f"{file}:3: not UTF-8; save the list of patients as UTF-8"


@pytest.mark.parametrize("entries", [[], ["", " "]])
def test_a_list_without_patients(entries: list[str]) -> None:
    errors = [f for f in check(document(), entries) if f.level == "error"]
    assert [f.code for f in errors] == ["patient-list"] and "whole cohort" in errors[0].torch


def test_the_body() -> None:
    raw = json.dumps({"ü": 1}, ensure_ascii=False).encode()
    body = json.loads(kickoff_body(raw, ("a", "b")))
    assert body["resourceType"] == "Parameters" and [p["name"] for p in body["parameter"]] == [
        "crtdl",
        "patient",
        "patient",
    ]
    assert base64.b64decode(body["parameter"][0]["valueBase64Binary"]) == raw
    assert [p["valueString"] for p in body["parameter"][1:]] == ["a", "b"]


def sized(limit: int) -> bytes:
    """A document without faults that fills a body up to a limit, but for less than four bytes."""
    raw = json.dumps(document()).encode()
    spare = limit - len(kickoff_body(raw))
    return raw + b" " * (spare // 4 * 3 - 2)


@pytest.mark.parametrize(
    ("limit", "over", "under"), [(TORCH_LIMIT, "error", "warning"), (PROXY_LIMIT, "warning", None)]
)
def test_size_of_the_body(limit: int, over: str, under: str | None) -> None:
    fits = sized(limit)
    assert limit - 8 <= len(kickoff_body(fits)) <= limit
    found = brief(check_crtdl(parse_crtdl(fits, FILE), Settings()))
    assert found == ([(under, "too-large", "")] if under else [])
    assert brief(check_crtdl(parse_crtdl(fits + b" " * 9, FILE), Settings())) == [(over, "too-large", "")]
    with_list = check_crtdl(parse_crtdl(fits, FILE), Settings(), ["a"])
    assert brief(with_list) == [(over, "too-large", "")], "patients count"


def test_all_findings_at_once_in_order() -> None:
    content = document(
        CONDITION, {**PATIENT, "name": "Con"}, {**PATIENT, "name": "b"}, inclusionCriteria=[[]]
    )
    assert brief(check({**content, "x": 1})) == [
        ("warning", "no-consent", COHORT),
        ("error", "empty-cohort", f"{INCLUDED}/0"),
        ("warning", "schema", f"{INCLUDED}/0"),
        ("error", "patient-group", GROUPS),
        ("warning", "group-name", f"{GROUPS}/1/name"),
        ("error", "duplicate-group-id", f"{GROUPS}/2/id"),
        ("warning", "schema", "/x"),
    ]


def test_a_finding_as_text() -> None:
    finding = Finding("error", "missing", pointer("a/b", "~", 3), "re\nason", "refuses", "add")
    assert str(finding) == "/a~1b/~0/3: error missing: re?ason; TORCH refuses; add"
    places = ["/a/10", "/a/2", "", "/a"]
    found = in_order(Finding("note", "missing", place, "", "", "") for place in places)
    assert [f.pointer for f in found] == ["", "/a", "/a/2", "/a/10"]


@pytest.mark.parametrize(
    "text", ["http://x", "https://a.example/b?c#d", "urn:oid:1.2", "a:", "http://[::1]:80/", "mailto:a@b"]
)
def test_uris(text: str) -> None:
    assert is_uri(text)


@pytest.mark.parametrize(
    "text", ["", "x", "/a", "//a", ":a", "1a:b", "a:b c", "http://ü", "a:%1", "a:b#c#d", "a:b\n"]
)
def test_no_uris(text: str) -> None:
    assert not is_uri(text)


def test_days() -> None:
    assert str(day("2024-02-29")) == "2024-02-29"
    assert [day(text) for text in ("2023-02-29", "20240229", "2024-W01-1", "2024-02-29 ", "")] == [None] * 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, at: str = "") -> list[str]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, sub in pairs for place in (f"{at}/{key}", *places(sub, f"{at}/{key}"))]


@given(place=st.sampled_from(places(document())), value=JSON)
def test_whatever_the_document_holds(place: str, value: Any) -> None:
    for finding in check(changed(place, value)):
        assert str(finding).isprintable() and finding.torch and finding.remedy
