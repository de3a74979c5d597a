"""Security labels: what was done to a resource, written into its `meta.security` (specification, section 2.6).

While a resource is walked, what happens is collected as bits; `GONE` is no label but tells the caller that nothing remains
of a node.
"""

from typing import Any

from msgspec import UNSET

from dimpflow.fhir.model import Node, struct

GONE = 1
REDACT = 2
ABSTRACT = 4
CRYPTO_HASH = 8
ENCRYPT = 16
PERTURB = 32
SUBSTITUTE = 64
GENERALIZE = 128
PSEUDONYMIZE = 256
REMOVE = 512

LEVEL = 10
"""Bits for one resource. What a rule of an outer resource does inside a nested one is noted LEVEL bits higher for each
resource in between: it labels the outer one. (Three of them fit into what Python can calculate with fastest.)"""

OWN = (1 << LEVEL) - 1 & ~GONE
"""All operations on a resource itself."""


def outward(operations: int) -> int:
    """What a nested resource's operations are for the resource around it: the nested one's own, and what was meant for it."""
    return operations & OWN | operations >> LEVEL


_OBSERVATION_VALUE = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
_LABELS: tuple[tuple[int, str | None, str, str], ...] = (
    (REDACT, _OBSERVATION_VALUE, "REDACTED", "redacted"),
    (ABSTRACT, _OBSERVATION_VALUE, "ABSTRED", "abstracted"),
    (CRYPTO_HASH, _OBSERVATION_VALUE, "CRYTOHASH", "cryptographic hash function"),  # (sic)
    (ENCRYPT, _OBSERVATION_VALUE, "MASKED", "masked"),
    (PERTURB, None, "PERTURBED", "exact value is replaced with another exact value"),
    (SUBSTITUTE, None, "SUBSTITUTED", "exact value is replaced with a predefined value"),
    (GENERALIZE, None, "GENERALIZED", "exact value is replaced with a general value"),
    (PSEUDONYMIZE, _OBSERVATION_VALUE, "PSEUDED", "pseudonymized"),
    (REMOVE, _OBSERVATION_VALUE, "REDACTED", "redacted"),
)
"""(operation, system, code, display) in the order in which they are added."""

_metas: dict[int, Any] = {}
_missing: dict[tuple[Any, ...], list[Any]] = {}


def codings(operations: int, present: set[str]) -> list[Any]:
    """The labels of the operations as Coding objects, without codes that are present (in lower case) already."""
    coding = struct("Coding")
    found: dict[str, Any] = {}
    for bit, system, code, display in _LABELS:
        if operations & bit and code.lower() not in present:
            found.setdefault(code, coding(system=system or UNSET, code=code, display=display))
    return list(found.values())


def add_labels(resource: Node, operations: int) -> None:
    """Appends the labels of the operations, except where a label of the same code (in any case) is there already.

    Label objects are shared between resources: they are only ever written out.
    """
    operations &= OWN
    if not operations:
        return
    if resource.meta is UNSET:
        meta = _metas.get(operations)
        if meta is None:
            meta = _metas[operations] = struct("Meta")(security=codings(operations, set()))
        resource.meta = meta
        return
    present = resource.meta.security
    if present is UNSET:
        resource.meta.security = _added(operations, ())
    elif len(present) == 1:
        resource.meta.security = present + _added(operations, (present[0].code,))
    else:
        resource.meta.security = present + _added(operations, tuple([label.code for label in present]))


def _added(operations: int, present: tuple[Any, ...]) -> list[Any]:
    """The labels that are missing beside those with the codes that are present."""
    key = (operations, present)
    missing = _missing.get(key)
    if missing is None:
        if len(_missing) > 1000:
            _missing.clear()
        lower = {code.strip().lower() for code in present if code is not UNSET}
        missing = _missing[key] = codings(operations, lower)
    return missing
