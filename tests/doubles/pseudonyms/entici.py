"""A double of entici."""

from collections.abc import Sequence
from typing import Any

from dimpflow.fhir.table import RESOURCE_TYPES
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


class EnticiDouble(PseudonymDouble):
    """See PseudonymDouble. project: the one that it insists on."""

    def __init__(self, domains: Sequence[str], *, project: str = "", **common: Any) -> None:
        super().__init__(domains, **common)
        self._project = project

    @property
    def base_url(self) -> str:
        """The address to configure."""
        return self.url + "/entici"

    def asked(self, request: Request) -> Asked | Answer:
        """See PseudonymDouble."""
        if request.path != "/entici/$pseudonymize":
            raise Refused()
        body = body_of(request)
        given = [
            one.get("valueIdentifier") for one in body.get("parameter", []) if one.get("name") == "identifier"
        ]
        if len(given) != 1 or not isinstance(given[0], dict) or not given[0].get("value"):
            raise Refused(outcome(400, "identifier is needed once"))
        if one_of(body, "resourceType", "valueCode") not in RESOURCE_TYPES:
            raise Refused(outcome(400, "resourceType is no type"))
        if values_of(body, "project", "valueString") != ([self._project] if self._project else []):
            raise Refused(outcome(422, "project is not mine"))
        return Asked(given[0].get("system", ""), [given[0]["value"]], False, _answer)


def _answer(rows: Sequence[Row]) -> Answer:
    return parameters(
        *(value("pseudonym", "valueIdentifier", row.found) for row in rows if row.found is not None)
    )
