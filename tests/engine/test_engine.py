"""How rules meet resources: order, what is kept, pruning, labels, counts, refusals."""

import json
from typing import Any

import pytest
from both_ways import outcome
from rules import apply, engine, parse, rule, rule_set

from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError

NAME = {"use": "official", "family": "Doe", "given": ["A", "B"], "period": {"end": "2002"}}
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "male", "name": [NAME, {"given": ["x"]}]}


def test_nothing_matches_nothing_changes() -> None:
    assert apply(engine(rule("Observation.value", "redact")), PATIENT) == PATIENT


def test_first_rule_wins() -> None:
    keep, redact = rule("Patient.name.use", "keep"), rule("nodesByType('HumanName')", "redact")
    assert apply(engine(keep, redact), PATIENT)["name"] == [{"use": "official"}]
    assert "name" not in apply(engine(redact, keep), PATIENT)


def test_keep_protects_all_below() -> None:
    done = apply(engine(rule("Patient.name", "keep"), rule("Resource", "redact")), PATIENT)
    assert done == {"resourceType": "Patient", "name": PATIENT["name"]}


def test_a_rule_below_a_rule_does_nothing() -> None:
    done = apply(engine(rule("Patient.name", "keep"), rule("Patient.name.family", "redact")), PATIENT)
    assert done["name"] == PATIENT["name"]


def test_emptied_objects_and_lists_go() -> None:
    done = apply(
        engine(rule("nodesByType('string')", "redact"), rule("nodesByType('code')", "redact")), PATIENT
    )
    assert done == {"resourceType": "Patient", "id": "p1", "name": [{"period": {"end": "2002"}}]}


def test_remove_takes_kept_parts_along() -> None:
    done = apply(engine(rule("Patient.name.use", "keep"), rule("Patient.name", "remove")), PATIENT)
    assert "name" not in done


def test_numbers_keep_their_spelling_and_keys_get_definition_order() -> None:
    machine = engine()
    text = b'{"valueQuantity":{"unit":"g","value":476.90},"status":"final","code":{"text":"c"},"resourceType":"Observation"}'
    assert machine.deidentify(text) == (
        b'{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"value":476.90,"unit":"g"}}'
    )
    for number in (b"1.0", b"8E+1", b"-0.00", b"108.80000000000001", b"1" * 40):
        observation = b'{"resourceType":"Observation","valueQuantity":{"value":%s}}' % number
        assert machine.deidentify(observation) == observation


def test_nested_resources_are_processed_one_by_one() -> None:
    machine = engine(rule("Patient.name", "redact"), rule("Resource.id", "cryptoHash", truncateToMaxLength=8))
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"resource": {"resourceType": "Observation", "id": "o", "contained": [PATIENT]}},
            {"resource": PATIENT},
        ],
    }
    done = apply(machine, bundle)
    hashed = apply(machine, PATIENT)
    assert hashed["id"] != "p1" and "name" not in hashed
    assert done["entry"][1]["resource"] == hashed
    assert done["entry"][0]["resource"]["contained"] == [hashed]


def test_rules_of_the_bundle_reach_into_entries_and_label_the_bundle() -> None:
    machine = engine(rule("Bundle.entry.resource.name", "redact"), labels=True)
    done = apply(machine, {"resourceType": "Bundle", "entry": [{"resource": PATIENT}]})
    assert [label["code"] for label in done["meta"]["security"]] == ["REDACTED"]
    assert "meta" not in done["entry"][0]["resource"] and "name" not in done["entry"][0]["resource"]


def test_labels_of_entries_and_of_contained_resources() -> None:
    machine = engine(rule("Patient.name", "redact"), labels=True)
    observation = {"resourceType": "Observation", "contained": [PATIENT]}
    done = apply(
        machine, {"resourceType": "Bundle", "entry": [{"resource": PATIENT}, {"resource": observation}]}
    )
    codes = [[label["code"] for label in entry["resource"]["meta"]["security"]] for entry in done["entry"]]
    assert codes == [["REDACTED"], ["REDACTED"]]
    assert "meta" not in done["entry"][1]["resource"]["contained"][0]
    assert [label["code"] for label in done["meta"]["security"]] == ["REDACTED"]


def test_labels_are_not_doubled() -> None:
    machine = engine(rule("Patient.name", "redact"), labels=True)
    marked = {**PATIENT, "meta": {"security": [{"code": "redacted"}, {"system": "s"}]}}
    assert apply(machine, marked)["meta"]["security"] == [{"code": "redacted"}, {"system": "s"}]


