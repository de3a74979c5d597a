"""The double of TORCH: what the kick-off refuses, and what it does not notice."""

from pathlib import Path

import pytest
from asking import Asking, parameters

from crtdl_documents import CONDITION, CONSENT, PATIENT, attribute, criterion, document, group
from doubles.torch.double import TorchDouble

TWO_DATES = [
    {"type": "date", "name": "date", "start": "2020-01-01"},
    {"type": "date", "name": "date", "end": "2021-01-01"},
]
DIAGNOSE = CONDITION["groupReference"]


@pytest.mark.parametrize(
    ("crtdl", "reason"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "not a JSON object"),
        ({"dataExtraction": {}}, "no cohortDefinition"),
        ({"cohortDefinition": {}}, "no dataExtraction"),
        (document(PATIENT, {**CONDITION, "id": None}), "without id"),
        (document(PATIENT, {k: v for k, v in CONDITION.items() if k != "groupReference"}), "without groupReference"),
        (document(PATIENT, {k: v for k, v in CONDITION.items() if k != "attributes"}), "without attributes"),
        (document(PATIENT, group("c", DIAGNOSE, attribute(""))), "without attributeRef"),
        (document(PATIENT, group("c", DIAGNOSE, {"attributeRef": "Condition.code"})), "without mustHave"),
        (document(PATIENT, {**CONDITION, "filter": TWO_DATES}), "More than one date filter"),
        (document(PATIENT, {**CONDITION, "filter": [{"type": "date", "name": "date", "start": "2020"}]}), "not YYYY-MM-DD"),
        (document(PATIENT, group("c", "https://own.example/StructureDefinition/x")), "Unknown profile"),
        (document(PATIENT, group("c", "http://hl7.org/fhir/StructureDefinition/Bundle")), "not one of a DomainResource"),
        (document(CONDITION), "exactly one Patient"),
        (document(PATIENT, {**PATIENT, "id": "again"}), "exactly one Patient"),
        (document(PATIENT, group("c", DIAGNOSE, attribute("Observation.code"))), "Unknown attribute"),
        (document(PATIENT, group("c", DIAGNOSE, attribute("Condition"))), "has no type"),
        (document(PATIENT, group("c", DIAGNOSE, attribute("Condition.code"), attribute("Condition.code"))), "Duplicate"),
        (document(PATIENT, group("c", DIAGNOSE, attribute("Condition.encounter"))), "without linkedGroups"),
        (document(PATIENT, group("c", DIAGNOSE, attribute("Condition.subject", True))), "must not be mustHave"),
        (document(PATIENT, group("c", DIAGNOSE, attribute("Condition.encounter", False, "lost"))), "is not defined"),
        (document(exclusionCriteria=[[CONSENT]]), "exclusionCriteria"),
        (document(inclusionCriteria=[[criterion("Einwilligung", "2.16.840.1.113883.3.1937.777.24.5.3.8")]]), "together"),
    ],
)  # fmt: skip
def test_refused_documents(cohort: Path, crtdl: object, reason: str) -> None:
    with TorchDouble(cohort) as torch:
        answer = Asking(torch).kick_off(parameters(crtdl))
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/fhir+json")
        (issue,) = answer.json()["issue"]
        assert (issue["severity"], issue["code"]) == ("fatal", "invalid") and reason in issue["diagnostics"]
        assert torch.kickoffs == 1 and torch.kickoffs_accepted == 0 and not torch.jobs


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"resourceType":"Patient"}', b'{"resourceType":"Parameters"}',
             b'{"resourceType":"Parameters","parameter":[{"name":"crtdl","valueBase64Binary":"%"}]}']
)  # fmt: skip
def test_refused_bodies(cohort: Path, body: bytes) -> None:
    with TorchDouble(cohort) as torch:
        assert Asking(torch).kick_off(body).status_code == 400


def test_what_torch_does_not_notice(cohort: Path) -> None:
    """Torch-crtdl 2.3 and 2.6: empty attributes, ids that stand twice, reversed dates, tokens without codes."""
    odd = [
        {"type": "date", "name": "date", "start": "2021-01-01", "end": "2020-01-01"},
        {"type": "token", "name": "code"},
    ]
    twice = {**CONDITION, "filter": odd}
    with TorchDouble(cohort) as torch:
        assert (
            Asking(torch)
            .kick_off(parameters(document({**PATIENT, "attributes": []}, twice, twice)))
            .status_code
            == 202
        )


def test_a_body_over_2_mib(cohort: Path) -> None:
    with TorchDouble(cohort) as torch:
        answer = Asking(torch).kick_off(parameters(patients=["x" * 60] * 30_000))
        assert answer.status_code == 500 and answer.json()["issue"][0]["code"] == "exception"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 202),
        ("*/*", 202),
        ("application/fhir+json", 202),
        ("text/html, application/*;q=0.5", 202),
        ("application/json", 404),
    ],
)
def test_accept_decides_the_route(cohort: Path, accept: str | None, status: int) -> None:
    with TorchDouble(cohort) as torch:
        answer = Asking(torch).kick_off(headers={"Accept": accept})
        assert answer.status_code == status
        if status == 404:
            assert {*answer.json()} == {"timestamp", "path", "status", "error", "requestId"}
            assert torch.kickoffs == 0


def test_profiles_can_be_added(cohort: Path) -> None:
    own = "https://own.example/StructureDefinition/x"
    with TorchDouble(cohort, profiles={own: "Observation"}) as torch:
        assert Asking(torch).kick_off(parameters(document(PATIENT, group("o", own)))).status_code == 202
