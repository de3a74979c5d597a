"""dimpflow.crtdl.enrichment_rules: the rules of services.crtdl_preprocessing, from the configuration or from a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from crtdl_documents import MII, PATIENT
from dimpflow.crtdl.enrichment import AttributeRule, Enrichment, parse_enrichments, read_enrichments
from dimpflow.errors import ConfigError

KEY = "services.crtdl_preprocessing.enrichments"
PERSON = PATIENT["groupReference"]
ENCOUNTER = MII + "modul-fall/StructureDefinition/KontaktGesundheitseinrichtung"


def rule(profile: str, *attributes: Any) -> dict[str, Any]:
    """A rule; an attribute that is a text is its attributeRef."""
    listed = [{"attributeRef": one} if isinstance(one, str) else one for one in attributes]
    return {"groupReference": profile, "attributes": listed}


MAKING = {**rule(ENCOUNTER, "Encounter.status"), "createIfMissing": True}


def test_both_spellings() -> None:
    camel = {
        **MAKING,
        "groupName": "n",
        "attributes": [{"attributeRef": "Encounter.partOf", "mustHave": True, "linkedGroups": [ENCOUNTER]}],
    }
    snake = {
        "group_reference": ENCOUNTER, "create_if_missing": True, "group_name": "n",
        "attributes": [{"attribute_ref": "Encounter.partOf", "must_have": True, "linked_groups": [ENCOUNTER]}],
    }  # fmt: skip
    assert parse_enrichments([snake], KEY) == parse_enrichments([camel], KEY)
    assert parse_enrichments([{**MAKING, "groupName": None}], KEY) == parse_enrichments([MAKING], KEY)


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({}, [": must be a list"]), (None, [": must be a list"]), ("x", [": must be a list"]),
        (["x"], ["[0]: must be a section with keys"]),
        ([{"attributes": [{}]}], ["[0].groupReference: missing", "[0].attributes[0].attributeRef: missing"]),
        ([{**MAKING, "attributes": []}], ["[0].attributes: is empty"]),
        ([{**MAKING, "attributes": {}}], ["[0].attributes: must be a list"]),
        ([{**MAKING, "attributes": [1]}], ["[0].attributes[0]: must be a section"]),
        ([{**MAKING, "profile": 1, "\x1b": 1}], ["[0].profile: unknown key (known: groupReference", "[0].?: unknown key"]),
        ([{**MAKING, 1: 1}], ["[0].1: unknown key"]),
        ([rule(ENCOUNTER, {"attributeRef": "a", "filter": 1})], ["[0].attributes[0].filter: unknown key (known: attributeRef"]),
        ([{**MAKING, "group_reference": ENCOUNTER}], ["[0].groupReference: stands there more than once"]),
        ([MAKING, {**MAKING, "groupReference": "not a url"}], ['[1].groupReference: "not a url" is no URL']),
        ([{**MAKING, "groupReference": 1}], ["[0].groupReference: must be text"]),
        ([{**MAKING, "createIfMissing": "yes"}], ["[0].createIfMissing: must be true or false"]),
        ([{**MAKING, "groupName": " x"}], ["[0].groupName: must be text"]),
        ([{**MAKING, "groupName": "x" * 65}], ["[0].groupName: has 65 characters, at most 64"]),
        ([rule(ENCOUNTER, "")], ["[0].attributes[0].attributeRef: must be text"]),
        ([rule(ENCOUNTER, {"attributeRef": "a", "mustHave": 1})], ["[0].attributes[0].mustHave: must be true or false"]),
        ([rule(ENCOUNTER, {"attributeRef": "a", "linkedGroups": "a"})], ["[0].attributes[0].linkedGroups: must be a list"]),
        ([rule(ENCOUNTER, {"attributeRef": "a", "linkedGroups": [PERSON, "a", 1]})],
         ['[0].attributes[0].linkedGroups[1]: "a" is no URL', "[0].attributes[0].linkedGroups[2]: must be text"]),
    ],
)  # fmt: skip
def test_faults_of_rules(value: Any, faults: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_enrichments(value, KEY)
    lines = str(caught.value).split("\n")
    assert len(lines) == len(faults) and all(map(str.isprintable, lines))
    for line, fault in zip(lines, faults, strict=True):
        assert line.startswith(KEY + fault)


YAML = f"""\
enrichments:
- group_reference: {ENCOUNTER}
  create_if_missing: true
  attributes: [{{attribute_ref: Encounter.status}}]
"""


def test_files(tmp_path: Path) -> None:
    listed, wrapped, yaml = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.yml"
    listed.write_text(json.dumps([MAKING], indent="\t"), encoding="utf-8")
    wrapped.write_text(json.dumps({"enrichments": [MAKING]}), encoding="utf-8")
    yaml.write_text(YAML, encoding="utf-8")
    places = [rules[0].where for rules in map(read_enrichments, (listed, wrapped, yaml))]
    assert places == [f"{listed}: /0", f"{wrapped}: /enrichments/0", f"{yaml}: /enrichments/0"]
    for file in (listed, wrapped, yaml):
        (found,) = read_enrichments(file)
        attribute = AttributeRule(f"{found.where}/attributes/0", "Encounter.status", False, ())
        assert found == Enrichment(found.where, ENCOUNTER, (attribute,), create=True)


@pytest.mark.parametrize(
    ("name", "content", "faults"),
    [
        ("a.json", b"[", ["line 1, column 2: not JSON: "]),
        ("a.json", b'["\xff"]', ["line 1, column 3: not UTF-8"]),
        ("a.json", b"[" * 100_000, ["nested too deeply"]),
        ("a.json", b"{}", ["must be a list"]),
        ("a.json", b'{"enrichments": {}}', ["/enrichments: must be a list"]),
        ("a.json", b'[{"groupReference": "a:b", "groupReference": "a:c", "attributes": [{"attributeRef": "a/b", "a/b": 1}]}]',
         ["/0/groupReference: stands there more than once", "/0/groupReference: missing", "/0/attributes/0/a~1b: unknown key"]),
        ("a.yaml", b"", ["must be a list"]),
        ("a.yaml", b"- attributes: [\n", [":2:1: not YAML: "]),
        ("a.yaml", b"- \x01", ["not YAML: a character"]),
        ("a.yaml", b"\xff\xfe\x00", ["not YAML: a character"]),
        ("a.yaml", b"- groupReference:\n  attributes:\n  - attributeRef: 1\n",
         ["/0/groupReference: missing", "/0/attributes/0/attributeRef: must be text"]),
    ],
)  # fmt: skip
def test_faults_of_files(tmp_path: Path, name: str, content: bytes, faults: list[str]) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_enrichments(file)
    lines = str(caught.value).split("\n")
    assert len(lines) == len(faults)
    for line, fault in zip(lines, faults, strict=True):
        assert line.removeprefix(str(file)).removeprefix(": ").startswith(fault)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.json: cannot read the enrichments: No such file"):
        read_enrichments(tmp_path / "x.json")