def test_what_stands_beside_a_primitive_follows_its_rule() -> None:
    extension = {"url": "http://x", "valueString": "secret"}
    patient = {
        "resourceType": "Patient",
        "birthDate": "1970-01-01",
        "_birthDate": {"extension": [extension]},
        "name": [{"given": ["A", None, "C"], "_given": [None, {"id": "i"}, {"extension": [extension]}]}],
    }
    kept = apply(engine(), patient)
    assert kept == patient
    assert "secret" not in json.dumps(apply(engine(rule("nodesByType('Extension')", "redact")), patient))
    done = apply(engine(rule("Patient.name.given", "redact"), rule("Patient.birthDate", "remove")), patient)
    assert done == {"resourceType": "Patient"}
    only_values = apply(
        engine(
            rule("Patient.name.given.extension", "keep"),
            rule("Patient.name.given.where($this='C')", "redact"),
        ),
        patient,
    )
    assert only_values["name"] == [
        {"given": ["A", None, None], "_given": [None, {"id": "i"}, {"extension": [extension]}]}
    ]


@pytest.mark.parametrize(
    "resource",
    [
        {**PATIENT, "_gender": {"extension": [{"url": "http://x", "valueCode": "D"}]}},
        {
            **PATIENT,
            "extension": [
                {"url": "http://x", "valueReference": {"reference": "Patient/p1", "display": "Doe"}}
            ],
        },
        {**PATIENT, "contact": [{"modifierExtension": [{"url": "http://x", "valueDecimal": 1.50}]}]},
    ],
)
def test_the_full_and_the_plain_model_agree(resource: dict[str, Any]) -> None:
    """The same rules on the same resource, with something that only the full model has put in and taken out again."""
    rules = [
        rule("nodesByType('Extension')", "remove"),
        rule("Patient.name.family", "redact"),
        rule("nodesByType('id')", "cryptoHash"),
        rule("Patient.name.where(use='official').given", "redact"),
        rule("Patient.gender", "keep"),
    ]
    plain, full = engine(*rules), engine(*rules)
    assert apply(full, resource) == {**apply(plain, PATIENT)}
    counts, full_counts = plain.take_counts(), full.take_counts()
    assert [(c.matched, c.changed) for c in full_counts][1:] == [(c.matched, c.changed) for c in counts][1:]
    assert full_counts[0].matched == 1
    assert all(c.matched == 0 for c in full.take_counts())


def test_pseudonyms_and_domains() -> None:
    machine = engine(
        rule(
            "Patient.identifier.value",
            "pseudonymize",
            domain="mr",
            prefix="MR_",
            **{"domain-prefix": "site-"},
        ),
        rule("nodesByType('Reference').reference", "pseudonymize"),
        pseudonyms=lambda domain, value: f"<{domain}|{value}>",
    )
    done = apply(
        machine,
        {
            "resourceType": "Patient",
            "identifier": [{"value": "1"}],
            "managingOrganization": {"reference": "Organization/2"},
        },
    )
    assert done["identifier"] == [{"value": "MR_<site-mr|1>"}]
    assert done["managingOrganization"] == {"reference": "Organization/<Organization|2>"}
    with pytest.raises(LineError, match=r"rule 2 .* needs a domain"):
        apply(machine, {"resourceType": "Patient", "managingOrganization": {"reference": "#x"}})


def test_keyed_pseudonyms_depend_on_key_domain_and_value_only() -> None:
    def pseudonym(key: str, domain: str, value: str) -> str:
        rules = rule_set(
            [rule("Patient.identifier.value", "pseudonymize", domain=domain)], {"cryptoHashKey": key}
        )
        patient = json.dumps({"resourceType": "Patient", "identifier": [{"value": value}]}).encode()
        return str(parse(Engine(rules).deidentify(patient))["identifier"][0]["value"])

    base = pseudonym("k", "d", "v")
    assert base == pseudonym("k", "d", "v") and len(base) == 20
    assert len({base, pseudonym("l", "d", "v"), pseudonym("k", "e", "v"), pseudonym("k", "d", "w")}) == 4
    assert pseudonym("k", "ab", "c") != pseudonym("k", "a", "bc")


def test_a_name_becomes_one_pseudonym_of_the_patient() -> None:
    machine = engine(
        rule("Patient.name.use", "keep"),
        rule("Patient.name", "pseudonymize", domain="patient", prefix="PT_", valueFrom="Resource.id"),
        rule("Resource.id", "redact"),
        pseudonyms=lambda domain, value: f"{domain}:{value}",
    )
    assert apply(machine, PATIENT)["name"] == [
        {"use": "official", "text": "PT_patient:p1"},
        {"text": "PT_patient:p1"},
    ]
    without_id = {key: value for key, value in PATIENT.items() if key != "id"}
    assert apply(machine, without_id)["name"] == [{"use": "official"}]
    contained = apply(
        machine, {"resourceType": "Observation", "id": "o", "contained": [{**PATIENT, "id": "c"}]}
    )
    assert contained["contained"][0]["name"][1] == {"text": "PT_patient:c"}


