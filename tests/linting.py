"""Rule sets for tests of the linter, and what it finds in them."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from dimpflow.lint import Finding, lint
from dimpflow.ruleset.load import load_rule_set, read_document
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import RuleSet
from shared import SHARED

RULESETS = Path(__file__).parents[1] / "config" / "rulesets"
MII = SHARED / "conformance" / "rulesets" / "mii-dup-base.yaml"
KEY = "a key of 28 characters for tests"
AES = "an AES key of 32 characters, ok."
SHIFT = "a third key, to shift dates with"

Rule = dict[str, Any]


def rule(path: str, method: str, **settings: Any) -> Rule:
    return {"path": path, "method": method, **settings}


def loaded(path: Path, **options: Any) -> RuleSet:
    environ = {"DIMP_CRYPTO_HASH_KEY": KEY, "HASH": KEY, "AES": AES, "SHIFT": SHIFT}
    return load_rule_set(path, environ, Options(**{"reference_date": date(2026, 8, 7), **options}))


def found(folder: Path, *rules: Rule, parameters: Rule | None = None, **options: Any) -> list[Finding]:
    """The findings about rules as they would stand in a file; keys come from the environment unless given."""
    keys = {"cryptoHashKey": "${HASH}", "encryptKey": "${AES}", "dateShiftKey": "${SHIFT}"}
    document = {
        "fhirVersion": "R4",
        "parameters": {**keys, **(parameters or {})},
        "fhirPathRules": list(rules),
    }
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return lint(loaded(path, **options), read_document(path)[0])


def loud(findings: Sequence[Finding]) -> list[tuple[int, str]]:
    """Rule and code of errors and warnings."""
    return [(finding.rule, finding.code) for finding in findings if finding.level != "note"]


def one(findings: Sequence[Finding], code: str, rule: int | None = None) -> Finding:
    """The only finding of a code (about a rule)."""
    (finding,) = [f for f in findings if f.code == code and rule in (None, f.rule)]
    return finding


def note(findings: Sequence[Finding], path: str) -> Finding:
    """The note about a path, which it names among others."""
    (finding,) = [
        f for f in findings if f.code == "stays-in-clear" and path in f.path.split(" and ")[0].split(", ")
    ]
    return finding


IDENTIFIER = "nodesByType('Identifier')"


def kept(findings: Sequence[Finding], number: int = 1) -> list[str]:
    """What a rule lets through."""
    return one(findings, "keeps-identifier", number).reason.partition("clear: ")[2].split(", ")
