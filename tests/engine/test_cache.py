"""Memories of values: emptied, or overflowing, they change nothing."""

from typing import Any

import pytest
from rules import apply, engine, rule

from dimpflow.engine.methods.cache import Cache

RULES = (
    rule("nodesByType('Identifier').where(type.text = 'MR').value", "pseudonymize", domain="d"),
    rule("Resource.id", "cryptoHash"),
    rule("nodesByType('date')", "dateshift"),
    rule("nodesByType('dateTime')", "dateshift"),
    rule("nodesByType('instant')", "dateshift"),
    rule("Patient.address.postalCode", "redact"),
    rule("Patient.gender", "generalize", cases={"$this": "'other'"}),
)
PARAMETERS = {"dateShiftKey": "k", "enablePartialZipCodesForRedact": "true"}
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "meta": {"lastUpdated": "2020-01-01T10:00:00Z"},
    "identifier": [{"type": {"text": "MR"}, "value": "1"}, {"value": "2"}],
    "gender": "male",
    "birthDate": "1980-05-06",
    "deceasedDateTime": "2020-01-01",
    "address": [{"postalCode": "12345"}],
}


def test_which_memories_are_emptied() -> None:
    plain, lasting = Cache(str), Cache(str, lasting=True)
    assert (plain[1], lasting[1]) == ("1", "1")
    Cache.clear_all()
    assert (dict(plain), dict(lasting)) == ({}, {1: "1"})
    del plain
    Cache.clear_all()  # knows of those only that still are


def test_emptied_memories_change_nothing_and_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = engine(*RULES, parameters=PARAMETERS)
    first = apply(machine, PATIENT)

    def compiles(*_: Any) -> None:
        raise AssertionError("a walk is compiled anew")

    monkeypatch.setattr("dimpflow.engine.compiled.compile.Compiler._execute", compiles)
    Cache.clear_all()
    assert apply(machine, PATIENT) == first


@pytest.mark.parametrize("strict", [False, True])
def test_overflowing_memories_change_nothing(monkeypatch: pytest.MonkeyPatch, strict: bool) -> None:
    monkeypatch.setattr(Cache, "MOST", 1)
    machine = engine(*RULES, parameters=PARAMETERS, strict=strict)
    plain = {**PATIENT, "meta": {}, "deceasedDateTime": "2020-01-01T11:12:13+01:00"}
    expected = [apply(engine(*RULES, parameters=PARAMETERS, strict=strict), one) for one in (PATIENT, plain)]
    for _ in range(3):
        assert [apply(machine, one) for one in (PATIENT, plain)] == expected
