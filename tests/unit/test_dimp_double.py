"""The double of the FHIR Pseudonymizer: what it answers, and to whom."""

import base64
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from dimpflow.errors import RuleSetError
from doubles.dimp import DimpDouble
from doubling import (
    BUNDLE,
    DAY,
    JSON,
    KEYS,
    OTHER,
    PATIENT,
    RESOURCE,
    RULES,
    config,
    encoded,
    engine,
    parameters,
    post,
    settings,
)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, encoding="utf-8")
    return path


@pytest.fixture
def double(rules: Path) -> Iterator[DimpDouble]:
    with DimpDouble(rules, environ=KEYS, reference_date=DAY) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as one:
        one.trust_env = False
        yield one


# ---- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", [PATIENT, BUNDLE])
@pytest.mark.parametrize("path", ["/fhir/$de-identify", "/fhir/%24de-identify"])
def test_the_answer_is_the_engines(
    double: DimpDouble, session: requests.Session, rules: Path, path: str, resource: dict[str, Any]
) -> None:
    body = encoded(resource)
    answer = session.post(double.url + path, data=body, headers=JSON, timeout=30)
    assert (answer.status_code, answer.content) == (200, engine(rules).deidentify(body))
    assert answer.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    assert "Kanarie" not in answer.text and "meta" in answer.json()


def test_without_labels(rules: Path) -> None:
    with DimpDouble(rules, environ=KEYS, labels=False) as double:
        assert "meta" not in post(double, PATIENT).json()


def test_the_reference_date_decides_about_ages(rules: Path) -> None:
    for day, left in ((DAY, "1974"), (date(2070, 1, 1), None)):
        with DimpDouble(rules, environ=KEYS, reference_date=day) as double:
            assert post(double, PATIENT).json().get("birthDate") == left


def test_numbers_in_a_wrapper_keep_their_spelling(double: DimpDouble) -> None:
    quantity = (
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10}}'
    )
    for body in (
        quantity,
        '{"resourceType":"Parameters","parameter":[{"name":"resource","resource":' + quantity + "}]}",
    ):
        assert b'"value":1.10' in post(double, body.encode()).content


def test_a_rule_set_that_comes_along(double: DimpDouble) -> None:
    for _ in range(2):
        done = post(double, parameters(config(OTHER), RESOURCE)).json()
        assert "gender" not in done and (done["id"], done["name"]) == (PATIENT["id"], PATIENT["name"])
    assert post(double, PATIENT).json()["gender"] == "female"
    assert double.requests[0].parameters == ("config", "resource")
    assert (double.requests[0].resource_type, double.requests[2].parameters) == ("Patient", ())


def test_a_key_that_comes_along_is_taken_as_it_is_written(rules: Path) -> None:
    sent = parameters(config(RULES), RESOURCE)
    ids = set()
    for secret in ("one", "two"):
        with DimpDouble(rules, environ={"HASH": secret}) as double:
            ids.add(post(double, sent).json()["id"])
    assert len(ids) == 1
    empty = parameters(config(RULES.replace("${HASH}", "")), RESOURCE)
    for secret in ("one", "two"):
        with DimpDouble(rules, environ={**KEYS, "Anonymization__CryptoHashKey": secret}) as double:
            ids.add(post(double, empty).json()["id"])
    assert len(ids) == 3


def test_a_service_before_2_34_overlooks_rule_sets(rules: Path) -> None:
    with DimpDouble(rules, environ=KEYS, own_rules_only=True) as double:
        done = post(double, parameters(config(OTHER), RESOURCE)).json()
    assert done["gender"] == "female" and "name" not in done


def test_settings_that_come_along(double: DimpDouble, rules: Path) -> None:
    changed = settings(replaceWith={"valueString": "nowhere"}, unknown={"valueInteger": 1})
    done = post(double, parameters(changed, RESOURCE))
    assert done.content == engine(rules, replaceWith="nowhere").deidentify(encoded(PATIENT))
    assert done.json()["address"] == [{"city": "nowhere"}]
    sent = OTHER.replace(
        "Patient.gender, method: redact", "Patient.gender, method: substitute, replaceWith: male"
    )
    changed = settings(replaceWith={"valueString": "other"})
    both = post(double, parameters(config(sent), changed, RESOURCE)).json()
    assert (both["gender"], both["id"]) == ("other", PATIENT["id"])


