"""The linter: each kind of finding, and where there is none."""

from pathlib import Path

import pytest

from dimpflow.lint import lint
from dimpflow.ruleset.load import load_rule_set, read_document
from linting import IDENTIFIER, KEY, Rule, found, kept, loud, one, rule

# ---- rules that never match ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("Patient.nmae", "did you mean name"),
        ("HumanName.family", "nodesByType('HumanName')"),
        ("Observation.valueString", "value.ofType(string)"),
        ("nodesByType('Humanname')", "did you mean HumanName"),
    ],
)
def test_never_matches(tmp_path: Path, path: str, words: str) -> None:
    findings = found(tmp_path, rule(path, "redact"), rule(path, "keep"))
    assert loud(findings) == [(1, "never-matches"), (2, "never-matches")]  # and nothing else is said of them
    finding = one(findings, "never-matches", 1)
    assert finding.level == "error" and finding.path == path and words in finding.reason and finding.remedy


# ---- rules that do nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("Patient", "Patient.name.family"),
        ("Patient.name", "Patient.name.family"),
        ("Patient.name", "Patient.name.where(use='old').family"),
        ("nodesByType('HumanName')", "Patient.name"),
        ("nodesByType('HumanName')", "Patient.contact.name.period.start"),
        ("nodesByType('string')", "Patient.name.given"),
        ("Resource.id", "Patient.id"),
        ("Resource.descendants()", "Patient.contained.name"),
        ("Bundle.entry.resource", "Bundle.entry.where(fullUrl='x').resource.id"),
        ("Patient.children()", "Patient.name.family"),
        ("Patient.name.where(use='old')", "Patient.name.where(use = 'old').family"),
        ("nodesByName('family')", "Patient.name.family"),
        ("nodesByType('Narrative')", "nodesByType('xhtml')"),
        (f"{IDENTIFIER}.where(system='s')", "nodesByType('Reference').identifier.where(system='s')"),
        ("nodesByType('Extension')", "Patient.birthDate.extension"),
    ],
)
def test_shadowed(tmp_path: Path, earlier: str, later: str) -> None:
    finding = one(found(tmp_path, rule(earlier, "redact"), rule(later, "cryptoHash")), "shadowed")
    assert (finding.level, finding.rule, finding.path) == ("warning", 2, later)
    assert f"rule 1 ({earlier}, redact) takes all" in finding.reason and "above rule 1" in finding.remedy


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("Patient.name.family", "Patient.name"),
        ("Patient.name.where(use='old')", "Patient.name.family"),
        ("Patient.name.where(use='old')", "Patient.name.where(use='usual').family"),
        ("Patient.name.where(use='old').family", "Patient.name.where(use='old')"),
        ("Patient.id", "Resource.id"),
        ("Patient", "Patient.contained.name"),  # rules go into nested resources, those around them do not
        ("nodesByType('HumanName')", "nodesByType('Extension')"),
        ("Patient.contact.where(id.exists())", "nodesByType('HumanName').where(id.exists())"),
        ("Patient.where(id='x').name", "nodesByType('HumanName').where(id='x')"),
        ("nodesByType('HumanName').where(id.exists())", "Patient.contact.where(id.exists()).name.family"),
        ("Bundle.entry.resource.id", "Resource.id"),
    ],
)
def test_not_shadowed(tmp_path: Path, earlier: str, later: str) -> None:
    assert loud(found(tmp_path, rule(earlier, "redact"), rule(later, "redact"))) == []


def test_shadowed_by_several(tmp_path: Path) -> None:
    rules = [rule(f"Patient.name.{part}", "redact") for part in ("use", "text", "family")]
    findings = found(
        tmp_path, *rules, rule("Patient.name.where(use='old').select(text | family)", "redact"), strict=True
    )
    finding = one(findings, "shadowed")
    assert finding.rule == 4 and "rule 3 (Patient.name.family) and rules above that" in finding.reason


