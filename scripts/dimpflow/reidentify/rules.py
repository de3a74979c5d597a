"""The rule set that de-identified, read again by somebody who may not have all of its keys."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from dimpflow.ruleset.load import load_rule_set, read_document
from dimpflow.ruleset.options import Options
from dimpflow.ruleset.rules import RuleSet

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_NO_KEY = "0123456789abcdef" * 2  # as long as an AES key
_SERVICE = {"cryptoHashKey": "Anonymization__CryptoHashKey", "encryptKey": "Anonymization__EncryptKey"}
_CONTEXT = {"keyDerivationContext": "Anonymization__KeyDerivationContext"}


def rules_to_reverse(path: Path, environ: Mapping[str, str], options: Options) -> RuleSet:
    """A checked rule set; a key that is not in the environment is empty in its parameters. RuleSetError.

    Keys of date shifts and the reference date are not needed at all: no way leads back from those.
    """
    document, _ = read_document(path)
    parameters = document.get("parameters")
    texts: dict[str, Any] = parameters if isinstance(parameters, dict) else {}
    given = {name: value for name, value in environ.items() if value.strip()}
    named = {name for text in texts.values() for name in _VARIABLE.findall(str(text))}
    stand_ins = dict.fromkeys([*named, *_SERVICE.values()], _NO_KEY)
    relaxed = replace(
        options,
        reference_date=options.reference_date or date(2000, 1, 1),
        settings={**options.settings, "dateShiftFixedOffsetInDays": "0"},
    )
    rules = load_rule_set(path, {**stand_ins, **given}, relaxed)

    def known(key: str, variables: Mapping[str, str]) -> bool:
        text = str(texts.get(key) or "")
        return all(
            name in given for name in _VARIABLE.findall(text) or ([] if text.strip() else [variables[key]])
        )

    context = not str(texts.get("keyDerivationContext") or "").strip() or known(
        "keyDerivationContext", _CONTEXT
    )
    found = rules.parameters
    return replace(
        rules,
        parameters=replace(
            found,
            hash_key=found.hash_key if context and known("cryptoHashKey", _SERVICE) else "",
            encrypt_key=found.encrypt_key if context and known("encryptKey", _SERVICE) else b"",
        ),
    )
