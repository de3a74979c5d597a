"""From the text of an `anonymization.yaml` to a checked RuleSet (specification of the rules, section 1).

The order of the checks is the FHIR Pseudonymizer's. What it would accept and silently not do, and what this version of the
engine cannot do, is refused, with the file, the rule's number and its path.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dimpflow.errors import RuleSetError
from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.ruleset.ast import Expression
from dimpflow.ruleset.check import check_path, check_predicate, check_value
from dimpflow.ruleset.parser import parse
from dimpflow.ruleset.rules import (
    CryptoHash,
    Generalize,
    Keep,
    Method,
    Parameters,
    Pseudonymize,
    Redact,
    Remove,
    Rule,
    RuleSet,
)

_TOP = ("fhirVersion", "fhirPathRules", "parameters")
_PARAMETERS = (
    "dateShiftKey",
    "dateShiftScope",
    "dateShiftKeyPrefix",
    "dateShiftFixedOffsetInDays",
    "cryptoHashKey",
    "cryptoHashAlgorithm",
    "encryptKey",
    "keyDerivationContext",
    "enablePartialAgesForRedact",
    "enablePartialDatesForRedact",
    "enablePartialZipCodesForRedact",
    "restrictedZipCodeTabulationAreas",
)
_SWITCHES = ("enablePartialAgesForRedact", "enablePartialDatesForRedact", "enablePartialZipCodesForRedact")
_TRUE, _FALSE = ("true", "yes", "y", "on"), ("false", "no", "n", "off", "")
_NOT_HERE = ("dateshift", "encrypt", "substitute", "perturb")
_PATH = re.compile(r"(?P<type>[A-Z][a-zA-Z]*)?\.?(?P<expression>.*)")
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_MAKE_A_KEY = "make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"


class MissingKeyError(RuleSetError):
    """The rule set is well-formed, but its key is not in the environment."""


def load_rule_set(path: Path, environ: Mapping[str, str]) -> RuleSet:
    """Reads and checks a rule set; `${NAME}` in its parameters is taken from `environ`.

    Raises RuleSetError with one line for a person: file, rule number, path, what is wrong.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RuleSetError(f"{path}: cannot read the rule set: {error.strerror}") from None
    document = _read_yaml(path, data)
    try:
        rules = _rules(document)
        parameters = _parameters(document.get("parameters"), environ, rules)
    except MissingKeyError as error:
        raise MissingKeyError(f"{path}: {error}") from None
    except RuleSetError as error:
        raise RuleSetError(f"{path}: {error}") from None
    return RuleSet(
        path, hashlib.sha256(data).hexdigest(), rules, parameters, tuple(_warnings(document, rules))
    )


def _warnings(document: dict[str, Any], rules: tuple[Rule, ...]) -> Iterator[str]:
    """What is legal but surely not meant."""
    if not document.get("fhirVersion"):
        yield "fhirVersion is missing; R4 is assumed"
    for rule in rules:
        if not any(rule.applies_to(name) for name in RESOURCE_TYPES):
            yield (
                f"rule {rule.number} ({rule.path}): never matches, since {rule.resource_type} is no resource type; "
                f"for a data type write nodesByType('{rule.resource_type}')"
            )


