"""Rules and parameters, from the strings that the YAML file gives (1.3 to 1.6); mistakes are ValueErrors."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .fhirpath_parser import Expression, parse

METHODS = frozenset(
    [
        "keep",
        "redact",
        "remove",
        "cryptohash",
        "encrypt",
        "dateshift",
        "substitute",
        "perturb",
        "generalize",
        "pseudonymize",
        "scrub",
    ]
)
_PATH = re.compile(r"^(?P<resourceType>[A-Z][a-zA-Z]*)?(\.)?(?P<expression>.*?)$")
_PARAMETERS = frozenset(
    [
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
    ]
)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "yes", "y", "on"})
_FALSE = frozenset({"false", "no", "n", "off", ""})


@dataclass(frozen=True)
class Rule:
    """One rule. Settings of other methods have their defaults."""

    resource_type: str
    """The type prefix; '' for a general rule."""
    expression: Expression | None
    """None for a rule that selects the resource itself."""
    method: str
    truncate: int | None
    replace_with: str | None
    span: Decimal
    proportional: bool
    round_to: int
    cases: tuple[tuple[Expression, Expression], ...]
    keep_others: bool
    domain: str | None
    domain_prefix: str
    marker: str
    keep_unknown: bool

    def applies_to(self, resource_type: str) -> bool:
        """Whether it runs on such resources; no inheritance is looked at (2.2)."""
        return self.resource_type in {"", resource_type, "Resource", "DomainResource"}


@dataclass(frozen=True)
class Parameters:
    """The section `parameters`, with derived keys (1.3, 3.10)."""

    date_shift_key: str
    date_shift_prefix: str
    fixed_offset: int | None
    hash_key: str
    blake3: bool
    encrypt_key: bytes
    partial_ages: bool
    partial_dates: bool
    partial_zips: bool
    restricted_zips: tuple[str, ...]


def load_rules(rules: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """The rules in file order."""
    return _load_rules(_frozen(rules))


def load_parameters(parameters: Mapping[str, Any]) -> Parameters:
    """The parameters."""
    return _load_parameters(_frozen(parameters))


def _frozen(content: Any) -> Any:
    """Something that can be a cache key; the order of mappings stays, for that of `cases` matters."""
    if isinstance(content, Mapping):
        return ("mapping", tuple((key, _frozen(value)) for key, value in content.items()))
    if isinstance(content, str) or content is None:
        return content
    return ("sequence", tuple(_frozen(item) for item in content))


def _mapping(frozen: Any) -> dict[str, Any]:
    if not isinstance(frozen, tuple) or frozen[0] != "mapping":
        raise ValueError("a mapping is expected")
    return dict(frozen[1])


@lru_cache(maxsize=64)
def _load_rules(frozen: Any) -> tuple[Rule, ...]:
    return tuple(_load_rule(_mapping(rule)) for rule in frozen[1])


def _load_rule(rule: dict[str, Any]) -> Rule:
    path, method = _text(rule, "path"), (_text(rule, "method") or "").lower()
    if not path:
        raise ValueError("a rule without path")
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}")
    resource_type, expression = _split(path)
    truncate = _integer(rule, "truncateToMaxLength") if method == "cryptohash" else None
    if truncate is not None and truncate < 0:
        raise ValueError("truncateToMaxLength is negative")
    if method == "substitute" and "replaceWith" not in rule:
        raise ValueError("substitute without replaceWith")
    perturb, generalize = method == "perturb", method == "generalize"
    round_to = _integer(rule, "roundTo") if perturb else None
    if round_to is not None and not 0 <= round_to <= 28:
        raise ValueError("roundTo is not within 0..28")
    return Rule(
        resource_type=resource_type,
        expression=expression,
        method=method,
        truncate=truncate,
        replace_with=_text(rule, "replaceWith") if method == "substitute" else None,
        span=_span(rule) if perturb else Decimal(0),
        proportional=_choice(rule, "rangeType", ("fixed", "proportional")) == "proportional",
        round_to=2 if round_to is None else round_to,
        cases=_cases(rule) if generalize else (),
        keep_others=_choice(rule, "otherValues", ("redact", "keep")) == "keep",
        domain=_text(rule, "domain") or _text(rule, "namespace"),
        domain_prefix=_text(rule, "domain-prefix") or _text(rule, "namespace-prefix") or "",
        marker=_text(rule, "marker") or "***",
        keep_unknown=_choice(rule, "unknown", ("redact", "keep")) == "keep",
    )


def _split(path: str) -> tuple[str, Expression | None]:
    """The type prefix and what is left of the path (1.5)."""
    parse(path)  # the whole path has to be FHIRPath as well
    match = _PATH.match(path)
    if match is None:
        raise ValueError("a path of several lines")
    resource_type, expression = match["resourceType"] or "", match["expression"]
    return resource_type, parse(expression) if expression else None


def _text(rule: Mapping[str, Any], key: str) -> str | None:
    """A scalar; None where YAML says null (1.1)."""
    value = rule.get(key)
    if value is None or value in _NULLS:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{key} is not a scalar")
    return value


def _integer(settings: Mapping[str, Any], key: str) -> int | None:
    text = _text(settings, key)
    if text is None:
        return None
    if not re.fullmatch(r"-?[0-9]+", text):
        raise ValueError(f"{key} is not an integer")
    return int(text)


def _span(rule: Mapping[str, Any]) -> Decimal:
    text = _text(rule, "span")
    if text is None or not _NUMBER.fullmatch(text) or Decimal(text) < 0:
        raise ValueError("span is not a number that is 0 or more")
    return Decimal(text)


def _choice(rule: Mapping[str, Any], key: str, values: Sequence[str]) -> str:
    """One of the values, ignoring case; the first one is the default."""
    text = _text(rule, key)
    if text is None:
        return values[0]
    if text.lower() not in values:
        raise ValueError(f"{key}: {text!r}")
    return text.lower()


def _cases(rule: Mapping[str, Any]) -> tuple[tuple[Expression, Expression], ...]:
    if "cases" not in rule:
        raise ValueError("generalize without cases")
    cases = _mapping(rule["cases"])
    if not all(isinstance(value, str) for value in cases.values()):
        raise ValueError("cases map expressions to expressions")
    return tuple((parse(predicate), parse(value)) for predicate, value in cases.items())


@lru_cache(maxsize=64)
def _load_parameters(frozen: Any) -> Parameters:
    given = _mapping(frozen)
    if not given.keys() <= _PARAMETERS:
        raise ValueError(f"unknown parameters: {sorted(given.keys() - _PARAMETERS)}")
    _choice(given, "dateShiftScope", ("resource", "file", "folder"))  # without effect (1.3)

    def text(key: str) -> str:
        return _text(given, key) or ""

    def switch(key: str) -> bool:
        value = text(key).lower()
        if value not in _TRUE | _FALSE:
            raise ValueError(f"{key}: {value!r}")
        return value in _TRUE

    # A blank key is none (1.3).
    hash_key = text("cryptoHashKey") if text("cryptoHashKey").strip() else ""
    encrypt_key = text("encryptKey").encode()
    # Before derivation: a master key of another length is refused, too (1.6 item 7).
    if encrypt_key and len(encrypt_key) not in {16, 24, 32}:
        raise ValueError("encryptKey has not 16, 24 or 32 bytes")
    context = text("keyDerivationContext")
    if context.strip() and hash_key:
        hash_key = derived(hash_key.encode(), f"{context}:cryptoHash").hex()
    if context.strip() and encrypt_key.strip():
        encrypt_key = derived(encrypt_key, f"{context}:encrypt")
    restricted = given.get("restrictedZipCodeTabulationAreas") or ("sequence", ())
    if not isinstance(restricted, tuple) or restricted[0] != "sequence":
        raise ValueError("restrictedZipCodeTabulationAreas is not a list")
    return Parameters(
        date_shift_key=text("dateShiftKey"),
        date_shift_prefix=text("dateShiftKeyPrefix"),
        fixed_offset=_integer(given, "dateShiftFixedOffsetInDays"),
        hash_key=hash_key,
        blake3=_choice(given, "cryptoHashAlgorithm", ("hmacsha256", "blake3")) == "blake3",
        encrypt_key=encrypt_key,
        partial_ages=switch("enablePartialAgesForRedact"),
        partial_dates=switch("enablePartialDatesForRedact"),
        partial_zips=switch("enablePartialZipCodesForRedact"),
        restricted_zips=tuple(str(prefix) for prefix in restricted[1]),
    )


def derived(master: bytes, info: str) -> bytes:
    """HKDF-SHA256, as upstream derives its keys (3.10)."""
    salt = b"FhirPseudonymizer.KeyDerivation.v1"
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info.encode()).derive(master)
