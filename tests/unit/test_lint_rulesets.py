"""The linter on whole rule sets: what stays in clear, all findings together."""

import json
from pathlib import Path

import pytest

from dimpflow.fhir.table import elements, type_keys
from dimpflow.lint import Finding, brief, lint
from dimpflow.lint.identifying import kind_of
from dimpflow.ruleset.load import read_document
from linting import IDENTIFIER, MII, RULESETS, found, kept, loaded, loud, note, one, rule
from shared import needs_shared

# ---- what stays in clear -------------------------------------------------------------------------------------------


def test_without_rules_everything_stays_in_clear(tmp_path: Path) -> None:
    findings = found(tmp_path)
    assert {(f.level, f.rule, f.code) for f in findings} == {("note", 0, "stays-in-clear")}
    assert len(findings) <= 40 and all(f.reason and f.remedy.startswith("write {path: ") for f in findings)
    data_types = (
        "Address", "Annotation", "Attachment", "CodeableConcept", "Coding", "ContactPoint", "Extension", "HumanName",
        "Identifier", "Narrative", "Reference", "Signature",
    )  # fmt: skip
    for type_ in data_types:
        assert any(f.path.startswith(f"nodesByType('{type_}')") for f in findings), type_
    assert note(findings, "nodesByType('Narrative').div").reason == "free text, in 143 resource types"
    assert (
        note(findings, "nodesByType('Narrative').div").remedy
        == "write {path: nodesByType('Narrative').div, method: redact}"
    )
    string, markdown = (
        f"{{path: nodesByType('{type_}'), method: redact}}" for type_ in ("string", "markdown")
    )
    for path, rules in (
        ("nodesByType('Annotation')", f"{markdown} and {string}"),
        ("nodesByType('Reference').display", string),
    ):
        assert note(findings, path).remedy.endswith(f"or for all such text {rules}, with keep rules above")
    assert "family, given" in note(findings, "nodesByType('HumanName')").reason
    assert "all resource types" in note(findings, "Resource.id").reason
    assert {note(findings, f"nodesByType('Reference').{name}").path for name in ("reference", "display")}
    assert note(findings, "Patient.birthDate") is note(findings, "Patient.deceased.ofType(dateTime)")
    assert note(findings, "Bundle.entry.request.ifNoneExist") is note(findings, "Bundle.entry.fullUrl")
    assert note(findings, "Device.serialNumber") is note(findings, "Coverage.subscriberId")
    assert "and 21 more" in note(findings, "Device.serialNumber").path


def test_rules_take_away_notes(tmp_path: Path) -> None:
    before = {f.path for f in found(tmp_path)}
    rules = [rule("nodesByType('Narrative')", "remove"), rule("nodesByType('Coding').display", "keep"), rule("nodesByType('Extension')", "redact"), rule("Resource.id", "cryptoHash"), rule("nodesByType('HumanName').family", "redact")]  # fmt: skip
    after = {f.path for f in found(tmp_path, *rules) if f.level == "note"}
    gone = {
        "nodesByType('Narrative').div",
        "nodesByType('Coding').display",
        "nodesByType('Extension')",
        "Resource.id",
    }
    assert before - after == gone and after < before
    assert "(text, given," in note(found(tmp_path, *rules), "nodesByType('HumanName')").reason


def test_a_rule_for_one_resource_type_is_not_enough(tmp_path: Path) -> None:
    findings = found(tmp_path, rule("Patient.name", "redact"), rule("Patient.contact.name", "redact"))
    assert "in 9 resource types" in note(findings, "nodesByType('HumanName')").reason


def test_conditions(tmp_path: Path) -> None:
    path = f"{IDENTIFIER}.value"
    sure = found(tmp_path, rule(f"{IDENTIFIER}.where(system='s')", "redact"))
    assert note(sure, path).reason.endswith("unless the condition of rule 1 holds")
    two = found(
        tmp_path,
        rule(f"{IDENTIFIER}.where(system='s')", "redact"),
        rule(f"{IDENTIFIER}.where(system='t').value", "redact"),
    )
    assert note(two, path).reason.endswith("unless a condition of rules 1, 2 holds")
    for rules in (
        [rule("Patient.identifier.where(system='s')", "redact")],
        [rule(f"{IDENTIFIER}.where(system='s')", "keep")],
    ):
        assert "unless" not in note(found(tmp_path, *rules), path).reason


def test_methods_that_leave_a_value_as_it_is(tmp_path: Path) -> None:
    findings = found(
        tmp_path, rule("Patient", "dateshift"), rule("nodesByType('Narrative')", "perturb", span=1)
    )
    assert "143" in note(findings, "nodesByType('Narrative').div").reason
    assert "Patient.birthDate" not in str(findings)


def test_rules_whose_paths_cannot_be_followed(tmp_path: Path) -> None:
    findings = found(tmp_path, rule("Patient.name.first()", "redact"))
    assert "what rule 1 may take of it" in note(findings, "nodesByType('HumanName')").reason
    assert "rule 1" not in note(findings, "nodesByType('Address')").reason


def test_every_text_has_a_kind_or_is_known_to_be_technical() -> None:
    """What a new table might bring is listed rather than overlooked."""
    without = {
        element.name
        for key in type_keys()
        for element in elements(key)
        if element.type in ("string", "markdown", "xhtml", "base64Binary", "url")
        and not kind_of(key, element)
    }
    assert without == {
        "id", "version", "linkId", "contextLinkId", "requesterLinkId", "performerLinkId", "reasonLinkId", "path", "expression",
        "xpath", "unit", "max", "searchParam", "relation", "etag", "status", "ifMatch", "ifNoneMatch", "sliceName",
        "mustSupport", "data",
    }  # fmt: skip


