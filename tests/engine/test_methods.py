"""What each method does to values (specification of the rules, section 3); dates and structures have files of their own."""

import hashlib
import hmac
from typing import Any

import pytest
from blake3 import blake3
from both_ways import labels, outcome, refusal
from rules import KEY, rule

UUID = "9d9b8bed-7b79-7fa9-cea1-f133a6b4d551"
NAME = {"resourceType": "Patient", "name": [{"family": "Doe"}]}


def h(text: str, length: int = 64, key: str = KEY) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:length]


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


def reference(text: str) -> dict[str, Any]:
    return patient(managingOrganization={"reference": text})


# ---- keep and remove -----------------------------------------------------------------------------------------------


def test_remove_takes_the_node_with_all_below() -> None:
    assert outcome(NAME, rule("Patient.name.family", "keep"), rule("Patient.name", "remove")) == patient()
    assert outcome(NAME, rule("Patient.name.family", "remove")) == patient()


def test_a_resource_removed_as_a_whole_stays_as_a_shell() -> None:
    assert outcome({**NAME, "id": "p"}, rule("Patient", "remove")) == patient()


def test_a_resource_cannot_be_removed_by_its_own_type() -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"fullUrl": "u", "resource": NAME}]}
    message = refusal(bundle, rule("Patient", "remove"))
    assert message.startswith("rule 1 (Patient): remove cannot take a resource out of the one around it")
    entries = rule("Bundle.entry.where(resource is Patient)", "remove")
    assert outcome(bundle, entries) == {"resourceType": "Bundle"}


def test_keep_records_nothing() -> None:
    assert labels(NAME, rule("Patient", "keep")) == []


