"""Rule sets: what is read, and what is refused in which words."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from dimpflow.errors import RuleSetError
from dimpflow.fhirpath.parser import parse
from dimpflow.ruleset.load import load_rule_set, read_document
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import (
    CryptoHash,
    DateShift,
    Encrypt,
    Generalize,
    Keep,
    Method,
    Perturb,
    Pseudonymize,
    Redact,
    Remove,
    Substitute,
)
from loading import KEYS, SHIFT_KEY, TODAY, load, one_rule, refusal

RULESETS = Path(__file__).parents[2] / "config" / "rulesets"


def method(folder: Path, settings: str) -> Method:
    """The method of a rule with these settings."""
    text = one_rule(settings, parameters=SHIFT_KEY)
    return load(folder, text, KEYS).rules[0].method


# ---- rules and methods ---------------------------------------------------------------------------------------------


def test_rules_in_their_order(tmp_path: Path) -> None:
    text = """
fhirVersion: r4
parameters: {cryptoHashKey: k, dateShiftScope: Folder, restrictedZipCodeTabulationAreas: ["036", 59]}
fhirPathRules:
  - {path: Patient, method: REDACT}
  - {path: Patient.gender, method: keep, anything: goes}
  - {path: Resource.id, method: cryptoHash}
  - {path: "nodesByType('Identifier').value", method: keep}
  - {path: " (name | contact.name).given ", method: keep}
