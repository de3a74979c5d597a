"""services.pseudonyms: which source the pseudonyms of a domain come from, and what they look like."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dimpflow.errors import ConfigError
from dimpflow.pseudonyms.keyed import HEX, LENGTH
from dimpflow.ruleset.rules import Pseudonymize, RuleSet

SourceName = Literal["keyed", "sequential", "gpas", "vfps", "entici", "mii"]


@dataclass(frozen=True)
class DomainPlan:
    """How the pseudonyms of a domain are made. alphabet, length: of keyed ones; digits: of sequential ones, at least; prefix: put
    before each, behind the rule's own."""

    source: SourceName = "keyed"
    prefix: str = ""
    alphabet: str = HEX
    length: int = LENGTH
    digits: int = 5

    @property
    def is_plain(self) -> bool:
        """Whether it needs nothing but the key."""
        return self.source == "keyed"


@dataclass(frozen=True)
class PseudonymPlan:
    """The plan of each domain that is named, and of all others. keep: whether the job keeps a mapping."""

    others: DomainPlan
    domains: Mapping[str, DomainPlan]
    keep: bool

    def of(self, domain: str) -> DomainPlan:
        """The plan of a domain, with the rule's domain prefix in front."""
        return self.domains.get(domain, self.others)

    @property
    def gathers(self) -> bool:
        """Whether all originals must be known before the first pseudonym is used."""
        return any(not plan.is_plain for plan in (self.others, *self.domains.values()))

    @property
    def is_default(self) -> bool:
        """Whether pseudonyms are what they are without a configuration."""
        return self.others == DomainPlan() and not self.domains

    def as_params(self) -> dict[str, Any]:
        """As plain values, for a job's script."""
        return asdict(self)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "PseudonymPlan":
        """The way back."""
        domains = {name: DomainPlan(**plan) for name, plan in params["domains"].items()}
        return cls(DomainPlan(**params["others"]), domains, params["keep"])


DEFAULT_PLAN = PseudonymPlan(DomainPlan(), {}, keep=True)
"""Of a configuration that says nothing of pseudonyms."""


def pseudonymizes(rule_set: RuleSet) -> bool:
    """Whether a rule set makes pseudonyms at all."""
    return any(isinstance(rule.method, Pseudonymize) for rule in rule_set.rules)


def prefixes_of(rule_set: RuleSet) -> dict[str, str]:
    """What the rules put before the pseudonyms of each domain; under "" for domains that come from references.

    ConfigError: two rules of one domain differ, so that its mapping could not say what stands in the result.
    """
    found: dict[str, str] = {}
    for rule in rule_set.rules:
        method = rule.method
        if not isinstance(method, Pseudonymize):
            continue
        domain = method.domain_prefix + method.domain if method.domain else ""
        if found.setdefault(domain, method.prefix) != method.prefix:
            name = f"domain {domain!r}" if domain else "references without a domain"
            raise ConfigError(
                f"rule {rule.number} ({rule.path}): another prefix than an earlier rule of {name}; a mapping needs one (or mappings.keep: "
                "false)"
            )
    return found
