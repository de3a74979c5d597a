"""Following a job at TORCH until it is completed (torch-crtdl.md, sections 1.3, 1.7 and 1.8)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from dimpflow.clients.torch.manifest import ManifestError
from dimpflow.clients.torch.outcome import Outcome
from dimpflow.clients.torch.service import (
    Done,
    Ended,
    FailedForATime,
    Running,
    TorchService,
    Trouble,
    progress_of,
)
from dimpflow.errors import ServiceError
from dimpflow.torch_server import Polling

GRACE = 3
"""Looks at a job that TORCH does not know, or that has failed for a time, before that is believed."""
REREADS = 2
"""Further looks at a manifest that cannot be read."""
LONGEST_WAIT = 300.0
"""Seconds; what a server may ask us to wait between two looks, unless the configured pause is longer."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class JobEndedError(ServiceError):
    """The job has come to nothing at TORCH, or something before TORCH says so. end: what was answered."""

    def __init__(self, end: Ended) -> None:
        super().__init__(end.outcome.text)
        self.end = end


@dataclass
class Progress:
    """How far a job is: TORCH's words, counts of its Task if it gives any. changed: when that last changed, on the caller's clock."""

    text: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    changed: float = 0.0


class Follower:
    """Looks at a job, with growing pauses.

    clock: seconds, from any beginning; show: called with each change of the progress; tell: a line for the terminal.
    """

    def __init__(
        self,
        service: TorchService,
        job: str,
        polling: Polling,
        *,
        max_resumes: int,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        show: Callable[[Progress], None],
        tell: Callable[[str], None],
    ) -> None:
        self._service = service
        self._job = job
        self._polling = polling
        self._resumes_left = max_resumes
        self._sleep = sleep
        self._clock = clock
        self._show = show
        self._tell = tell
        self._progress = Progress(changed=clock())
        self._asks_task = True
        self._warned = False
        self._unknown = 0
        self._strange = 0
        self._failures = 0
        self._unreadable = 0

    def follow(self, read: Callable[[bytes], T]) -> T:
        """What `read` makes of the manifest, once the job is completed.

        JobEndedError; ManifestError from `read`; ServiceError where TORCH does not let us in, gives no sign of life, takes too
        long, or leaves the job failed for a time. The job goes on at TORCH then.
        """
        began = alive = self._clock()
        pause, why = self._polling.first, ""
        while True:
            state = self._service.status(self._job)
            wait = 0.0
            match state:
                case Done(body):
                    try:
                        return read(body)
                    except ManifestError as error:
                        self._unreadable += 1
                        if not error.again or self._unreadable > REREADS:
                            raise
                case Running(text, asked):
                    alive, wait = self._clock(), asked or 0.0
                    self._unknown = self._strange = self._failures = 0
                    self._note(text)
                case FailedForATime(outcome, _):
                    alive = self._clock()
                    self._go_on(outcome)
                case Ended(status, _, _):
                    self._unknown += state.by_torch
                    self._strange += not state.by_torch
                    if (status != 404 and state.by_torch) or GRACE in (self._unknown, self._strange):
                        raise JobEndedError(state)
                case Trouble(why, asked):
                    wait = asked or 0.0
                    log.info("no word about the job: %s", why)
            now = self._clock()
            if now - alive >= self._polling.silence:
                raise ServiceError(
                    self._stay(
                        f"no sign of life from TORCH for {_span(now - alive)}{f', last: {why}' if why else ''}"
                    )
                )
            if now - began >= self._polling.deadline:
                raise ServiceError(
                    self._stay(
                        f"not completed after {_span(now - began)} (services.torch.extraction_deadline)"
                    )
                )
            self._warn_of_stall(now)
            self._sleep(max(pause, min(wait, max(LONGEST_WAIT, self._polling.longest))))
            pause = min(pause * 2, self._polling.longest)

    def _stay(self, what: str) -> str:
        return f"TORCH job {self._job}: {what}; it is kept, and the next run takes it up again"

    def _note(self, text: str) -> None:
        counts = self._counts()
        if (text, counts) == (self._progress.text, self._progress.counts):
            return
        if text != self._progress.text:
            self._tell(f"TORCH: {text or 'at work'}")
        self._progress = Progress(text, counts, self._clock())
        self._warned = False
        self._show(self._progress)

    def _counts(self) -> dict[str, int]:
        """Counts of the Task. A server that has none is not asked again."""
        if not self._asks_task:
            return {}
        task = self._service.task(self._job)
        self._asks_task = task is None or bool(task)
        return (progress_of(task) or {}) if task else self._progress.counts

    def _warn_of_stall(self, now: float) -> None:
        still = now - self._progress.changed
        if still >= self._polling.stall and not self._warned:
            self._warned = True
            line = (
                f"TORCH job {self._job}: no progress for {_span(still)} ({self._progress.text or 'no word'}); older jobs wait for newer "
                "ones there, so this may be well"
            )
            log.warning(line)
            self._tell(line)

    def _go_on(self, outcome: Outcome) -> None:
        """TEMP_FAILED lasts until somebody says `$resume`, or restarts TORCH."""
        self._failures += 1
        if self._failures < GRACE:
            return
        if not self._resumes_left:
            said = f" ({outcome.text})" if outcome.text else ""
            raise ServiceError(
                self._stay(
                    f"it has failed for a time (TEMP_FAILED){said} and does not go on by itself; mend the cause, then say $resume to "
                    "it at TORCH or set services.torch.max_resumes"
                )
            )
        self._resumes_left -= 1
        self._failures = 0
        log.warning("the job has failed for a time; it is told to go on")
        self._service.resume(self._job)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
