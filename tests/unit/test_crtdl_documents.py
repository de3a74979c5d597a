"""The CRTDL documents of others: each gets the verdict that its folder's name says; and our schema against the official one."""

import copy
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from crtdl_documents import GROUPS, brief, document
from dimpflow.crtdl.against_schema import schema_findings
from dimpflow.crtdl.check import Settings, check_crtdl
from dimpflow.crtdl.findings import Finding
from dimpflow.crtdl.formats import checker
from dimpflow.crtdl.reading import read_crtdl
from shared import SHARED, needs_shared

FOLDER = SHARED / "data" / "crtdl"


def documents(folder: str) -> list[Path]:
    return sorted((FOLDER / folder).glob("*.json"))


def named(folder: str) -> Any:
    """The documents of a folder as parameters of a test; where the data are not, one that is skipped."""
    return pytest.mark.parametrize("file", documents(folder) or [Path("none")], ids=lambda file: file.stem)


def findings(file: Path) -> list[Finding]:
    return check_crtdl(read_crtdl(file), Settings(schema="error"))


def of_schema(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.code == "schema"]


def errors(found: list[Finding]) -> list[Finding]:
    """What TORCH refuses or silently mistreats, without the schema."""
    return [finding for finding in found if finding.level == "error" and finding.code != "schema"]


@needs_shared
def test_every_folder_is_looked_at() -> None:
    judged = {"schema-valid", "schema-invalid", "torch-accepts", "torch-rejects"}
    assert {folder.name for folder in FOLDER.iterdir()} == judged | {"schema"}
    assert all(documents(folder) for folder in judged)


@needs_shared
@named("schema-valid")
def test_valid_by_the_schema_but_without_a_patient_group(file: Path) -> None:
    found = findings(file)
    assert of_schema(found) == []
    assert ("error", "patient-group", GROUPS) in brief(errors(found))


@needs_shared
@named("schema-invalid")
def test_invalid_by_the_schema(file: Path) -> None:
    assert of_schema(findings(file)) != []


@needs_shared
@named("torch-accepts")
def test_taken_by_torch_but_not_by_the_schema(file: Path) -> None:
    found = findings(file)
    assert errors(found) == [] and of_schema(found) != []


@needs_shared
@named("torch-rejects")
def test_refused_by_torch(file: Path) -> None:
    refused = [finding for finding in errors(findings(file)) if "400" in finding.torch]
    assert ("error", "missing", f"{GROUPS}/0") in brief(refused) and "no id" in refused[0].reason


EMPTY, EXAMPLE = "CRTDL_invalid_empty_attributeGroups", "CRTDL_invalid_example"
FAULTS = [
    (EMPTY, "schema", GROUPS, "is empty"),
    (EMPTY, "patient-group", GROUPS, "no Patient group"),
    (EXAMPLE, "schema", "/version", 'must be "1", is "2"'),
    (EXAMPLE, "schema", f"{GROUPS}/0/id", "is empty"),
    (EXAMPLE, "schema", f"{GROUPS}/0/groupReference", "is empty"),
    (EXAMPLE, "schema", f"{GROUPS}/0/groupReference", '"" is no URI'),
    (EXAMPLE, "unknown-profile", f"{GROUPS}/0/groupReference", '"" is no URI'),
    (EXAMPLE, "schema", f"{GROUPS}/0/attributes/0/attributeRef", "is empty"),
    (EXAMPLE, "missing", f"{GROUPS}/0/attributes/0", "no attributeRef, or an empty one"),
    (EXAMPLE, "duplicate-group-id", f"{GROUPS}/2/id", f'"duplicate-group-id" is the id of {GROUPS}/1, too'),
    (EXAMPLE, "group-name", f"{GROUPS}/2/name", f"gives the file name duplicate_group_name, as {GROUPS}/1 does"),
    (EXAMPLE, "group-name", f"{GROUPS}/3/name", '"Con!" gives the file name con, a device of Windows'),
    (EXAMPLE, "unresolved-link", f"{GROUPS}/4/attributes/0/linkedGroups/0", "there is no group with the id"),
    (EXAMPLE, "reversed-dates", f"{GROUPS}/5/filter/0", "ends (2021-05-01) before it starts (2021-10-09)"),
    (EXAMPLE, "schema", f"{GROUPS}/6/groupReference", '"not a valid uri" is no URI'),
    (EXAMPLE, "unknown-profile", f"{GROUPS}/6/groupReference", '"not a valid uri" is no URI'),
    (EXAMPLE, "schema", f"{GROUPS}/7/attributes", "is empty"),
]  # fmt: skip
"""Document, code, place and words of every fault in section 2.6 of torch-crtdl.md; of what is caught twice both."""


