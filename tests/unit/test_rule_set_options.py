"""Rule sets in their surroundings: settings of the configuration, strict mode, the reference date, the way back."""

from decimal import Decimal
from pathlib import Path

import pytest

from dimpflow.errors import RuleSetError
from dimpflow.ruleset.load import reversed_rule_set
from dimpflow.ruleset.rules import (
    CryptoHash,
    DateShift,
    Decrypt,
    Keep,
    Method,
    Perturb,
    Pseudonymize,
    Redact,
    Substitute,
)
from loading import KEYS, load, one_rule, refusal

# ---- the reference date --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "parameters", "needs"),
    [
        ("method: dateshift", "dateShiftFixedOffsetInDays: 1", True),
        ("method: redact", "enablePartialDatesForRedact: true", True),
        ("method: redact", "enablePartialAgesForRedact: true", False),
        ("method: keep", "enablePartialDatesForRedact: true", False),
        ("method: remove", "", False),
    ],
)
def test_who_judges_ages_needs_a_day(tmp_path: Path, settings: str, parameters: str, needs: bool) -> None:
    text = one_rule(settings, "Patient.birthDate", parameters)
    load(tmp_path, text)
    if needs:
        message = refusal(tmp_path, text, reference_date=None)
        assert message.startswith("rule 1 (Patient.birthDate) judges whether a date means an age over 89")
        assert "set services.dimp.reference_date (YYYY-MM-DD)" in message
    else:
        load(tmp_path, text, reference_date=None)


# ---- settings for all rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "settings", "expected"),
    [
        ("method: pseudonymize, domain: d", {"domain": "e"}, Pseudonymize("e")),
        ("method: pseudonymize, domain: d", {"namespace": "e"}, Pseudonymize("d")),
        ("method: pseudonymize", {"namespace": "e", "namespace-prefix": "p-"}, Pseudonymize("e", "p-")),
        (
            "method: pseudonymize, domain: d, domain-prefix: q-",
            {"domain-prefix": "p-"},
            Pseudonymize("d", "p-"),
        ),
        ("method: substitute, replaceWith: a", {"replaceWith": "b"}, Substitute("b")),
        (
            "method: perturb, span: 1",
            {"span": "0.5", "roundTo": "3", "rangeType": "proportional"},
            Perturb(Decimal("0.5"), True, 3),
        ),
        ("method: dateshift", {"dateShiftFixedOffsetInDays": "-3"}, DateShift(-3)),
        (
            "method: dateshift, dateShiftFixedOffsetInDays: 5",
            {"dateShiftFixedOffsetInDays": "-3"},
            DateShift(-3),
        ),
        ("method: keep", {"domain": "e"}, Keep()),
        ("method: cryptoHash, truncateToMaxLength: 20", {"domain": "e"}, CryptoHash(20)),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_settings_override_those_of_rules(
    tmp_path: Path, rule: str, settings: dict[str, str], expected: Method, strict: bool
) -> None:
    loaded = load(tmp_path, one_rule(rule), KEYS, settings=settings, strict=strict)
    assert loaded.rules[0].method == expected


def test_other_values_can_be_set_for_all_rules(tmp_path: Path) -> None:
    text = one_rule("method: generalize, cases: {$this: $this}")
    found = load(tmp_path, text, settings={"otherValues": "keep"}).rules[0].method
    assert getattr(found, "other_values", "") == "keep"


@pytest.mark.parametrize(
    "name", ["truncateToMaxLength", "cases", "entici", "path", "method", "Domain", "valueFrom"]
)
def test_settings_that_are_only_for_single_rules(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, one_rule("method: keep"), settings={name: "1"})
    assert message == (
        f"services.dimp.settings.{name} cannot be set for all rules; there are domain, namespace, domain-prefix, "
        "namespace-prefix, replaceWith, span, roundTo, rangeType, otherValues, dateShiftFixedOffsetInDays"
    )


def test_a_setting_for_all_rules_is_checked_as_their_own(tmp_path: Path) -> None:
    message = refusal(tmp_path, one_rule("method: perturb, span: 1"), KEYS, settings={"roundTo": "29"})
    assert message == "rule 1 (Patient.id): roundTo: expected a whole number from 0 to 28"


# ---- strict mode, what no rule reaches, the way back ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "settings", "words"),
    [
        ("Patient.nmae", "method: keep", "never matches: Patient has no element nmae; did you mean name?"),
        ("HumanName.family", "method: keep", "never matches: HumanName is no resource type; "),
        ("Patient.id", "method: pseudonymize", "domain is missing; strict mode takes none from the data"),
        (
            "Patient.id",
            "method: cryptoHash, truncateToMaxLength: 15",
            "truncateToMaxLength: 15 characters are too few to tell ids apart; strict mode wants at least 16",
        ),
        ("Patient.id", "method: keep, span: 1", "span is no setting of this method (it has: none)"),
        (
            "Patient.id",
            "method: cryptoHash, truncate: 16",
            "truncate is no setting of this method (it has: truncateToMaxLength)",
        ),
    ],
)
def test_what_only_strict_mode_refuses(tmp_path: Path, path: str, settings: str, words: str) -> None:
    text = one_rule(settings, path)
    assert load(tmp_path, text, KEYS).rules[0].path == path
    assert refusal(tmp_path, text, KEYS, strict=True).startswith(f"rule 1 ({path}): {words}")


