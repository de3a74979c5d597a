"""Keys of rule sets: where they come from, which are needed, and that nothing of them is told."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dimpflow.errors import RuleSetError
from dimpflow.ruleset.load import MissingKeyError, reversed_rule_set
from loading import CONTEXT, ENCRYPT, HASH, KEYS, load, one_rule, refusal

SECRETS = ("hash-secret", "encrypt-secret16", "shift-secret", "prefix-secret")
PERTURB = "method: perturb, span: 1"


# ---- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "key", "variable", "remedy"),
    [
        ("method: cryptoHash", "cryptoHashKey", "DIMP_CRYPTO_HASH_KEY", f", or set {HASH}"),
        ("method: pseudonymize, domain: d", "cryptoHashKey", "DIMP_CRYPTO_HASH_KEY", f", or set {HASH}"),
        (PERTURB, "cryptoHashKey", "DIMP_CRYPTO_HASH_KEY", f", or set {HASH}"),
        ("method: encrypt", "encryptKey", "DIMP_ENCRYPT_KEY", f", or set {ENCRYPT}"),
        ("method: dateshift", "dateShiftKey", "DIMP_DATE_SHIFT_KEY", ""),
    ],
)
@pytest.mark.parametrize("given", ["", "{key}:", "{key}: ~", "{key}: ' '"])
def test_a_key_that_a_rule_needs(
    tmp_path: Path, settings: str, key: str, variable: str, remedy: str, given: str
) -> None:
    text = one_rule(settings, parameters=given.format(key=key))
    with pytest.raises(MissingKeyError):
        load(tmp_path, text)
    message = refusal(tmp_path, text)
    assert message.startswith(f"parameters.{key} is empty, but rule 1 (Patient.id) needs it")
    where = f'write {key}: "${{{variable}}}" there and set that variable{remedy}'
    assert f"; {where}; make one with: python3" in message
    assert ("AES key: 32 characters" in message) is (key == "encryptKey")


def test_one_key_does_not_stand_in_for_another(tmp_path: Path) -> None:
    names = {"cryptoHash": "cryptoHashKey", "encrypt": "encryptKey", "dateshift": "dateShiftKey"}
    for method, needed in names.items():
        given = ", ".join(f"{name}: sixteen-letters-" for name in names.values() if name != needed)
        message = refusal(tmp_path, one_rule(f"method: {method}", parameters=given))
        assert message.startswith(f"parameters.{needed} is empty")


@pytest.mark.parametrize(
    "settings",
    ["method: keep", "method: redact", "method: remove", "method: substitute, replaceWith: x", "method: generalize, cases: {$this: $this}"],
)  # fmt: skip
def test_methods_that_need_no_key(tmp_path: Path, settings: str) -> None:
    assert load(tmp_path, one_rule(settings)).parameters.secrets() == ""


def test_a_fixed_offset_needs_no_key(tmp_path: Path) -> None:
    shift = "method: dateshift"
    for days in (-7, 0):
        text = one_rule(shift, parameters=f"dateShiftFixedOffsetInDays: {days}")
        assert load(tmp_path, text).parameters.shift_offset == days
    load(tmp_path, one_rule(shift), settings={"dateShiftFixedOffsetInDays": "3"})
    load(tmp_path, one_rule(f"{shift}, dateShiftFixedOffsetInDays: 3"), strict=True)
    with pytest.raises(MissingKeyError):  # the reference ignores it there
        load(tmp_path, one_rule(f"{shift}, dateShiftFixedOffsetInDays: 3"))


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        ("plain", {}, "plain"),
        ("plain", {HASH: "other"}, "plain"),
        ("''", {HASH: "other"}, "other"),
        ("~", {HASH: "other"}, "other"),
        ("' '", {HASH: "other"}, "other"),
        ('"${KEY}"', {"KEY": "k"}, "k"),
        ('"${KEY}"', {"KEY": "k", HASH: "other"}, "k"),
        ('"a-${KEY}-${KEY_2}"', {"KEY": "k", "KEY_2": "${KEY}"}, "a-k-${KEY}"),
        ("'$KEY ${key} ${}'", {"KEY": "k", "key": "k"}, "$KEY ${key} ${}"),
    ],
)
def test_where_the_key_of_hashes_comes_from(
    tmp_path: Path, given: str, environ: dict[str, str], expected: str
) -> None:
    text = one_rule("method: cryptoHash", parameters=f"cryptoHashKey: {given}")
    assert load(tmp_path, text, environ).parameters.hash_key == expected


def test_every_key_can_come_from_the_environment(tmp_path: Path) -> None:
    names = ("cryptoHashKey", "encryptKey", "dateShiftKey", "dateShiftKeyPrefix")
    given = ", ".join(f'{name}: "${{{name.upper()}}}"' for name in names)
    environ = {name.upper(): name.lower().ljust(16, ".")[:16] for name in names}
    found = load(tmp_path, one_rule("method: keep", parameters=given), environ).parameters
    assert (found.hash_key, found.encrypt_key) == ("cryptohashkey...", b"encryptkey......")
    assert (found.shift_key, found.shift_prefix) == ("dateshiftkey....", "dateshiftkeypref")


@pytest.mark.parametrize("environ", [{}, {"DIMP_KEY": ""}, {"DIMP_KEY": " "}])
def test_a_variable_that_is_not_set(tmp_path: Path, environ: dict[str, str]) -> None:
    text = one_rule("method: keep", parameters='dateShiftKey: "${DIMP_KEY}"')
    with pytest.raises(MissingKeyError):
        load(tmp_path, text, environ)
    assert refusal(tmp_path, text, environ) == (
        "parameters.dateShiftKey: the environment variable DIMP_KEY is not set; make one with: "
        "python3 -c 'import secrets; print(secrets.token_hex(32))', keep it safe, and: export DIMP_KEY=..."
    )


def test_switches_and_names_in_any_spelling(tmp_path: Path) -> None:
    names = ("enablePartialAgesForRedact", "enablePartialDatesForRedact", "enablePartialZipCodesForRedact")
    for true, false in (("true", "false"), ("YES", "No"), ("y", "n"), ("On", "OFF"), ("True", "")):
        for chosen in names:
            given = ", ".join(f"{name}: {true if name == chosen else false}" for name in names)
            found = load(tmp_path, one_rule("method: keep", parameters=given)).parameters
            assert [found.partial_ages, found.partial_dates, found.partial_zips] == [
                n == chosen for n in names
            ]
    algorithms = {"HMACSHA256": "hmacSha256", "Blake3": "blake3", "": "hmacSha256"}
    for name, expected in algorithms.items():
        text = one_rule("method: keep", parameters=f"cryptoHashAlgorithm: {name}")
        assert load(tmp_path, text).parameters.hash_algorithm == expected


# ---- derived keys --------------------------------------------------------------------------------------------------


def derived(master: str, info: str) -> bytes:
    salt = b"FhirPseudonymizer.KeyDerivation.v1"
    return HKDF(SHA256(), 32, salt, info.encode()).derive(master.encode())


def test_derived_keys(tmp_path: Path) -> None:
    """The worked value of the specification, section 3.10."""
    given = "cryptoHashKey: static-master-key, encryptKey: static-master-k2, keyDerivationContext: project-a"
    found = load(tmp_path, one_rule("method: keep", parameters=given)).parameters
    assert found.hash_key == "f77e83eebaa7dc45dcbff5d3075c0b541a9bed5b4c85ab7cd0dd170b27a2091e"
    assert found.encrypt_key == derived("static-master-k2", "project-a:encrypt")
    environ = {CONTEXT: "project-b", HASH: "static-master-key"}
    other = load(tmp_path, one_rule("method: keep"), environ).parameters
    assert other.hash_key == derived("static-master-key", "project-b:cryptoHash").hex()
    assert other.encrypt_key == b""
    text = one_rule("method: keep", parameters="keyDerivationContext: project-a")
    assert load(tmp_path, text, environ).parameters.hash_key == found.hash_key


def test_without_a_context_keys_are_as_given(tmp_path: Path) -> None:
    text = one_rule("method: keep", parameters="keyDerivationContext: ' '")
    found = load(tmp_path, text, {**KEYS, CONTEXT: " "}).parameters
    assert (found.hash_key, found.encrypt_key) == ("hash-secret", b"encrypt-secret16")


@pytest.mark.parametrize(
    ("size", "fits"), [(15, False), (16, True), (17, False), (24, True), (32, True), (33, False)]
)
def test_lengths_of_encryption_keys(tmp_path: Path, size: int, fits: bool) -> None:
    """Bytes count, not characters; strictly, a key that others are derived from may have any length."""
    key = "ä" + "k" * (size - 2)
    for context in ("", ", keyDerivationContext: c"):
        text = one_rule("method: encrypt", parameters=f"encryptKey: {key}{context}")
        for strict in (False, True):
            if fits or (strict and context):
                expected = derived(key, "c:encrypt") if context else key.encode()
                assert load(tmp_path, text, strict=strict).parameters.encrypt_key == expected
            else:
                message = refusal(tmp_path, text, strict=strict)
                assert message == f"parameters.encryptKey: {size} bytes; AES needs 16, 24 or 32"


# ---- nothing of a key in what people read --------------------------------------------------------------------------

WITH_KEYS = "cryptoHashKey: hash-secret, encryptKey: encrypt-secret16, dateShiftKey: shift-secret, dateShiftKeyPrefix: prefix-secret"


def test_what_is_printed_of_a_rule_set_holds_no_key(tmp_path: Path) -> None:
    loaded = load(tmp_path, one_rule("method: encrypt", parameters=WITH_KEYS))
    assert all(secret in loaded.parameters.secrets() or secret == "encrypt-secret16" for secret in SECRETS)
    assert b"encrypt-secret16".hex() in loaded.parameters.secrets()
    for text in (repr(loaded), str(loaded), repr(loaded.parameters), repr(reversed_rule_set(loaded))):
        assert not any(secret in text for secret in (*SECRETS, b"encrypt-secret16".hex()))


@pytest.mark.parametrize(
    ("rule", "more", "options"),
    [
        ("method: shred", "", {}),
        ("method: keep", ", encryptKey: encrypt-secret16-too-long", {}),
        ("method: keep", ", cryptoHashAlgorithm: md5", {}),
        ("method: keep", ", dateShiftFixedOffsetInDays: x", {}),
        ("method: keep", ", dateShiftScope: {a: b}", {}),
        ("method: keep", ', keyDerivationContext: "${NONE}"', {}),
        ("method: keep", "", {"settings": {"cases": "hash-secret"}}),
        ("method: dateshift", "", {"reference_date": None}),
        ("method: keep", "}, fhirPathRules: [", {}),
    ],
)
def test_what_is_said_of_a_refused_rule_set_holds_no_key(
    tmp_path: Path, rule: str, more: str, options: dict[str, Any]
) -> None:
    text = one_rule(rule, parameters=WITH_KEYS + more)
    with pytest.raises(RuleSetError) as error:
        load(tmp_path, text, **options)
    assert not any(secret in str(error.value) for secret in SECRETS)
