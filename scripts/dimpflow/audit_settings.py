"""audit as checked, typed objects: the checks of a result, and who signs the audit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dimpflow.audit.risk.attributes import (
    DEFAULT_QUASI_IDENTIFIERS,
    DEFAULT_SENSITIVE,
    quasi_identifier,
    sensitive_value,
)
from dimpflow.errors import ConfigError


@dataclass(frozen=True)
class Audit:
    """on_leak: what becomes of a result that holds identifying values; tolerated: FHIR paths where they may stand; common_from:
    subjects from which on a word is a common one; k, most_below_k (a share), quasi, sensitive: of the risk; certificate, key, passphrase: of the
    signature, the passphrase as `${VARIABLE}` or ""."""

    enabled: bool
    on_leak: Literal["fail", "warn"]
    tolerated: tuple[str, ...]
    common_from: int
    k: int
    most_below_k: float | None
    quasi: tuple[str, ...]
    sensitive: tuple[str, ...]
    certificate: Path | None
    key: Path | None
    passphrase: str


def audit_of(filled: Mapping[str, Any]) -> Audit:
    """From a configuration with its defaults."""
    section = filled["audit"]
    sign = section["sign"]
    return Audit(
        enabled=section["enabled"],
        on_leak=section["on_leak"],
        tolerated=tuple(section["tolerate"]),
        common_from=section["common_from"],
        k=section["k"],
        most_below_k=section.get("most_below_k"),
        quasi=tuple(section.get("quasi_identifiers", DEFAULT_QUASI_IDENTIFIERS)),
        sensitive=tuple(section.get("sensitive", DEFAULT_SENSITIVE)),
        certificate=Path(sign["certificate"]) if "certificate" in sign else None,
        key=Path(sign["key"]) if "key" in sign else None,
        passphrase=sign.get("passphrase", ""),
    )


def audit_faults(audit: Audit) -> Iterator[str]:
    """What a schema cannot say, one line each."""
    for key, texts, read in (
        ("audit.quasi_identifiers", audit.quasi, quasi_identifier),
        ("audit.sensitive", audit.sensitive, sensitive_value),
    ):
        for text in texts:
            try:
                read(text, key)
            except ConfigError as error:
                yield str(error)
    for name, path, what in (
        ("certificate", audit.certificate, "a certificate"),
        ("key", audit.key, "a private key"),
    ):
        if path is not None and not path.is_file():
            yield f"audit.sign.{name}: {path} does not exist; give {what} as a PEM file"
    if (audit.certificate is None) != (audit.key is None):
        yield "audit.sign: a signature needs both, certificate and key"
