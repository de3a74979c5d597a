"""The engine gives what the real FHIR Pseudonymizer gives: values, structure and order of keys."""

from pathlib import Path
from typing import Any

import pytest
from rules import parse

from dimpflow.engine.engine import Engine
from dimpflow.errors import RuleSetError
from dimpflow.ruleset.load import load_rule_set
from shared import SHARED, needs_shared

CASES = SHARED / "conformance" / "de-identify"

# configurations that use what this version refuses, and the word by which the refusal names it
REFUSED = {
    "blake3-crypto-hash": "blake3",
    "truncate-blake3-crypto-hashed-values": "blake3",
    "patient-to-pseuded": "substitute",
    "pseudonymization": "enablePartialAgesForRedact",
}


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
@pytest.mark.parametrize(("config", "resource"), [p for p in pairs() if p[0] not in REFUSED])
def test_output_is_the_reference(config: str, resource: str) -> None:
    machine = Engine(load_rule_set(CASES / "configs" / f"{config}.yaml", {}), pseudonyms=double)
    done = parse(machine.deidentify((CASES / "resources" / f"{resource}.json").read_bytes()))
    expected = parse(
        (CASES / "expected" / f"{config}-{resource}.verified.json").read_bytes().removeprefix(b"\xef\xbb\xbf")
    )
    assert done == expected
    assert order_of_keys(done) == order_of_keys(expected)


@needs_shared
@pytest.mark.parametrize("config", sorted(REFUSED))
def test_what_this_version_cannot_do_is_refused(config: str) -> None:
    path = CASES / "configs" / f"{config}.yaml"
    with pytest.raises(RuleSetError, match=REFUSED[config]) as error:
        load_rule_set(path, {})
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@needs_shared
def test_hash_agrees_with_openssl() -> None:
    """echo -n VHF02002-CD-1 | openssl dgst -sha256 -hmac <key>, cut to 32 characters."""
    rules: Path = SHARED / "conformance" / "rulesets" / "mii-dup-base.yaml"
    done = parse(
        Engine(load_rule_set(rules, {})).deidentify(b'{"resourceType":"Condition","id":"VHF02002-CD-1"}')
    )
    assert done["id"] == "6266e55af1ac4d2f474a543afe795e95"