"""
    loaded = load(tmp_path, text)
    assert [(r.number, r.resource_type, r.path) for r in loaded.rules] == [
        (1, "Patient", "Patient"),
        (2, "Patient", "Patient.gender"),
        (3, "Resource", "Resource.id"),
        (4, "", "nodesByType('Identifier').value"),
        (5, "", "(name | contact.name).given"),
    ]
    assert loaded.rules[0].expression is None
    assert loaded.rules[2].expression == parse("id")
    assert loaded.rules[4].expression == parse("(name | contact.name).given")
    assert loaded.parameters.restricted_zips == ("036", "59")
    assert loaded.warnings == () and loaded.path == tmp_path / "rules.yaml"


def test_an_empty_list_of_rules_is_legal(tmp_path: Path) -> None:
    loaded = load(tmp_path, "fhirVersion: ''\nparameters:\nfhirPathRules: []")
    assert loaded.rules == () and loaded.warnings == ("fhirVersion is missing; R4 is assumed",)


def test_of_a_key_that_comes_twice_the_last_counts(tmp_path: Path) -> None:
    assert method(tmp_path, "method: keep, method: redact") == Redact()


CASES = (("$this = 'a'", "'b'"), ("$this", "$this.toString()"))
PARSED = tuple((parse(condition), parse(value)) for condition, value in CASES)
CASES_TEXT = """method: generalize, cases: {"$this = 'a'": "'b'", "$this": "$this.toString()"}"""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("method: keep", Keep()),
        ("method: Redact", Redact()),
        ("method: REMOVE", Remove()),
        ("method: cryptohash", CryptoHash(None)),
        ("method: cryptoHash, truncateToMaxLength: 036", CryptoHash(36)),
        ("method: cryptoHash, truncateToMaxLength: 0", CryptoHash(0)),
        ("method: cryptoHash, truncateToMaxLength:", CryptoHash(None)),
        ("method: cryptoHash, truncateToMaxLength: ~", CryptoHash(None)),
        ("method: encrypt", Encrypt()),
        ("method: dateShift", DateShift(None)),
        ("method: substitute, replaceWith: no", Substitute("no")),
        ("method: substitute, replaceWith: 0.10", Substitute("0.10")),
        ("method: substitute, replaceWith:", Substitute(None)),
        ("method: substitute, replaceWith: ~", Substitute(None)),
        ("method: substitute, replaceWith: null", Substitute(None)),
        ("""method: substitute, replaceWith: '{"family": "Doe"}'""", Substitute('{"family": "Doe"}')),
        ("method: perturb, span: 0.1", Perturb(Decimal("0.1"), False, 2)),
        ("method: perturb, span: 0, roundTo: 0", Perturb(Decimal(0), False, 0)),
        ("method: perturb, span: 3, roundTo: 28, rangeType: FIXED", Perturb(Decimal(3), False, 28)),
        ("method: perturb, span: 0.25, rangeType: Proportional", Perturb(Decimal("0.25"), True, 2)),
        (CASES_TEXT, Generalize(PARSED, "redact")),
        (CASES_TEXT + ", otherValues: KEEP", Generalize(PARSED, "keep")),
        (CASES_TEXT + ", otherValues: redact", Generalize(PARSED, "redact")),
        ("method: pseudonymize", Pseudonymize("", "")),
        ("method: pseudonymize, domain: d, namespace: n", Pseudonymize("d", "")),
        ("method: pseudonymize, namespace: n, namespace-prefix: p-", Pseudonymize("n", "p-")),
        ("method: pseudonymize, domain-prefix: q-, namespace-prefix: p-", Pseudonymize("", "q-")),
        ("method: pseudonymize, domain: '', namespace: n", Pseudonymize("n", "")),
        (
            "method: pseudonymize, domain: d, prefix: PT_, valueFrom: Resource.id",
            Pseudonymize("d", "", "PT_", "Resource.id"),
        ),
    ],
)
def test_methods_and_their_settings(tmp_path: Path, settings: str, expected: Method) -> None:
    assert method(tmp_path, settings) == expected


def test_the_order_of_cases_is_kept(tmp_path: Path) -> None:
    turned = """method: generalize, cases: {"$this": "$this.toString()", "$this = 'a'": "'b'"}"""
    assert method(tmp_path, turned) == Generalize(PARSED[::-1]) != Generalize(PARSED)


def test_an_offset_in_a_rule_counts_only_strictly(tmp_path: Path) -> None:
    settings = "method: dateshift, dateShiftFixedOffsetInDays: -5"
    birth = one_rule(settings, "Patient.birthDate", SHIFT_KEY)
    assert load(tmp_path, birth, KEYS).rules[0].method == DateShift(None)
    assert load(tmp_path, birth, KEYS, strict=True).rules[0].method == DateShift(-5)


# ---- what is refused -----------------------------------------------------------------------------------------------

UNREADABLE = [
    ("fhirPathRules: [", "1:17: not YAML: "),
    ("a: b\n\tc: d", "2:1: not YAML: "),
    ("a: \x01", "not YAML: a character that YAML does not allow"),
    ("- a", "not a rule set: expected the keys fhirVersion, fhirPathRules, parameters"),
    ("", "not a rule set: expected the keys fhirVersion, fhirPathRules, parameters"),
    ("text", "not a rule set: expected the keys fhirVersion, fhirPathRules, parameters"),
    ("[" * 3000, "not a rule set: nested too deeply"),
]
WHOLE = [
    ("fhirPathRules: []\nfhirpathRules: []", "unknown key fhirpathRules; known: fhirVersion, fhirPathRules, parameters"),
    ("fhirPathRules: []\nprocessingErrors: skip", "processingErrors is Microsoft's, the FHIR Pseudonymizer does not know it; remove it, and set import.on_invalid: quarantine to set aside what cannot be processed"),
    ("fhirVersion: Stu3", "fhirVersion: only R4 is supported"),
    ("fhirVersion: [R4]\nfhirPathRules: []", "fhirVersion: only R4 is supported"),
    ("fhirVersion: R4", "fhirPathRules is missing or no list"),
    ("fhirPathRules: ~", "fhirPathRules is missing or no list"),
    ("fhirPathRules: {path: Patient, method: keep}", "fhirPathRules is missing or no list"),
    ("fhirPathRules: []\nparameters: [a]", "parameters: expected a mapping"),
    ("fhirPathRules: []\nparameters: {dateShiftKye: x}", "parameters.dateShiftKye is unknown; known: dateShiftKey, "),
    ("fhirPathRules: []\nparameters: {cryptoHashAlgorithm: md5}", "parameters.cryptoHashAlgorithm: expected hmacSha256 or blake3"),
    ("fhirPathRules: []\nparameters: {dateShiftScope: day}", "parameters.dateShiftScope: expected resource, file or folder"),
    ("fhirPathRules: []\nparameters: {dateShiftFixedOffsetInDays: 1.5}", "parameters.dateShiftFixedOffsetInDays: expected a whole number"),
    ("fhirPathRules: []\nparameters: {enablePartialDatesForRedact: maybe}", "parameters.enablePartialDatesForRedact: expected true or false"),
    ("fhirPathRules: []\nparameters: {restrictedZipCodeTabulationAreas: 036}", "parameters.restrictedZipCodeTabulationAreas: expected a list of texts"),
    ("fhirPathRules: []\nparameters: {restrictedZipCodeTabulationAreas: [{a: b}]}", "parameters.restrictedZipCodeTabulationAreas: expected a list of texts"),
    ("fhirPathRules: []\nparameters: {encryptKey: seventeen-letters}", "parameters.encryptKey: 17 bytes; AES needs 16, 24 or 32"),
    ("fhirPathRules: []\nparameters: {encryptKey: fünfzehn-lette, keyDerivationContext: c}", "parameters.encryptKey: 15 bytes; AES needs 16, 24 or 32"),
    ("fhirPathRules: [{path: Patient.id, method: keep}, text]", "rule 2: expected the keys path and method"),
    ("fhirPathRules: [{method: keep}]", "rule 1: path is missing"),
    ("fhirPathRules: [{path: ' ', method: keep}]", "rule 1: path is missing"),
    ("fhirPathRules: [{path: [a], method: keep}]", "rule 1: path is missing"),
    ("fhirPathRules: [{path: Patient.id}]", "rule 1: method is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), UNREADABLE + WHOLE)
def test_rule_sets_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    assert refusal(tmp_path, text).startswith(words)


ONE_RULE = [
    ("method: shred", "unknown method shred; known: keep, redact, remove, cryptoHash, encrypt, dateshift, substitute, perturb, generalize, pseudonymize"),
    ("method: decrypt", "unknown method decrypt; known: "),
    ("method: cryptoHash, truncateToMaxLength: -1", "truncateToMaxLength: expected a whole number that is not negative"),
    ("method: cryptoHash, truncateToMaxLength: many", "truncateToMaxLength: expected a whole number"),
    ("method: cryptoHash, truncateToMaxLength: 8.0", "truncateToMaxLength: expected a whole number"),
    ("method: cryptoHash, truncateToMaxLength: [8]", "truncateToMaxLength: expected text"),
    ("method: dateshift, dateShiftFixedOffsetInDays: week", "dateShiftFixedOffsetInDays: expected a whole number"),
    ("method: substitute", "substitute needs replaceWith: the new value, empty for none"),
    ("method: substitute, replaceWith: {family: Doe}", "replaceWith: expected text; for an element with parts the text of a JSON object"),
    ("method: perturb, span: 1, roundTo: -1", "roundTo: expected a whole number from 0 to 28"),
    ("method: perturb, span: 1, roundTo: 29", "roundTo: expected a whole number from 0 to 28"),
    ("method: perturb, span: 1, roundTo: abc", "roundTo: expected a whole number"),
    ("method: perturb, span: 1, roundTo: 1.5", "roundTo: expected a whole number"),
    ("method: perturb", "span: expected a number that is not negative"),
    ("method: perturb, span: -0.1", "span: expected a number that is not negative"),
    ("method: perturb, span: wide", "span: expected a number that is not negative"),
    ("method: perturb, span: 1, rangeType: wide", "rangeType: expected fixed or proportional"),
    ("method: generalize", "generalize needs cases: a mapping from predicate to value"),
    ("method: generalize, cases: {}", "generalize needs cases: a mapping from predicate to value"),
    ("method: generalize, cases: [$this]", "generalize needs cases: a mapping from predicate to value"),
    ("method: generalize, cases: {$this: {a: b}}", "cases: the value of a case is a FHIRPath expression, as text"),
    ("method: generalize, cases: {'$this (': $this}", "unexpected ( at column 7"),
    ("method: generalize, cases: {$this: '$this +'}", "expected a name at column 8, found the end of the path"),
    ("method: generalize, cases: {$this: $this.resolve()}", "the function resolve() is not supported"),
    ("method: generalize, cases: {$this: $this}, otherValues: drop", "otherValues: expected redact or keep"),
    ("method: pseudonymize, domain: [d]", "domain: expected text"),
    ("method: pseudonymize, valueFrom: Patient.id", "valueFrom: only Resource.id is supported"),
    ("method: pseudonymize, domain: d, entici: {resourceType: Patient}", "entici is not supported"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "words"), ONE_RULE)
def test_methods_that_are_refused(tmp_path: Path, settings: str, words: str) -> None:
    message = refusal(tmp_path, one_rule(settings, parameters=SHIFT_KEY), KEYS)
    assert message.startswith(f"rule 1 (Patient.id): {words}")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("Patient.id(", "expected a name at column 12, found the end of the path"),
        ("Patient.name..given", "expected a name at column 14, found ."),
        ("Patient.name.resolve()", "the function resolve() is not supported (there are "),
        ("Patient.name.hasValue()", "the function hasValue() is not supported"),
        ("Patient.name.where(use, use)", "where() takes 1 argument"),
        ("Patient.name.exists()", "the path gives a computed value, not elements of a resource"),
        ("Patient.name.where(given.count() mod 2 = 0)", "the operator mod is not supported"),
    ],
)
def test_paths_that_are_refused(tmp_path: Path, path: str, words: str) -> None:
    rules = [{"path": "Patient", "method": "keep"}, {"path": path, "method": "keep"}]
    message = refusal(tmp_path, yaml.safe_dump({"fhirPathRules": rules}))
    assert message.startswith(f"rule 2 ({path}): {words}")


def test_the_first_failure_counts(tmp_path: Path) -> None:
    """Version, then rules one after the other, then parameters, then keys that are missing (section 1.6)."""
    keys = "parameters: {encryptKey: short}"
    bad, worse = "{path: Patient.id, method: perturb}", "{path: Patient.id(, method: keep}"
    hashing = "{path: Patient.id, method: cryptoHash}"
    steps = [
        (f"fhirVersion: R5\n{keys}", "fhirVersion"),
        (keys, "fhirPathRules"),
        (f"{keys}\nfhirPathRules: [{bad}, {worse}]", "rule 1"),
        (f"{keys}\nfhirPathRules: [{hashing}]", "parameters.encryptKey"),
        (f"fhirPathRules: [{hashing}]", "parameters.cryptoHashKey is empty"),
    ]
    for text, words in steps:
        assert refusal(tmp_path, text).startswith(words)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RuleSetError, match=r"nowhere\.yaml: cannot read the rule set: No such file"):
        load_rule_set(tmp_path / "nowhere.yaml", {})


def test_a_document_keeps_its_text_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(b"fhirPathRules: [no, 036, ~]")
    document, digest = read_document(path)
    assert document == {"fhirPathRules": ["no", "036", "~"]}
    assert digest == "91cc528daa6d1c73541e856d835e24e286552a81a0d71a1fc03686caa8d2443a"


@pytest.mark.parametrize("name", ["default", "redact-all"])
def test_our_own_rule_sets_load_without_a_warning(name: str) -> None:
    path = RULESETS / f"{name}.yaml"
    loaded = load_rule_set(path, {"DIMP_CRYPTO_HASH_KEY": "k"}, Options(strict=True, reference_date=TODAY))
    assert loaded.warnings == ()
    assert len(yaml.safe_load(path.read_text(encoding="utf-8"))["fhirPathRules"]) == len(loaded.rules)
