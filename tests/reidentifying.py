"""Helps the tests of re-identification: de-identifies as the workflow does, keeping the mapping."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from dimpflow.engine.engine import Engine
from dimpflow.errors import ConfigError, InputError
from dimpflow.pseudonyms import Pseudonyms
from dimpflow.pseudonyms.keyed import keyed_pseudonyms
from dimpflow.pseudonyms.mapping import MAPPING, Entry, write_mapping
from dimpflow.pseudonyms.plan import prefixes_of
from dimpflow.reidentify.chain import LOG, read_log
from dimpflow.reidentify.originals import MappingFile, Sources
from dimpflow.reidentify.rules import rules_to_reverse
from dimpflow.reidentify.run import Request, Summary, reidentify
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options

KEYS = {"HASH": "hash-secret", "AES": "sixteen-letters-", "DIMP_CRYPTO_HASH_KEY": "k" * 64}
REASON = "finding to be reported to the ward"
RULES = """
fhirVersion: R4
parameters: {cryptoHashKey: "${HASH}", encryptKey: "${AES}"}
fhirPathRules:
  - {path: Identifier, method: keep}
  - {path: Patient.name.use, method: keep}
  - {path: nodesByType('HumanName').family, method: encrypt}
  - {path: nodesByType('HumanName').given, method: encrypt}
  - {path: Patient.birthDate, method: encrypt}
  - {path: "nodesByType('Identifier').where(use='official').value", method: pseudonymize, domain: official, prefix: OFF_}
  - {path: nodesByType('Identifier').value, method: pseudonymize, domain: number}
  - {path: Resource.id, method: pseudonymize, domain: id, prefix: PT_}
  - {path: nodesByType('Reference').reference, method: pseudonymize, domain: id, prefix: PT_}
  - {path: Bundle.entry.fullUrl, method: pseudonymize, domain: id, prefix: PT_}
  - {path: Bundle.entry.request.url, method: pseudonymize, domain: id, prefix: PT_}
  - {path: Observation.note.text, method: encrypt}
