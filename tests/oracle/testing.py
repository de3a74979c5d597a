"""What the tests of the oracle share."""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from . import deidentify

TODAY = datetime.date(2026, 8, 7)
KEY = "fhir-pseudonymizer"
Rules = Sequence[Mapping[str, Any]]

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [{"use": "official", "family": "Doe", "given": ["Ann", "Bo"]}, {"given": ["x"]}],
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "u", "valueDecimal": 1.50}]},
    "multipleBirthInteger": 2,
    "contact": [{"name": {"family": "Roe"}}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Org"}],
}


def pseuded(domain: str, value: str) -> str:
    """The double behind the reference's snapshots."""
    return f"pseuded-{value}@{domain}"


def run(
    resource: Any, rules: Rules, *, pseudonyms: Any = pseuded, labels: bool = False, **parameters: Any
) -> Any:
    """The result for a resource given as Python objects or as JSON text."""
    text = resource if isinstance(resource, str) else json.dumps(resource)
    given = {"cryptoHashKey": KEY, "dateShiftKey": KEY, **parameters}
    result = deidentify(
        text.encode(), rules, given, today=TODAY, pseudonyms=pseudonyms, labels=labels
    ).decode()
    return result if isinstance(resource, str) else json.loads(result)
