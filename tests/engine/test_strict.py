"""Strict mode beside compat: each hazard of section 8 of the specification, and what closes it; by walk and by tree."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from rules import apply, engine, rule, rule_set

from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError, RuleSetError
from dimpflow.ruleset.load import reversed_rule_set

Json = Any
UUID = "9d9b8bed-7b79-7fa9-cea1-f133a6b4d551"


def both(*rules: Mapping[str, Any], on: Json, **options: Any) -> tuple[Json, Json]:
    """(compat, strict) of a resource; compiled walks and tree have to agree in each."""
    found = []
    for strict in (False, True):
        machines = [engine(*rules, strict=strict, only_tree=tree, **options) for tree in (False, True)]
        results = [apply(machine, on) for machine in machines]
        assert results[0] == results[1]
        found.append(results[0])
    return found[0], found[1]


def refused(*rules: Mapping[str, Any], **options: Any) -> str:
    """The message with which strict mode refuses rules that compat takes."""
    rule_set(rules, **options)
    with pytest.raises(RuleSetError) as error:
        rule_set(rules, strict=True, **options)
    return str(error.value)


def hashed(text: str, length: int = 64) -> str:
    return hmac.new(b"fhir-pseudonymizer", text.encode(), hashlib.sha256).hexdigest()[:length]


def test_1_what_no_rule_reaches_can_be_redacted() -> None:
    patient = {
        "resourceType": "Patient",
        "gender": "male",
        "birthDate": "1970-01-01",
        "text": {"div": "<div>Max</div>"},
    }
    kept = engine(rule("Patient.gender", "keep"), strict=True)
    assert apply(kept, patient) == {k: patient[k] for k in ("resourceType", "text", "gender", "birthDate")}
    redacted = engine(rule("Patient.gender", "keep"), strict=True, unmatched="redact")
    assert apply(redacted, patient) == {"resourceType": "Patient", "gender": "male"}
    assert [count.path for count in redacted.take_counts()] == ["Patient.gender", "(what no rule reaches)"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("HumanName.family", "write nodesByType('HumanName')"),
        ("Observation.valueString", "say value.ofType(string)"),
        ("HealthcareService.notAvaliable.description", "did you mean notAvailable?"),
        ("nodesByType('Humanname')", "did you mean HumanName?"),
    ],
)
def test_2_rules_that_can_never_match_are_refused(path: str, words: str) -> None:
    assert words in refused(rule(path, "redact"))


def test_4_a_union_selects_equal_values_too() -> None:
    patient = {"resourceType": "Patient", "identifier": [
        {"value": "x", "period": {"start": "2020-01-01", "end": "2020-01-01"}}, {"value": "y", "period": {"start": "2020-01-01"}},
    ]}  # fmt: skip
    compat, strict = both(rule("nodesByType('date') | nodesByType('dateTime')", "redact"), on=patient)
    assert json.dumps(compat).count("2020-01-01") == 2
    assert strict == {"resourceType": "Patient", "identifier": [{"value": "x"}, {"value": "y"}]}


def test_5_a_case_that_cannot_be_decided_clears() -> None:
    clamp = rule(
        "Patient.birthDate", "generalize", cases={"$this < @1931-01-01": "@1930-01-01"}, otherValues="keep"
    )
    compat, strict = both(clamp, on={"resourceType": "Patient", "birthDate": "1931"})
    assert (compat.get("birthDate"), strict.get("birthDate")) == ("1930-01-01", None)
    for result in both(clamp, on={"resourceType": "Patient", "birthDate": "1929-05"}):
        assert result["birthDate"] == "1930-01-01"


class Test6DateShift:
    """A keyed offset per patient in place of the polynomial over the id of whatever stands outermost."""

    RULES = (rule("nodesByType('date')", "dateshift"), rule("nodesByType('dateTime')", "dateshift"))
    KEY = {"dateShiftKey": "a key for tests"}  # noqa: RUF012

    def days(self, resource: Json, where: str, strict: bool = True) -> int:
        from datetime import date

        done = apply(engine(*self.RULES, strict=strict, parameters=self.KEY), resource)
        return (date.fromisoformat(done[where][:10]) - date.fromisoformat(resource[where][:10])).days

    def test_the_intervals_of_a_patient_stay(self) -> None:
        patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1970-05-05"}
        condition = {
            "resourceType": "Condition",
            "id": "c1",
            "subject": {"reference": "Patient/p1"},
            "recordedDate": "2020-05-05",
        }
        encounter = {
            "resourceType": "Immunization",
            "id": "i",
            "patient": {"reference": "http://s/Patient/p1"},
            "occurrenceDateTime": "2020-05-05",
        }
        shifts = [
            self.days(patient, "birthDate"),
            self.days(condition, "recordedDate"),
            self.days(encounter, "occurrenceDateTime"),
        ]
        assert len(set(shifts)) == 1
        compat = {self.days(patient, "birthDate", False), self.days(condition, "recordedDate", False)}
        assert len(compat) == 2

    def test_never_by_nothing_and_different_for_each_patient(self) -> None:
        shifts = {
            number: self.days(
                {"resourceType": "Patient", "id": f"p{number}", "birthDate": "1970-05-05"}, "birthDate"
            )
            for number in range(400)
        }
        assert 0 not in shifts.values() and min(shifts.values()) == -50 and max(shifts.values()) == 50
        assert len(set(shifts.values())) > 90

    def test_in_a_bundle_and_alone_alike_whatever_was_hashed_before(self) -> None:
        patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1970-05-05"}
        rules = (rule("Resource.id", "cryptoHash"), *self.RULES)
        machine = engine(*rules, strict=True, parameters=self.KEY)
        bundle = {"resourceType": "Bundle", "id": "b", "entry": [{"resource": patient}]}
        alone, within = apply(machine, patient), apply(machine, bundle)["entry"][0]["resource"]
        assert (
            alone["birthDate"]
            == within["birthDate"]
            == apply(engine(*self.RULES, strict=True, parameters=self.KEY), patient)["birthDate"]
        )

    def test_contained_resources_go_with_their_container(self) -> None:
        inner = {"resourceType": "Condition", "id": "x", "recordedDate": "2020-05-05"}
        outer = {"resourceType": "Observation", "subject": {"reference": "Patient/p1"}, "contained": [inner]}
        _, strict = both(*self.RULES, on=outer, parameters=self.KEY)
        alone = {
            "resourceType": "Condition",
            "subject": {"reference": "Patient/p1"},
            "recordedDate": "2020-05-05",
        }
        assert (
            strict["contained"][0]["recordedDate"]
            == both(*self.RULES, on=alone, parameters=self.KEY)[1]["recordedDate"]
        )

    def test_without_a_key_neither_mode_starts(self) -> None:
        for strict in (False, True):
            with pytest.raises(RuleSetError, match="dateShiftKey is empty"):
                rule_set(self.RULES, {"dateShiftKey": ""}, strict=strict)


def test_7_without_a_key_neither_mode_hashes() -> None:
    for strict in (False, True):
        with pytest.raises(RuleSetError, match="cryptoHashKey is empty"):
            rule_set([rule("Resource.id", "cryptoHash")], {"cryptoHashKey": ""}, strict=strict)


def test_8_a_date_that_is_none_does_not_stay() -> None:
    partial = {"enablePartialDatesForRedact": "true"}
    patient = {"resourceType": "Patient", "birthDate": "around 70"}
    compat, strict = both(rule("Patient.birthDate", "redact"), on=patient, parameters=partial)
    assert compat == patient and strict == {"resourceType": "Patient"}


def test_9_short_codes_and_letters_of_postal_codes_do_not_stay() -> None:
    codes = ["98028-1830", "12", "123", "SW1A 1AA", "01067"]
    patient = {"resourceType": "Patient", "address": [{"postalCode": code} for code in codes]}
    partial = {"enablePartialZipCodesForRedact": "true"}
    compat, strict = both(rule("nodesByType('Address')", "redact"), on=patient, parameters=partial)
    assert [a.get("postalCode") for a in compat["address"]] == [
        "98000-0000",
        "12",
        "123",
        "SW1A 0AA",
        "01000",
    ]
    assert [a.get("postalCode") for a in strict["address"]] == ["98000-0000", "SW10 000", "01000"]


def test_10_links_hold_and_nothing_of_a_server_stays() -> None:
    rules = (
        rule("Resource.id", "cryptoHash", truncateToMaxLength="16"),
        rule("nodesByType('Reference').reference", "cryptoHash", truncateToMaxLength="16"),
        rule("Bundle.entry.fullUrl", "cryptoHash", truncateToMaxLength="16"),
        rule("Bundle.entry.request.url", "cryptoHash", truncateToMaxLength="16"),
    )
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": f"urn:uuid:{UUID}", "resource": {"resourceType": "Patient", "id": UUID}, "request": {"method": "POST", "url": "Patient"}},
        {"fullUrl": "https://my-server.org/fhir/Encounter/e1", "resource": {"resourceType": "Encounter", "id": "e1", "subject": {"reference": f"urn:uuid:{UUID}"}},
         "request": {"method": "PUT", "url": "Encounter/e1"}},
        {"resource": {"resourceType": "Condition", "encounter": {"reference": "https://my-server.org/fhir/Encounter/e1/_history/3"}},
         "request": {"method": "PUT", "url": "Condition?identifier=https://clinic.example/sid|4711"}},
    ]}  # fmt: skip
    compat, strict = both(*rules, on=bundle)
    h = lambda text: hashed(text, 16)  # noqa: E731
    patient, encounter, condition = strict["entry"]
    assert patient["fullUrl"] == encounter["resource"]["subject"]["reference"] == f"urn:uuid:{h(UUID)}"
    assert patient["request"]["url"] == "Patient"
    assert (
        encounter["fullUrl"]
        == condition["resource"]["encounter"]["reference"]
        == f"Encounter/{h('e1')}"
        == encounter["request"]["url"]
    )
    assert condition["request"]["url"] == f"Condition?identifier={h('4711')}"
    assert "my-server" not in json.dumps(strict) and "clinic" not in json.dumps(strict)
    # compat: the links are lost, the POST is broken, the identifier's system stays
    assert (
        compat["entry"][0]["fullUrl"]
        == h(f"urn:uuid:{UUID}")
        != compat["entry"][1]["resource"]["subject"]["reference"]
    )
    assert compat["entry"][0]["request"]["url"] == h("Patient")
    assert "clinic.example" in compat["entry"][2]["request"]["url"]


@pytest.mark.parametrize("length", ["0", "8", "15"])
def test_11_hashes_too_short_to_tell_ids_apart_are_refused(length: str) -> None:
    assert "at least 16" in refused(rule("Resource.id", "cryptoHash", truncateToMaxLength=length))


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("cryptoHash", {}),
        ("pseudonymize", {"domain": "d"}),
        ("encrypt", {}),
        ("generalize", {"cases": {"$this": "'1999'"}}),
    ],
)
def test_12_what_stands_beside_a_value_is_left_to_other_rules(method: str, settings: dict[str, Any]) -> None:
    extension = {"url": "http://hl7.org/x", "valueString": "Max"}
    patient = {"resourceType": "Patient", "birthDate": "1970-01-01", "_birthDate": {"extension": [extension]}}
    changing = rule("Patient.birthDate", method, **settings)
    key = {"encryptKey": "fhir-pseudonymizer000000"}
    compat, strict = both(changing, on=patient, parameters=key)
    assert compat["_birthDate"]["extension"][0]["url"] != extension["url"]
    assert (
        strict["_birthDate"]["extension"] == [extension]
        and strict["birthDate"] == compat["birthDate"] != "1970-01-01"
    )
    _, then = both(changing, rule("nodesByType('Extension')", "redact"), on=patient, parameters=key)
    assert "_birthDate" not in then and then["birthDate"] == strict["birthDate"]


def test_13_ages_with_a_fraction_and_instants() -> None:
    condition = {"resourceType": "Condition", "onsetAge": {"value": 35.5}, "abatementAge": {"value": 89.5}}
    ages = (rule("nodesByType('Age')", "redact"),)
    partial = {"enablePartialAgesForRedact": "true", "enablePartialDatesForRedact": "true"}
    strict = apply(engine(*ages, strict=True, parameters=partial), condition)
    assert strict == {"resourceType": "Condition", "onsetAge": {"value": "number 35.5"}}
    with pytest.raises(LineError, match="whole number"):
        apply(engine(*ages, parameters=partial), condition)
    report = {"resourceType": "DiagnosticReport", "issued": "2020-06-01T10:00:00Z"}
    compat, strict = both(rule("nodesByType('instant')", "redact"), on=report, parameters=partial)
    assert compat["issued"] == "2020-01-01T00:00:00+00:00" and "issued" not in strict


class Test14Structure:
    """Shells, removing resources, labels."""

    PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Max"}]}  # noqa: RUF012

    def test_an_emptied_contained_resource_goes(self) -> None:
        observation = {"resourceType": "Observation", "status": "final", "contained": [self.PATIENT]}
        for redacting in (rule("Observation.contained", "redact"), rule("Patient", "redact")):
            compat, strict = both(redacting, on=observation)
            assert compat["contained"] == [{"resourceType": "Patient"}] and "contained" not in strict

    def test_remove_by_type_takes_the_entry_out(self) -> None:
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [
            {"fullUrl": "urn:x", "resource": self.PATIENT}, {"resource": {"resourceType": "Basic", "id": "b"}},
        ]}  # fmt: skip
        for only_tree in (False, True):
            with pytest.raises(LineError, match="cannot take a resource out"):
                apply(engine(rule("Patient", "remove"), only_tree=only_tree), bundle)
            strict = apply(engine(rule("Patient", "remove"), strict=True, only_tree=only_tree), bundle)
            assert strict["entry"] == [bundle["entry"][1]]  # type: ignore[index]
        compat, strict = both(rule("Bundle.entry.resource.where(id = 'p')", "remove"), on=bundle)
        assert compat["entry"][0] == {"fullUrl": "urn:x"} and strict["entry"] == [bundle["entry"][1]]  # type: ignore[index]

    def test_remove_takes_a_contained_resource_out(self) -> None:
        observation = {"resourceType": "Observation", "status": "final", "contained": [self.PATIENT]}
        strict = apply(engine(rule("Patient", "remove"), strict=True), observation)
        assert strict == {"resourceType": "Observation", "status": "final"}

    def test_an_entry_says_what_was_done_to_it(self) -> None:
        bundle = {"resourceType": "Bundle", "entry": [{"resource": self.PATIENT}]}
        compat, strict = both(rule("Bundle.entry.resource.name", "redact"), on=bundle, labels=True)
        assert [label["code"] for label in strict["entry"][0]["resource"]["meta"]["security"]] == ["REDACTED"]
        assert "meta" not in compat["entry"][0]["resource"]
        assert compat["meta"] == strict["meta"]


def test_15_what_cannot_be_decrypted_is_an_error() -> None:
    key = {"encryptKey": "fhir-pseudonymizer000000"}
    encrypting = [rule("Patient.identifier.value", "encrypt")]
    patient = {"resourceType": "Patient", "identifier": [{"value": "123456"}]}
    for strict in (False, True):
        rules = rule_set(encrypting, key, strict=strict)
        done = apply(Engine(rules, security_labels=False), patient)
        back = Engine(reversed_rule_set(rules), security_labels=False)
        assert apply(back, done) == patient
        if strict:
            with pytest.raises(
                LineError, match=r"cannot be decrypted with this key at \$\.identifier\[0\]\.value"
            ):
                apply(back, patient)
        else:
            assert apply(back, patient) == patient


def test_18_labels_are_the_same() -> None:
    patient = {"resourceType": "Patient", "id": "p", "name": [{"family": "x"}]}
    rules = (rule("Resource.id", "cryptoHash"), rule("Patient.name", "redact"))
    compat, strict = both(*rules, on=patient, labels=True)
    assert compat == strict and [label["code"] for label in strict["meta"]["security"]] == [
        "REDACTED",
        "CRYTOHASH",
    ]


def test_19_a_domain_is_required_and_only_domain_resources_are_such() -> None:
    assert "domain is missing" in refused(rule("Resource.id", "pseudonymize"))
    bundle = {
        "resourceType": "Bundle",
        "id": "b",
        "entry": [{"resource": {"resourceType": "Patient", "id": "p", "active": True}}],
    }
    compat, strict = both(rule("DomainResource.id", "redact"), on=bundle)
    assert "id" not in compat and strict["id"] == "b"
    assert strict["entry"] == compat["entry"] == [{"resource": {"resourceType": "Patient", "active": True}}]


def test_21_master_keys_of_any_length_and_offsets_in_rules() -> None:
    derived = {"keyDerivationContext": "project-a", "encryptKey": "a master key of another length"}
    with pytest.raises(RuleSetError, match="AES needs 16, 24 or 32"):
        rule_set([rule("Patient.id", "encrypt")], derived)
    assert re.fullmatch(
        "[0-9A-F]+",
        apply(
            engine(rule("Patient.id", "encrypt"), strict=True, parameters=derived),
            {"resourceType": "Patient", "id": "p"},
        )["id"],
    )
    shifting = rule("Patient.birthDate", "dateshift", dateShiftFixedOffsetInDays="10")
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1970-01-01"}
    compat, strict = both(shifting, on=patient, parameters={"dateShiftKey": "dummy"})
    assert strict["birthDate"] == "1970-01-11" != compat["birthDate"]
    with pytest.raises(RuleSetError, match="truncateToMaxLenght is no setting of this method"):
        rule_set([rule("Patient.id", "cryptoHash", truncateToMaxLenght="32")], strict=True)
