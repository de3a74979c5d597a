"""A double of gPAS's FHIR gateway, in one of its three generations."""

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

from doubles.pseudonyms.service import (
    Asked,
    PseudonymDouble,
    Refused,
    Row,
    body_of,
    one_of,
    outcome,
    parameters,
    value,
    values_of,
)
from doubles.wire import Answer, Request

BASE = "/ttp-fhir/fhir/gpas/"
Generation = Literal["1.10.1", "1.10.2", "2023.1.0"]
_OPERATIONS = {
    "1.10.1": ("$pseudonymize-allow-create", "$de-pseudonymize"),
    "1.10.2": ("$pseudonymize-allow-create", "$de-pseudonymize"),
    "2023.1.0": ("$pseudonymizeAllowCreate", "$dePseudonymize"),
}


class GpasDouble(PseudonymDouble):
    """See PseudonymDouble. unknown_is: what 1.10.2 and later say where no pseudonym of a reverse lookup is known: an `error`, or 404 with
    or without the pseudonym in its text; strict: one that is unknown makes them refuse all."""

    def __init__(
        self,
        domains: Sequence[str],
        version: Generation = "2023.1.0",
        *,
        unknown_is: Literal["error", "404", "404 named"] = "error",
        strict: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(domains, **common)
        self.version = version
        self._unknown_is = unknown_is
        self._strict = strict

    @property
    def base_url(self) -> str:
        """The address to configure."""
        return self.url + BASE

    def asked(self, request: Request) -> Asked | Answer:
        """See PseudonymDouble."""
        path, _, query = request.path.partition("?")
        operation = unquote(path).removeprefix(BASE)
        if operation not in _OPERATIONS[self.version]:
            raise Refused()
        reverse = operation == _OPERATIONS[self.version][1]
        name = "pseudonym" if reverse else "original"
        if self.version == "1.10.1":
            if request.method != "GET":
                raise Refused(Answer(405))
            found = parse_qs(query, keep_blank_values=True, strict_parsing=True, encoding="utf-8")
            if found.keys() != {"domain", name} or any(len(one) != 1 for one in found.values()):
                raise Refused(Answer(400))
            return Asked(found["domain"][0], found[name], reverse, _by_name)
        body = body_of(request)
        values = values_of(body, name, "valueString")
        if not values:
            raise Refused(outcome(400, f"{name} is missing"))
        target = one_of(body, "target", "valueString")
        if reverse and self._strict and (bad := [v for v in values if (target, v) not in self.created]):
            raise Refused(outcome(404, f"unknown: {bad}"))
        return Asked(target, values, reverse, self._originals if reverse else self._pseudonyms)

    def unknown(self, asked: Asked) -> Answer | None:
        """See PseudonymDouble."""
        if self._unknown_is == "error" or self.version == "1.10.1":
            return None
        text = asked.values[0] if self._unknown_is == "404 named" else "the value"
        return outcome(404, f"{text} is unknown")

    @property
    def _kind(self) -> str:
        return "valueIdentifier" if self.version == "2023.1.0" else "valueString"

    def _pseudonyms(self, rows: Sequence[Row]) -> Answer:
        return parameters(*(self._part("pseudonym", "original", "pseudonym", row) for row in rows))

    def _originals(self, rows: Sequence[Row]) -> Answer:
        name = "original" if self.version == "2023.1.0" else "pseudonym-result-set"
        return parameters(*(self._part(name, "pseudonym", "original", row) for row in rows))

    def _part(self, name: str, known: str, found: str, row: Row) -> dict[str, Any]:
        parts = [value("target", self._kind, row.domain)]
        if row.known is not None:
            parts.append(value(known, self._kind, row.known))
        if row.found is None:
            error = {
                "name": "error-code",
                "valueCoding": {"code": "not-found", "display": f"{row.known} unknown"},
            }
            return {"name": "error", "part": [*parts, error]}
        return {"name": name, "part": [*parts, value(found, self._kind, row.found)]}


def _by_name(rows: Sequence[Row]) -> Answer:
    """Of the first generation: a parameter named like the value that was asked for."""
    return parameters(
        *(value(row.known or "", "valueString", row.found) for row in rows if row.found is not None)
    )
