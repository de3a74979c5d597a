"""Reading a rule set in order to lint it: keys need not be there."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dimpflow.errors import RuleSetError
from dimpflow.lint.findings import Finding
from dimpflow.lint.keys import VARIABLE
from dimpflow.lint.settings import parameters_in
from dimpflow.ruleset.load import MissingKeyError, load_rule_set, read_document
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import RuleSet

_NO_KEY = "0123456789abcdef0123456789abcdef"
"""In place of keys that are not there. As long as an AES key, and none that a finding would be about."""

_SERVICE = {
    "cryptoHashKey": "Anonymization__CryptoHashKey",
    "encryptKey": "Anonymization__EncryptKey",
}
"""Environment variables that stand in for empty keys."""

_OFFSET = "dateShiftFixedOffsetInDays"
"""The setting that stands in for an empty dateShiftKey."""

_KEY = re.compile(r"parameters\.(\w+) is empty")


class Loaded(NamedTuple):
    """A rule set to lint, its file as read, and what was found out on the way."""

    rule_set: RuleSet
    document: dict[str, Any]
    findings: list[Finding]


def load_to_lint(path: Path, options: Options, environ: Mapping[str, str]) -> Loaded:
    """A rule set, even if keys that it names or needs are not there. RuleSetError if it cannot be used for another reason."""
    document, _ = read_document(path)
    named = {name for value in parameters_in(document).values() for name in VARIABLE.findall(str(value))}
    given = {name: environ[name] for name in environ if environ[name].strip()}
    environ = {**dict.fromkeys(named, _NO_KEY), **given}
    findings: list[Finding] = []
    used = options
    while True:
        try:
            rule_set = load_rule_set(path, environ, used)
        except MissingKeyError as error:
            message = str(error).removeprefix(f"{path}: ")
            match = _KEY.match(message)
            if match is None or len(findings) > len(_SERVICE):
                raise
            reason, _, remedy = message.partition("; ")
            key = f"parameters.{match[1]}"
            findings.append(
                Finding("warning", 0, key, "missing-key", reason.replace(key, "the key", 1), remedy)
            )
            if match[1] in _SERVICE:
                environ = {**environ, _SERVICE[match[1]]: _NO_KEY}
            else:
                used = replace(options, settings={**options.settings, _OFFSET: "1"})
            continue
        return Loaded(replace(rule_set, options=options), document, findings)


def not_loaded(path: Path, error: RuleSetError) -> Finding:
    """Why a rule set cannot be used, as a finding."""
    return Finding("error", 0, "", "not-loaded", str(error).removeprefix(f"{path}: "), "")
