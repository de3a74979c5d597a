"""The jobs of the double: their states, which last so many status requests, and what a restart makes of them
("torch-crtdl", sections 1.3, 1.7 and 3.3).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

PENDING, COHORT, BATCH, CORE = (
    "PENDING",
    "RUNNING_GET_COHORT",
    "RUNNING_PROCESS_BATCH",
    "RUNNING_PROCESS_CORE",
)
PAUSED, TEMP_FAILED = "PAUSED", "TEMP_FAILED"
COMPLETED, FAILED, CANCELLED, DELETED = "COMPLETED", "FAILED", "CANCELLED", "DELETED"
FINAL = (COMPLETED, FAILED, CANCELLED, DELETED)
STATES = (PENDING, COHORT, BATCH, CORE, PAUSED, TEMP_FAILED, *FINAL)
_COURSE = (PENDING, COHORT, BATCH, CORE, COMPLETED)

FROZEN, BACKWARDS, RESTART = "FROZEN", "BACKWARDS", "RESTART"
_DIVERSIONS = (PAUSED, TEMP_FAILED, FROZEN, BACKWARDS, RESTART, FAILED, CANCELLED, DELETED)


@dataclass(frozen=True)
class Divert:
    """Where a job leaves its course.

    to: "PAUSED", "TEMP_FAILED"; "FROZEN" (no progress); "BACKWARDS" (its batches begin anew); "RESTART" (rolled back as by a restart
    of TORCH, without an outage); "FAILED", "CANCELLED", "DELETED". at: the number, from 1, of the status request of this job that
    shows it first. polls: so many requests show PAUSED, TEMP_FAILED or FROZEN, then it goes on; None: until `$resume`, FROZEN for
    ever. stubborn: `$resume` does not help.
    """

    to: str
    at: int
    polls: int | None = None
    stubborn: bool = False

    def __post_init__(self) -> None:
        if self.to not in _DIVERSIONS:
            raise ValueError(f"no such diversion: {self.to}; there are {', '.join(_DIVERSIONS)}")


@dataclass(frozen=True)
class Scenario:
    """How many status requests each state of a job lasts; there is no other clock.

    batches: of the state RUNNING_PROCESS_BATCH, however many batches there are. not_found: so many requests get 404 at first.
    diverts: of every job. issues: severity, msg and diagnostics, recorded while the batches are worked on.
    """

    pending: int = 1
    cohort: int = 1
    batches: int = 2
    core: int = 1
    not_found: int = 0
    diverts: Sequence[Divert] = ()
    issues: Sequence[tuple[str, str, str]] = ()

    def lasts(self, stage: str) -> int:
        """Status requests of a stage."""
        return {PENDING: self.pending, COHORT: self.cohort, BATCH: self.batches, CORE: self.core}[stage]


@dataclass
class Job:
    """A job. batches: how many it has; hold: PAUSED, TEMP_FAILED or FROZEN for so many polls to come (None: until something
    ends it); done: finished batches; lost: an old server has forgotten it, and only its files are left.
    """

    id: str
    number: int
    batches: int
    started: str
    updated: str
    finished: str = ""
    stage: str = PENDING
    used: int = 0
    polls: int = 0
    done: int = 0
    hold: str = ""
    hold_left: int | None = None
    stubborn: bool = False
    version: int = 1
    priority: str = "NORMAL"
    doomed: str = ""
    """The state in which it is going to fail, "" for none."""
    lost: bool = False
    issues: list[tuple[str, str, str]] = field(default_factory=list)
    failure: tuple[str, str, str] = ("error", "Job failed", "internal error")
    """Severity, msg and diagnostics of the issue that a failure brings."""

    @property
    def status(self) -> str:
        """As TORCH names it."""
        return self.hold if self.hold in (PAUSED, TEMP_FAILED) else self.stage

    @property
    def final(self) -> bool:
        """Whether nothing more happens to it."""
        return self.stage in FINAL

    @property
    def progress(self) -> int:
        """Per cent of its batches."""
        return 100 * self.done // self.batches if self.batches else 100

    # ---- the clock -------------------------------------------------------------------------------------------------

    def poll(self, scenario: Scenario, now: str) -> None:
        """One more status request: afterwards it is in the state that is to be shown."""
        self.polls += 1
        if self.final or self.polls <= scenario.not_found:
            return
        before = (self.status, self.done)
        if self.hold and self.hold_left == 0:
            self.hold = ""
        for divert in scenario.diverts:
            if divert.at == self.polls:
                self._divert(divert)
        if self.hold:
            self.hold_left = self.hold_left - 1 if self.hold_left is not None else None
        elif self.stubborn:
            self.hold, self.hold_left = TEMP_FAILED, None
        elif not self.final:
            self._advance(scenario)
        if (self.status, self.done) != before:
            self.changed(now)

    def _divert(self, divert: Divert) -> None:
        match divert.to:
            case "PAUSED" | "TEMP_FAILED" | "FROZEN":
                self.hold, self.hold_left, self.stubborn = divert.to, divert.polls, divert.stubborn
            case "BACKWARDS":
                if self.stage in (BATCH, CORE):
                    self.stage, self.used, self.done = BATCH, 0, 0
            case "RESTART":
                self.roll_back()
            case "FAILED":
                self._fail()
            case _:
                self.stage, self.hold = divert.to, ""

    def _advance(self, scenario: Scenario) -> None:
        while not self.final and self.used >= scenario.lasts(self.stage):
            if self.stage == self.doomed:
                self._fail()
                return
            self.stage, self.used = _COURSE[_COURSE.index(self.stage) + 1], 0
        self.used += 1
        if self.stage == BATCH:
            self.done = max(self.done, self.batches * (self.used - 1) // scenario.batches)
            self.issues = list(scenario.issues)
        elif self.stage in (CORE, COMPLETED):
            self.done = self.batches
            self.issues = list(scenario.issues)

    def _fail(self) -> None:
        self.stage, self.hold = FAILED, ""
        self.issues.append(self.failure)

    def changed(self, now: str) -> None:
        """Its version and times."""
        self.version += 1
        self.updated = now
        if self.final and not self.finished:
            self.finished = now

    # ---- what is done to it ----------------------------------------------------------------------------------------

    def pause(self) -> None:
        """From any state that is not final."""
        self.hold, self.hold_left = PAUSED, None

    def resume(self) -> None:
        """PAUSED goes on where it was, TEMP_FAILED is tried again; nothing else is changed."""
        if self.hold in (PAUSED, TEMP_FAILED):
            self.hold = ""

    def roll_back(self) -> None:
        """What a start of TORCH does with a job that is not final: finished batches stay, all else begins anew."""
        if self.final:
            return
        if self.stage == COHORT:
            self.stage = PENDING
        if self.hold == TEMP_FAILED:
            self.hold = ""
        self.used = 0

    # ---- on the disk -----------------------------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> "Job":
        """From JSON."""
        issues = [tuple(row) for row in saved.pop("issues")]
        return cls(**{**saved, "failure": tuple(saved.pop("failure")), "issues": issues})


def moment(text: str) -> datetime:
    """Of the stamps of a job."""
    return datetime.fromisoformat(text)
