"""What the double of the FHIR Pseudonymizer answers: our engine in compat mode, and how the service says no.

Specification of the rules, sections 3.12 and 4.
"""

import base64
import binascii
import hashlib
import re
import tempfile
import threading
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError, RuleSetError
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.methods import DYNAMIC
from dimpflow.ruleset.options import Options

REDACT_ALL = Path(__file__).parents[2] / "config" / "rulesets" / "redact-all.yaml"
_DEFAULT = Path(__file__).parents[2] / "config" / "rulesets" / "default.yaml"
_NOT_DYNAMIC = ("truncateToMaxLength", "cases", "entici")
_SHIFT = "dateShiftFixedOffsetInDays"


class Refused(Exception):
    """An answer that is no resource: its status, and the diagnostics with content, as the service writes them."""

    def __init__(self, status: int, reason: str, body: bytes) -> None:
        super().__init__(f"{status}")
        self.status = status
        self.outcome = outcome(status, reason, body)


class Attachment(msgspec.Struct):
    """A rule set that came along."""

    contentType: str = ""
    data: str = ""


class Parameter(msgspec.Struct):
    """One parameter of a request."""

    name: str = ""
    resource: msgspec.Raw = msgspec.Raw()
    valueAttachment: Attachment | None = None
    part: list[dict[str, msgspec.Raw]] = []


class _Head(msgspec.Struct):
    resourceType: str
    entry: msgspec.Raw = msgspec.Raw()
    parameter: msgspec.Raw = msgspec.Raw()


_HEAD = msgspec.json.Decoder(_Head)
_PARAMETERS = msgspec.json.Decoder(list[Parameter])
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DECODING = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Asked:
    """What a body asks for: the resource, its type, its number of entries; the parameters around it, if there are.

    broken: it is no JSON object with a resourceType. complete: False where a Parameters holds no resource.
    """

    def __init__(self, body: bytes) -> None:
        self.resource = body
        self.resource_type = ""
        self.entries = 0
        self.parameters: list[Parameter] = []
        self.broken = False
        self.complete = True
        try:
            head = _HEAD.decode(body)
            if head.resourceType == "Parameters":
                self.parameters = _PARAMETERS.decode(head.parameter) if bytes(head.parameter) else []
                self.resource = next(
                    (bytes(p.resource) for p in self.parameters if p.name == "resource"), b""
                )
                self.complete = bool(self.resource)
                if not self.complete:
                    return
                head = _HEAD.decode(self.resource)
            self.resource_type = head.resourceType
            self.entries = len(_RAW_LIST.decode(head.entry)) if bytes(head.entry) else 0
        except _DECODING:
            self.broken = True


