"""encrypt, decrypt and perturb: what elsewhere is random here is made from key, resource, place and value, so that a result
can be made again (specification of the rules, sections 3.5 and 3.8)."""

import hashlib
import hmac
import json
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import pytest
from both_ways import engines, labels, outcome, refusal
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7
from rules import KEY, parse, rule, rule_set

from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError
from dimpflow.keys import derive
from dimpflow.ruleset.load import reversed_rule_set

AES = "fhir-pseudonymizer000000"
ENCRYPT = {"encryptKey": AES}
ID = rule("Resource.id", "encrypt")


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


# ---- encrypt -------------------------------------------------------------------------------------------------------


def expected(key: bytes, seed: str, text: str) -> str:
    """AES-CBC with PKCS#7, the vector made from the seed; in upper case."""
    vector = hmac.new(derive(key, "encrypt-iv"), f"{seed}\n{text}".encode(), hashlib.sha256).digest()[:16]
    pad = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    done = encryptor.update(pad.update(text.encode()) + pad.finalize()) + encryptor.finalize()
    return (vector + done).hex().upper()


@pytest.mark.parametrize("key", [AES, "sixteen-letters-", "thirty-two-letters-are-too-many!"])
@pytest.mark.parametrize("text", ["1", "sixteen letters.", "longer than sixteen letters", "Müller 😀"])
def test_encrypted_values(key: str, text: str) -> None:
    resource = patient(id="p", name=[{"family": f" {text} "}])
    done = outcome(resource, rule("Patient.name.family", "encrypt"), parameters={"encryptKey": key})
    assert done["name"][0]["family"] == expected(key.encode(), "Patient/p\nHumanName.family", text)
    assert labels(resource, rule("Patient.name.family", "encrypt"), parameters={"encryptKey": key}) == [
        "MASKED"
    ]


def test_a_derived_key() -> None:
    given = {"encryptKey": AES, "keyDerivationContext": "project-a"}
    key = HKDF(SHA256(), 32, b"FhirPseudonymizer.KeyDerivation.v1", b"project-a:encrypt").derive(AES.encode())
    assert outcome(patient(id="p"), ID, parameters=given)["id"] == expected(key, "Patient/p\nPatient.id", "p")


def test_references_are_encrypted_whole() -> None:
    resource = patient(managingOrganization={"reference": "Organization/1"})
    done = outcome(resource, rule("nodesByType('Reference').reference", "encrypt"), parameters=ENCRYPT)
    text = expected(AES.encode(), "Patient/\nReference.reference", "Organization/1")
    assert done["managingOrganization"]["reference"] == text


def test_equal_values_look_equal_only_at_one_place_of_one_resource() -> None:
    names = [{"family": "x", "given": ["x", "x"]}, {"family": "x"}]
    made = rule("nodesByType('string')", "encrypt")
    first = outcome(patient(id="p", name=names), made, parameters=ENCRYPT)["name"]
    assert first[0]["family"] == first[1]["family"]
    assert first[0]["given"][0] == first[0]["given"][1] != first[0]["family"]
    other = outcome(patient(id="q", name=names), made, parameters=ENCRYPT)["name"]
    assert other[0]["family"] != first[0]["family"]
    assert outcome(patient(id=" p ", name=names), made, parameters=ENCRYPT)["name"] == first


def test_whose_value_it_is() -> None:
    """The nearest resource counts, by its id as it came; of a contained one also what holds it."""
    family = rule("nodesByType('HumanName').family", "encrypt")
    inner = patient(id="c", name=[{"family": "x"}])
    hashed = rule("Resource.id", "cryptoHash")

    def seed(done: dict[str, Any], *identities: str) -> None:
        found = [done] if "name" in done else []
        found += done.get("contained", []) + [entry["resource"] for entry in done.get("entry", [])]
        made = [expected(AES.encode(), f"{one}\nHumanName.family", "x") for one in identities]
        assert [one["name"][0]["family"] for one in found] == made

    holder = {**inner, "id": "p", "contained": [inner]}
    for rules in ([family], [hashed, family]):
        seed(outcome(holder, *rules, parameters=ENCRYPT), "Patient/p", "Patient/p#Patient/c")
        bundle = {
            "resourceType": "Bundle",
            "id": "b",
            "entry": [{"resource": inner}, {"resource": patient(name=[{"family": "x"}])}],
        }
        seed(outcome(bundle, *rules, parameters=ENCRYPT), "Patient/c", "Patient/")
    outer = rule("Bundle.entry.resource.name.family", "encrypt")
    seed(
        outcome(
            {"resourceType": "Bundle", "id": "b", "entry": [{"resource": inner}]}, outer, parameters=ENCRYPT
        ),
        "Patient/c",
    )


