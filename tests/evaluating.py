"""FHIRPath on a small resource, for tests."""

from decimal import Decimal
from typing import Any

from dimpflow.engine.tree.nodes import read
from dimpflow.fhirpath.check import check
from dimpflow.fhirpath.evaluate import compiled
from dimpflow.fhirpath.items import Item
from dimpflow.fhirpath.parser import parse

PATIENT = """{
  "birthDate": "1974-12-25", "_birthDate": {"extension": [{"url": "u", "valueDecimal": 1.50}]},
  "resourceType": "Patient", "id": "p", "meta": {"lastUpdated": "2020-01-02T03:04:05.600Z"},
  "contained": [{"resourceType": "Organization", "id": "o", "name": "Org"}],
  "active": true, "gender": "female", "multipleBirthInteger": 2,
  "deceasedDateTime": "2020-05-06T10:00:00+02:00",
  "identifier": [
    {"value": "1", "type": {"coding": [{"code": "A"}, {"code": "B"}]}},
    {"type": {"coding": [{"code": "A"}, {"code": "B"}]}, "value": "1"},
    {"type": {"coding": [{"code": "b"}, {"code": "a"}]}, "value": "1"}
  ],
  "name": [
    {"use": "official", "family": " Doe ", "given": ["Ann", "Bo"]},
    {"given": ["x"], "_family": {"id": "f"}, "period": {"start": "2002"}}
  ],
  "contact": [{"name": {"family": "Roe"}}]
}"""
"""Its parts are not in definition order."""


def run(source: str, resource: str = PATIENT, *, by_identity: bool = False) -> list[Any]:
    """What an expression gives on a resource: values, nodes without a value as their type; numbers as they are spelt."""
    expression = parse(source)
    check(expression)
    return [shown(item) for item in compiled(expression, by_identity=by_identity)([read(resource.encode())])]


def shown(item: Item) -> Any:
    if item.value is None:
        return f"<{item.type}>"
    return f"number {item.value}" if isinstance(item.value, Decimal) else item.value
