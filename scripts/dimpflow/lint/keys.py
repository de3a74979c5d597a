"""Keys that are easy to guess, or that stand where others can read them. What is said of them never tells anything of them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dimpflow.lint.findings import Finding
from dimpflow.ruleset.methods import is_null
from dimpflow.ruleset.parameters import MAKE_A_KEY
from dimpflow.ruleset.rules import Parameters

_VARIABLES = {
    "cryptoHashKey": "DIMP_CRYPTO_HASH_KEY",
    "encryptKey": "DIMP_ENCRYPT_KEY",
    "dateShiftKey": "DIMP_DATE_SHIFT_KEY",
}
"""Keys of the parameters, with the environment variable that our messages suggest."""

VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
"""How a rule set names an environment variable."""

_SHORTEST = 16
_FEWEST = 8
"""Different characters under which a key counts as typed in by hand; one of 16 random bytes in hexadecimal has more."""


def keys(parameters: Parameters, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Findings about keys. found: the `parameters` as they stand in the file."""
    values = {
        "cryptoHashKey": parameters.hash_key,
        "encryptKey": parameters.encrypt_key.decode(errors="replace"),
        "dateShiftKey": parameters.shift_key,
    }
    for name, value in values.items():
        written = found.get(name)
        in_clear = isinstance(written, str) and not is_null(written.strip()) and not VARIABLE.search(written)
        if in_clear:
            yield Finding(
                "warning",
                0,
                f"parameters.{name}",
                "key-in-file",
                "the key stands in the file, where everybody who reads the rules can read it",
                f'write {name}: "${{{_VARIABLES[name]}}}" and set that environment variable; if the file was shared, make a '
                "new key",
            )
        # of a derived key only what it was derived from says how good it is
        weak = _weak(str(written) if in_clear else value, name)
        if weak:
            yield Finding(
                "warning",
                0,
                f"parameters.{name}",
                "short-key",
                f"the key is {weak}; whoever has results can find it by trying",
                MAKE_A_KEY if name != "encryptKey" else MAKE_A_KEY.replace("token_hex(32)", "token_hex(16)"),
            )


def _weak(key: str, name: str) -> str:
    if not key.strip():
        return ""
    if len(key) < _SHORTEST and name != "encryptKey":  # AES wants its 16, 24 or 32
        return "short"
    return "made of few different characters" if len(set(key)) < _FEWEST else ""