# ---- decrypt -------------------------------------------------------------------------------------------------------

KNOWN = "F36B23C5E72E3503D6C9659DDDEB7B5D61F6B90D5E5BE65FE08726315EF67CF3"
"""`123456`, by the reference (section 3.5)."""


def decrypted(
    text: str, *, strict: bool = False, key: str = AES, only_tree: bool = False, type_: str = "id"
) -> Any:
    rules = rule_set([ID, rule("Patient.name", "redact")], {"encryptKey": key}, strict=strict)
    machine = Engine(reversed_rule_set(rules), only_tree=only_tree)
    data = json.dumps(patient(id=text, name=[{"family": "Doe"}])).encode()
    done = json.loads(machine.deidentify(data))
    assert done["name"] == [{"family": "Doe"}] and "meta" not in done
    return done["id"]


@pytest.mark.parametrize("only_tree", [False, True])
@pytest.mark.parametrize("strict", [False, True])
def test_decrypting(strict: bool, only_tree: bool) -> None:
    for text in (KNOWN, KNOWN.lower(), f" {KNOWN}"):
        assert decrypted(text, strict=strict, only_tree=only_tree) == "123456"
    own = outcome(patient(id="ä" * 20), ID, parameters=ENCRYPT)["id"]
    assert decrypted(own, strict=strict, only_tree=only_tree) == "ä" * 20


@pytest.mark.parametrize(
    "text",
    ["plain", "F3", KNOWN[:-1], KNOWN[:-2], KNOWN[:32], KNOWN[:-2] + "F4", f"{KNOWN[:8]} {KNOWN[8:]}", "G" + KNOWN[1:], f"0x{KNOWN}", KNOWN + "00"],
)  # fmt: skip
def test_what_cannot_be_decrypted(text: str) -> None:
    assert decrypted(text) == text
    with pytest.raises(
        LineError, match=r"rule 1 \(Resource.id\): decrypt: cannot be decrypted with this key at \$\.id"
    ):
        decrypted(text, strict=True)


def test_decrypting_with_another_key() -> None:
    other = "fhir-pseudonymizer000001"
    assert decrypted(KNOWN, key=other) == KNOWN
    with pytest.raises(LineError):
        decrypted(KNOWN, key=other, strict=True)


# ---- perturb -------------------------------------------------------------------------------------------------------


def share(identity: str, place: str, text: str) -> Decimal:
    """From 0 to under 1."""
    digest = hmac.new(
        derive(KEY.encode(), "perturb"), f"{identity}\n{place}\n{text}".encode(), hashlib.sha256
    )
    return Decimal(int.from_bytes(digest.digest()[:8], "big")) / (1 << 64)


def perturbed(member: str, value: str, *ids: str, **settings: str) -> list[str]:
    """The new value in resources that differ in their ids."""
    found: list[list[str]] = []
    for machine in engines(rule("Basic.extension.value", "perturb", **settings)):
        found.append([])
        for id_ in ids or ("b",):
            text = f'{{"resourceType":"Basic","id":"{id_}","extension":[{{"url":"u","{member}":{value}}}]}}'
            done = parse(machine.deidentify(text.encode()))
            found[-1].append(str(done["extension"][0][member]).removeprefix("number "))
    assert found[0] == found[1]
    return found[0]


IDS = tuple(map(str, range(40)))


@pytest.mark.parametrize(
    ("value", "text", "span", "digits"),
    [("5.234", "5.234", "6", 2), ("5.234", "5.234", "0.1", 5), ("8E+1", "80", "6", 0), ("-3", "-3", "1.5", 28), ("0", "0", "10", 2)],
)  # fmt: skip
def test_noise_comes_from_key_resource_place_and_value(value: str, text: str, span: str, digits: int) -> None:
    with localcontext(prec=50):
        noise = (share("Basic/b", "Extension.value", text) - Decimal("0.5")) * Decimal(span)
        wanted = (Decimal(text) + noise).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    assert perturbed("valueDecimal", value, span=span, roundTo=str(digits)) == [format(wanted, "f")]