@pytest.mark.parametrize(
    ("value", "shifted"), [({"valueInteger": 3}, "1974-12-28"), ({"valueString": "3"}, "1974-12-26")]
)
def test_an_offset_must_be_an_integer(double: DimpDouble, value: dict[str, Any], shifted: str) -> None:
    sent = "fhirVersion: R4\nparameters: {dateShiftFixedOffsetInDays: 1}\nfhirPathRules: [{path: Patient.birthDate, method: dateshift}]"
    wrapped = parameters(config(sent), settings(dateShiftFixedOffsetInDays=value), RESOURCE)
    assert post(double, wrapped).json()["birthDate"] == shifted


def test_the_older_path_wants_a_rule_set(double: DimpDouble, session: requests.Session) -> None:
    url = f"{double.url}/v3alpha1/fhir/$de-identify"
    wrapped = encoded(parameters(config(OTHER), RESOURCE))
    assert "gender" not in session.post(url, data=wrapped, headers=JSON, timeout=30).json()
    assert session.post(url, data=encoded(PATIENT), headers=JSON, timeout=30).status_code == 400


PERTURB = (
    "fhirVersion: R4\nparameters: {cryptoHashKey: k}\n"
    "fhirPathRules: [{path: Patient.multipleBirth as integer, method: perturb, span: 1}]"
)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"id":"1"}', 400),
        (encoded(parameters(config(OTHER))), 400),
        (encoded(parameters()), 400),
        (encoded(parameters(config("fhirPathRules: [{path: Patient.id, method: shred}]"), RESOURCE)), 400),
        (encoded(parameters({"name": "config", "valueAttachment": {"data": "*"}}, RESOURCE)), 400),
        (encoded(parameters(RESOURCE, RESOURCE)), 500),
        (encoded(parameters(settings(cases={"valueString": "x"}), RESOURCE)), 500),
        (encoded(parameters(config(PERTURB), settings(rangeType={"valueString": "x"}), RESOURCE)), 500),
        (encoded({**PATIENT, "nickname": "Max"}), 500),
    ],
)
def test_what_is_refused(double: DimpDouble, body: bytes, status: int) -> None:
    answer = post(double, body)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert double.requests[0].status == str(status)


def test_a_refusal_tells_what_it_should_not(double: DimpDouble) -> None:
    issue = post(double, {**PATIENT, "nickname": "Max"}).json()["issue"][0]
    assert issue["severity"] == "fatal" and issue["code"] == "processing"
    assert all(text in issue["diagnostics"] for text in ("Müller-Kanarie", "kanarie-7", "\n   at "))


def test_it_does_not_start_without_its_key(rules: Path) -> None:
    with pytest.raises(RuleSetError, match="HASH is not set"):
        DimpDouble(rules)


# ---- credentials ---------------------------------------------------------------------------------------------------


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("demanded", "right", "wrong"),
    [
        ({"basic": ("u", "p:q")}, {"Authorization": basic("u:p:q")}, {"Authorization": basic("u:p")}),
        ({"bearer": "abc"}, {"Authorization": "Bearer abc"}, {"Authorization": "Bearer ab"}),
        ({"bearer": "abc"}, {"Authorization": "bearer abc"}, {"Authorization": "Basic abc"}),
        ({"api_key": ("X-Key", "k")}, {"x-key": "k"}, {"x-api-key": "k"}),
        (
            {"tokens": {"t1", "t2"}.__contains__},
            {"Authorization": "Bearer t2"},
            {"Authorization": "Bearer t3"},
        ),
        (
            {"api_key": ("X-Key", "k"), "basic": ("u", "p")},
            {"x-key": "k", "Authorization": basic("u:p")},
            {"x-key": "k"},
        ),
    ],
)
def test_credentials(
    rules: Path,
    session: requests.Session,
    demanded: dict[str, Any],
    right: dict[str, str],
    wrong: dict[str, str],
) -> None:
    with DimpDouble(rules, environ=KEYS, **demanded) as double:
        assert [post(double, PATIENT, **headers).status_code for headers in (right, wrong, {})] == [
            200,
            401,
            401,
        ]
        metadata = f"{double.url}/fhir/metadata"
        assert [session.get(metadata, headers=h, timeout=30).status_code for h in (right, {})] == [200, 401]
        assert session.get(f"{double.url}/ready", timeout=30).status_code == 200
        assert [seen.status for seen in double.posts] == ["200", "401", "401"]
