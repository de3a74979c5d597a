"""A rule set, resources and requests for tests of the double of the FHIR Pseudonymizer."""

import base64
import json
from datetime import date
from pathlib import Path
from typing import Any

import requests

from dimpflow.engine.engine import Engine
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from doubles.dimp import DimpDouble

KEYS = {"HASH": "hash-secret"}
RULES = """
fhirVersion: R4
parameters: {cryptoHashKey: "${HASH}", enablePartialDatesForRedact: true}
fhirPathRules:
  - {path: Patient.name, method: redact}
  - {path: Resource.id, method: cryptoHash}
  - {path: Patient.birthDate, method: redact}
  - {path: Patient.address.city, method: substitute, replaceWith: elsewhere}
"""
OTHER = "fhirVersion: R4\nfhirPathRules: [{path: Patient.gender, method: redact}]\n"
PATIENT = {
    "resourceType": "Patient",
    "id": "kanarie-7",
    "name": [{"family": "Müller-Kanarie"}],
    "gender": "female",
    "birthDate": "1974-12-25",
    "address": [{"city": "Ulm"}],
}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [{"resource": {**PATIENT, "id": f"kanarie-{n}"}} for n in range(20)],
}
DAY = date(2024, 1, 1)
JSON = {"Content-Type": "application/fhir+json"}


def engine(path: Path, **settings: str) -> Engine:
    return Engine(load_rule_set(path, KEYS, Options(reference_date=DAY, settings=settings)))


def encoded(resource: object) -> bytes:
    return json.dumps(resource, ensure_ascii=False).encode()


def post(server: DimpDouble, resource: object, **headers: str) -> requests.Response:
    body = resource if isinstance(resource, bytes) else encoded(resource)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    with requests.Session() as one:
        one.trust_env = False
        return one.post(f"{server.url}/fhir/$de-identify", data=body, headers={**JSON, **headers}, timeout=30)


def parameters(*given: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(given)}


def config(text: str) -> dict[str, Any]:
    data = base64.b64encode(text.encode()).decode()
    return {"name": "config", "valueAttachment": {"contentType": "application/yaml", "data": data}}


def settings(**values: Any) -> dict[str, Any]:
    parts = [{"name": name, **value} for name, value in values.items()]
    return {"name": "settings", "part": parts}


RESOURCE = {"name": "resource", "resource": PATIENT}
