"""Rule sets: what is read, and what is refused in which words."""

from pathlib import Path

import pytest
import yaml

from dimpflow.errors import RuleSetError
from dimpflow.ruleset.load import MissingKeyError, load_rule_set
from dimpflow.ruleset.rules import CryptoHash, Generalize, Keep, Pseudonymize, Redact, Rule

RULESETS = Path(__file__).parents[2] / "config" / "rulesets"


def load(tmp_path: Path, text: str, **environ: str) -> tuple[Rule, ...]:
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rule_set(path, environ).rules


def test_methods_and_settings(tmp_path: Path) -> None:
    rules = load(
        tmp_path,
        """
fhirVersion: r4
parameters: {cryptoHashKey: k, dateShiftScope: resource, restrictedZipCodeTabulationAreas: ["036"]}
fhirPathRules:
  - {path: Patient, method: REDACT}
  - {path: Patient.gender, method: keep, anything: goes}
  - {path: Resource.id, method: cryptoHash, truncateToMaxLength: 016}
  - {path: "nodesByType('Identifier').value", method: pseudonymize, namespace: n, namespace-prefix: p-}
  - {path: Patient.birthDate, method: generalize, cases: {"$this": "$this"}, otherValues: Keep}
""",
    )
    assert [(r.number, r.resource_type) for r in rules] == [(1, "Patient"), (2, "Patient"), (3, "Resource"), (4, ""), (5, "Patient")]  # fmt: skip
    methods = [r.method for r in rules]
    assert methods[:4] == [Redact(), Keep(), CryptoHash(16), Pseudonymize("n", "p-")]
    assert isinstance(methods[4], Generalize) and methods[4].other_values == "keep"
    assert rules[0].expression is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fhirPathRules: [", ":1:"),
        ("a: b\n\tc: d", ":2:"),
        ("- a", "expected the keys"),
        ("", "expected the keys"),
        ("fhirVersion: R4", "fhirPathRules is missing"),
        ("fhirVersion: STU3\nfhirPathRules: []", "only R4"),
        ("fhirPathRules: []\nprocessingErrors: skip", "unknown key processingErrors"),
        ("fhirPathRules: []\nparameters: {dateShiftKye: x}", "parameters.dateShiftKye"),
        ("fhirPathRules: [{method: keep}]", "rule 1: path is missing"),
        ("fhirPathRules: [{path: Patient.id}]", "rule 1: method is missing"),
        ("fhirPathRules: [{path: Patient.id, method: shred}]", "rule 1 (Patient.id): unknown method shred"),
        ("fhirPathRules: [{path: Patient.id, method: keep}, {path: 'Patient.id(', method: keep}]", "rule 2 (Patient.id()"),
        ("fhirPathRules: [{path: Patient.birthDate, method: dateshift}]", "dateshift is not supported"),
        ("fhirPathRules: [{path: 'Patient.name.resolve()', method: keep}]", "resolve() is not available"),
        ("fhirPathRules: [{path: \"Patient.name.where(use != 'x')\", method: keep}]", "operator != is not available"),
        ("fhirPathRules: [{path: 'Patient.name.where(use, use)', method: keep}]", "where() takes 1 arguments"),
        ("fhirPathRules: [{path: 'Patient.value as Quantiti', method: keep}]", "unknown type Quantiti"),
        ("fhirPathRules: [{path: 'Patient.name[0]', method: keep}]", "indexer is not available"),
        ("fhirPathRules: [{path: Patient.id, method: cryptoHash, truncateToMaxLength: -1}]", "truncateToMaxLength"),
        ("fhirPathRules: [{path: Patient.id, method: generalize}]", "needs cases"),
        ("fhirPathRules: [{path: Patient.id, method: generalize, cases: {'$this': 'a.b('}}]", "rule 1 (Patient.id)"),
        ("fhirPathRules: [{path: Patient.id, method: generalize, cases: {'$this': \"''\"}, otherValues: x}]", "otherValues"),
        ("fhirPathRules: []\nparameters: {cryptoHashAlgorithm: md5}", "hmacSha256 or blake3"),
        ("fhirPathRules: []\nparameters: {enablePartialDatesForRedact: maybe}", "expected true or false"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RuleSetError) as error:
        load(tmp_path, text)
    message = str(error.value)
    assert words in message and "rules.yaml" in message and "\n" not in message


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RuleSetError, match=r"nowhere\.yaml: cannot read"):
        load_rule_set(tmp_path / "nowhere.yaml", {})


HASHING = (
    'parameters: {cryptoHashKey: "${DIMP_KEY}"}\nfhirPathRules: [{path: Resource.id, method: cryptoHash}]'
)


def test_the_key_comes_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(HASHING, encoding="utf-8")
    loaded = load_rule_set(path, {"DIMP_KEY": "secret-key"})
    assert loaded.parameters.crypto_hash_key == "secret-key"
    assert "secret-key" not in repr(loaded)


@pytest.mark.parametrize("environ", [{}, {"DIMP_KEY": ""}, {"DIMP_KEY": " "}])
def test_without_a_key_nothing_is_hashed(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(MissingKeyError, match=r"DIMP_KEY is not set; make one with: python3 -c"):
        load(tmp_path, HASHING, **environ)
    with pytest.raises(MissingKeyError, match="cryptoHashKey is empty"):
        load(tmp_path, "fhirPathRules: [{path: Resource.id, method: cryptoHash}]")


def test_a_rule_that_cannot_match_gives_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("fhirPathRules: [{path: HumanName.family, method: redact}]", encoding="utf-8")
    warnings = load_rule_set(path, {}).warnings
    assert len(warnings) == 2 and "nodesByType('HumanName')" in warnings[1]


@pytest.mark.parametrize("name", ["default", "redact-all"])
def test_our_own_rule_sets_load_without_a_warning(name: str) -> None:
    loaded = load_rule_set(RULESETS / f"{name}.yaml", {"DIMP_CRYPTO_HASH_KEY": "k"})
    assert loaded.warnings == ()
    assert len(
        yaml.safe_load((RULESETS / f"{name}.yaml").read_text(encoding="utf-8"))["fhirPathRules"]
    ) == len(loaded.rules)