@needs_shared
@pytest.mark.parametrize(("name", "code", "place", "words"), FAULTS)
def test_every_fault_is_named(name: str, code: str, place: str, words: str) -> None:
    found = findings(FOLDER / "schema-invalid" / f"{name}.json")
    (fault,) = [f for f in found if (f.code, f.pointer) == (code, place) and words in f.reason]
    assert fault.torch and fault.remedy


@needs_shared
@pytest.mark.parametrize("name", [EMPTY, EXAMPLE])
def test_the_schema_has_no_other_fault(name: str) -> None:
    found = findings(FOLDER / "schema-invalid" / f"{name}.json")
    listed = [
        (place, words) for document, code, place, words in FAULTS if (document, code) == (name, "schema")
    ]
    assert len(of_schema(found)) == len(listed)


@needs_shared
@named("schema-invalid")
def test_torch_would_refuse_what_is_invalid(file: Path) -> None:
    assert errors(findings(file)) != [], "even where nobody asks the schema"


@needs_shared
def test_the_faults_of_every_invalid_document_are_listed() -> None:
    assert {file.stem for file in documents("schema-invalid")} == {name for name, *_ in FAULTS}


def upstream() -> Draft202012Validator:
    crtdl = json.loads((FOLDER / "schema" / "CRTDL_schema.json").read_bytes())
    (file,) = (SHARED / "data" / "ccdl").glob("*.json")
    ccdl = json.loads(file.read_bytes())
    registry: Registry[bool | Mapping[str, Any]] = Registry().with_resource(
        ccdl["$id"], DRAFT202012.create_resource(ccdl)
    )
    return Draft202012Validator(crtdl, registry=registry, format_checker=checker())


CODE = {"code": "a", "system": "http://a.example", "display": "c"}
CONCEPT = {"type": "concept", "selectedConcepts": [CODE]}
RANGE = {"type": "quantity-range", "minValue": 1, "maxValue": 2, "unit": {"code": "a", "display": "a"}}
COMPARED = {
    "type": "quantity-comparator",
    "comparator": "gt",
    "value": 1,
    "unit": {"code": "a", "display": "a"},
}


def rich() -> dict[str, Any]:
    """A document in which every part that the schemas know stands somewhere."""
    inner = {"context": CODE, "termCodes": [CODE], "attributeFilters": [{**CONCEPT, "attributeCode": CODE}]}
    parts = [{**part, "attributeCode": CODE} for part in (CONCEPT, RANGE, COMPARED)]
    reference = {"type": "reference", "attributeCode": CODE, "criteria": [inner]}
    dates = {"afterDate": "2020-01-01", "beforeDate": "2021-01-01"}
    criteria = [
        {"context": CODE, "termCodes": [CODE], "valueFilter": value, "attributeFilters": [*parts, reference], "timeRestriction": dates}
        for value in (CONCEPT, RANGE, COMPARED)
    ]  # fmt: skip
    found = document(inclusionCriteria=[criteria], exclusionCriteria=[criteria[:1]], display="")
    found["dataExtraction"]["attributeGroups"][1] |= {
        "includeReferenceOnly": True,
        "filter": [
            {"type": "token", "name": "code", "codes": [{**CODE, "version": "1"}]},
            {"type": "date", "name": "date", "start": "2020-01-01", "end": "2021-01-01"},
        ],
    }
    found["dataExtraction"]["attributeGroups"][1]["attributes"][0]["linkedGroups"] = ["patient"]
    return copy.deepcopy(found)


VALUES: list[Any] = [
    None, True, 1, "", " x", "x" * 65, "1", "2", "concept", "reference", "quantity-range", "quantity-comparator", "not a uri",
    "2020-02-30", [], [[]], [1], {}, {"type": "reference"}, {"afterDate": "2020-01-01"},
]  # fmt: skip


def change(content: Any, random_: random.Random) -> None:
    """One thing somewhere in the document is removed, replaced or added."""
    holders: list[Any] = []
    todo = [content]
    while todo:
        if isinstance(value := todo.pop(), dict | list) and value:
            holders.append(value)
            todo += value.values() if isinstance(value, dict) else value
    holder = random_.choice(holders)
    key = random_.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match random_.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder["extra"] = 1
        case _:
            holder[key] = copy.deepcopy(random_.choice(VALUES))


@needs_shared
def test_our_schema_says_what_the_official_one_says() -> None:
    official, random_ = upstream(), random.Random(5)
    verdicts = {True: 0, False: 0}
    for _ in range(600):
        content = rich()
        for _ in range(random_.randrange(3)):
            change(content, random_)
        valid = official.is_valid(content)
        ours = list(schema_findings(content, "error"))
        assert valid == (not ours), (content, ours)
        verdicts[valid] += 1
    assert min(verdicts.values()) > 150, "both verdicts are tried"
