"""The schema of rule sets, which editors use: what it lets through, what it refuses, and that it knows what is read."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from dimpflow.errors import RuleSetError
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.methods import SETTINGS
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.parameters import PARAMETERS
from dimpflow.schema import read_schema
from shared import SHARED, needs_shared

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema(ROOT / "schemas" / "anonymization.schema.yaml")
VALIDATOR = Draft202012Validator(SCHEMA)
ENVIRON = {"DIMP_CRYPTO_HASH_KEY": "k"}
OURS = [*(ROOT / "config" / "rulesets").glob("*.yaml"), *(ROOT / "tests" / "rulesets").glob("*.yaml")]
SERVICE = sorted((SHARED / "conformance").rglob("*.yaml"))


def faults(text: str) -> list[str]:
    """What an editor would underline; it reads the scalars as YAML does."""
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def load(folder: Path, text: str) -> None:
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    load_rule_set(path, ENVIRON, Options(reference_date=date(2026, 8, 7)))


def one(rule: str, parameters: str = "") -> str:
    """A rule set of one rule, written in flow style."""
    keys = "cryptoHashKey: k, dateShiftKey: k"
    return f"fhirPathRules: [{{path: Patient.birthDate, {rule}}}]\nparameters: {{{keys}{', ' if parameters else ''}{parameters}}}"


def test_it_is_a_schema_and_knows_what_is_read() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    parts = SCHEMA["$defs"]
    names = list(parts["methods"])
    assert [name.lower() for name in names] == list(SETTINGS)
    spelt, *patterns = parts["rule"]["properties"]["method"]["anyOf"]
    assert spelt["enum"] == names
    assert patterns == [{"$ref": f"#/$defs/methods/{name}"} for name in names]
    settings = {name.lower(): tuple(part["properties"]) for name, part in parts["settings"].items()}
    assert settings == {name: keys for name, keys in SETTINGS.items() if keys}
    for name, condition in zip(parts["settings"], parts["rule"]["allOf"], strict=True):
        assert condition["if"]["properties"]["method"] == {"$ref": f"#/$defs/methods/{name}"}
        assert condition["then"] == {"$ref": f"#/$defs/settings/{name}"}
    assert tuple(parts["parameters"]["properties"]) == PARAMETERS


def test_every_key_says_what_it_does() -> None:
    parts = SCHEMA["$defs"]
    objects = [SCHEMA, parts["rule"], parts["parameters"], *parts["settings"].values()]
    for keys in objects:
        assert [name for name, part in keys["properties"].items() if not part.get("description")] == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_our_rule_sets_are_valid(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


def test_our_own_rule_sets_name_it() -> None:
    for path in (ROOT / "config" / "rulesets").glob("*.yaml"):
        head = path.read_text(encoding="utf-8").partition("\n")[0]
        assert head == "# yaml-language-server: $schema=../../schemas/anonymization.schema.yaml"


@needs_shared
@pytest.mark.parametrize("path", SERVICE, ids=lambda path: path.stem)
def test_the_services_own_are_valid(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "fhirPathRules: []",
        "fhirVersion: r4\nfhirPathRules: []\nparameters:",
        one("method: KEEP, anything: {goes: [1]}"),
        one("method: cryptohash, truncateToMaxLength: '32'"),
        one("method: DateShift, dateShiftFixedOffsetInDays: -3"),
        one("method: substitute, replaceWith:"),
        one("method: substitute, replaceWith: 1970"),
        one("method: perturb, span: 0.5, rangeType: Proportional, roundTo: 0"),
        one("method: perturb, span: '1e2', roundTo: '28'"),
        one("method: generalize, cases: {$this: true}, otherValues: Keep"),
        one("method: pseudonymize, namespace: 7, domain-prefix: a, prefix: b, valueFrom: Resource.id"),
        one("method: redact", "enablePartialDatesForRedact: Yes, restrictedZipCodeTabulationAreas: ['036', 102]"),
        one("method: redact", "enablePartialAgesForRedact: on, enablePartialZipCodesForRedact: 'OFF'"),
        one("method: encrypt", "encryptKey: 1234567890123456, cryptoHashAlgorithm: BLAKE3, dateShiftScope: File"),
        one("method: encrypt", "encryptKey: " + "ä" * 8),
        one("method: keep", "dateShiftFixedOffsetInDays: '+7', dateShiftKeyPrefix: 1, keyDerivationContext: x"),
    ],
)  # fmt: skip
def test_what_is_read_is_valid(tmp_path: Path, text: str) -> None:
    load(tmp_path, text)
    assert faults(text) == []


BAD = [
    # the list of the specification, section 1.6
    "fhirVersion: R4",
    "fhirPathRules:",
    "fhirVersion: Stu3\nfhirPathRules: []",
    "fhirVersion: garbage\nfhirPathRules: []",
    "fhirPathRules: [{method: keep}]",
    "fhirPathRules: [{path: Patient}]",
    one("method: skip"),
    one("method: keep", "encryptKey: seventeen letters"),
    one("method: substitute"),
    one("method: perturb, span: 1, roundTo: one"),
    one("method: perturb, span: 1, roundTo: 1.5"),
    one("method: perturb, span: 1, roundTo: -1"),
    one("method: perturb, span: 1, roundTo: 29"),
    one("method: perturb"),
    one("method: perturb, span: wide"),
    one("method: perturb, span: -1"),
    one("method: perturb, span: 1, rangeType: round"),
    one("method: generalize"),
    one("method: generalize, cases: {}"),
    one("method: generalize, cases: {$this: [a]}"),
    one("method: generalize, cases: {$this: $this}, otherValues: drop"),
    # what the service refuses elsewhere
    "fhirPathRules: []\nprocessingErrors: skip",
    "fhirPathRules: []\nparameters: {dateShiftKye: x}",
    "fhirPathRules: [Patient]",
    "fhirPathRules: []\nparameters: [cryptoHashKey]",
    one("method: keep", "cryptoHashAlgorithm: md5"),
    one("method: keep", "dateShiftScope: patient"),
    one("method: keep", "dateShiftFixedOffsetInDays: soon"),
    one("method: keep", "enablePartialAgesForRedact: maybe"),
    one("method: keep", "restrictedZipCodeTabulationAreas: '036'"),
    # what it finds out when it runs, or never
    one("method: cryptoHash, truncateToMaxLength: long"),
    one("method: cryptoHash, truncateToMaxLength: -1"),
    one("method: dateshift, dateShiftFixedOffsetInDays: soon"),
    one("method: substitute, replaceWith: {text: x}"),
    one("method: pseudonymize, domain: [d]"),
    one("method: pseudonymize, domain: d, valueFrom: Patient.id"),
    one("method: pseudonymize, domain: d, entici: {resourceType: Patient, project: p}"),
    'fhirPathRules: [{path: "Patient\\n.name", method: keep}]',
    "fhirPathRules: [{path: ' ', method: keep}]",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_refused_is_refused_by_both(tmp_path: Path, text: str) -> None:
    assert faults(text) != []
    with pytest.raises(RuleSetError):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        one("method: keep").replace("Patient.birthDate", "'Patient.name.where('"),
        one("method: generalize, cases: {$this: 'a.b('}"),
        one("method: keep", "encryptKey: seventeen letters, keyDerivationContext: x"),
        one("method: encrypt", "encryptKey: '${DIMP_CRYPTO_HASH_KEY}'"),
    ],
)
def test_what_only_loading_can_tell(tmp_path: Path, text: str) -> None:
    assert faults(text) == []
    with pytest.raises(RuleSetError):
        load(tmp_path, text)


def test_a_fault_is_found_where_it_is() -> None:
    text: Any = yaml.safe_load(one("method: Perturb, span: 1, roundTo: 29"))
    (error,) = VALIDATOR.iter_errors(text)
    assert list(error.absolute_path) == ["fhirPathRules", 0, "roundTo"]
