"""The `parameters` of a rule set, its keys from the environment, derived keys (specification of the rules, 1.3 and 3.10)."""

import hmac
import re
from collections.abc import Mapping
from typing import Any, Literal

from dimpflow.errors import RuleSetError
from dimpflow.ruleset.methods import is_null, text_of, whole_number
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import (
    CryptoHash,
    DateShift,
    Decrypt,
    Encrypt,
    Parameters,
    Perturb,
    Pseudonymize,
    Redact,
    Rule,
)

PARAMETERS = (
    "dateShiftKey", "dateShiftScope", "dateShiftKeyPrefix", "dateShiftFixedOffsetInDays", "cryptoHashKey",
    "cryptoHashAlgorithm", "encryptKey", "keyDerivationContext", "enablePartialAgesForRedact",
    "enablePartialDatesForRedact", "enablePartialZipCodesForRedact", "restrictedZipCodeTabulationAreas",
)  # fmt: skip
_TRUE, _FALSE = ("true", "yes", "y", "on"), ("false", "no", "n", "off")
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
MAKE_A_KEY = "make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"
_SERVICE_SETTINGS = {
    "cryptoHashKey": "Anonymization__CryptoHashKey",
    "encryptKey": "Anonymization__EncryptKey",
    "keyDerivationContext": "Anonymization__KeyDerivationContext",
}
"""Environment variables from which the FHIR Pseudonymizer takes what its rule set leaves empty."""
_SALT = b"FhirPseudonymizer.KeyDerivation.v1"
_KEY_SIZES = (16, 24, 32)


class MissingKeyError(RuleSetError):
    """The rule set is well-formed, but its key is not in the environment."""


def parameters_of(
    found: Any, rules: tuple[Rule, ...], environ: Mapping[str, str], options: Options
) -> Parameters:
    """Checked parameters. RuleSetError for what is wrong, MissingKeyError for a key that the rules need and nobody gives."""
    given = _known(found)
    algorithm: Literal["hmacSha256", "blake3"] = "hmacSha256"
    name = text_of(given, "cryptoHashAlgorithm").strip().lower() or "hmacsha256"
    if name not in ("hmacsha256", "blake3"):
        raise RuleSetError("parameters.cryptoHashAlgorithm: expected hmacSha256 or blake3")
    if name == "blake3":
        algorithm = "blake3"
    scope = text_of(given, "dateShiftScope").strip().lower() or "resource"
    if scope not in ("resource", "file", "folder"):
        raise RuleSetError("parameters.dateShiftScope: expected resource, file or folder")
    try:
        offset = whole_number(given, "dateShiftFixedOffsetInDays")
    except RuleSetError as error:
        raise RuleSetError(f"parameters.{error}") from None
    checked = Parameters(
        hash_algorithm=algorithm,
        shift_key=_expand("dateShiftKey", text_of(given, "dateShiftKey"), environ),
        shift_prefix=_expand("dateShiftKeyPrefix", text_of(given, "dateShiftKeyPrefix"), environ),
        shift_offset=offset,
        partial_ages=_switch(given, "enablePartialAgesForRedact"),
        partial_dates=_switch(given, "enablePartialDatesForRedact"),
        partial_zips=_switch(given, "enablePartialZipCodesForRedact"),
        restricted_zips=_texts(given, "restrictedZipCodeTabulationAreas"),
        **_keys(given, environ, options),
    )
    _need_keys(checked, rules)
    _need_reference_date(checked, rules, options)
    return checked


def _known(found: Any) -> dict[str, Any]:
    if is_null(found):
        return {}
    if not isinstance(found, dict):
        raise RuleSetError("parameters: expected a mapping")
    for key in found:
        if key not in PARAMETERS:
            raise RuleSetError(f"parameters.{key} is unknown; known: {', '.join(PARAMETERS)}")
    return found


def _switch(given: Mapping[str, Any], key: str) -> bool:
    text = str(given.get(key) or "false").strip().lower()
    if text not in _TRUE + _FALSE:
        raise RuleSetError(f"parameters.{key}: expected true or false")
    return text in _TRUE