# ---- whole rule sets -----------------------------------------------------------------------------------------------


@needs_shared
def test_what_the_mii_base_rules_do() -> None:
    findings = lint(loaded(MII), read_document(MII)[0])
    assert loud(findings) == [
        (0, "key-in-file"),
        *((number, "keeps-identifier") for number in (2, 4, 6, 8)),
        (12, "same-path"),
        *((number, "shadowed") for number in (23, 24, 25)),
        (26, "keeps-identifier"),
        (27, "keeps-identifier"),
        (31, "shadowed"),
    ]
    for number in (2, 4):
        assert kept(findings, number) == [
            "type.text",
            "assigner.reference",
            "assigner.identifier",
            "assigner.display",
            "extension",
        ]
    for path in (
        "nodesByType('Narrative').div", "Coverage.subscriberId", "Device.serialNumber", "nodesByType('CodeableConcept').text",
        "nodesByType('Coding').display", "Observation.value.ofType(string)", "Bundle.entry.request.ifNoneExist",
        "nodesByType('Extension')", "Person.birthDate",
    ):  # fmt: skip
        assert note(findings, path).level == "note"
    for path in (
        "nodesByType('HumanName')",
        "nodesByType('Identifier').value",
        "Bundle.entry.fullUrl",
        "Patient.birthDate",
    ):
        assert not any(path in f.path for f in findings if f.code == "stays-in-clear")


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("name", ["default", "redact-all"])
def test_our_own_rule_sets(name: str, strict: bool) -> None:
    path = RULESETS / f"{name}.yaml"
    assert lint(loaded(path, strict=strict), read_document(path)[0]) == []


# ---- all together --------------------------------------------------------------------------------------------------


def test_many_conditions_come_to_an_end(tmp_path: Path) -> None:
    rules = [
        rule(f"Patient.select(descendants().where(id='{i}').descendants()).where(id='x')", "keep")
        for i in range(12)
    ]
    findings = found(
        tmp_path, *rules, rule(IDENTIFIER, "redact"), rule(f"{IDENTIFIER}.where(system='s')", "redact")
    )
    assert one(findings, "incomplete").level == "note" and "slow" in one(findings, "incomplete").reason
    assert note(findings, "nodesByType('Narrative').div")


def test_many_rules_are_looked_at_in_parts(tmp_path: Path) -> None:
    rules = [rule(f"{IDENTIFIER}.where(system='{i}')", "keep") for i in range(60)]
    same = rule(f"{IDENTIFIER}.where(system='7').value", "redact")
    findings = found(tmp_path, *rules, same)
    assert [f.rule for f in findings if f.code == "keeps-identifier"] == list(range(1, 61))
    assert "shadowed" not in str(found(tmp_path, *rules[:7], same))
    assert (9, "shadowed") in loud(found(tmp_path, *rules[:8], same))


def test_long_expressions_come_to_an_end(tmp_path: Path) -> None:
    condition = " or ".join(f"use='{i}'" for i in range(1000))
    rules = [rule(f"Patient.name.where({condition})", "redact")] * 2
    assert loud(found(tmp_path, *rules)) == [(2, "shadowed")]


def test_the_order_is_that_of_the_rules(tmp_path: Path) -> None:
    rules = (
        rule("Patient.nmae", "redact"),
        rule("Patient.name.first() | Patient.id", "redact"),
        rule("Patient.name", "keep"),
    )
    findings = found(tmp_path, *rules, parameters={"dateShiftKey": "x"})
    assert findings == sorted(findings, key=lambda f: (f.rule, f.code, f.path))
    assert findings == found(tmp_path, *rules, parameters={"dateShiftKey": "x"})
    assert {f.rule for f in findings} == {0, 1, 2, 3}


def test_brief() -> None:
    findings = [
        Finding("note", 0, "p", "n", "r", "x"),
        *(Finding("warning", i, "p", "c", "r", "x") for i in range(1, 13)),
    ]
    assert brief(findings[:3]) == ["rule 1 (p): warning c: r; x", "rule 2 (p): warning c: r; x"]
    lines = brief(findings, "rules.yaml")
    assert len(lines) == 11 and lines[-1] == "and 2 more: make lint-rules FILE=rules.yaml"
    assert brief(findings)[-1] == "and 2 more: make lint-rules FILE=..."
    assert brief(findings[:1]) == []
    error = Finding("error", 9, "p", "c", "r", "x")
    assert brief([*findings, error])[0] == str(error)


def test_a_finding_is_one_line() -> None:
    finding = Finding("error", 0, "a\x1b[1mb", "c", "d\ne", "")
    assert str(finding) == "error c: a?[1mb: d?e"
    assert json.dumps(str(finding)).isascii()


def test_no_key_in_any_finding(tmp_path: Path) -> None:
    keys = {"cryptoHashKey": "hunter2", "encryptKey": "hunter3hunter3hu", "dateShiftKey": "hunter4"}
    findings = found(tmp_path, rule("Patient.id", "encrypt"), parameters=keys)
    assert len([f for f in findings if f.code == "short-key"]) == 3
    assert "hunter" not in "".join(map(str, findings)) + repr(findings)