def test_generalize() -> None:
    year = rule("Patient.birthDate", "generalize", cases={"$this": "$this.toString().substring(0,4)"})
    assert apply(engine(year), {"resourceType": "Patient", "birthDate": "1970-02-03"})["birthDate"] == "1970"
    cases = {"$this = 'male'": "'other'", "$this = 'female'": "'unknown'"}
    assert apply(engine(rule("Patient.gender", "generalize", cases=cases)), PATIENT)["gender"] == "other"
    other = {**PATIENT, "gender": "other"}
    assert "gender" not in apply(engine(rule("Patient.gender", "generalize", cases=cases)), other)
    kept = engine(rule("Patient.gender", "generalize", cases=cases, otherValues="keep"))
    assert apply(kept, other)["gender"] == "other"
    with pytest.raises(LineError, match="what it gives is no bound code"):
        apply(engine(rule("Patient.gender", "generalize", cases={"$this": "'m'"})), PATIENT)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"resourceType":"Patient","nickname":"Max"}', "an element that FHIR R4 does not have here at $"),
        ('{"resourceType":"Patient","name":[{"familie":"Max"}]}', "does not have here at $.name[0]"),
        ('{"resourceType":"Patient","name":"Max"}', "Expected `object`, got `str` at $.name[0]"),
        ('{"resourceType":"Patient","gender":"Max"}', "a code that FHIR R4 does not allow here at $.gender"),
        ('{"resourceType":"Observation","valueString":"Max","valueInteger":1}', "several variants of an element"),
        ('{"resourceType":"Observation","issued":"Max"}', "expected a date and time with seconds and zone"),
        ('{"resourceType":"Binary","data":"Max"}', "expected base64 at $.data"),
        ('{"resourceType":"Patient","multipleBirthInteger":3000000000}', "at $.multipleBirthInteger"),
        ('{"resourceType":"Patient","active":"Max"}', "at $.active"),
        ('{"resourceType":"Observation","valueQuantity":{"value":"Max"}}', "expected a number for a decimal"),
        ('{"resourceType":"Observation","valueQuantity":{"value":{"x":"Max"}}}', "expected a number for a decimal"),
        ('{"resourceType":"Max"}', "not a FHIR R4 resource"),
        ('{"resourceType":"Patient","name":[{"family":"Max"', "truncated"),
        ('{"resourceType":"Bundle","entry":[{},{"resource":{"resourceType":"Patient","x":"Max"}}]}', "$.entry[1].resource"),
        ('{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Max"}}]}', "$.entry[0].resource"),
    ],
)  # fmt: skip
def test_what_is_not_fhir_is_refused_without_a_word_of_its_content(text: str, reason: str) -> None:
    with pytest.raises(LineError) as error:
        engine(rule("Resource.id", "redact")).deidentify(text.encode())
    assert reason in str(error.value)
    assert (
        "Max" not in str(error.value) and "nickname" not in str(error.value) and "\n" not in str(error.value)
    )


def test_a_hash_does_not_fit_into_a_boolean() -> None:
    machine = engine(rule("Patient.active", "cryptoHash"))
    with pytest.raises(LineError, match=r"rule 1 \(Patient.active\): cryptoHash: .* boolean at \$\.active"):
        apply(machine, {"resourceType": "Patient", "active": True})


def test_a_rule_sees_what_an_earlier_one_has_changed() -> None:
    by_code = rule("nodesByType('Identifier').where(type.coding.where(code='MR').exists()).value", "redact")
    codes = rule("nodesByType('Coding').code", "redact")
    patient = {
        "resourceType": "Patient",
        "identifier": [{"type": {"coding": [{"system": "s", "code": "MR"}]}, "value": "1"}],
    }
    machine = engine(codes, by_code)
    assert apply(machine, patient)["identifier"] == [{"type": {"coding": [{"system": "s"}]}, "value": "1"}]
    assert list(machine.slow) == ["Patient"]
    assert (
        "rule 2" in machine.slow["Patient"]
        and "looks at type.coding.code, which rule 1" in machine.slow["Patient"]
    )
    assert apply(engine(by_code, codes), patient)["identifier"] == [{"type": {"coding": [{"system": "s"}]}}]


def test_a_hidden_extension_is_not_overlooked() -> None:
    """Member names may be written with escapes; a search for the bytes of a name would not find them."""
    text = rb'{"resourceType":"Patient","\u0065xtension":[{"url":"http://x","valueString":"secret"}]}'
    assert (
        engine(rule("nodesByType('Extension')", "redact")).deidentify(text) == b'{"resourceType":"Patient"}'
    )


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (" or ".join(f"use = '{one}'" for one in (*range(1000), "official")), True),
        (" and ".join(["use = 'official'"] * 1000), True),
        ("use = 'x' or (use = 'official' and (" * 20 + "true" + "))" * 20, True),
        ("extension." * 40 + "exists()", False),
        ("extension.where(" * 40 + "url = 'u'" + ").exists()" * 40, False),
        ("extension.exists(" * 40 + "url = 'u'" + ")" * 40, False),
        ("given" + ".where(true)" * 90 + ".exists()", True),
    ],
)
def test_long_and_deep_conditions(condition: str, holds: bool) -> None:
    """Python itself has limits to how deep source may be nested."""
    name = {"use": "official", "given": ["A"], "extension": [{"url": "u"}]}
    done = outcome(
        {"resourceType": "Patient", "name": [name]}, rule(f"Patient.name.where({condition})", "remove")
    )
    assert ("name" not in done) == holds
