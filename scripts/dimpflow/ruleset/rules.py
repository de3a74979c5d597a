"""Checked rule objects: what a loaded rule set consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

from dimpflow.fhirpath.ast import Expression
from dimpflow.ruleset.options import Options


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave the node, and all below it, as it is."""


@dataclass(frozen=True, slots=True)
class Redact:
    """Clear the value, and all values below that no earlier rule took; `parameters` may spare parts of dates, ages, postal codes."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the whole node out, with all below it."""


@dataclass(frozen=True, slots=True)
class CryptoHash:
    """Replace a value by its keyed hash. truncate: length in hexadecimal characters, None for all 64."""

    truncate: int | None = None


@dataclass(frozen=True, slots=True)
class Encrypt:
    """Replace a value by its encryption (AES-CBC)."""


@dataclass(frozen=True, slots=True)
class Decrypt:
    """The way back from `encrypt`; no method of a rule set, but what `encrypt` becomes when a rule set is reversed."""


@dataclass(frozen=True, slots=True)
class DateShift:
    """Move a date by some days. offset: how many, if the setting says so; None for the parameters' offset or the keyed one."""

    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Substitute:
    """Replace a node. text: the new value, or JSON for a complex node; None for nothing."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Perturb:
    """Add noise to a number, uniform over `span`, or over span times the value; rounded to `digits` decimals."""

    span: Decimal
    proportional: bool = False
    digits: int = 2


@dataclass(frozen=True, slots=True)
class Generalize:
    """Replace a value by what the first fitting case makes of it. cases: (predicate, value) over `$this`."""

    cases: tuple[tuple[Expression, Expression], ...]
    other_values: Literal["redact", "keep"] = "redact"


@dataclass(frozen=True, slots=True)
class Pseudonymize:
    """Replace a value by a pseudonym of it within a domain.

    prefix: put before the pseudonym. value_from: what is pseudonymised in place of the node's own value; the node then
    becomes that one pseudonym (a HumanName: its `text`). Both are ours, not the FHIR Pseudonymizer's.
    """

    domain: str = ""
    domain_prefix: str = ""
    prefix: str = ""
    value_from: Literal["", "Resource.id"] = ""


@dataclass(frozen=True, slots=True)
class Scrub:
    """Replace the terms that identify the patient in a text, and nothing else of it. marker: what is put in their place;
    unknown: what happens to a text of which nobody knows whose it is. Ours, not the FHIR Pseudonymizer's.
    """

    marker: str = "***"
    unknown: Literal["redact", "keep"] = "redact"


Method = (
    Keep
    | Redact
    | Remove
    | CryptoHash
    | Encrypt
    | Decrypt
    | DateShift
    | Substitute
    | Perturb
    | Generalize
    | Pseudonymize
    | Scrub
)

METHOD_NAMES: Mapping[type, str] = {
    Keep: "keep",
    Redact: "redact",
    Remove: "remove",
    CryptoHash: "cryptoHash",
    Encrypt: "encrypt",
    Decrypt: "decrypt",
    DateShift: "dateshift",
    Substitute: "substitute",
    Perturb: "perturb",
    Generalize: "generalize",
    Pseudonymize: "pseudonymize",
    Scrub: "scrub",
}

VALUE_METHODS = (CryptoHash, Encrypt, Decrypt, DateShift, Perturb, Generalize, Pseudonymize, Scrub)
"""Methods that transform a value; in strict mode they leave what stands beside it to the rules that follow."""

NOT_DOMAIN_RESOURCES = frozenset(("Bundle", "Binary", "Parameters"))
"""Resources that are no DomainResource (FHIR R4, section 2.27)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. number: its place in the file, from 1; resource_type: the type before the path, or ''."""

    number: int
    path: str
    method: Method
    resource_type: str
    expression: Expression | None
    """None: the rule selects the resource itself."""
    strict: bool = False

    def applies_to(self, resource_type: str) -> bool:
        """Whether the rule looks at resources of this type; without inheritance (`DomainResource` means every resource), unless
        it is strict."""
        if self.strict and self.resource_type == "DomainResource":
            return resource_type not in NOT_DOMAIN_RESOURCES
        return self.resource_type in ("", "Resource", "DomainResource", resource_type)

    @property
    def title(self) -> str:
        """How messages call the rule."""
        return f"rule {self.number} ({self.path})"


@dataclass(frozen=True, slots=True)
class Parameters:
    """The `parameters` of a rule set (specification of the rules, section 1.3), its keys taken from the environment and derived.

    hash_key: key of cryptoHash, as text; encrypt_key: AES key; shift_key, shift_prefix: seed of dateshift.
    """

    hash_key: str = field(default="", repr=False)
    hash_algorithm: Literal["hmacSha256", "blake3"] = "hmacSha256"
    encrypt_key: bytes = field(default=b"", repr=False)
    shift_key: str = field(default="", repr=False)
    shift_prefix: str = field(default="", repr=False)
    shift_offset: int | None = None
    partial_ages: bool = False
    partial_dates: bool = False
    partial_zips: bool = False
    restricted_zips: tuple[str, ...] = ()

    def secrets(self) -> str:
        """All keys in one text, for a fingerprint; '' if there are none."""
        keys = (self.hash_key, self.encrypt_key.hex(), self.shift_key, self.shift_prefix)
        return "\0".join(keys) if any(keys) else ""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A checked rule set. sha256: of the file's bytes, in which keys stand as names of variables."""

    path: Path
    sha256: str
    rules: tuple[Rule, ...]
    parameters: Parameters = field(repr=False)
    options: Options = field(default_factory=Options)
    warnings: tuple[str, ...] = ()


def scrubs(rule_set: RuleSet) -> bool:
    """Whether a rule set needs to know what identifies each patient."""
    return any(isinstance(rule.method, Scrub) for rule in rule_set.rules)
