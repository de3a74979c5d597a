"""Faults of a service, scripted: which requests they hit, and how often."""

import random
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from time import time

TRANSIENT = (
    "slow", "429", "408", "500", "502", "503", "504", "reset", "reset-middle", "truncated", "close-idle",
)  # fmt: skip
"""Kinds after which the same request, sent once more, may well succeed."""

FINAL = (
    "413", "wrong-length", "other-resource", "not-json", "missing-entry", "reordered", "emptied", "401", "403", "404",
    "redirect", "expired-token", "hang", "garbage-gzip",
)  # fmt: skip
"""Kinds after which a client must not go on as if nothing was, or must do something else than to repeat."""

KINDS = frozenset(TRANSIENT + FINAL)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with POST requests.

    at: numbers, from 1, of the POSTs that it hits, retries included; None: all. times: at most so often. containing: only
    bodies that hold these bytes. spare_after: not a body that faults have hit so often already, so that a client that sends
    it more often gets through.

    value: "slow": seconds; "429", "503": the Retry-After header, seconds or a date (see `retry_date`), None for no such header;
    "413": only bodies of more bytes than this (decompressed), None for all; "other-resource": its type, Basic if None;
    "redirect": where to.

    Kinds, beside the plain statuses: "slow" answers late, but rightly. "500" comes with a stack trace and content of the
    resource, "502" and "504" with an HTML page. "reset", "reset-middle", "truncated", "wrong-length", "hang", "close-idle": see
    Answer.manner. "not-json": 200 with an HTML page. "garbage-gzip": says gzip, and is none. "missing-entry" and "reordered" hit
    Bundles of at least 1 and 2 entries. "emptied": what a rule set makes of it that redacts everything. "expired-token": 401, and
    the token of this request is refused from now on.
    """

    kind: str
    at: Collection[int] | None = None
    times: int | None = None
    value: float | str | None = None
    containing: bytes = b""
    spare_after: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind}; there are {', '.join(sorted(KINDS))}")
        if self.kind == "redirect" and not isinstance(self.value, str):
            raise ValueError("redirect: the value must be the address")
        if self.kind in ("slow", "413") and isinstance(self.value, str):
            raise ValueError(f"{self.kind}: the value must be a number")
        if self.kind == "slow" and self.value is None:
            raise ValueError("slow: the value must be seconds")


class FaultPlan:
    """Picks the fault of each POST, and keeps count. Thread-safe."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults
        self._left = [fault.times for fault in faults]
        self._hits: Counter[str] = Counter()
        self._lock = threading.Lock()

    def pick(self, number: int, body: bytes, sha256: str, entries: int) -> Fault | None:
        """The first fault that hits a POST; None for none. entries: of the Bundle that is to be answered."""
        if not self._faults:
            return None
        with self._lock:
            for i, fault in enumerate(self._faults):
                if self._left[i] != 0 and self._fits(fault, number, body, sha256, entries):
                    left = self._left[i]
                    if left is not None:
                        self._left[i] = left - 1
                    self._hits[sha256] += 1
                    return fault
        return None

    def _fits(self, fault: Fault, number: int, body: bytes, sha256: str, entries: int) -> bool:
        if fault.at is not None and number not in fault.at:
            return False
        if fault.containing not in body:
            return False
        if fault.spare_after is not None and self._hits[sha256] >= fault.spare_after:
            return False
        match fault.kind:
            case "413":
                return fault.value is None or len(body) > float(fault.value)
            case "missing-entry":
                return entries >= 1
            case "reordered":
                return entries >= 2
        return True


def retry_date(seconds: float) -> str:
    """An HTTP date (RFC 9110, 5.6.7) so many seconds from now, in whole seconds."""
    return formatdate(time() + seconds, usegmt=True)


def random_faults(seed: int, number: int, transient_only: bool = True) -> list[Fault]:
    """A mix for the first `number` POSTs; the same for the same seed.

    At most one fault for two POSTs, never two POSTs in a row. With transient faults only, a client that makes 5 attempts for a
    request gets through, however its requests overlap: faults hit a body at most twice, a "500" only one that was not hit before,
    and there are at most two "close-idle", each of which costs one request more. Waits are short: Retry-After is 0, or now.

    transient_only: False puts in what ends a job as well (no "hang", no "redirect", which need something of the client).
    """
    draw = random.Random(seed)
    kinds = [
        *TRANSIENT,
        *(kind for kind in FINAL if not transient_only and kind not in ("hang", "redirect")),
    ]
    faults: list[Fault] = []
    at = 1
    while at <= number:
        if draw.random() < 0.6:
            kind = draw.choice(kinds)
            if kind == "close-idle" and sum(f.kind == kind for f in faults) == 2:
                kind = "reset"
            faults.append(
                Fault(
                    kind, at=(at,), times=1, value=_value(kind, draw), spare_after=1 if kind == "500" else 2
                )
            )
            at += 1
        at += 1
    return faults


def _value(kind: str, draw: random.Random) -> float | str | None:
    if kind == "slow":
        return draw.uniform(0.005, 0.05)
    if kind in ("429", "503"):
        return draw.choice(["0", None, "Thu, 01 Jan 2015 00:00:00 GMT"])
    return None
