"""The rule sets that tests and benchmarks use: nothing in them is useless, and they work on any good resource."""

import json
from functools import cache
from pathlib import Path

import pytest
from rules import TODAY

import oracle
from dimpflow.engine.engine import Engine
from dimpflow.ruleset.load import load_rule_set, read_document
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.reach import why_never
from dimpflow.ruleset.rules import METHOD_NAMES, Decrypt, RuleSet, Scrub
from generate import generate
from shared import SHARED, needs_shared

FOLDER = Path(__file__).parents[1] / "rulesets"
NAMES = ["minimal", "mii-like", "hipaa-like", "general"]


@cache
def rules_of(name: str, *, strict: bool = False) -> RuleSet:
    return load_rule_set(FOLDER / f"{name}.yaml", {}, Options(strict=strict, reference_date=TODAY))


def double(domain: str, value: str) -> str:
    return f"pseuded-{value}@{domain}"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_they_load(name: str, strict: bool) -> None:
    loaded = rules_of(name, strict=strict)
    assert loaded.warnings == () and [why_never(rule) for rule in loaded.rules] == [""] * len(loaded.rules)


def test_what_they_are_for() -> None:
    assert 180 <= len(rules_of("hipaa-like").rules) <= 200
    assert {type(rule.method) for rule in rules_of("general").rules} == set(METHOD_NAMES) - {Decrypt, Scrub}
    line = b'{"resourceType":"Patient","id":"p"}'
    for name in NAMES:
        machine = Engine(rules_of(name))
        machine.deidentify(line)
        assert bool(machine.slow) == (name == "general")


@pytest.mark.parametrize("name", NAMES)
def test_engine_and_oracle_agree(tmp_path: Path, name: str) -> None:
    document, _ = read_document(FOLDER / f"{name}.yaml")
    machine = Engine(rules_of(name), pseudonyms=double)
    generate(tmp_path / "cohort", patients=2, seed=7)
    for file in sorted((tmp_path / "cohort").glob("*.ndjson")):
        for line in file.read_bytes().splitlines()[:5]:
            expected = oracle.deidentify(
                line, document["fhirPathRules"], document["parameters"], today=TODAY, pseudonyms=double
            )
            assert json.loads(machine.deidentify(line)) == json.loads(expected)


MII = SHARED / "conformance" / "rulesets" / "mii-dup-base.yaml"


@needs_shared
@pytest.mark.parametrize(
    "path", [*(FOLDER / f"{name}.yaml" for name in NAMES), MII], ids=lambda path: path.stem
)
def test_engine_and_oracle_agree_on_every_line_of_third_party_data(path: Path) -> None:
    document, _ = read_document(path)
    rules, parameters = document["fhirPathRules"], document["parameters"]
    machine = Engine(load_rule_set(path, {}, Options(reference_date=TODAY)), pseudonyms=double)
    lines = 0
    for file in sorted((SHARED / "data").rglob("*.ndjson")):
        for line in file.read_bytes().splitlines():
            wanted = oracle.deidentify(line, rules, parameters, today=TODAY, pseudonyms=double)
            assert machine.deidentify(line) == wanted
            lines += 1
    assert lines > 800


@needs_shared
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_third_party_data_is_refused(name: str, strict: bool) -> None:
    machine = Engine(rules_of(name, strict=strict))
    lines = 0
    for file in sorted((SHARED / "data").rglob("*.ndjson")):
        for line in file.read_bytes().splitlines():
            machine.deidentify(line)
            lines += 1
    counts = machine.take_counts()
    assert lines > 800
    if name == "general":
        assert [count.path for count in counts if not count.matched] == []
