"""How a rule set is to be applied: what the configuration says beside the rule set's own file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Options:
    """strict: close the hazards of the FHIR Pseudonymizer (specification of the rules, section 8) instead of giving its output.

    reference_date: the day on which an age is judged to be over 89, so that a result does not change with the calendar;
    settings: override those of every rule (section 3.12); conditional_references: split `ifNoneExist` in pseudonymize (the
    service's Features__ConditionalReferencePseudonymization); unmatched: what happens to elements that no rule reaches.
    """

    strict: bool = False
    reference_date: date | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    conditional_references: bool = False
    unmatched: Literal["keep", "redact"] = "keep"

    def as_params(self) -> dict[str, Any]:
        """As plain values, for Snakemake's metadata."""
        return {
            "strict": self.strict,
            "reference_date": self.reference_date.isoformat() if self.reference_date else "",
            "settings": dict(sorted(self.settings.items())),
            "conditional_references": self.conditional_references,
            "unmatched": self.unmatched,
        }

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "Options":
        """The way back."""
        day = params["reference_date"]
        return cls(**{**params, "reference_date": date.fromisoformat(day) if day else None})
