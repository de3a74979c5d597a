"""A place in the model, and which values fit there."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, Raw

from dimpflow.errors import LineError
from dimpflow.ruleset.rules import METHOD_NAMES, Rule

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_WHOLE_NUMBERS = ("integer", "positiveInt", "unsignedInt")


@dataclass(frozen=True, slots=True)
class Place:
    """A primitive element. name: FHIR name; type: its primitive type; parent: FHIR type name of what it belongs to."""

    name: str
    type: str
    parent: str

    @property
    def is_reference(self) -> bool:
        """Reference.reference."""
        return self.parent == "Reference" and self.name.lower() == "reference"

    @property
    def takes_text(self) -> bool:
        """Whether any text may stand there (instants, too, are checked when the model is made of the result)."""
        return self.type not in (*_WHOLE_NUMBERS, "boolean", "decimal", "instant")

    def fit(self, value: Any) -> Any:
        """A value as the element's JSON type wants it; LineError where it does not fit (specification, section 2.5)."""
        if value is UNSET:
            return value
        if self.type == "boolean":
            fits, fitted = isinstance(value, bool), value
        elif self.type == "decimal":
            fits, fitted = bool(_NUMBER.fullmatch(str(value))), Raw(str(value).encode())
        elif self.type in _WHOLE_NUMBERS:
            fits = not isinstance(value, bool) and bool(_WHOLE.fullmatch(str(value)))
            fitted = int(value) if fits else value
        elif self.type == "instant":
            fits, fitted = bool(_INSTANT.fullmatch(str(value))), value
        else:
            fits, fitted = isinstance(value, str), value
        if not fits:
            raise LineError(f"what it gives does not fit into a {self.type}")
        return fitted

    def named(self, rule: Rule, operation: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The operation, its errors saying which rule failed at which element."""

        def work(value: Any) -> Any:
            try:
                return operation(value)
            except LineError as error:
                method = METHOD_NAMES[type(rule.method)]
                where = f"rule {rule.number} ({rule.path}): {method} at {self.parent}.{self.name}"
                raise LineError(f"{where}: {error}") from None

        return work
