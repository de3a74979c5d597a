"""A double of the pseudonymisation interface of the MII, version 1.x or the ballot of 2026."""

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import unquote

from doubles.pseudonyms.service import (
    Asked,
    PseudonymDouble,
    Refused,
    Row,
    answer_of,
    body_of,
    one_of,
    outcome,
    value,
)
from doubles.wire import Answer, Request

BASE = "/mii/fhir"
_OPERATIONS = ("$pseudonymize", "$de-pseudonymize")


class MiiDouble(PseudonymDouble):
    """See PseudonymDouble.

    names: whether answers say which value they are for, and answers in a Bundle the fullUrl of their request. refusing: status of
    the answers in a Bundle for values that hold this text, so often (None: always). original_as: how 1.x gives originals.
    """

    def __init__(
        self,
        domains: Sequence[str],
        version: Literal["1.x", "2026"] = "1.x",
        *,
        names: Literal["", "value", "fullUrl"] = "",
        refusing: tuple[str, int, int | None] | None = None,
        original_as: Literal["valueString", "valueIdentifier"] = "valueIdentifier",
        **common: Any,
    ) -> None:
        super().__init__(domains, **common)
        self._ballot = version == "2026"
        self._names = names
        self._refusing = refusing
        self._original_as = original_as
        self._refused = 0

    @property
    def base_url(self) -> str:
        """The address to configure."""
        return self.url + BASE

    @property
    def _kind(self) -> str:
        return "valueIdentifier" if self._ballot else "valueString"

    def asked(self, request: Request) -> Asked | Answer:
        """See PseudonymDouble."""
        path = unquote(request.path)
        body = body_of(request)
        if path == BASE and body.get("resourceType") == "Bundle":
            return self._bundle(body)
        operation = path.removeprefix(BASE + "/")
        if operation not in _OPERATIONS:
            raise Refused()
        domain, one, reverse = self._single(operation, body)

        def answer(rows: Sequence[Row]) -> Answer:
            if not rows or rows[0].found is None:
                return outcome(404, f"{one} is unknown")
            return answer_of(self._resource(rows, reverse))

        return Asked(domain, [one], reverse, answer)

    def _single(self, operation: str, body: dict[str, Any]) -> tuple[str, str, bool]:
        """Domain, value, and whether it is a pseudonym, of one request."""
        names = {one.get("name") for one in body.get("parameter", [])}
        reverse = operation == "$de-pseudonymize"
        domain, name = ("context" if self._ballot else "target"), ("pseudonym" if reverse else "original")
        allowed = {domain, name} | ({"allowCreate"} if not reverse and not self._ballot else set())
        if names != allowed:
            raise Refused(outcome(400, "these parameters are not known"))
        allow = [one.get("valueBoolean") for one in body["parameter"] if one["name"] == "allowCreate"]
        if "allowCreate" in allowed and allow != [True]:
            raise Refused(outcome(404, "there is no pseudonym, and none may be made"))
        return one_of(body, domain, self._kind), one_of(body, name, self._kind), reverse

    def _bundle(self, body: dict[str, Any]) -> Asked:
        entries = body.get("entry", [])
        if (
            body.get("type") != "batch"
            or not entries
            or any(e["request"]["method"] != "POST" for e in entries)
        ):
            raise Refused(outcome(400, "no batch"))
        found = [self._single(entry["request"]["url"], entry["resource"]) for entry in entries]
        domains, kinds = {one[0] for one in found}, {one[2] for one in found}
        if len(domains) != 1 or len(kinds) != 1:
            raise Refused(outcome(400, "a double takes one domain and operation at a time"))
        reverse = kinds.pop()
        urls = {one[1]: entry.get("fullUrl") for one, entry in zip(found, entries, strict=True)}

        def answer(rows: Sequence[Row]) -> Answer:
            entries = [self._entry(row, reverse, urls.get(row.known or "")) for row in rows]
            return answer_of({"resourceType": "Bundle", "type": "batch-response", "entry": entries})

        return Asked(domains.pop(), [one[1] for one in found], reverse, answer)

    def _entry(self, row: Row, reverse: bool, url: str | None) -> dict[str, Any]:
        if (status := self._refusal(row)) or row.found is None:
            text = {
                "resourceType": "OperationOutcome",
                "issue": [{"code": "not-found", "diagnostics": row.known}],
            }
            return {"response": {"status": f"{status or 404} no", "outcome": text}}
        entry = {"resource": self._resource([row], reverse), "response": {"status": "200 OK"}}
        return {"fullUrl": url, **entry} if self._names == "fullUrl" and url else entry

    def _refusal(self, row: Row) -> int:
        if self._refusing and self._refusing[0] in (row.known or ""):
            _, status, times = self._refusing
            self._refused += 1
            return status if times is None or self._refused <= times else 0
        return 0

    def _resource(self, rows: Sequence[Row], reverse: bool) -> dict[str, Any]:
        given: list[dict[str, Any]] = []
        for row in rows:
            if self._names == "value" and row.known is not None:
                given.append(value("pseudonym" if reverse else "original", self._kind, row.known))
            if reverse and not self._ballot:
                given.append({"name": "original", "part": [value("value", self._original_as, row.found)]})
            else:
                given.append(value("original" if reverse else "pseudonym", self._kind, row.found))
        return {"resourceType": "Parameters", "parameter": given}

    def absent(self, status: int, domain: str) -> Answer:
        """See PseudonymDouble."""
        return outcome(status, f"{domain} is no domain here")