def _read_yaml(path: Path, data: bytes) -> dict[str, Any]:
    """The document with every scalar as text, as the service's own reader sees it."""
    try:
        document = yaml.load(data, yaml.BaseLoader)  # noqa: S506  BaseLoader makes nothing but text, lists and mappings
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise RuleSetError(f"{path}{where}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise RuleSetError(f"{path}: not YAML: a character that YAML does not allow") from None
    if not isinstance(document, dict):
        raise RuleSetError(f"{path}: not a rule set: expected the keys {', '.join(_TOP)}")
    return document


def _rules(document: dict[str, Any]) -> tuple[Rule, ...]:
    for key in document:
        if key not in _TOP:
            raise RuleSetError(f"unknown key {key}; known: {', '.join(_TOP)}")
    version = document.get("fhirVersion") or "R4"
    if not isinstance(version, str) or version.upper() != "R4":
        raise RuleSetError("fhirVersion: only R4 is supported")
    rules = document.get("fhirPathRules")
    if not isinstance(rules, list):
        raise RuleSetError("fhirPathRules is missing or no list")
    return tuple(_rule(number, rule) for number, rule in enumerate(rules, 1))


def _rule(number: int, rule: Any) -> Rule:
    if not isinstance(rule, dict):
        raise RuleSetError(f"rule {number}: expected the keys path and method")
    for key in ("path", "method"):
        if not isinstance(rule.get(key), str) or not rule[key].strip():
            raise RuleSetError(f"rule {number}: {key} is missing")
    path: str = rule["path"].strip()
    where = f"rule {number} ({path})"
    try:
        resource_type, expression = _split(path)
        if expression is not None:
            check_path(expression)
        return Rule(number, path, _method(rule), resource_type, expression)
    except RuleSetError as error:
        raise RuleSetError(f"{where}: {error}") from None


def _split(path: str) -> tuple[str, Expression | None]:
    """The resource type that a path starts with, and the expression behind it (specification, section 1.5)."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise RuleSetError("a path is one line")
    resource_type, text = match["type"] or "", match["expression"]
    if not text:
        return resource_type, None
    return resource_type, parse(text)


def _method(rule: dict[str, Any]) -> Method:
    name = rule["method"].strip().lower()
    match name:
        case "keep":
            return Keep()
        case "redact":
            return Redact()
        case "remove":
            return Remove()
        case "cryptohash":
            return CryptoHash(_whole_number(rule, "truncateToMaxLength"))
        case "generalize":
            return _generalize(rule)
        case "pseudonymize":
            return _pseudonymize(rule)
    known = "keep, redact, remove, cryptoHash, generalize, pseudonymize"
    if name in _NOT_HERE:
        raise RuleSetError(
            f"method {rule['method']} is not supported by this version of the engine (it has {known})"
        )
    raise RuleSetError(f"unknown method {rule['method']}; known: {known}")


def _whole_number(rule: dict[str, Any], key: str) -> int | None:
    text = rule.get(key)
    if text in (None, "", "~", "null"):
        return None
    if not isinstance(text, str) or not text.isascii() or not text.isdigit():
        raise RuleSetError(f"{key}: expected a whole number that is not negative")
    return int(text)


def _text(rule: dict[str, Any], *keys: str) -> str:
    """The first of the settings that is there, as text."""
    for key in keys:
        if rule.get(key):
            if not isinstance(rule[key], str):
                raise RuleSetError(f"{key}: expected text")
            return str(rule[key])
    return ""


def _generalize(rule: dict[str, Any]) -> Generalize:
    cases = rule.get("cases")
    if not isinstance(cases, dict) or not cases:
        raise RuleSetError("generalize needs cases: a mapping from predicate to value")
    checked = []
    for predicate, value in cases.items():
        if not isinstance(value, str):
            raise RuleSetError("generalize: the value of a case is a FHIRPath expression, as text")
        condition, result = parse(predicate), parse(value)
        check_predicate(condition)
        check_value(result)
        checked.append((condition, result))
    other = _text(rule, "otherValues").lower() or "redact"
    if other not in ("redact", "keep"):
        raise RuleSetError("otherValues: expected redact or keep")
    return Generalize(tuple(checked), "keep" if other == "keep" else "redact")


def _pseudonymize(rule: dict[str, Any]) -> Pseudonymize:
    value_from = _text(rule, "valueFrom")
    if value_from not in ("", "Resource.id"):
        raise RuleSetError("valueFrom: only Resource.id is supported")
    if "entici" in rule:
        raise RuleSetError("entici is not supported by this version of the engine")
    domain = _text(rule, "domain", "namespace")
    prefix = _text(rule, "domain-prefix", "namespace-prefix")
    return Pseudonymize(domain, prefix, _text(rule, "prefix"), "Resource.id" if value_from else "")


def _parameters(found: Any, environ: Mapping[str, str], rules: tuple[Rule, ...]) -> Parameters:
    if found in (None, ""):
        found = {}
    if not isinstance(found, dict):
        raise RuleSetError("parameters: expected a mapping")
    for key, value in found.items():
        if key not in _PARAMETERS:
            raise RuleSetError(f"parameters.{key} is unknown; known: {', '.join(_PARAMETERS)}")
        if key in _SWITCHES and _switch(key, value):
            raise RuleSetError(f"parameters.{key}: true is not supported by this version of the engine")
    algorithm = _text(found, "cryptoHashAlgorithm").lower() or "hmacsha256"
    if algorithm not in ("hmacsha256", "blake3"):
        raise RuleSetError("parameters.cryptoHashAlgorithm: expected hmacSha256 or blake3")
    if algorithm == "blake3":
        raise RuleSetError(
            "parameters.cryptoHashAlgorithm: blake3 is not supported by this version of the engine"
        )
    if _text(found, "keyDerivationContext"):
        raise RuleSetError("parameters.keyDerivationContext is not supported by this version of the engine")
    key = _expand("cryptoHashKey", _text(found, "cryptoHashKey"), environ)
    if not key.strip() and any(isinstance(rule.method, CryptoHash | Pseudonymize) for rule in rules):
        raise MissingKeyError(
            "parameters.cryptoHashKey is empty, but rules hash or pseudonymise; "
            f'write cryptoHashKey: "${{DIMP_CRYPTO_HASH_KEY}}" there and set that variable ({_MAKE_A_KEY})'
        )
    return Parameters(crypto_hash_key=key)


def _switch(key: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in _TRUE + _FALSE:
        raise RuleSetError(f"parameters.{key}: expected true or false")
    return text in _TRUE


def _expand(key: str, text: str, environ: Mapping[str, str]) -> str:
    """The text with each `${NAME}` replaced from the environment. MissingKeyError where one is not set or empty."""

    def one(match: re.Match[str]) -> str:
        value = environ.get(match[1], "")
        if not value.strip():
            raise MissingKeyError(
                f"parameters.{key}: the environment variable {match[1]} is not set; {_MAKE_A_KEY}, "
                f"keep it safe, and: export {match[1]}=..."
            )
        return value

    return _VARIABLE.sub(one, text)