def test_an_equal_rule_is_shadowed_and_only_to_be_removed(tmp_path: Path) -> None:
    finding = one(found(tmp_path, rule("Patient.name", "redact"), rule("Patient.name", "redact")), "shadowed")
    assert finding.rule == 2 and finding.remedy == "remove it"


def test_the_same_predicate_may_change_its_answer(tmp_path: Path) -> None:
    earlier, later = f"{IDENTIFIER}.where(value.empty())", f"{IDENTIFIER}.where(value.empty())"
    between = rule(f"{IDENTIFIER}.value", "redact")
    assert [
        code for _, code in loud(found(tmp_path, rule(earlier, "redact"), between, rule(later, "redact")))
    ] == ["slow"]
    assert (2, "shadowed") in loud(found(tmp_path, rule(earlier, "redact"), rule(later, "redact"), between))


def test_values_are_left_to_strict_rules_that_follow(tmp_path: Path) -> None:
    rules = rule("Patient.birthDate", "cryptoHash"), rule("Patient.birthDate.extension", "redact")
    assert loud(found(tmp_path, *rules)) == [(2, "shadowed")]
    assert loud(found(tmp_path, *rules, strict=True)) == []


def test_same_path(tmp_path: Path) -> None:
    keep, again = rule("Patient.gender", "keep"), rule("Patient.gender ", "redact")
    finding = one(found(tmp_path, keep, again), "same-path")
    assert loud(found(tmp_path, keep, again)) == [(2, "same-path")]
    assert (finding.level, finding.rule) == ("warning", 2)
    assert "rule 1 has the same path" in finding.reason and "(keep)" in finding.reason and finding.remedy


def test_the_rule_for_what_no_rule_reaches_is_none_of_the_file(tmp_path: Path) -> None:
    assert found(tmp_path, rule("Resource", "redact"), unmatched="redact") == []
    assert found(tmp_path, unmatched="redact") == []


# ---- keep ----------------------------------------------------------------------------------------------------------


def test_keeps_identifier(tmp_path: Path) -> None:
    path = f"{IDENTIFIER}.where(system='s')"
    findings = found(tmp_path, rule(path, "keep"))
    assert kept(findings) == [
        "type.text",
        "value",
        "assigner.reference",
        "assigner.identifier",
        "assigner.display",
        "extension",
    ]
    finding = one(findings, "keeps-identifier")
    assert (
        finding.level == "warning"
        and "{path: nodesByType('Identifier').type.text, method: redact}" in finding.remedy
    )
    value = rule(f"{path}.value", "pseudonymize", domain="d")
    extension, display = (
        rule("nodesByType('Extension')", "remove"),
        rule("nodesByType('Reference').display", "redact"),
    )
    rules = value, extension, display, rule(path, "keep")
    assert kept(found(tmp_path, *rules), 4) == ["type.text", "assigner.reference", "assigner.identifier"]


def test_what_another_condition_takes_is_let_through(tmp_path: Path) -> None:
    rules = (
        rule(f"{IDENTIFIER}.where(system='t').value", "redact"),
        rule(f"{IDENTIFIER}.where(system='s')", "keep"),
    )
    assert "value" in kept(found(tmp_path, *rules), 2)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("nodesByType('Reference')", ["reference", "identifier", "display", "extension"]),
        (
            "Patient.address",
            ["text", "line", "city", "district", "state", "postalCode", "country", "extension"],
        ),
        ("Patient.name", ["text", "family", "given", "prefix", "suffix", "extension"]),
        (
            "Patient.contact",
            [
                "relationship.text",
                "name",
                "telecom",
                "address",
                "organization.reference",
                "organization.identifier",
            ],
        ),
        ("Patient.text", ["div", "extension"]),
        ("Condition.code", ["text", "extension"]),
        ("Observation.value.ofType(CodeableConcept)", ["text", "extension"]),
        ("nodesByType('Extension')", ["value", "extension"]),
        ("Patient", ["id", "meta.source", "text", "identifier", "name", "telecom", "birthDate"]),
    ],
)
def test_what_kept_nodes_let_through(tmp_path: Path, path: str, parts: list[str]) -> None:
    assert kept(found(tmp_path, rule(path, "keep")))[: len(parts)] == parts


