"""The double of TORCH, held against TORCH's openapi.json and against what is known of its source ("torch-crtdl", section 3.5)."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from asking import Asking, parameters
from jsonschema import Draft202012Validator

from doubles.torch.double import Divert, Scenario, Seen, TorchDouble
from shared import SHARED, needs_shared

HERE = Path(__file__).parent
NOBODY = "5a0b7e1e-7d7f-4c5e-9c1c-0a4f5f0e8a11"
EXCLUDED = ("/fhir/$translate-cql", "/fhir/$translate-cql/{jobId}")
"""What this project does not use, and the double has not."""
_USUAL = frozenset(("content-type", "content-length", "connection"))

Operation = tuple[str, str, int]
"""Method, path as openapi.json writes it, status."""


@pytest.fixture(scope="module")
def exchanges(cohort: Path) -> list[Seen]:
    """Requests that meet every answer of TORCH's API."""
    seen: list[Seen] = []
    for divert in (None, "FAILED", "CANCELLED", "DELETED", "TEMP_FAILED", "PAUSED"):
        diverts = (Divert(divert, at=5, polls=2),) if divert else ()
        issues = (("warning", "Attribute masked", "Condition.code"),)
        with TorchDouble(cohort, states=Scenario(diverts=diverts, issues=issues)) as torch:
            _walk(Asking(torch))
            seen += torch.requests
    with TorchDouble(cohort) as torch:
        _talk(Asking(torch))
        seen += torch.requests
    return [one for one in seen if one.listener == "api"]


def _walk(ask: Asking) -> None:
    job = ask.job()
    for _ in range(9):
        ask.status(job)
        ask.api("GET", f"Task/{job}")
    ask.api("GET", "Task")


def _talk(ask: Asking) -> None:
    ask.api("GET", "metadata")
    ask.kick_off(b"")
    ask.kick_off(parameters(patients=["x" * 60] * 30_000))
    ask.status("latest")
    ask.status(NOBODY)
    ask.api("GET", "Task?foo=1", headers={"Prefer": "handling=strict"})
    job, done = ask.job(), ask.job()
    ask.manifest(done)
    for match, kind, path in ((None, "Task", job), ('W/"1"', "Task", job), ('W/"1"', "Task", job), ('W/"1"', "Task", NOBODY),
                              ('W/"2"', "Basic", job)):  # fmt: skip
        ask.api(
            "PUT", f"Task/{path}", json={"resourceType": kind}, headers={"If-Match": match} if match else {}
        )
    for action in ("$pause", "$resume", "$cancel"):
        for path in (job, done, NOBODY):
            ask.api("POST", f"Task/{path}/{action}")
    for path in (job, NOBODY):
        ask.api("GET", f"Task/{path}")
        ask.api("DELETE", f"Task/{path}")


# ---- what openapi.json says -------------------------------------------------------------------------------------------


@cache
def openapi() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SHARED / "reference/torch-openapi.json").read_text("utf-8"))
    return found


def responses() -> dict[Operation, dict[str, Any]]:
    """What is documented, without what is excluded."""
    return {
        (method.upper(), path, int(status)): response
        for path, operations in openapi()["paths"].items()
        if path not in EXCLUDED
        for method, operation in operations.items()
        for status, response in operation["responses"].items()
    }


PATHS = (
    ("/fhir/__status/{jobId}", r"/fhir/__status/[^/]+"),
    ("/fhir/Task/{id}/$cancel", r"/fhir/Task/[^/]+/\$cancel"),
    ("/fhir/Task/{id}/$pause", r"/fhir/Task/[^/]+/\$pause"),
    ("/fhir/Task/{id}/$resume", r"/fhir/Task/[^/]+/\$resume"),
    ("/fhir/Task/{id}", r"/fhir/Task/[^/]+"),
    ("/fhir/Task", r"/fhir/Task"),
    ("/fhir/$extract-data", r"/fhir/\$extract-data"),
    ("/fhir/metadata", r"/fhir/metadata"),
)


def operation(seen: Seen) -> Operation:
    path = seen.path.partition("?")[0].replace("%24", "$")
    return seen.method, next(name for name, pattern in PATHS if re.fullmatch(pattern, path)), seen.status


def headers(seen: Seen) -> dict[str, str]:
    return {name.lower(): value for name, value in (seen.answer_headers or {}).items()}


def body(seen: Seen) -> Any:
    return json.loads(seen.answer) if seen.answer else None


def schema_of(response: dict[str, Any]) -> dict[str, Any]:
    """Of a body, whatever its content type is called; with the components, so that references resolve."""
    contents = [*response.get("content", {}).values()]
    return {**(contents[0].get("schema", {}) if contents else {}), "components": openapi()["components"]}


