"""The rule set that goes to a DIMP service with each request."""

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from dimpflow.engine.packing import entry_ids_stay, why_not_packed
from dimpflow.errors import ConfigError, RuleSetError
from dimpflow.lint import brief, lint
from dimpflow.lint.load import load_to_lint
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import RuleSet
from dimpflow.steps.batches import Packing
from dimpflow.variables import VARIABLE, expand

_TOGETHER = 200
"""Resources in a request: more gain little, and one that fails costs more."""
_ANY_DAY = date(2000, 1, 1)


def read_rules(path: Path) -> bytes:
    """The file as it is. RuleSetError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RuleSetError(f"{path}: cannot read the rule set: {error.strerror}") from None


def with_keys(rules: bytes, path: Path, environ: Mapping[str, str]) -> bytes:
    """What is sent: `${VARIABLE}`, which the service does not know, is replaced. RuleSetError for one that is not set."""
    try:
        return expand(rules.decode(), environ, str(path)).encode()
    except UnicodeDecodeError:
        raise RuleSetError(f"{path}: not YAML: a character that YAML does not allow") from None
    except ConfigError as error:
        raise RuleSetError(str(error)) from None


def digest_of(rules: bytes) -> str:
    """SHA-256 of the file."""
    return hashlib.sha256(rules).hexdigest()


def secrets_of(rules: bytes, environ: Mapping[str, str]) -> str:
    """The values of the variables that a rule set names, as one text, for a fingerprint."""
    names = sorted({match[1] for match in VARIABLE.finditer(rules.decode(errors="replace"))})
    return "\0".join(environ.get(name, "") for name in names)


def warnings_about(path: Path, environ: Mapping[str, str]) -> list[str]:
    """The linter's errors and warnings. A key that is missing is none: the service may have it."""
    try:
        loaded = load_to_lint(path, Options(reference_date=_ANY_DAY), environ)
    except RuleSetError:
        return []  # which is told as the reason for sending each resource alone
    return brief(lint(loaded.rule_set, loaded.document), path)


def understood(path: Path, settings: Mapping[str, str], environ: Mapping[str, str]) -> RuleSet:
    """A rule set that is sent along, as far as its rules go: a key that is missing is none. settings: sent along too.

    RuleSetError if there is something in it that this workflow does not know.
    """
    return load_to_lint(path, Options(reference_date=_ANY_DAY, settings=settings), environ).rule_set


def packing_for(
    path: Path | None, settings: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[Packing, str]:
    """How single resources may be sent together, and why not if each has to be sent alone."""
    if path is None:
        return (
            Packing(),
            "the service's own rule set is not known here; services.dimp.anonymization_config sends one along",
        )
    try:
        rule_set = understood(path, settings, environ)
    except RuleSetError as error:
        return Packing(), f"the rule set is not understood here: {error}"
    reason = why_not_packed(rule_set)
    return Packing() if reason else Packing(_TOGETHER, numbered=entry_ids_stay(rule_set)), reason