@pytest.mark.parametrize(
    "path",
    [
        "Patient.gender",
        "Patient.name.family",
        "Observation.value.ofType(Quantity)",
        "nodesByType('Extension').where(url='http://hl7.org/fhir/StructureDefinition/data-absent-reason')",
    ],
)
def test_kept_on_purpose(tmp_path: Path, path: str) -> None:
    extension = (
        rule("nodesByType('Extension').where(url='x')", "remove")
        if "Extension" in path
        else rule("nodesByType('Extension')", "remove")
    )
    assert loud(found(tmp_path, extension, rule(path, "keep"))) == []


# ---- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("cryptoHashKey", "too short", "short"),
        ("dateShiftKey", "too short", "short"),
        ("cryptoHashKey", "abababababababababab", "few different"),
        ("encryptKey", "1234512345123451", "few different"),
    ],
)
def test_short_key(tmp_path: Path, key: str, value: str, words: str) -> None:
    findings = found(tmp_path, parameters={key: value, "keyDerivationContext": "project"})
    assert {f.code for f in findings if f.level != "note"} == {"short-key", "key-in-file"}
    finding = one(findings, "short-key")
    assert (finding.level, finding.rule, finding.path) == ("warning", 0, f"parameters.{key}")
    assert words in finding.reason and "secrets.token_hex" in finding.remedy
    assert value not in str(findings) and str(len(value)) not in finding.reason


def test_short_key_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        'fhirVersion: R4\nparameters: {cryptoHashKey: "${HASH}"}\nfhirPathRules: []', encoding="utf-8"
    )
    rule_set = load_rule_set(path, {"HASH": "0123456789abcde"})
    assert loud(lint(rule_set)) == loud(lint(rule_set, read_document(path)[0])) == [(0, "short-key")]
    assert loud(lint(load_rule_set(path, {"HASH": "0123456789abcdef"}))) == []


def test_key_in_file(tmp_path: Path) -> None:
    findings = found(tmp_path, parameters={"cryptoHashKey": KEY, "dateShiftKey": ""})
    finding = one(findings, "key-in-file")
    assert loud(findings) == [(0, "key-in-file")] and finding.path == "parameters.cryptoHashKey"
    assert "${DIMP_CRYPTO_HASH_KEY}" in finding.remedy and KEY not in str(findings)
    assert loud(found(tmp_path)) == []


# ---- settings ------------------------------------------------------------------------------------------------------


def test_short_hash(tmp_path: Path) -> None:
    findings = found(
        tmp_path,
        *(rule(f"{t}.id", "cryptoHash", truncateToMaxLength=n) for t, n in (("Patient", 15), ("Group", 16))),
    )
    assert loud(findings) == [(1, "short-hash")] and "32" in one(findings, "short-hash").remedy


def test_no_domain(tmp_path: Path) -> None:
    rules = rule("Patient.id", "pseudonymize"), rule("Group.id", "pseudonymize", namespace="n")
    findings = found(tmp_path, *rules)
    assert loud(findings) == [(1, "no-domain")] and "domain: " in one(findings, "no-domain").remedy


@pytest.mark.parametrize(
    ("settings", "reason", "remedy"),
    [
        (
            {"method": "cryptoHash", "truncateToMaxLenght": 32},
            "truncateToMaxLenght",
            "write truncateToMaxLength",
        ),
        ({"method": "Redact", "replaceWith": "x"}, "replaceWith", "Redact has no settings"),
        (
            {"method": "dateshift", "dateShiftFixedOffsetInDays": 5},
            "ignores",
            "parameters.dateShiftFixedOffsetInDays",
        ),
        ({"method": "cryptoHash", "truncateToMaxLength": 65}, "64 characters", "truncateToMaxLength: 32"),
    ],
)
def test_no_op_setting_of_a_rule(tmp_path: Path, settings: Rule, reason: str, remedy: str) -> None:
    findings = found(tmp_path, {"path": "Patient.birthDate", **settings})
    finding = one(findings, "no-op-setting")
    assert loud(findings) == [(1, "no-op-setting")] and finding.level == "warning"
    assert reason in finding.reason and remedy in finding.remedy


