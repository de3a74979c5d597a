"""The engine gives what the real FHIR Pseudonymizer gives: values, structure and order of keys."""

import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from rules import TODAY, parse, rule, rule_set

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


def integration(name: str) -> Any:
    """An output of the service's own tests; their inputs can be read off it, apart from the patient's id."""
    (file,) = (CASES / "expected").glob(f"IntegrationTests.PostDeIdentify_*{name}*.verified.json")
    return json.loads(file.read_text(encoding="utf-8-sig"))


def with_ids(bundle: Any, id_of_bundle: str, id_of_patient: str) -> bytes:
    """The input: no labels, and these ids."""
    patient = bundle["entry"][0]["resource"] | {"id": id_of_patient}
    entry = bundle["entry"][0] | {"resource": {k: v for k, v in patient.items() if k != "meta"}}
    made = bundle | {"id": id_of_bundle, "entry": [entry]}
    return json.dumps({k: v for k, v in made.items() if k != "meta"}).encode()


@needs_shared
def test_key_from_the_settings_of_the_service() -> None:
    expected = integration("CryptoHashKeySetViaAppSettingsConfig")
    rules = rule_set(
        [rule("Resource.id", "cryptoHash")], {"cryptoHashKey": ""}, {"Anonymization__CryptoHashKey": "test"}
    )
    done = json.loads(Engine(rules).deidentify(with_ids(expected, "test", "p")))
    patient = done["entry"][0]["resource"]
    assert patient["id"] == hmac.new(b"test", b"p", "sha256").hexdigest()
    patient["id"] = expected["entry"][0]["resource"]["id"]  # whose input is not known
    assert done == expected and order_of_keys(done) == order_of_keys(expected)


@needs_shared
def test_without_labels() -> None:
    expected = integration("ShouldAddSecurityTagSetToFalse")
    machine = Engine(rule_set([rule("Resource.id", "redact")]), security_labels=False)
    done = json.loads(machine.deidentify(with_ids(expected, "b", "p")))
    assert done == expected and order_of_keys(done) == order_of_keys(expected)