def _texts(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = given.get(key)
    if is_null(values):
        return ()
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RuleSetError(f"parameters.{key}: expected a list of texts")
    return tuple(values)


def _expand(key: str, text: str, environ: Mapping[str, str]) -> str:
    """The text with each `${NAME}` replaced from the environment. MissingKeyError where one is not set or empty."""

    def one(match: re.Match[str]) -> str:
        value = environ.get(match[1], "")
        if not value.strip():
            raise MissingKeyError(
                f"parameters.{key}: the environment variable {match[1]} is not set; {MAKE_A_KEY}, "
                f"keep it safe, and: export {match[1]}=..."
            )
        return value

    return _VARIABLE.sub(one, text)


def _keys(given: Mapping[str, Any], environ: Mapping[str, str], options: Options) -> dict[str, Any]:
    """The keys of cryptoHash and encrypt: from the rule set, else from where the service takes them; derived if so asked."""
    found = {}
    for key, variable in _SERVICE_SETTINGS.items():
        text = _expand(key, text_of(given, key), environ)
        found[key] = text if text.strip() else environ.get(variable, "")
    context = found["keyDerivationContext"]
    hash_key, encrypt_key = found["cryptoHashKey"], found["encryptKey"].encode()
    derived = bool(context.strip())
    if encrypt_key and len(encrypt_key) not in _KEY_SIZES and not (derived and options.strict):
        # the service looks at the length before it derives a key, so it refuses a master key of another length as well
        raise RuleSetError(f"parameters.encryptKey: {len(encrypt_key)} bytes; AES needs 16, 24 or 32")
    if derived and hash_key.strip():
        hash_key = _derived(hash_key.encode(), f"{context}:cryptoHash").hex()
    if derived and encrypt_key.strip():
        encrypt_key = _derived(encrypt_key, f"{context}:encrypt")
    return {"hash_key": hash_key, "encrypt_key": encrypt_key}


def _derived(master: bytes, info: str) -> bytes:
    """HKDF-SHA256 (RFC 5869), 32 bytes: one block of output."""
    return hmac.digest(hmac.digest(_SALT, master, "sha256"), info.encode() + b"\x01", "sha256")


def _need_keys(parameters: Parameters, rules: tuple[Rule, ...]) -> None:
    hashing = _first(rules, CryptoHash | Pseudonymize | Perturb)
    if hashing and not parameters.hash_key.strip():
        raise MissingKeyError(_missing("cryptoHashKey", hashing, "DIMP_CRYPTO_HASH_KEY"))
    encrypting = _first(rules, Encrypt | Decrypt)
    if encrypting and not parameters.encrypt_key.strip():
        raise MissingKeyError(_missing("encryptKey", encrypting, "DIMP_ENCRYPT_KEY"))
    shifting = next((r for r in rules if isinstance(r.method, DateShift) and r.method.offset is None), None)
    if shifting and not parameters.shift_key.strip() and parameters.shift_offset is None:
        raise MissingKeyError(_missing("dateShiftKey", shifting, "DIMP_DATE_SHIFT_KEY"))


def _first(rules: tuple[Rule, ...], methods: Any) -> Rule | None:
    return next((rule for rule in rules if isinstance(rule.method, methods)), None)


def _missing(key: str, rule: Rule, variable: str) -> str:
    where = f'write {key}: "${{{variable}}}" there and set that variable'
    if key in _SERVICE_SETTINGS:
        where += f", or set {_SERVICE_SETTINGS[key]}"
    size = " (an AES key: 32 characters)" if key == "encryptKey" else ""
    return f"parameters.{key} is empty, but {rule.title} needs it{size}; {where}; {MAKE_A_KEY}"


def _need_reference_date(parameters: Parameters, rules: tuple[Rule, ...], options: Options) -> None:
    if options.reference_date:
        return
    judging = _first(rules, DateShift) or (_first(rules, Redact) if parameters.partial_dates else None)
    if judging:
        raise RuleSetError(
            f"{judging.title} judges whether a date means an age over 89, so it needs a day to reckon from: "
            "set services.dimp.reference_date (YYYY-MM-DD); results would otherwise change with the calendar"
        )
