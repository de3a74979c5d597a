"""The settings of a rule as a checked Method (specification of the rules, sections 1.4 and 1.6).

Every scalar arrives as text. What the FHIR Pseudonymizer would accept and fail on, or silently not do, is refused.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dimpflow.errors import RuleSetError
from dimpflow.fhirpath.check import check
from dimpflow.fhirpath.parser import parse
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import (
    METHOD_NAMES,
    CryptoHash,
    DateShift,
    Decrypt,
    Encrypt,
    Generalize,
    Keep,
    Method,
    Perturb,
    Pseudonymize,
    Redact,
    Remove,
    Scrub,
    Substitute,
)

SETTINGS: Mapping[str, tuple[str, ...]] = {
    "keep": (),
    "redact": (),
    "remove": (),
    "cryptohash": ("truncateToMaxLength",),
    "encrypt": (),
    "dateshift": ("dateShiftFixedOffsetInDays",),
    "substitute": ("replaceWith",),
    "perturb": ("span", "rangeType", "roundTo"),
    "generalize": ("cases", "otherValues"),
    "pseudonymize": (
        "domain", "namespace", "domain-prefix", "namespace-prefix", "prefix", "valueFrom", "entici",
    ),
    "scrub": ("marker", "unknown"),
}  # fmt: skip
"""Methods in lower case, with the settings that each reads."""

DYNAMIC = (
    "domain", "namespace", "domain-prefix", "namespace-prefix", "replaceWith", "span", "roundTo", "rangeType", "otherValues",
    "dateShiftFixedOffsetInDays",
)  # fmt: skip
"""Settings that a request may override (section 3.12)."""

SHORTEST_HASH = 16
"""Hexadecimal characters (64 bits) under which different ids may well get one hash; strict mode refuses less."""

_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_MARKER = re.compile(r"(?!.*--)[^\s<>&\"'-]([^<>&\"']*[^\s<>&\"'-])?")
"""A marker stands in XHTML, in its attributes and comments, too, and may be all of a text."""
_NUMBER = re.compile(r"\d+(\.\d+)?([eE][+-]?\d{1,2})?", re.ASCII)


def method_of(rule: Mapping[str, Any], options: Options) -> Method:
    """The method of a rule with its settings, those of the options above its own. RuleSetError, saying which is wrong."""
    name = rule["method"].strip().lower()
    if name not in SETTINGS:
        known = ", ".join(n for kind, n in METHOD_NAMES.items() if kind is not Decrypt)
        raise RuleSetError(f"unknown method {rule['method'].strip()}; known: {known}")
    own = rule
    rule = {**rule, **options.settings}
    if options.strict:
        _no_unknown_setting(own, name)
    match name:
        case "keep":
            return Keep()
        case "redact":
            return Redact()
        case "remove":
            return Remove()
        case "encrypt":
            return Encrypt()
        case "cryptohash":
            return _crypto_hash(rule, options)
        case "dateshift":
            return _date_shift(rule, options)
        case "substitute":
            return _substitute(rule)
        case "perturb":
            return _perturb(rule)
        case "generalize":
            return _generalize(rule)
        case "scrub":
            return _scrub(rule)
    return _pseudonymize(rule, options)


def unknown_settings(rule: Mapping[str, Any], name: str) -> list[str]:
    """Keys of a rule that its method does not read."""
    return [key for key in rule if key not in ("path", "method", *SETTINGS.get(name, ()))]


def _no_unknown_setting(rule: Mapping[str, Any], name: str) -> None:
    for key in unknown_settings(rule, name):
        known = ", ".join(SETTINGS[name]) or "none"
        raise RuleSetError(f"{key} is no setting of this method (it has: {known})")


def is_null(value: Any) -> bool:
    """What YAML calls null, as it arrives here."""
    return value in (None, "", "~", "null", "Null", "NULL")


def text_of(rule: Mapping[str, Any], *keys: str) -> str:
    """The first of the settings that is there, as text; '' for none."""
    for key in keys:
        value = rule.get(key)
        if not is_null(value):
            if not isinstance(value, str):
                raise RuleSetError(f"{key}: expected text")
            return value
    return ""


def whole_number(rule: Mapping[str, Any], key: str) -> int | None:
    """A setting that is a whole number; None where it is not there."""
    text = text_of(rule, key)
    if not text:
        return None
    if not _WHOLE.fullmatch(text.strip()):
        raise RuleSetError(f"{key}: expected a whole number")
    return int(text)


def _crypto_hash(rule: Mapping[str, Any], options: Options) -> CryptoHash:
    length = whole_number(rule, "truncateToMaxLength")
    if length is not None and length < 0:
        raise RuleSetError("truncateToMaxLength: expected a whole number that is not negative")
    if length is not None and length < SHORTEST_HASH and options.strict:
        raise RuleSetError(
            f"truncateToMaxLength: {length} characters are too few to tell ids apart; strict mode wants at least {SHORTEST_HASH}"
        )
    return CryptoHash(length)


def _date_shift(rule: Mapping[str, Any], options: Options) -> DateShift:
    key = "dateShiftFixedOffsetInDays"
    offset = whole_number(rule, key)
    # the FHIR Pseudonymizer reads this setting from requests only and ignores it in the file
    return DateShift(offset if options.strict or key in options.settings else None)


def _substitute(rule: Mapping[str, Any]) -> Substitute:
    if "replaceWith" not in rule:
        raise RuleSetError("substitute needs replaceWith: the new value, empty for none")
    value = rule["replaceWith"]
    if value is not None and not isinstance(value, str):
        raise RuleSetError("replaceWith: expected text; for an element with parts the text of a JSON object")
    return Substitute(None if is_null(value) else value)


def _perturb(rule: Mapping[str, Any]) -> Perturb:
    digits = whole_number(rule, "roundTo")
    if digits is not None and not 0 <= digits <= 28:
        raise RuleSetError("roundTo: expected a whole number from 0 to 28")
    span = text_of(rule, "span").strip()
    if not _NUMBER.fullmatch(span):
        raise RuleSetError("span: expected a number that is not negative")
    kind = text_of(rule, "rangeType").strip().lower() or "fixed"
    if kind not in ("fixed", "proportional"):
        raise RuleSetError("rangeType: expected fixed or proportional")
    return Perturb(Decimal(span), kind == "proportional", 2 if digits is None else digits)


def _generalize(rule: Mapping[str, Any]) -> Generalize:
    cases = rule.get("cases")
    if not isinstance(cases, dict) or not cases:
        raise RuleSetError("generalize needs cases: a mapping from predicate to value")
    checked = []
    for predicate, value in cases.items():
        if not isinstance(value, str):
            raise RuleSetError("cases: the value of a case is a FHIRPath expression, as text")
        condition, result = parse(predicate), parse(value)
        check(condition)
        check(result)
        checked.append((condition, result))
    other = text_of(rule, "otherValues").strip().lower() or "redact"
    if other not in ("redact", "keep"):
        raise RuleSetError("otherValues: expected redact or keep")
    return Generalize(tuple(checked), "keep" if other == "keep" else "redact")


def _pseudonymize(rule: Mapping[str, Any], options: Options) -> Pseudonymize:
    value_from = text_of(rule, "valueFrom")
    if value_from not in ("", "Resource.id"):
        raise RuleSetError("valueFrom: only Resource.id is supported")
    if "entici" in rule:
        raise RuleSetError("entici is not supported; pseudonyms are made from the key of the rule set")
    domain = text_of(rule, "domain", "namespace")
    if not domain and options.strict:
        raise RuleSetError("domain is missing; strict mode takes none from the data")
    prefix = text_of(rule, "domain-prefix", "namespace-prefix")
    return Pseudonymize(domain, prefix, text_of(rule, "prefix"), "Resource.id" if value_from else "")


def _scrub(rule: Mapping[str, Any]) -> Scrub:
    marker = text_of(rule, "marker") or Scrub().marker
    if not (marker.isprintable() and _MARKER.fullmatch(marker)):
        raise RuleSetError(
            "marker: expected printable text without <, >, &, quotes and --, and without blanks or - at its ends"
        )
    unknown = text_of(rule, "unknown").strip().lower() or "redact"
    if unknown not in ("redact", "keep"):
        raise RuleSetError("unknown: expected redact or keep")
    return Scrub(marker, "keep" if unknown == "keep" else "redact")