def unlisted(value: Any, schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Members that a schema with properties does not name."""
    while "$ref" in schema:
        schema = openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        for one in value:
            yield from unlisted(one, schema.get("items", {}), place)
    elif isinstance(value, dict) and "properties" in schema:
        for name, inner in value.items():
            if name in schema["properties"]:
                yield from unlisted(inner, schema["properties"][name], f"{place}{name}.")
            else:
                yield f"{place}{name}"


def found_deviations(exchanges: list[Seen]) -> set[str]:
    """Everything in which the exchanges differ from openapi.json, but for their schemas."""
    known = responses()
    found = {
        f"{' '.join(map(str, one))} is never sent"
        for one in set(known) - {operation(seen) for seen in exchanges}
    }
    for seen in exchanges:
        one = operation(seen)
        name = " ".join(map(str, one))
        if one not in known:
            found.add(f"{name} is not listed")
            continue
        response = known[one]
        kind = headers(seen).get("content-type", "")
        if kind and kind not in response.get("content", {}):
            found.add(f"{name} sends {kind}")
        listed = {header.lower() for header in response.get("headers", {})}
        found |= {f"{name} has the header {header}" for header in set(headers(seen)) - listed - _USUAL}
        found |= {f"{name} has the member {member}" for member in unlisted(body(seen), schema_of(response))}
    return found


@cache
def deviations() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = yaml.safe_load((HERE / "deviations.yaml").read_text("utf-8"))
    return rows


# ---- tests ------------------------------------------------------------------------------------------------------------


@needs_shared
def test_every_answer_of_the_api_is_produced(exchanges: list[Seen]) -> None:
    """But for those that TORCH itself never sends."""
    never = {
        line.removesuffix(" is never sent")
        for row in deviations()
        for line in row.get("found", [])
        if line.endswith("never sent")
    }
    documented = {" ".join(map(str, one)) for one in responses()}
    assert documented - {" ".join(map(str, operation(seen))) for seen in exchanges} == never
    assert {path for _, path, _ in responses()} == {name for name, _ in PATHS}
    assert set(EXCLUDED) < set(openapi()["paths"])


@needs_shared
def test_bodies_fit_the_schemas_of_openapi(exchanges: list[Seen]) -> None:
    known = responses()
    checked = 0
    for seen in exchanges:
        response = known.get(operation(seen))
        if response and response.get("content"):
            schema = schema_of(response)
            assert not [error.message for error in Draft202012Validator(schema).iter_errors(body(seen))], (
                operation(seen)
            )
            checked += 1
    assert checked > 100


@needs_shared
def test_schemas_of_openapi_do_refuse_something() -> None:
    """Or the test above would mean nothing."""
    schema = schema_of(responses()["GET", "/fhir/__status/{jobId}", 200])
    assert [*Draft202012Validator(schema).iter_errors({"output": "x"})]
    assert [*Draft202012Validator(schema).iter_errors({"output": [{"url": 1}]})]


@needs_shared
def test_deviations_are_those_that_are_listed(exchanges: list[Seen]) -> None:
    listed = [line for row in deviations() for line in row.get("found", [])]
    assert sorted(listed) == sorted(found_deviations(exchanges))


@needs_shared
def test_deviations_are_those_of_the_reference() -> None:
    text = (
        (SHARED / "reference/torch-crtdl.md")
        .read_text("utf-8")
        .partition("### 1.11")[2]
        .partition("---\n\n")[0]
    )
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    topics = [row["topic"] for row in deviations() if "section" not in row]
    assert sorted(topics) == sorted(set(rows) - {"topic", "---"})


def test_proofs_of_deviations_exist() -> None:
    tests = {
        node.name
        for path in HERE.glob("test_double*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert {row["proof"] for row in deviations() if "proof" in row} <= tests
    assert all("proof" in row or row.get("found") for row in deviations())


@cache
def overlay() -> tuple[dict[Operation, dict[str, Any]], dict[str, Any]]:
    content = yaml.safe_load((HERE / "overlay.yaml").read_text("utf-8"))
    return {(one["method"], one["path"], one["status"]): one for one in content["answers"]}, content["$defs"]


def faults(seen: Seen) -> list[str]:
    """What an exchange lacks of what the source guarantees."""
    answers, defs = overlay()
    row = answers[operation(seen)]
    pairs = ((headers(seen), row["headers"]), (body(seen), row["body"]))
    return [
        error.message[:200]
        for value, schema in pairs
        for error in Draft202012Validator({**schema, "$defs": defs}).iter_errors(value)
    ]


def test_answers_hold_what_the_source_guarantees(exchanges: list[Seen]) -> None:
    answers, _ = overlay()
    assert {operation(seen) for seen in exchanges} == set(answers)
    assert not [(operation(seen), found) for seen in exchanges if (found := faults(seen))]


@pytest.mark.parametrize(
    ("status", "path", "spoil"),
    [
        (202, "$extract-data", lambda head, body: head.pop("Content-Location")),
        (202, "__status", lambda head, body: head.update({"X-Progress": "Almost"})),
        (202, "__status", lambda head, body: body["issue"].clear()),
        (503, "__status", lambda head, body: body["issue"][-1].update(diagnostics="Job\nfailed")),
        (200, "__status", lambda head, body: body["output"][0].update(url="http://x/../core.ndjson")),
        (200, "__status", lambda head, body: body["extension"].pop(0)),
        (200, "__status", lambda head, body: body.pop("error")),
        (200, "__status", lambda head, body: body["extension"][0]["valueObject"].pop("coreState")),
        (200, "Task/", lambda head, body: body.update(status="done")),
        (409, "Task/", lambda head, body: body.pop("issue")),
    ],
)
def test_the_overlay_refuses_what_is_wrong(exchanges: list[Seen], status: int, path: str, spoil: Any) -> None:
    seen = next(one for one in exchanges if one.status == status and path in one.path)
    head, content = dict(seen.answer_headers or {}), body(seen)
    spoil(head, content)
    answer = json.dumps(content).encode() if content is not None else b""
    wrong = Seen("api", seen.method, seen.path, seen.headers, seen.body, status, head, answer)
    assert faults(wrong) and not faults(seen)
