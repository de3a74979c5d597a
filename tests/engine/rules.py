"""Engines for tests, made from rules as they would stand in a file."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from dimpflow.engine.engine import Engine
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import RuleSet

KEY = "fhir-pseudonymizer"
TODAY = date(2026, 8, 7)
"""The reference date of the reference outputs."""
RULESETS = Path(__file__).parents[2] / "config" / "rulesets"


def rule_set(
    rules: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    **options: Any,
) -> RuleSet:
    """A rule set as loaded from a file; the key is the one of the reference outputs unless another is given."""
    document = {
        "fhirVersion": "R4",
        "fhirPathRules": list(rules),
        "parameters": {"cryptoHashKey": KEY, **(parameters or {})},
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return load_rule_set(path, environ or {}, Options(**{"reference_date": TODAY, **options}))


def engine(
    *rules: Mapping[str, Any],
    pseudonyms: Callable[[str, str], str] | None = None,
    labels: bool = False,
    parameters: Mapping[str, Any] | None = None,
    only_tree: bool = False,
    **options: Any,
) -> Engine:
    """An engine without security labels, so that tests see only what they are about."""
    return Engine(
        rule_set(rules, parameters, **options),
        pseudonyms=pseudonyms,
        security_labels=labels,
        only_tree=only_tree,
    )


def rule(path: str, method: str, **settings: Any) -> dict[str, Any]:
    return {"path": path, "method": method, **settings}


def apply(machine: Engine, resource: Mapping[str, Any]) -> Any:
    """A resource through an engine, parsed; numbers as text, so that their spelling counts."""
    return parse(machine.deidentify(json.dumps(resource).encode()))


def parse(data: bytes) -> Any:
    return json.loads(
        data, parse_float=lambda text: f"number {text}", parse_int=lambda text: f"number {text}"
    )