class _AsWritten(dict[str, str]):
    """The environment for a rule set that came with a request: the service knows no `${NAME}` and takes it as it is written."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default) if key.startswith("Anonymization__") else f"${{{key}}}"


class Service:
    """De-identifies as the service does. Thread-safe.

    rules: its own rule set; without one, the workflow's. Keys come from environ. own_only: overlooks rule sets in requests, as
    versions before 2.34 do. Raises RuleSetError where the rule set cannot be used: then the service does not start.
    """

    def __init__(
        self, rules: Path | None, environ: Mapping[str, str], day: date, *, labels: bool, own_only: bool
    ) -> None:
        self._rules = rules or _DEFAULT
        self._environ = environ
        self._day = day
        self._labels = labels
        self._own_only = own_only
        self._engines: dict[tuple[str, tuple[tuple[str, str], ...]], Engine] = {}
        self._lock = threading.Lock()
        self._own(self._rules, {})
        self._own(REDACT_ALL, {})

    def answer(self, asked: Asked, body: bytes, *, rules_needed: bool = False) -> bytes:
        """The de-identified resource. rules_needed: refuse what brings no rule set along (v3alpha1)."""
        if asked.broken:
            raise Refused(400, "the body cannot be parsed", body)
        names = [parameter.name for parameter in asked.parameters]
        if len(set(names)) < len(names):
            raise Refused(500, "Sequence contains more than one matching element", body)
        if not asked.complete:
            raise Refused(400, "the parameter resource is missing", body)
        config = next((p.valueAttachment for p in asked.parameters if p.name == "config"), None)
        if rules_needed and config is None:
            raise Refused(400, "the parameter config is missing", body)
        settings = _settings(asked, body)
        with self._lock:  # an engine is not thread-safe, and nothing but engines takes time here
            try:
                if config is None or (self._own_only and not rules_needed):
                    engine = self._own(self._rules, settings)
                else:
                    engine = self._sent(config, settings, body)
            except RuleSetError as error:  # the rule set alone can be used; so it fails while processing
                raise Refused(500, str(error), body) from None
            return _deidentified(engine, asked.resource)

    def emptied(self, asked: Asked) -> bytes:
        """What a rule set makes of a resource that redacts everything."""
        with self._lock:
            return _deidentified(self._own(REDACT_ALL, {}), asked.resource)

    def _own(self, rules: Path, settings: Mapping[str, str]) -> Engine:
        key = _key(str(rules), settings)
        if key not in self._engines:
            self._engines[key] = self._engine(rules, self._environ, settings)
        return self._engines[key]

    def _sent(self, config: Attachment, settings: Mapping[str, str], body: bytes) -> Engine:
        try:
            data = base64.b64decode(config.data, validate=True)
        except (binascii.Error, ValueError):
            raise Refused(400, "the parameter config is no base64", body) from None
        sha256 = hashlib.sha256(data).hexdigest()
        key = _key(sha256, settings)
        if key not in self._engines:
            environ = _AsWritten(self._environ)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "config.yaml"
                path.write_bytes(data)
                try:
                    self._engines[_key(sha256, {})] = self._engine(path, environ, {})
                except RuleSetError as error:
                    raise Refused(400, str(error), body) from None
                self._engines[key] = self._engine(path, environ, settings)
        return self._engines[key]

    def _engine(self, rules: Path, environ: Mapping[str, str], settings: Mapping[str, str]) -> Engine:
        options = Options(reference_date=self._day, settings=settings)
        return Engine(load_rule_set(rules, environ, options), security_labels=self._labels)


def _key(name: str, settings: Mapping[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(settings.items()))


def _deidentified(engine: Engine, resource: bytes) -> bytes:
    try:
        return engine.deidentify(resource)
    except LineError as error:
        raise Refused(500, str(error), resource) from None


def _settings(asked: Asked, body: bytes) -> dict[str, str]:
    """Settings of a request, as text (section 3.12)."""
    parts = next((p.part for p in asked.parameters if p.name == "settings"), [])
    found = {}
    try:
        for part in parts:
            name = msgspec.json.decode(part.get("name", b'""'), type=str).strip()
            kind, value = next(((k, bytes(v)) for k, v in part.items() if k.startswith("value")), ("", b""))
            if name in _NOT_DYNAMIC:
                raise Refused(500, f"Unable to cast object of type FhirString: {name}", body)
            if name not in DYNAMIC or not kind or (name == _SHIFT and kind != "valueInteger"):
                continue
            found[name] = msgspec.json.decode(value, type=str) if value[:1] == b'"' else value.decode()
    except _DECODING:
        raise Refused(400, "the parameter settings cannot be parsed", body) from None
    return found


# ---- answers that lie -------------------------------------------------------------------------------------------------


def without_an_entry(bundle: bytes) -> bytes:
    """A Bundle without the entry in its middle."""
    members, entries = _entries(bundle)
    del entries[len(entries) // 2]
    return _with_entries(members, entries)


def reordered(bundle: bytes) -> bytes:
    """A Bundle in which the first two neighbours that differ have changed places."""
    members, entries = _entries(bundle)
    for i in range(len(entries) - 1):
        if bytes(entries[i]) != bytes(entries[i + 1]):
            entries[i], entries[i + 1] = entries[i + 1], entries[i]
            break
    return _with_entries(members, entries)


def _entries(bundle: bytes) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    members = _MEMBERS.decode(bundle)
    return members, _RAW_LIST.decode(members["entry"])


def _with_entries(members: dict[str, msgspec.Raw], entries: list[msgspec.Raw]) -> bytes:
    if entries:
        return msgspec.json.encode({**members, "entry": entries})
    return msgspec.json.encode({name: value for name, value in members.items() if name != "entry"})


def outcome(status: int, reason: str, body: bytes) -> bytes:
    """An OperationOutcome whose diagnostics hold a stack trace and content of the resource: neither may reach a log."""
    text = body.decode(errors="replace")
    family = re.search(r'"family"\s*:\s*"([^"]*)"', text)
    own_id = re.search(r'"id"\s*:\s*"([^"]*)"', text)
    told = [match[1] for match in (family, own_id) if match] or [text[:80]]
    trace = "\n   at FhirPseudonymizer.Controllers.FhirController.DeIdentify(Resource resource) in /build/Controllers"
    issue = {
        "severity": "fatal" if status == 500 else "error",
        "code": "processing",
        "diagnostics": f"System.InvalidOperationException: {reason} ({', '.join(told)}){trace}",
    }
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]})


def capability_statement() -> bytes:
    """The answer to GET /fhir/metadata."""
    return msgspec.json.encode(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2024-01-01",
            "kind": "instance",
            "software": {"name": "FHIR Pseudonymizer"},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json"],
            "rest": [{"mode": "server"}],
        }
    )