# ---- cryptoHash ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "of_reference", "of_uri"),
    [
        ("Patient/123", "Patient/<123>", "Patient/<123>"),
        ("Organization/123", "Organization/<123>", "Organization/<123>"),
        ("http://s/fhir/Patient/1/_history/2", "http://s/fhir/Patient/<1>/_history/2", "http://s/fhir/Patient/<1>/_history/2"),
        ("https://my-server.org/fhir/Patient/1", "<https://my-server.org/fhir/Patient/1>", "<https://my-server.org/fhir/Patient/1>"),
        (f"urn:uuid:{UUID}", f"urn:uuid:<{UUID}>", f"<urn:uuid:{UUID}>"),
        ("urn:oid:1.2.36", "urn:oid:<1.2.36>", "<urn:oid:1.2.36>"),
        ("#p1", "#<p1>", "<#p1>"),
        ("#", "#", "<#>"),
        ("Patient?identifier=http://x|42", "Patient?identifier=http://x|<42>", "Patient?identifier=http://x|<42>"),
        ("Patient?name=x", "<Patient?name=x>", "<Patient?name=x>"),
        ("Patient", "<Patient>", "<Patient>"),
        ("Questionnaire/q1|1.0", "<Questionnaire/q1|1.0>", "<Questionnaire/q1|1.0>"),
        ("Max/1", "<Max/1>", "<Max/1>"),
        (" Patient/1 ", "Patient/<1>", "Patient/<1>"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("length", [None, 16, 0, 100])
def test_hashes_of_references(text: str, of_reference: str, of_uri: str, length: int | None) -> None:
    def expected(pattern: str) -> str | None:
        before, _, rest = pattern.partition("<")
        id_, _, behind = rest.partition(">")
        return (before + (h(id_, 64 if length is None else length) if id_ else "") + behind) or None

    settings = {} if length is None else {"truncateToMaxLength": str(length)}
    done = outcome(reference(text), rule("nodesByType('Reference').reference", "cryptoHash", **settings))
    assert done.get("managingOrganization", {}).get("reference") == expected(of_reference)
    entry = {"resourceType": "Bundle", "entry": [{"fullUrl": text}]}
    done = outcome(entry, rule("Bundle.entry.fullUrl", "cryptoHash", **settings))
    assert done.get("entry", [{}])[0].get("fullUrl") == expected(of_uri)


@pytest.mark.parametrize(
    ("members", "path", "text"),
    [
        ({"id": "example"}, "id", "example"),
        ({"name": [{"family": " Doe "}]}, "name.family", "Doe"),
        ({"name": [{"family": "Müller 😀"}]}, "name.family", "Müller 😀"),
        ({"birthDate": "1970-01-01"}, "birthDate", "1970-01-01"),
        ({"language": "de"}, "language", "de"),
        ({"photo": [{"data": "QU JD"}]}, "photo.data", "QUJD"),
        ({"name": [{"family": "Patient/1"}]}, "name.family", "Patient/1"),
    ],
)
def test_hashes_of_whole_values(members: dict[str, Any], path: str, text: str) -> None:
    done = outcome(patient(**members), rule(f"Patient.{path}", "cryptoHash"))
    assert h(text) in str(done)
    cut = outcome(patient(**members), rule(f"Patient.{path}", "cryptoHash", truncateToMaxLength="32"))
    assert h(text, 32) in str(cut) and h(text) not in str(cut)


def test_a_hash_cut_to_nothing_clears_the_value() -> None:
    cut = rule("Resource.id", "cryptoHash", truncateToMaxLength="0")
    assert outcome(patient(id="p"), cut) == patient()
    assert labels(patient(id="p"), cut) == ["CRYTOHASH"]


def test_blake3() -> None:
    key = blake3(KEY.encode(), derive_key_context="FhirPseudonymizer.CryptoHash.Blake3.v1").digest()
    done = outcome(
        patient(id="example"), rule("Patient.id", "cryptoHash"), parameters={"cryptoHashAlgorithm": "blake3"}
    )
    assert (
        done["id"]
        == blake3(b"example", key=key).hexdigest()
        == "ca4176e86455dcfd3ec17bd1d5ea398abd14ebb8f3a67a3bc4f6752598d4d2ae"
    )


def test_a_hash_with_a_derived_key() -> None:
    """The worked value of section 3.10."""
    given = {"cryptoHashKey": "static-master-key", "keyDerivationContext": "project-a"}
    done = outcome(patient(id="example"), rule("Patient.id", "cryptoHash"), parameters=given)
    assert done["id"] == "d2ff30d25b4b58ea0c767acbfbc7d94cc99ae48bb0ace6c9a4a71a05beec2086"


def test_a_hash_reaches_what_stands_beside_a_value() -> None:
    definition = "http://hl7.org/fhir/StructureDefinition/x"
    beside = {"extension": [{"url": definition, "valueString": "s"}, {"url": "http://x", "valueCode": "c"}]}
    done = outcome(patient(birthDate="1970", _birthDate=beside), rule("Patient.birthDate", "cryptoHash"))
    assert done["birthDate"] == h("1970")
    assert done["_birthDate"]["extension"] == [
        {"url": definition[:-1] + h("x"), "valueString": h("s")},
        {"url": h("http://x"), "valueCode": h("c")},
    ]


@pytest.mark.parametrize(
    ("members", "path", "type_"),
    [
        ({"active": True}, "active", "boolean"),
        ({"multipleBirthInteger": 2}, "multipleBirth", "integer"),
        ({"gender": "male"}, "gender", "bound code"),
        ({"meta": {"lastUpdated": "2020-01-01T00:00:00Z"}}, "meta.lastUpdated", "instant"),
        ({"extension": [{"url": "u", "valueDecimal": 1.5}]}, "extension.value", "decimal"),
    ],
)
@pytest.mark.parametrize("method", ["cryptoHash", "encrypt", "pseudonymize"])
def test_what_does_not_fit_is_refused(members: dict[str, Any], path: str, type_: str, method: str) -> None:
    settings = {"domain": "d"} if method == "pseudonymize" else {}
    given = {"encryptKey": "sixteen-letters-"}
    made = rule(f"Patient.{path}", method, **settings)
    message = refusal(
        patient(**members), made, parameters=given, pseudonyms=lambda domain, value: f"x{value}"
    )
    assert message.startswith(f"rule 1 (Patient.{path}): {method}: ")
    assert type_ in message and " at $." in message


# ---- redact --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("98028-1830", "98000-0000"),
        ("20301", "00000"),
        ("203-4 A", "000-0 A"),
        ("59-1", "00-0"),
        ("12345", "12300"),
        ("123", "123"),
        ("12", "12"),
        ("SW1A 1AA", "SW1A 0AA"),
        (" 98028 ", "98000"),
        ("D-01067", "D-000000"[:7]),
    ],
)
def test_postal_codes(text: str, left: str) -> None:
    on = {"enablePartialZipCodesForRedact": "true", "restrictedZipCodeTabulationAreas": ["203", "59"]}
    resource = patient(address=[{"postalCode": text, "city": "X"}])
    redact = rule("nodesByType('Address')", "redact")
    assert outcome(resource, redact, parameters=on) == patient(address=[{"postalCode": left}])
    assert labels(resource, redact, parameters=on) == ["REDACTED", "ABSTRED"]
    assert labels(resource, rule("Patient.address.postalCode", "redact"), parameters=on) == ["ABSTRED"]
    off = {"restrictedZipCodeTabulationAreas": ["203"]}
    assert outcome(resource, redact, parameters=off) == patient()
    assert labels(resource, rule("Patient.address.postalCode", "redact"), parameters=off) == ["REDACTED"]


@pytest.mark.parametrize(
    ("age", "left"),
    [
        ("35", "35"),
        ("89", "89"),
        ("90", None),
        ("120", None),
        ("0", "0"),
        ("35.5", "refused"),
        ("35.0", "refused"),
    ],
)
def test_ages(age: str, left: str | None) -> None:
    resource = f'{{"resourceType":"Condition","onsetAge":{{"value":{age}}}}}'
    redact = rule("Condition.onset.value", "redact")
    assert outcome(resource, redact) == {"resourceType": "Condition"}
    on = {"enablePartialAgesForRedact": "yes"}
    if left == "refused":
        assert "not written as a whole number" in refusal(resource, redact, parameters=on)
        return
    expected = {"onsetAge": {"value": f"number {left}"}} if left else {}
    assert outcome(resource, redact, parameters=on) == {"resourceType": "Condition", **expected}
    assert labels(resource, redact, parameters=on) == ["REDACTED"]


