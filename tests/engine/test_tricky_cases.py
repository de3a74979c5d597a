"""The worked cases of the specification."""

import json
from typing import Any

import pytest
from rules import rule_set

from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError
from shared import SHARED, needs_shared

FILE = SHARED / "conformance" / "de-identify" / "tricky_cases.ndjson"
CASES = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()] if FILE.exists() else []


def unlabelled(value: Any) -> Any:
    """Without security labels, for cases that are not about them."""
    if isinstance(value, list):
        return [unlabelled(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    cleared = {key: unlabelled(inner) for key, inner in value.items() if key != "security"}
    return {key: inner for key, inner in cleared.items() if not (key == "meta" and inner == {})}


@needs_shared
@pytest.mark.parametrize("only_tree", [False, True], ids=["compiled", "tree"])
@pytest.mark.parametrize("case", [pytest.param(c, id=c["case"][:70]) for c in CASES])
def test_case(case: dict[str, Any], only_tree: bool) -> None:
    settings = {"domain-prefix": "miracum-"} if case["case"] == "dynamic domain-prefix" else {}
    rules = rule_set(case["rules"], case["parameters"], settings=settings)
    double = "pseuded-{}@{}" if "pseuded-" in json.dumps(case["output"]) else "[{1}|{0}]"
    machine = Engine(
        rules, pseudonyms=lambda domain, value: double.format(value, domain), only_tree=only_tree
    )
    data = json.dumps(case["input"]).encode()
    if isinstance(case["output"], str):
        with pytest.raises(LineError):
            machine.deidentify(data)
        return
    done = json.loads(machine.deidentify(data))
    if "security" not in json.dumps(case["output"]):
        done = unlabelled(done)
    assert done == case["output"]


@needs_shared
def test_all_cases_are_there() -> None:
    assert len(CASES) == 43
