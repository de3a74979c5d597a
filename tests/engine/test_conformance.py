"""The engine gives what the real FHIR Pseudonymizer gives: values, structure and order of keys."""

from pathlib import Path
from typing import Any

import pytest
from rules import TODAY, parse

from dimpflow.engine.engine import Engine
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from shared import SHARED, needs_shared

CASES = SHARED / "conformance" / "de-identify"


def pairs() -> list[tuple[str, str]]:
    """(configuration, resource) for each output that there is."""
    configs = sorted((p.stem for p in (CASES / "configs").glob("*.yaml")), key=len, reverse=True)
    found = []
    for expected in sorted((CASES / "expected").glob("*.verified.json")):
        name = expected.name.removesuffix(".verified.json")
        config = next((c for c in configs if name.startswith(c + "-")), None)
        if config:
            found.append((config, name.removeprefix(config + "-")))
    return found


def order_of_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, order_of_keys(inner)) for key, inner in value.items()]
    return [order_of_keys(inner) for inner in value] if isinstance(value, list) else value


def double(domain: str, value: str) -> str:
    return f"pseuded-{value}@{domain}"


@needs_shared
def test_outputs_are_found() -> None:
    assert len(pairs()) == 17


@needs_shared
@pytest.mark.parametrize("only_tree", [False, True], ids=["compiled", "tree"])
@pytest.mark.parametrize(("config", "resource"), pairs())
def test_output_is_the_reference(config: str, resource: str, only_tree: bool) -> None:
    machine = Engine(
        load_rule_set(CASES / "configs" / f"{config}.yaml", {}, Options(reference_date=TODAY)),
        pseudonyms=double,
        only_tree=only_tree,
    )
    done = parse(machine.deidentify((CASES / "resources" / f"{resource}.json").read_bytes()))
    expected = parse(
        (CASES / "expected" / f"{config}-{resource}.verified.json").read_bytes().removeprefix(b"\xef\xbb\xbf")
    )
    assert done == expected
    assert order_of_keys(done) == order_of_keys(expected)


@needs_shared
def test_hash_agrees_with_openssl() -> None:
    """echo -n VHF02002-CD-1 | openssl dgst -sha256 -hmac <key>, cut to 32 characters."""
    rules: Path = SHARED / "conformance" / "rulesets" / "mii-dup-base.yaml"
    done = parse(
        Engine(load_rule_set(rules, {})).deidentify(b'{"resourceType":"Condition","id":"VHF02002-CD-1"}')
    )
    assert done["id"] == "6266e55af1ac4d2f474a543afe795e95"