def test_only_ages_are_spared() -> None:
    on = {"enablePartialAgesForRedact": "true"}
    quantity = '{"resourceType":"Observation","valueQuantity":{"value":35}}'
    assert outcome(quantity, rule("Observation.value", "redact"), parameters=on) == {
        "resourceType": "Observation"
    }


# ---- pseudonymize --------------------------------------------------------------------------------------------------


def double(domain: str, value: str) -> str:
    return f"<{domain}|{value}>"


@pytest.mark.parametrize(
    ("text", "domain", "expected"),
    [
        ("Patient/123", None, "Patient/<Patient|123>"),
        ("Patient/123", "d", "Patient/<d|123>"),
        ("http://s/fhir/Patient/1/_history/2", None, "http://s/fhir/Patient/<http://s/fhir/Patient|1>/_history/2"),
        (f"urn:uuid:{UUID}", None, f"urn:uuid:<urn:uuid:|{UUID}>"),
        ("Patient?identifier=http://x|42", None, "Patient?identifier=http://x|<Patient?identifier=http://x||42>"),
        ("#x", "d", "#<d|x>"),
        ("#x", None, "refused"),
        ("https://my-server.org/Patient/1", "d", "<d|https://my-server.org/Patient/1>"),
        ("https://my-server.org/Patient/1", None, "refused"),
        ("x", None, "refused"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", [None, "p-"])
def test_pseudonyms_in_references(text: str, domain: str | None, expected: str, prefix: str | None) -> None:
    settings = {key: value for key, value in (("namespace", domain), ("domain-prefix", prefix)) if value}
    made = rule("nodesByType('Reference').reference", "pseudonymize", **settings)
    if expected == "refused":
        assert "needs a domain" in refusal(reference(text), made, pseudonyms=double)
    else:
        done = outcome(reference(text), made, pseudonyms=double)
        assert done["managingOrganization"]["reference"] == expected.replace("<", f"<{prefix or ''}")


def test_pseudonyms_of_other_values() -> None:
    def of(text: str, path: str = "Patient.identifier.value", **settings: str) -> Any:
        made = rule(path, "pseudonymize", **settings)
        system = "Patient/2" if path.endswith("system") else "http://x"
        done = outcome(patient(identifier=[{"system": system, "value": text}]), made, pseudonyms=double)
        return done["identifier"][0][path.rpartition(".")[2]]

    assert of("1", domain="d") == "<d|1>"
    assert of(" 1 ") == "<|1>"  # the empty domain, whatever the element
    assert of("1", domain="d", **{"domain-prefix": "a-", "namespace-prefix": "b-"}) == "<a-d|1>"
    assert of("1", namespace="n", **{"namespace-prefix": "b-"}) == "<b-n|1>"
    assert of("Patient/1", domain="d") == "<d|Patient/1>"
    assert of("1", "Patient.identifier.system", domain="d") == "Patient/<d|2>"  # a uri that is a resource's
    assert of("1", "Patient.identifier.system") == "Patient/<Patient|2>"


def test_pseudonyms_of_what_stands_beside_a_value() -> None:
    calls = []

    def count(domain: str, value: str) -> str:
        calls.append(value)
        return f"<{value}>"

    beside = {"extension": [{"url": "http://x", "valueString": "s"}]}
    resource = patient(identifier=[{"value": "1", "_value": beside}])
    done = outcome(resource, rule("Patient.identifier.value", "pseudonymize", domain="d"), pseudonyms=count)
    assert sorted(set(calls)) == ["1", "http://x", "s"]
    assert done["identifier"] == [
        {"value": "<1>", "_value": {"extension": [{"url": "<http://x>", "valueString": "<s>"}]}}
    ]


@pytest.mark.parametrize(
    ("text", "whole", "split"),
    [
        ("Patient?identifier=http://x|42", None, "Patient?identifier=http://x|<Patient|42>"),
        ("identifier=http://sys|42", None, "identifier=http://sys|<identifier=http:|42>"),
        ("name=x", None, "<|name=x>"),
    ],
)
def test_conditional_references(text: str, whole: str | None, split: str) -> None:
    resource = {"resourceType": "Bundle", "entry": [{"request": {"ifNoneExist": text}}]}
    made = rule("Bundle.entry.request.ifNoneExist", "pseudonymize")
    for switch, expected in ((False, whole or f"<|{text}>"), (True, split)):
        done = outcome(resource, made, pseudonyms=double, conditional_references=switch)
        assert done["entry"][0]["request"]["ifNoneExist"] == expected
    hashed = outcome(
        resource, rule("Bundle.entry.request.ifNoneExist", "cryptoHash"), conditional_references=True
    )
    assert hashed["entry"][0]["request"]["ifNoneExist"] == h(text)
