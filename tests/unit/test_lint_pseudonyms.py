"""dimpflow.lint.pseudonyms: whether a rule set needs the identifiers of patients."""

from pathlib import Path

import pytest
import yaml

from dimpflow.lint import pseudonyms
from dimpflow.lint.pseudonyms import identifier_needed
from dimpflow.lint.survey import Effort
from dimpflow.ruleset.rules import RuleSet
from linting import MII, RULESETS, Rule, loaded, rule
from shared import needs_shared


def rule_set(folder: Path, *rules: Rule, strict: bool) -> RuleSet:
    path = folder / "rules.yaml"
    keys = {"cryptoHashKey": "${HASH}", "encryptKey": "${AES}"}
    path.write_text(
        yaml.safe_dump({"parameters": keys, "fhirPathRules": list(rules)}, sort_keys=False), encoding="utf-8"
    )
    return loaded(path, strict=strict)


PATIENT_ID = rule("Patient.identifier.value", "cryptoHash")
SLICE = "nodesByType('Identifier').where(type.coding.code='MR')"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("rules", "needed"),
    [
        ([], False),
        ([PATIENT_ID], True),
        ([rule("Patient.identifier.value", "encrypt")], True),
        ([rule("Patient.identifier.value", "pseudonymize", domain="d")], True),
        ([rule("Patient.identifier.value", "redact")], False),
        ([rule("Patient.identifier", "cryptoHash")], True),
        ([rule(f"{SLICE}.value", "pseudonymize", domain="d")], True),
        ([rule(f"{SLICE}.system", "cryptoHash")], False),
        ([rule("nodesByType('string')", "cryptoHash")], True),
        ([rule("nodesByName('value')", "encrypt")], True),
        ([rule("Resource.id", "cryptoHash"), rule("nodesByType('Reference').reference", "cryptoHash")], False),
        ([rule("Encounter.identifier.value", "cryptoHash")], False),
        ([rule("Observation.subject.identifier.value", "cryptoHash")], False),
        ([rule("Patient.name", "pseudonymize", domain="d")], False),
        ([rule("Patient.identifier", "remove"), PATIENT_ID], False),
        ([rule("Patient.identifier.value", "keep"), rule("Patient.identifier", "cryptoHash")], False),
        ([rule(SLICE, "remove"), PATIENT_ID], True),
        ([rule("Patient.where(active=true).identifier.where(use='usual').value", "cryptoHash")], True),
        ([rule("Patient.identifier.first().value", "cryptoHash")], True),
        ([rule("Patient.identifier.first().system", "cryptoHash")], False),
        ([rule("Patient.name.first().family", "cryptoHash")], False),
        ([rule("Patient.identifier.first()", "encrypt")], True),
        ([rule("Encounter.identifier.first().value", "cryptoHash")], False),
    ],
)  # fmt: skip
def test_rules(tmp_path: Path, rules: list[Rule], needed: bool, strict: bool) -> None:
    assert identifier_needed(rule_set(tmp_path, *rules, strict=strict)) is needed


def test_a_rule_that_never_matches(tmp_path: Path) -> None:
    assert not identifier_needed(rule_set(tmp_path, rule("Identifier", "cryptoHash"), strict=False))


def test_a_pseudonym_of_something_else(tmp_path: Path) -> None:
    other = rule("Patient.identifier.value", "pseudonymize", domain="d", valueFrom="Resource.id")
    assert not identifier_needed(rule_set(tmp_path, other, strict=True))


@pytest.mark.parametrize(("name", "needed"), [("default", True), ("redact-all", False)])
def test_our_rule_sets(name: str, needed: bool) -> None:
    assert identifier_needed(loaded(RULESETS / f"{name}.yaml", strict=True)) is needed


@needs_shared
def test_the_rule_set_of_the_mii() -> None:
    assert identifier_needed(loaded(MII))


def test_too_much_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = rule_set(tmp_path, rule("Patient.birthDate", "redact"), strict=True)
    assert not identifier_needed(quick)
    monkeypatch.setattr(pseudonyms, "Effort", lambda: Effort(0))
    assert identifier_needed(quick)