def test_a_fixed_offset_works_strictly(tmp_path: Path) -> None:
    shift = rule("Patient.birthDate", "dateshift", dateShiftFixedOffsetInDays=5)
    assert loud(found(tmp_path, shift, strict=True)) == []


def test_no_op_parameters(tmp_path: Path) -> None:
    findings = found(
        tmp_path, parameters={"dateShiftScope": "File", "restrictedZipCodeTabulationAreas": ["036"]}
    )
    paths = ["parameters.dateShiftScope", "parameters.restrictedZipCodeTabulationAreas"]
    assert [f.path for f in findings if f.code == "no-op-setting"] == paths
    used = {
        "dateShiftScope": "resource",
        "restrictedZipCodeTabulationAreas": ["036"],
        "enablePartialZipCodesForRedact": True,
    }
    assert loud(found(tmp_path, parameters=used)) == []


# ---- expressions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "union"),
    [
        ("nodesByType('date') | nodesByType('dateTime')", True),
        ("(Patient.name | Patient.contact.name).family", True),
        ("Patient.name.select(family | given)", True),
        ("iif(Patient.active, Patient.name, Patient.name | Patient.contact.name)", True),
        ("Patient.name.where(use in ('old' | 'usual'))", False),
    ],
)
def test_union_by_value(tmp_path: Path, path: str, union: bool) -> None:
    codes = [code for _, code in loud(found(tmp_path, rule(path, "redact")))]
    assert codes == (["slow", "union-by-value"] if union else [])


def test_a_union_becomes_two_rules(tmp_path: Path) -> None:
    path = "nodesByType('date').where(id = 'a|b\\'') | Patient.birthDate"
    finding = one(found(tmp_path, rule(path, "redact")), "union-by-value")
    assert "path: nodesByType('date').where(id = 'a|b\\'') and path: Patient.birthDate" in finding.remedy
    assert "union-by-value" not in str(found(tmp_path, rule(path, "redact"), strict=True))


@pytest.mark.parametrize(
    ("predicate", "trap"),
    [
        ("$this < @1931-01-01", True),
        ("$this = @1931", True),
        ("($this > @2000-01-01T10:00:00Z).not() and true", True),
        ("$this.toString() = '1931'", False),
        ("$this.toString().substring(0, 4) < '1931'", False),
    ],
)
def test_undecidable_true(tmp_path: Path, predicate: str, trap: bool) -> None:
    generalize = rule("Patient.birthDate", "generalize", cases={predicate: "@1930"})
    assert loud(found(tmp_path, generalize)) == ([(1, "undecidable-true")] if trap else [])
    assert loud(found(tmp_path, generalize, strict=True)) == []


# ---- speed ---------------------------------------------------------------------------------------------------------


def test_slow(tmp_path: Path) -> None:
    rules = rule(f"{IDENTIFIER}.system", "redact"), rule(f"{IDENTIFIER}.where(system='s')", "redact")
    findings = found(tmp_path, *rules)
    finding = one(findings, "slow")
    assert finding.rule == 2 and "resource types" in finding.reason and "rule 1" in finding.reason
    assert "above" in finding.remedy
    assert "slow" not in str(found(tmp_path, *reversed(rules)))


def test_slow_paths(tmp_path: Path) -> None:
    finding = one(found(tmp_path, rule("Patient.name.first()", "redact")), "slow")
    assert finding.rule == 1 and finding.reason.startswith("Patient ") and "path of names" in finding.remedy