"""
KEEPING = """
fhirVersion: R4
fhirPathRules: [{path: Patient.active, method: keep}]
"""


def as_line(resource: Mapping[str, Any]) -> bytes:
    return json.dumps(resource, ensure_ascii=False).encode()


PATIENT = {
    "resourceType": "Patient",
    "id": "p-4711",
    "identifier": [
        {"use": "official", "value": "A 17/ü"},
        {"system": "http://mr.example/ids", "value": "4711"},
        {"system": "http://only.example"},
    ],
    "active": True,
    "name": [{"use": "usual", "family": "Müller-Lüdenscheid", "given": ["Ann", "B."]}],
    "birthDate": "1974-12-25",
    "contained": [{"resourceType": "Organization", "id": "o1", "identifier": [{"value": "4711"}]}],
    "managingOrganization": {"reference": "#o1"},
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o-1",
    "status": "final",
    "code": {"text": "4711"},
    "subject": {"reference": "Patient/p-4711"},
    "encounter": {"reference": "https://fhir.example/base/Encounter/e-1/_history/2"},
    "hasMember": [
        {"reference": "urn:uuid:7f0e2d38-7a4f-4f7e-9d6c-2f4f0a1b2c3d"},
        {"reference": "Observation?identifier=x|9"},
    ],
    "valueQuantity": {"value": 1.50},
    "note": [{"text": "Frau Müller, 4711"}],
}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": "https://fhir.example/base/Patient/p-4711",
            "resource": PATIENT,
            "request": {"method": "PUT", "url": "Patient/p-4711"},
        },
        {"resource": OBSERVATION, "request": {"method": "POST", "url": "Observation"}},
    ],
}
RESOURCES = [as_line(resource) for resource in (PATIENT, OBSERVATION, BUNDLE)]


def sequential() -> Pseudonyms:
    """1, 2, 3 in order of the values."""
    numbers: dict[tuple[str, str], str] = {}
    return lambda domain, original: numbers.setdefault((domain, original), f"{len(numbers) + 1:05d}")


class Recorder:
    """A source of pseudonyms that remembers what it gave."""

    def __init__(self, source: Pseudonyms) -> None:
        self.source = source
        self.given: dict[tuple[str, str], str] = {}

    def __call__(self, domain: str, original: str) -> str:
        return self.given.setdefault((domain, original), self.source(domain, original))


class Directory:
    """A pseudonym service that is a dictionary. asked: domain and number of pseudonyms of each call."""

    def __init__(self, recorder: Recorder) -> None:
        self.known = {
            (domain, pseudonym): original for (domain, original), pseudonym in recorder.given.items()
        }
        self.asked: list[tuple[str, int]] = []

    def reverse(self, domain: str, pseudonyms: Sequence[str]) -> dict[str, str]:
        self.asked.append((domain, len(pseudonyms)))
        return {p: self.known[domain, p] for p in pseudonyms if (domain, p) in self.known}


@dataclass
class Case:
    """A job that has de-identified `originals`."""

    folder: Path
    rules: Path
    options: Options
    recorder: Recorder
    originals: Path
    results: Path

    @property
    def mapping(self) -> Path:
        return self.folder / "mappings" / MAPPING

    @property
    def log(self) -> Path:
        return self.folder / "mappings" / LOG

    @property
    def output(self) -> Path:
        return self.folder / "reidentified" / "out.ndjson"

    def request(self, environ: Mapping[str, str] = KEYS, **changes: Any) -> Request:
        rules = rules_to_reverse(self.rules, environ, self.options)
        sources = Sources(MappingFile(self.mapping), rules.parameters.encrypt_key)
        values = {
            "input": self.results, "output": self.output, "reason": REASON, "job": "study-42", "rules": rules, "sources": sources,
        }  # fmt: skip
        return Request(**{**values, **changes})

    def run(self, **changes: Any) -> Summary:
        return reidentify(self.request(**changes), [self.log])

    def results_logged(self) -> list[str]:
        return [record["result"] for record in read_log(self.log)] if self.log.exists() else []

    def nothing_came_out(self) -> bool:
        """No output, and no temporary file of one either."""
        return not self.output.parent.exists() or not os.listdir(self.output.parent)


def case(
    folder: Path,
    resources: Sequence[bytes],
    rules: str | Path = RULES,
    *,
    source: Pseudonyms | None = None,
    strict: bool = False,
    environ: Mapping[str, str] = KEYS,
) -> Case:
    """De-identifies resources in a job's folder."""
    folder.mkdir(parents=True)
    path = rules if isinstance(rules, Path) else folder / "rules.yaml"
    if isinstance(rules, str):
        path.write_text(rules, encoding="utf-8")
    options = Options(strict=strict)
    rule_set = load_rule_set(path, environ, options)
    recorder = Recorder(source or keyed_pseudonyms("some key"))
    engine = Engine(rule_set, pseudonyms=recorder, security_labels=False)
    done = [engine.deidentify(resource) for resource in resources]
    made = Case(folder, path, options, recorder, folder / "originals.ndjson", folder / "results.ndjson")
    made.originals.write_bytes(b"".join(line + b"\n" for line in unchanged(resources)))
    made.results.write_bytes(b"".join(line + b"\n" for line in done))
    prefixes = prefixes_of(rule_set)
    entries = [
        Entry(domain, original, prefixes.get(domain, prefixes.get("", "")) + pseudonym, "2026-11-24")
        for (domain, original), pseudonym in sorted(recorder.given.items())
    ]
    write_mapping(made.mapping, entries)
    return made


def unchanged(resources: Sequence[bytes]) -> list[bytes]:
    """Resources as the engine writes them when it has nothing to do."""
    with NamedTemporaryFile(suffix=".yaml") as file:
        Path(file.name).write_text(KEEPING, encoding="utf-8")
        engine = Engine(load_rule_set(Path(file.name), {}), security_labels=False)
        return [engine.deidentify(resource) for resource in resources]


def told_in(log: Path) -> str:
    """What a log says but for its digests, which may hold the digits of a value by chance."""
    return re.sub(r"\b[0-9a-f]{32,64}\b", "", log.read_text())


def refused(job: Case, kind: str, match: str, **changes: Any) -> str:
    """Runs what must be refused; nothing comes out, and the log says why."""
    with pytest.raises((InputError, ConfigError), match=match) as caught:
        job.run(**changes)
    assert job.nothing_came_out()
    assert job.results_logged()[-1] in (f"refused: {kind}", f"failed: {kind}")
    logged = re.sub(
        r"\b[0-9a-f]{32,64}\b", "", job.log.read_text()
    )  # a digest may hold the digits of a value by chance
    for secret in ("4711", "Müller", "A 17", *job.recorder.given.values()):
        assert secret not in str(caught.value) and secret not in logged
    return str(caught.value)
