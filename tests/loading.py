"""Rule sets for tests of loading: from text, with what is said of those that are refused."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dimpflow.errors import RuleSetError
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import RuleSet

TODAY = date(2026, 8, 7)
HASH, ENCRYPT = "Anonymization__CryptoHashKey", "Anonymization__EncryptKey"
CONTEXT = "Anonymization__KeyDerivationContext"
KEYS = {HASH: "hash-secret", ENCRYPT: "encrypt-secret16", "SHIFT": "shift-secret"}
SHIFT_KEY = 'dateShiftKey: "${SHIFT}"'


def load(folder: Path, text: str, environ: Mapping[str, str] | None = None, **options: Any) -> RuleSet:
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rule_set(path, environ or {}, Options(**{"reference_date": TODAY, **options}))


def one_rule(settings: str, path: str = "Patient.id", parameters: str = "") -> str:
    """The text of a rule set; settings and parameters as YAML between braces."""
    return f"fhirVersion: R4\nparameters: {{{parameters}}}\nfhirPathRules: [{{path: {path}, {settings}}}]"


def refusal(folder: Path, text: str, environ: Mapping[str, str] | None = None, **options: Any) -> str:
    """The message of a rule set that is refused, after the file's name."""
    with pytest.raises(RuleSetError) as error:
        load(folder, text, environ, **options)
    message = str(error.value)
    file = str(folder / "rules.yaml")
    assert message.startswith(f"{file}:") and "\n" not in message
    return message.removeprefix(f"{file}:").removeprefix(" ")
