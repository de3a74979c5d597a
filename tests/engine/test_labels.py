"""Security labels: which, in which order, and when none (specification of the rules, sections 2.6 and 2.7)."""

from typing import Any

from both_ways import labels, outcome
from rules import rule

NAME = {"resourceType": "Patient", "name": [{"family": "Doe"}]}


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


ALL = [
    rule("Patient.identifier.value", "pseudonymize", domain="d"),
    rule("Patient.language", "generalize", cases={"$this": "'de'"}),
    rule("Patient.communication", "substitute", replaceWith='{"language":{"text":"x"}}'),
    rule("Patient.birthDate", "dateshift"),
    rule("Patient.implicitRules", "encrypt"),
    rule("Patient.id", "cryptoHash"),
    rule("Patient.address.postalCode", "redact"),
    rule("Patient.name", "redact"),
    rule("Patient.active", "remove"),
]
PARAMETERS = {"dateShiftKey": "k", "encryptKey": "sixteen-letters-", "enablePartialZipCodesForRedact": "true"}
FULL = patient(
    id="p", implicitRules="u", language="en", active=True, birthDate="2000-01-01", name=[{"family": "Doe"}],
    identifier=[{"value": "1"}], address=[{"postalCode": "12345"}], communication=[{"language": {"text": "a"}}],
)  # fmt: skip
VALUES = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"


def test_all_labels_in_their_order() -> None:
    done = outcome(
        {**FULL, "meta": {"security": [{"code": "own"}]}}, *ALL, parameters=PARAMETERS, labels=True
    )
    assert done["meta"]["security"] == [
        {"code": "own"},
        {"system": VALUES, "code": "REDACTED", "display": "redacted"},
        {"system": VALUES, "code": "ABSTRED", "display": "abstracted"},
        {"system": VALUES, "code": "CRYTOHASH", "display": "cryptographic hash function"},
        {"system": VALUES, "code": "MASKED", "display": "masked"},
        {"code": "PERTURBED", "display": "exact value is replaced with another exact value"},
        {"code": "SUBSTITUTED", "display": "exact value is replaced with a predefined value"},
        {"code": "GENERALIZED", "display": "exact value is replaced with a general value"},
        {"system": VALUES, "code": "PSEUDED", "display": "pseudonymized"},
    ]


def test_removal_is_labelled_last() -> None:
    rules = [one for one in ALL if one["path"] not in ("Patient.name", "Patient.address.postalCode")]
    assert labels(FULL, *rules, parameters=PARAMETERS)[-2:] == ["PSEUDED", "REDACTED"]


def test_labels_that_are_there_in_any_spelling() -> None:
    marked = {**FULL, "meta": {"security": [{"code": " crytohash "}, {"code": "Masked"}, {"display": "x"}]}}
    found = outcome(marked, *ALL, parameters=PARAMETERS, labels=True)["meta"]["security"]
    codes = [label.get("code") for label in found]
    assert codes == [
        " crytohash ",
        "Masked",
        None,
        "REDACTED",
        "ABSTRED",
        "PERTURBED",
        "SUBSTITUTED",
        "GENERALIZED",
        "PSEUDED",
    ]


def test_what_changes_nothing_is_not_labelled() -> None:
    beside = patient(name=[{"_family": {"extension": [{"url": "u"}]}}])
    for method in ("cryptoHash", "encrypt", "dateshift", "redact", "pseudonymize"):
        path = "Patient.name.family"
        kept = rule(f"{path}.extension.url", "keep")
        assert labels(beside, kept, rule(path, method), parameters=PARAMETERS) == []
        assert labels(NAME, rule("Patient.birthDate", method), parameters=PARAMETERS) == []
    assert labels(NAME, rule("Patient.name", "dateshift"), parameters=PARAMETERS) == []
