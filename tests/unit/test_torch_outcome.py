"""Bodies of answers that are not the wished ones: four kinds, one parser (torch-crtdl.md 1.3, 1.9)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimpflow.clients.torch.outcome import MOST_SHOWN, Outcome, read_outcome

JOB = "550e8400-e29b-41d4-a716-446655440000"
JSON = "application/json"
NGINX = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center></body></html>"


def issue(severity: str, diagnostics: object = None, details: object = None) -> dict[str, Any]:
    found: dict[str, Any] = {"severity": severity, "code": "exception"}
    if diagnostics is not None:
        found["diagnostics"] = diagnostics
    if details is not None:
        found["details"] = {"text": details}
    return found


def outcome(*issues: object, **members: object) -> bytes:
    return json.dumps({"resourceType": "OperationOutcome", "issue": issues} | members).encode()


def test_a_failed_job() -> None:
    state = "Job state: FAILED\nBatches: 3/10"
    body = outcome(
        issue("information", state), issue("warning", "slow"), issue("error", "Loading Patient/p-17 failed"), id=f"job-{JOB}-outcome"
    )  # fmt: skip
    found = read_outcome(body, JSON, JOB)
    text = "Loading Patient/… failed; slow; Job state: FAILED Batches: …"
    assert found == Outcome("outcome", job_outcome=True, temp_failed=False, text=text)


def test_whose_word_it_is() -> None:
    body = outcome(issue("fatal", "x"), id=f"job-{JOB}-outcome")
    assert read_outcome(body, "text/html", JOB).job_outcome  # the body counts
    assert not read_outcome(body, JSON).job_outcome
    assert not read_outcome(body, JSON, JOB.replace("5", "6")).job_outcome
    assert not read_outcome(outcome(issue("fatal", "x")), JSON, JOB).job_outcome
    assert not read_outcome(outcome(id=JOB), JSON, JOB).job_outcome


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (outcome(issue("information", "State: TEMP_FAILED\nretry")), True),
        (outcome(issue("error", details="job is TEMP_FAILED.")), True),
        (outcome(issue("information", "State: FAILED")), False),
        (outcome(issue("information", "NOT_TEMP_FAILED_AT_ALL")), False),
        (b'{"state": "TEMP_FAILED"}', False),
        (b"TEMP_FAILED", False),
        (b"<html>TEMP_FAILED</html>", False),
    ],
)
def test_failed_for_a_time(body: bytes, found: bool) -> None:
    assert read_outcome(body, JSON, JOB).temp_failed is found


def test_details_and_diagnostics() -> None:
    assert read_outcome(outcome(issue("error", "b", "a")), JSON).text == "a: b"
    assert read_outcome(outcome(issue("error", "a", "a")), JSON).text == "a"
    assert (
        read_outcome(outcome(issue("error", "a"), issue("error", "a"), issue("fatal", "b")), JSON).text
        == "b; a"
    )
    assert read_outcome(outcome(issue("nonsense", "b"), issue("WARNING", "a")), JSON).text == "a; b"


@pytest.mark.parametrize(
    "body",
    [
        outcome(), outcome(None, 1, "x", [], {}), outcome(issue("error", 7), issue("error", None, 7)), outcome(issue("error", " \n")),
        b'{"resourceType": "OperationOutcome"}', b'{"resourceType": "OperationOutcome", "issue": {"severity": "error"}}',
        b'{"resourceType": "OperationOutcome", "issue": [{"severity": ["error"], "details": "x"}]}',
    ],
)  # fmt: skip
def test_outcomes_that_say_nothing(body: bytes) -> None:
    assert read_outcome(body, JSON, JOB) == Outcome("outcome", False, False, "")


def test_spring() -> None:
    body = {
        "timestamp": "2026-01-01T00:00:00Z",
        "path": "/fhir/Patient/p-17",
        "status": 404,
        "error": "Not Found",
        "requestId": "a1b2-33",
    }
    assert read_outcome(json.dumps(body).encode(), JSON, JOB) == Outcome(
        "spring", False, False, "404 Not Found"
    )
    body |= {"message": "No handler for p-17"}
    assert read_outcome(json.dumps(body).encode(), JSON).text == "404 Not Found No handler for …"
    body |= {"status": True, "error": ["x"], "message": None}
    assert read_outcome(json.dumps(body).encode(), JSON) == Outcome("spring", False, False, "")


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (NGINX, "text/html", "502 Bad Gateway"),
        (NGINX, None, "502 Bad Gateway"),
        (
            b"\xef\xbb\xbf  <!DOCTYPE HTML><TITLE lang='x'>Login &amp;\n <b>more</b></TITLE >",
            None,
            "Login & more",
        ),
        (b"<html><body><h1>403 Forbidden</h1></body></html>", "text/html; charset=utf-8", "403 Forbidden"),
        (b"<html><title>Patient p-17</title></html>", "text/html", "Patient …"),
        (b"<!-- x --><html></html>", None, ""),
        (b"<html><title>never closed", "text/html", ""),
        (b"<html>" + b" " * 5000 + b"<title>too far down to be looked for</title>", None, ""),
        (b"gone", "TEXT/HTML", ""),
    ],
)
def test_pages(body: bytes, content_type: str | None, text: str) -> None:
    assert read_outcome(body, content_type, JOB) == Outcome("html", False, False, text)


@pytest.mark.parametrize("body", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_nothing(body: bytes) -> None:
    assert read_outcome(body, "text/html", JOB) == Outcome("empty", False, False, "")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"No results for p-17", "No results for …"),
        (b'{"resourceType": "Patient", "id": "anna"}', ""), (b'{"resourceType": "Patient", "id": "an', ""), (b"[" * 100_000, ""),
        (b'["anna"]', ""), (b"\xff\xfe\x00anna", ""), (b"<?xml version='1.0'?><OperationOutcome/>", ""), (b"<Patient>anna</Patient>", ""),
        (b"\x00\x01\x02", ""),
    ],
)  # fmt: skip
def test_other_bodies(body: bytes, text: str) -> None:
    assert read_outcome(body, None, JOB) == Outcome("other", False, False, text)


def test_the_job_itself_may_be_named() -> None:
    body = outcome(issue("error", f"Job {JOB} has no {JOB[:-1]}1"))
    assert read_outcome(body, JSON, JOB).text == f"Job {JOB} has no …"
    assert read_outcome(body, JSON).text == "Job … has no …"


def test_a_refused_crtdl_is_told_as_it_is() -> None:
    said = "Unknown profile 'https://example.org/p-17' in group\n'Müller 4711'\x1b[31m"
    found = read_outcome(outcome(issue("fatal", said)), JSON, mask=False)
    assert found.text == "Unknown profile 'https://example.org/p-17' in group 'Müller 4711' [31m"
    assert "4711" not in read_outcome(outcome(issue("fatal", said)), JSON).text


@pytest.mark.parametrize("mask", [True, False])
def test_what_is_shown_is_short(mask: bool) -> None:
    many = [issue("error", f"text {'abc' * (number % 10)} word " * 20) for number in range(10_000)]
    for body in (
        outcome(*many),
        outcome(issue("error", "word " * 100_000)),
        b"word " * 100_000,
        b"<title>" + b"word " * 700 + b"</title>",
    ):
        text = read_outcome(body, None, JOB, mask=mask).text
        assert len(text) <= MOST_SHOWN and text.endswith("…") and len(text) > MOST_SHOWN - 20


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda sub: st.lists(sub, max_size=3) | st.dictionaries(st.sampled_from(["issue", "severity", "details", "text", "id"]), sub),
    max_leaves=10,
)  # fmt: skip


@given(
    st.binary(max_size=100) | st.text().map(str.encode) | json_values.map(lambda value: outcome(*[value], issue2=value)),
    st.none() | st.sampled_from([JSON, "text/html", ""]), st.none() | st.just(JOB), st.booleans(),
)  # fmt: skip
def test_any_body(body: bytes, content_type: str | None, job: str | None, mask: bool) -> None:
    found = read_outcome(body, content_type, job, mask=mask)
    assert len(found.text) <= MOST_SHOWN and found.text.isprintable()
    assert not found.job_outcome or found.kind == "outcome"
