"""From the text of an `anonymization.yaml` to a checked RuleSet (specification of the rules, section 1).

The order of the checks is the FHIR Pseudonymizer's. What it would accept and silently not do, and what this engine cannot do
exactly, is refused, with the file, the rule's number and its path.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from dimpflow.errors import RuleSetError
from dimpflow.fhirpath.ast import Expression
from dimpflow.fhirpath.check import check_path
from dimpflow.fhirpath.parser import parse
from dimpflow.ruleset.methods import DYNAMIC, method_of
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.parameters import MissingKeyError, parameters_of
from dimpflow.ruleset.reach import why_never
from dimpflow.ruleset.rules import Decrypt, Encrypt, Redact, Rule, RuleSet

__all__ = ["MissingKeyError", "load_rule_set", "read_document", "reversed_rule_set"]

_TOP = ("fhirVersion", "fhirPathRules", "parameters")
_PATH = re.compile(r"(?P<type>[A-Z][a-zA-Z]*)?\.?(?P<expression>.*)")
UNMATCHED = "(what no rule reaches)"
"""Path of the rule that `unmatched: redact` adds."""


def load_rule_set(path: Path, environ: Mapping[str, str], options: Options | None = None) -> RuleSet:
    """Reads and checks a rule set; `${NAME}` in its parameters is taken from `environ`.

    Raises RuleSetError with one line for a person: file, rule number, path, what is wrong; MissingKeyError where only a key
    is missing.
    """
    options = options or Options()
    document, digest = read_document(path)
    try:
        _check_settings(options)
        rules = _rules(document, options)
        parameters = parameters_of(document.get("parameters"), rules, environ, options)
    except RuleSetError as error:
        raise type(error)(f"{path}: {error}") from None
    return RuleSet(path, digest, rules, parameters, options, _warnings(document))


def reversed_rule_set(rule_set: RuleSet) -> RuleSet:
    """The rule set that undoes `encrypt`, and does nothing else (as the service's $de-pseudonymize with a rule set of encrypt).

    RuleSetError if it encrypts nothing.
    """
    rules = tuple(replace(r, method=Decrypt()) for r in rule_set.rules if isinstance(r.method, Encrypt))
    if not rules:
        raise RuleSetError(f"{rule_set.path}: no rule encrypts, so there is nothing to decrypt")
    return replace(rule_set, rules=rules)


def load_unchanged(path: Path, environ: Mapping[str, str], options: Options, sha256: str) -> RuleSet:
    """The rule set that the workflow started with. RuleSetError if it is another one now: all jobs of a run must apply the same."""
    rule_set = load_rule_set(path, environ, options)
    if rule_set.sha256 != sha256:
        raise RuleSetError(f"{path} has changed while the workflow ran; run it again")
    return rule_set


def read_document(path: Path) -> tuple[dict[str, Any], str]:
    """The YAML document with every scalar as text, as the service's own reader sees it, and the file's SHA-256."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RuleSetError(f"{path}: cannot read the rule set: {error.strerror}") from None
    try:
        document = yaml.load(data, yaml.BaseLoader)  # noqa: S506  BaseLoader makes nothing but text, lists and mappings
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise RuleSetError(f"{path}{where}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise RuleSetError(f"{path}: not YAML: a character that YAML does not allow") from None
    except RecursionError:
        raise RuleSetError(f"{path}: not a rule set: nested too deeply") from None
    if not isinstance(document, dict):
        raise RuleSetError(f"{path}: not a rule set: expected the keys {', '.join(_TOP)}")
    return document, hashlib.sha256(data).hexdigest()


def _check_settings(options: Options) -> None:
    for key in options.settings:
        if key not in DYNAMIC:
            raise RuleSetError(
                f"services.dimp.settings.{key} cannot be set for all rules; there are {', '.join(DYNAMIC)}"
            )


def _rules(document: dict[str, Any], options: Options) -> tuple[Rule, ...]:
    for key in document:
        if key == "processingErrors":
            raise RuleSetError(
                "processingErrors is Microsoft's, the FHIR Pseudonymizer does not know it; remove it, and set "
                "import.on_invalid: quarantine to set aside what cannot be processed"
            )
        if key not in _TOP:
            raise RuleSetError(f"unknown key {key}; known: {', '.join(_TOP)}")
    version = document.get("fhirVersion") or "R4"
    if not isinstance(version, str) or version.upper() != "R4":
        raise RuleSetError("fhirVersion: only R4 is supported")
    rules = document.get("fhirPathRules")
    if not isinstance(rules, list):
        raise RuleSetError("fhirPathRules is missing or no list")
    checked = [_rule(number, rule, options) for number, rule in enumerate(rules, 1)]
    if options.unmatched == "redact":
        checked.append(Rule(len(rules) + 1, UNMATCHED, Redact(), "Resource", None, options.strict))
    return tuple(checked)


def _rule(number: int, rule: Any, options: Options) -> Rule:
    if not isinstance(rule, dict):
        raise RuleSetError(f"rule {number}: expected the keys path and method")
    for key in ("path", "method"):
        if not isinstance(rule.get(key), str) or not rule[key].strip():
            raise RuleSetError(f"rule {number}: {key} is missing")
    path: str = rule["path"].strip()
    try:
        resource_type, expression = _split(path)
        if expression is not None:
            check_path(expression)
        checked = Rule(number, path, method_of(rule, options), resource_type, expression, options.strict)
        reason = why_never(checked) if options.strict else ""
    except RuleSetError as error:
        raise RuleSetError(f"rule {number} ({path}): {error}") from None
    if reason:
        raise RuleSetError(f"{checked.title}: never matches: {reason}")
    return checked


def _split(path: str) -> tuple[str, Expression | None]:
    """The resource type that a path starts with, and the expression behind it (specification, section 1.5)."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise RuleSetError("a path is one line")
    resource_type, text = match["type"] or "", match["expression"]
    parse(path)  # what stands behind the type is evaluated alone, but all of it has to be FHIRPath
    return resource_type, parse(text) if text else None


def _warnings(document: dict[str, Any]) -> tuple[str, ...]:
    """What is legal but surely not meant; the linter says more."""
    return () if document.get("fhirVersion") else ("fhirVersion is missing; R4 is assumed",)
