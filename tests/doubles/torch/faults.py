"""What goes wrong with a TORCH and its file server, scripted ("torch-crtdl", section 3.4)."""

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from doubles.files import KINDS as FILE_KINDS
from doubles.files import FileFault

On = Literal["kickoff", "status", "task", "metadata", "manifest", "file"]

PAGES = ("401", "403", "404", "408", "413", "429", "500", "502", "503", "504")
INSTEAD = (*PAGES, "reset", "hang", "redirect", "html", "empty", "expired-token")
"""TORCH never sees such a request."""
AFTERWARDS = (
    "reset-headers",
    "reset-middle",
    "truncated",
    "wrong-length",
    "trickle",
    "gzip",
    "chunked",
    "slow",
)
"""TORCH has done its work; the answer comes to harm on its way (or late)."""

KICKOFF = (
    "torch-500", "accepted-reset", "accepted-hang", "accepted-502", "no-location", "relative-location", "bad-location",
)  # fmt: skip
STATUS = ("restart", "lost-volume")
MANIFEST = (
    "html", "invalid-json", "cut-json", "array", "no-output", "output-string", "entry-without-url", "duplicate-urls", "extra-entry",
    "dot-dot", "encoded-dot-dot", "foreign-host", "other-job", "odd-name", "consent-listed", "core-twice", "missing-file",
    "unlisted-batch", "no-extension", "not-completed", "too-many-lines",
)  # fmt: skip
RESULTS = ("empty-output", "core-only")
"""On the manifest, and on the job itself from the beginning: nobody survives, or core.ndjson alone is left."""
LINES = (
    "blank-line", "crlf", "bom", "non-bundle", "searchset", "no-resource", "duplicate", "invalid-utf8", "huge-line",
    "no-line-end", "broken-json",
)  # fmt: skip
"""On files: written into them."""

KINDS: dict[str, frozenset[str]] = {
    "kickoff": frozenset((*INSTEAD, *AFTERWARDS, *KICKOFF)),
    "status": frozenset((*INSTEAD, *AFTERWARDS, *STATUS)),
    "task": frozenset((*INSTEAD, *AFTERWARDS)),
    "metadata": frozenset((*INSTEAD, *AFTERWARDS)),
    "manifest": frozenset((*MANIFEST, *RESULTS)),
    "file": frozenset((*FILE_KINDS, *LINES, "expired-token")),
}


@dataclass(frozen=True)
class TorchFault:
    """Something that goes wrong.

    on: the requests that it hits: "kickoff", "status" (any), "task" (any method), "metadata", "manifest" (status requests that would
    answer 200), "file". name, with files: of the file, or "core", "batch" (the first batch file of a job), "batch-2" and so on;
    None for all. at: numbers, from 1, of such requests, retries included; with files each file counts for itself; None: all. times:
    at most so often. value: see below.

    Kinds, beside the plain statuses, which are HTML of a proxy (429, 503 and others with value: Retry-After):

    on the API: "reset" before TORCH got the request, "reset-headers" and "reset-middle" while it answers, "truncated",
    "wrong-length", "hang": see Answer.manner; "slow" (value: seconds) and "trickle" (value: bytes each hundredth of a second) are
    late, but right; "gzip" and "chunked" are right. "redirect": to value, or, if None, to the same place once more. "html": 200
    and a page to sign in. "empty": 200 and nothing. "expired-token": 401, and this token is refused from now on.

    kickoff: "torch-500" is an OperationOutcome of trouble with the disk. "accepted-reset", "accepted-hang", "accepted-502": a job is
    made, but its address never arrives; "no-location", "relative-location", "bad-location" of the 202.

    status: "restart": so many requests (value; 3) to the API are reset, then jobs are rolled back; an old server has forgotten
    them. "lost-volume": all jobs and files are gone.

    manifest: one for each way in which it can be malformed or untrue, see `spoil`. "empty-output", "core-only": a true one, of jobs
    begun while it is live (at, times: of jobs).

    file: those of FileFault; and those that are written into a file: "blank-line", "crlf", "bom", "non-bundle", "searchset",
    "no-resource", "duplicate" (one id, other content), "invalid-utf8", "no-line-end", "broken-json", each in its last line (value:
    number of the line); "huge-line": a right one, of 50 MB (value: MB). at is of no meaning there, times counts files.
    """

    kind: str
    on: On = "status"
    name: str | None = None
    at: Collection[int] | None = None
    times: int | None = None
    value: float | str | None = None

    def __post_init__(self) -> None:
        kinds = KINDS.get(self.on)
        if kinds is None:
            raise ValueError(f"on={self.on!r}: there are {', '.join(KINDS)}")
        if self.kind not in kinds:
            raise ValueError(f"no such fault on {self.on}: {self.kind}; there are {', '.join(sorted(kinds))}")
        if self.kind in ("slow", "trickle") and not isinstance(self.value, int | float):
            raise ValueError(f"{self.kind}: the value must be a number")
        if self.name is not None and self.on != "file":
            raise ValueError(f"name={self.name!r} is of no meaning on {self.on}")

    def number(self, default: int) -> int:
        """The value as a number."""
        return default if self.value is None else int(self.value)

    def file_fault(self, name: str | None) -> FileFault:
        """For the file server. name: of the file."""
        return FileFault(self.kind, name, self.at, self.times, self.value)


class FaultPlan:
    """Picks the fault of each request, and keeps count. Thread-safe."""

    def __init__(self, faults: Sequence[TorchFault]) -> None:
        self.faults = tuple(faults)
        self._left = [fault.times for fault in faults]
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def pick(
        self, on: On, kinds: Collection[str] | None = None, names: Sequence[str] = ()
    ) -> TorchFault | None:
        """The first fault that hits a request, which is counted herewith, under `on`, the kinds and the name; None for none.

        kinds: only these; names: all that faults may call the file."""
        with self._lock:
            counted = f"{on}/{','.join(sorted(kinds or ()))}/{''.join(names[:1])}"
            self._seen[counted] += 1
            for i, fault in enumerate(self.faults):
                if (
                    fault.on == on
                    and self._left[i] != 0
                    and (kinds is None or fault.kind in kinds)
                    and (fault.name is None or fault.name in names)
                    and (fault.at is None or self._seen[counted] in fault.at)
                ):
                    left = self._left[i]
                    if left is not None:
                        self._left[i] = left - 1
                    return fault
        return None

    def of_files(self, kinds: Collection[str]) -> list[TorchFault]:
        """Those on files, of these kinds."""
        return [fault for fault in self.faults if fault.on == "file" and fault.kind in kinds]
