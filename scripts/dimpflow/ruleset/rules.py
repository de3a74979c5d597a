"""Checked rule objects: what a loaded rule set consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dimpflow.ruleset.ast import Expression


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave the node, and all below it, as it is."""


@dataclass(frozen=True, slots=True)
class Redact:
    """Clear the value, and all values below that no earlier rule took."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the whole node out, with all below it."""


@dataclass(frozen=True, slots=True)
class CryptoHash:
    """Replace a value by its keyed hash. truncate: length in hexadecimal characters, None for all 64."""

    truncate: int | None = None


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


Method = Keep | Redact | Remove | CryptoHash | Generalize | Pseudonymize


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. number: its place in the file, from 1; resource_type: the type before the path, or ''."""

    number: int
    path: str
    method: Method
    resource_type: str
    expression: Expression | None
    """None: the rule selects the resource itself."""

    def applies_to(self, resource_type: str) -> bool:
        """Whether the rule looks at resources of this type (no inheritance: `DomainResource` means every resource)."""
        return self.resource_type in ("", "Resource", "DomainResource", resource_type)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The `parameters` of a rule set, keys already taken from the environment."""

    crypto_hash_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A checked rule set. sha256: of the file's bytes, in which keys stand as names of variables."""

    path: Path
    sha256: str
    rules: tuple[Rule, ...]
    parameters: Parameters = field(repr=False)
    warnings: tuple[str, ...] = ()


METHOD_NAMES: Mapping[type, str] = {
    Keep: "keep",
    Redact: "redact",
    Remove: "remove",
    CryptoHash: "cryptoHash",
    Generalize: "generalize",
    Pseudonymize: "pseudonymize",
}