def test_noise_differs_between_resources_and_values() -> None:
    found = perturbed("valueDecimal", "100.0", *IDS, span="50", roundTo="10")
    assert len(set(found)) == len(IDS)
    assert all(75 <= Decimal(one) <= 125 for one in found)
    assert min(map(Decimal, found)) < 90 and max(map(Decimal, found)) > 110
    assert found[:2] == perturbed("valueDecimal", "100.0", "0", "1", span="50", roundTo="10")
    assert found[:1] != perturbed("valueDecimal", "100.00", "0", span="50", roundTo="10")


@pytest.mark.parametrize(
    ("member", "value", "settings", "low", "high"),
    [
        ("valueInteger", "5", {"span": "0.4", "rangeType": "proportional"}, 4, 6),
        ("valueDecimal", "5.234", {"span": "6"}, "2.23", "8.23"),
        ("valuePositiveInt", "1", {"span": "50"}, 1, 26),
        ("valueUnsignedInt", "0", {"span": "50"}, 0, 25),
        ("valueInteger", "0", {"span": "50"}, -25, 25),
        ("valueDecimal", "200", {"span": "0.1", "rangeType": "Proportional", "roundTo": "0"}, 190, 210),
    ],
)
def test_how_large_noise_is(member: str, value: str, settings: dict[str, str], low: Any, high: Any) -> None:
    found = set(perturbed(member, value, *IDS, **settings))
    assert all(Decimal(low) <= Decimal(one) <= Decimal(high) for one in found)
    assert len(found) > 1
    if member != "valueDecimal":
        assert all(one.removeprefix("-").isdigit() for one in found)


def test_small_numbers_have_a_least_value() -> None:
    assert "1" in perturbed("valuePositiveInt", "1", *IDS, span="50")
    assert "0" in perturbed("valueUnsignedInt", "0", *IDS, span="50")
    assert any(one.startswith("-") for one in perturbed("valueInteger", "0", *IDS, span="50"))


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        ("5.225", "2", "5.22"),
        ("5.235", "2", "5.24"),
        ("5.5", "0", "6"),
        ("4.5", "0", "4"),
        ("-5.225", "2", "-5.22"),
        ("1.5", "2", "1.50"),
        ("8E+1", "2", "80.00"),
        ("-0.001", "2", "0.00"),
        ("-0.0", "1", "0.0"),
    ],
)
def test_rounding_without_noise(value: str, digits: str, expected: str) -> None:
    assert perturbed("valueDecimal", value, span="0", roundTo=digits) == [expected]


def test_a_negative_number_has_no_proportional_span() -> None:
    resource = '{"resourceType":"Basic","extension":[{"url":"u","valueDecimal":-1.5}]}'
    message = refusal(
        resource, rule("Basic.extension.value", "perturb", span="0.1", rangeType="proportional")
    )
    assert message.startswith("rule 1 (Basic.extension.value): perturb: ")
    assert message.endswith(" at $.extension[0].valueDecimal")


@pytest.mark.parametrize("kind", ["Quantity", "Age", "Count", "Duration", "Distance", "Money"])
def test_quantities(kind: str) -> None:
    """Their value changes; all of them is then handled."""
    unit = "currency" if kind == "Money" else "unit"
    text = (
        f'{{"resourceType":"Basic","extension":[{{"url":"u","value{kind}":{{"value":100,"{unit}":"EUR"}}}}]}}'
    )
    made = rule("Basic.extension.value", "perturb", span="10", roundTo="1")
    done = outcome(text, made, rule("Basic.extension.value", "redact"))["extension"][0][f"value{kind}"]
    noise = (share("Basic/", f"{kind}.value", "100") - Decimal("0.5")) * 10
    assert done == {"value": f"number {(100 + noise).quantize(Decimal('0.1'), ROUND_HALF_EVEN)}", unit: "EUR"}
    assert labels(text, made) == ["PERTURBED"]


def test_where_there_is_no_number_nothing_happens() -> None:
    made = rule("Patient", "perturb", span="10")
    resource = patient(name=[{"family": "5"}], birthDate="1970", active=True)
    assert outcome(resource, made) == resource
    assert labels(resource, made) == []


def test_what_is_handled_stays() -> None:
    text = '{"resourceType":"Observation","valueQuantity":{"value":100,"unit":"kg"}}'
    done = outcome(
        text, rule("Observation.value.value", "keep"), rule("Observation.value", "perturb", span="10")
    )
    assert done["valueQuantity"] == {"value": "number 100", "unit": "kg"}