def test_the_shortest_hash_of_strict_mode(tmp_path: Path) -> None:
    text = one_rule("method: cryptoHash, truncateToMaxLength: 16")
    assert load(tmp_path, text, KEYS, strict=True).rules[0].method == CryptoHash(16)


def test_strictly_a_bundle_is_no_domain_resource(tmp_path: Path) -> None:
    text = one_rule("method: keep", "DomainResource.id")
    types = ("Patient", "Bundle", "Binary", "Parameters")
    loose, strict = load(tmp_path, text, KEYS), load(tmp_path, text, KEYS, strict=True)
    assert [loose.rules[0].applies_to(one) for one in types] == [True, True, True, True]
    assert [strict.rules[0].applies_to(one) for one in types] == [True, False, False, False]


@pytest.mark.parametrize(
    ("path", "types"),
    [
        ("name", ["Patient", "Bundle"]),
        ("Resource.id", ["Patient", "Bundle"]),
        ("Patient.id", ["Patient"]),
        ("Patient", ["Patient"]),
        ("HumanName.use", []),
    ],
)
def test_to_what_rules_apply(tmp_path: Path, path: str, types: list[str]) -> None:
    checked = load(tmp_path, one_rule("method: keep", path), KEYS).rules[0]
    assert [one for one in ("Patient", "Bundle") if checked.applies_to(one)] == types


def test_a_rule_that_cannot_match_is_refused_only_strictly(tmp_path: Path) -> None:
    text = one_rule("method: redact", "HumanName.family")
    assert load(tmp_path, text).warnings == ()
    assert refusal(tmp_path, text, strict=True) == (
        "rule 1 (HumanName.family): never matches: HumanName is no resource type; for a data type write "
        "nodesByType('HumanName')"
    )


def test_what_no_rule_reaches_can_be_redacted(tmp_path: Path) -> None:
    text = one_rule("method: keep")
    assert len(load(tmp_path, text, KEYS, unmatched="keep").rules) == 1
    last = load(tmp_path, text, KEYS, unmatched="redact", strict=True).rules[1]
    assert (last.number, last.method, last.resource_type, last.expression) == (2, Redact(), "Resource", None)
    assert last.strict and last.applies_to("Bundle")


def test_the_way_back_has_only_what_was_encrypted(tmp_path: Path) -> None:
    paths = ("Patient.id, method: encrypt", "Patient.name, method: redact", "Patient.gender, method: encrypt")
    text = "fhirPathRules: [" + ", ".join(f"{{path: {one}}}" for one in paths) + "]"
    loaded = load(tmp_path, text, KEYS)
    back = reversed_rule_set(loaded)
    assert [(r.number, r.path, r.method) for r in back.rules] == [
        (1, "Patient.id", Decrypt()),
        (3, "Patient.gender", Decrypt()),
    ]
    assert (back.parameters, back.options, back.sha256) == (loaded.parameters, loaded.options, loaded.sha256)
    with pytest.raises(RuleSetError, match=r"rules\.yaml: no rule encrypts, so there is nothing to decrypt"):
        reversed_rule_set(load(tmp_path, one_rule("method: keep"), KEYS))
