"""TORCH itself, without HTTP's accidents: what it answers, and what it makes on the disk ("torch-crtdl", sections 1.2 to 1.7)."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from doubles.torch.bodies import FHIR_JSON, JSON, drawn_uuid, dumped, is_uuid, issue, outcome, seeded, stamp
from doubles.torch.faults import LINES, MANIFEST, RESULTS, FaultPlan
from doubles.torch.jobs import (
    BATCH,
    CANCELLED,
    COHORT,
    COMPLETED,
    CORE,
    DELETED,
    FAILED,
    PAUSED,
    PENDING,
    TEMP_FAILED,
    Job,
    Scenario,
)
from doubles.torch.kickoff import LIMIT, PROFILES, Order, Refused, read_order
from doubles.torch.manifest import legacy_files, legacy_manifest, manifest, torch_job
from doubles.torch.results import Batch, Folder, Plan, Writer
from doubles.torch.spoilt import damage, spoil
from doubles.wire import Answer

Profile = Literal["v1", "legacy-alpha13"]
_MEMORY = ".double.json"
"""What the double knows of a job and TORCH does not, in the job's folder."""
_TEXTS = {PENDING: "Pending", PAUSED: "Paused", COHORT: "Getting cohort", CORE: "Processing core resources"}
_CODES = {COMPLETED: 200, TEMP_FAILED: 503, FAILED: 500, CANCELLED: 410, DELETED: 404}


@dataclass(frozen=True)
class Addresses:
    """What TORCH believes about itself and its file server, without slashes at the end."""

    base: str
    files: str


@dataclass
class _Work:
    job: Job
    order: Order
    plan: Plan
    writer: Writer


class Torch:
    """Takes requests one at a time. See TorchDouble; made: told the names of the batch files of each new job."""

    def __init__(
        self,
        folder: Folder,
        state: Path,
        *,
        profile: Profile,
        seed: int,
        states: Scenario,
        faults: FaultPlan,
        batch_size: int | None,
        empty_patients: int,
        profiles: Mapping[str, str],
        now: Callable[[], datetime],
        addresses: Callable[[], Addresses],
        made: Callable[[Sequence[str]], None],
    ) -> None:
        self.kickoffs = self.accepted = 0
        self.legacy = profile == "legacy-alpha13"
        self.lock = threading.RLock()
        self._folder, self._state, self._seed, self._states, self._faults = (
            folder,
            state,
            seed,
            states,
            faults,
        )
        self._batch_size, self._empty = batch_size, empty_patients
        self._profiles = {**PROFILES, **profiles}
        self._now, self._addresses, self._made = now, addresses, made
        self._works: dict[str, _Work] = {}
        for memory in sorted(state.glob(f"*/{_MEMORY}")):
            self._remember(json.loads(memory.read_text("utf-8")))
        self._number = max((work.job.number for work in self._works.values()), default=0)
        """Of the newest job there ever was."""

    # ---- kick-off ---------------------------------------------------------------------------------------------------

    def kick_off(self, body: bytes, problem: int = 0) -> Answer:
        """POST $extract-data. problem: of the request, see Request."""
        with self.lock:
            self.kickoffs += 1
            if len(body) > LIMIT or problem == 413:
                return _fhir(
                    500,
                    outcome(issue("fatal", "exception", f"Exceeded limit on max bytes to buffer : {LIMIT}")),
                )
            try:
                order = read_order(body, self._profiles)
            except Refused as refused:
                return _fhir(400, outcome(issue("fatal", "invalid", str(refused))))
            job = self._begin(order)
            self.accepted += 1
            location = f"{self._addresses().base}/fhir/__status/{job.id}"
            return Answer(202, headers={"Content-Location": location})

    def disk_trouble(self) -> Answer:
        """The answer where a job could not be stored."""
        with self.lock:
            self.kickoffs += 1
        return _fhir(
            500, outcome(issue("fatal", "exception", "Could not write job.json: No space left on device"))
        )

    def _begin(self, order: Order) -> Job:
        self._number = number = self._number + 1
        now = stamp(self._now())
        fault = self._faults.pick("manifest", RESULTS)
        what = {"empty-output": "nothing", "core-only": "core"}[fault.kind] if fault else ""
        known = {
            "job": Job(drawn_uuid(seeded(self._seed, number, "job")), number, 0, now, now).saved(),
            "order": {"crtdl": order.crtdl, "patients": order.patients, "groups": order.groups},
            "seed": self._seed,
            "batch_size": self._batch_size,
            "empty": self._empty,
            "what": what,
        }
        work = self._remember(known)
        job = work.job
        job.batches = len(work.plan.batches)
        job.doomed = COHORT if order.doomed else BATCH if work.plan.repeated else ""
        first = next((line for batch in work.plan.batches for line in batch.lines if line), None)
        place = f"Batch {work.plan.batches[0].id}: Patient/{first.patient}" if first else "Cohort"
        cause = "duplicate key" if work.plan.repeated else "FHIR server answered 400 Bad Request"
        job.failure = ("error", "Processing failed", f"{place}: {cause}")
        self._save(work, known)
        self._made(self.batch_files(job.id))
        return job

    def batch_files(self, job_id: str) -> list[str]:
        """Names of the batch files that a job has or will have, in the order of its batches."""
        work = self._works.get(job_id.lower())
        return [batch.name for batch in work.plan.batches if batch.lines] if work else []

    def _remember(self, known: dict[str, Any]) -> _Work:
        sent = known["order"]
        patients = None if sent["patients"] is None else tuple(sent["patients"])
        order = Order(sent["crtdl"], patients, tuple((name, kind) for name, kind in sent["groups"]))
        job = Job.restored(dict(known["job"]))
        seed, target = known["seed"], self._state / job.id
        plan = self._folder.plan(
            seed,
            job.number,
            job.id,
            order,
            batch_size=known["batch_size"],
            empty=known["empty"],
            what=known["what"],
        )
        work = _Work(job, order, plan, Writer(self._folder, target, plan, order, seed, job.number))
        self._works[job.id] = work
        return work

    def _save(self, work: _Work, known: dict[str, Any] | None = None) -> None:
        folder = self._state / work.job.id
        folder.mkdir(exist_ok=True)
        if known is None:
            known = json.loads((folder / _MEMORY).read_text("utf-8"))
        content = torch_job(work.job, work.plan, work.order, self._kickoff_url())
        for name, data in (("job.json", content), (_MEMORY, {**known, "job": work.job.saved()})):
            part = folder / f".{name}.part"
            part.write_bytes(dumped(data))
            os.replace(part, folder / name)

    def _kickoff_url(self) -> str:
        return f"{self._addresses().base}/fhir/$extract-data"

    # ---- status -----------------------------------------------------------------------------------------------------

    def status(self, job_id: str) -> Answer:
        """GET __status, which makes the clock of the job go on."""
        with self.lock:
            if not is_uuid(job_id):
                return _json(400, outcome(issue("error", "invalid", f"Invalid job id: {job_id}")))
            work = self._works.get(job_id.lower())
            if work is None:
                return self._unknown(job_id)
            job = work.job
            self.tick(job.id)
            if job.polls <= self._states.not_found or job.status == DELETED:
                return self._unknown(job_id)
            if self.legacy:
                return self._legacy_status(work)
            code = _CODES.get(job.status, 202)
            if code == 200:
                return self._finished(work)
            headers = (
                {"X-Progress": _TEXTS.get(job.status, f"Processing batches ({job.progress}%)")}
                if code == 202
                else {}
            )
            return _json(code, self._outcome(work), headers)

    def tick(self, job_id: str) -> None:
        """One more poll of a job; files that are due are written."""
        with self.lock:
            work = self._works[job_id]
            job = work.job
            if not job.lost:
                job.poll(self._states, stamp(self._now()))
            self._write(work)
            self._save(work)

    def _write(self, work: _Work) -> None:
        job, plan, folder = work.job, work.plan, self._state / work.job.id
        for batch in plan.batches[: job.done]:
            if not (folder / "batches" / batch.name).exists():
                work.writer.batch(batch)
                self._harm(job, batch)
        if job.status == COMPLETED and not (folder / "reports").exists():
            if plan.core:
                work.writer.core()
                self._harm(job, None)
            work.writer.reports()

    def _harm(self, job: Job, batch: Batch | None) -> None:
        """Faults that are written into a file of results."""
        name = batch.name if batch else "core.ndjson"
        path = self._state / job.id / name
        if path.exists() and (fault := self._faults.pick("file", LINES, self.names(job.id, name))):
            damage(path, fault.kind, None if fault.value is None else int(fault.value))

    def _unknown(self, job_id: str) -> Answer:
        if self.legacy:
            return Answer(404)
        return _json(404, outcome(issue("error", "not-found", f"Job {job_id} not found")))

    def _outcome(self, work: _Work) -> bytes:
        job, plan = work.job, work.plan
        issues = [issue(severity, "processing", f"{text}: {more}") for severity, text, more in job.issues]
        known = job.stage not in (PENDING, COHORT)
        lines = [
            f"Job {job.id}",
            f"Status: {job.status}",
            f"Batches: {job.done} of {job.batches} finished" if known else "Batches: not known yet",
            f"Cohort size: {plan.cohort}" if known else "Cohort size: not known yet",
        ]
        issues.append(issue("information", "informational", "\n".join(lines)))
        return outcome(*issues, id=f"job-{job.id}-outcome", meta={"lastUpdated": job.updated})

    def _finished(self, work: _Work) -> Answer:
        job = work.job
        found = manifest(
            job, work.plan, work.order, self._kickoff_url(), f"{self._addresses().files}/{job.id}"
        )
        return self._manifest(work, found)

    def _manifest(self, work: _Work, found: dict[str, Any]) -> Answer:
        fault = self._faults.pick("manifest", MANIFEST)
        if fault is None:
            return _json(200, dumped(found))
        first = next(iter(work.plan.batches), None)
        name = f"{first.id if first else work.job.id}_consent.ndjson"
        audits = self._audits(work) or [f"{self._addresses().files}/{work.job.id}/{name}"]
        body = spoil(fault.kind, found, audits)
        return Answer(200, body, {"Content-Type": "text/html" if fault.kind == "html" else JSON})

    def _legacy_status(self, work: _Work) -> Answer:
        job, folder = work.job, self._state / work.job.id
        if not job.lost and job.status not in (COMPLETED, FAILED):
            return Answer(202)
        if not legacy_files(folder):
            return (
                Answer(404)
                if job.lost
                else Answer(500, b"Nothing was extracted", {"Content-Type": "text/plain"})
            )
        found = legacy_manifest(
            job, folder, self._kickoff_url(), f"{self._addresses().files}/{job.id}", self._seed
        )
        return self._manifest(work, dict(found))

    # ---- what others ask --------------------------------------------------------------------------------------------

    def listed(self) -> list[Job]:
        """All jobs, oldest first."""
        with self.lock:
            return sorted((work.job for work in self._works.values()), key=lambda job: job.number)

    def find(self, job_id: str) -> tuple[Job, Plan, list[str]] | None:
        """A job, its plan and the addresses of its consent audits; also a deleted one."""
        work = self._works.get(job_id.lower())
        return (work.job, work.plan, self._audits(work)) if work else None

    def _audits(self, work: _Work) -> list[str]:
        folder = f"{self._addresses().files}/{work.job.id}"
        names = [f"{batch.id}_consent.ndjson" for batch in work.plan.batches]
        return [f"{folder}/{name}" for name in names if (self._state / work.job.id / name).is_file()]

    def keep(self, job: Job) -> None:
        """Store what was changed of a job."""
        self._save(self._works[job.id])

    def stamp(self) -> str:
        """The time."""
        return stamp(self._now())

    def names(self, job_id: str, name: str) -> tuple[str, ...]:
        """What faults may call a file: its name, "core", "batch" for the first batch file, "batch-2"."""
        if name == "core.ndjson":
            return (name, "core")
        made = self.batch_files(job_id)
        if name not in made:
            return (name,)
        number = made.index(name) + 1
        return (name, f"batch-{number}") if number > 1 else (name, "batch", "batch-1")

    def expected(self, job_id: str) -> dict[str, int]:
        """Lines of each result file there is."""
        folder = self._state / job_id
        found = {}
        for name in legacy_files(folder):
            with (folder / name).open("rb") as file:
                found[name] = sum(1 for _ in file)
        return found

    # ---- accidents --------------------------------------------------------------------------------------------------

    def restart(self) -> None:
        """The process has come back: see Job.roll_back. An old server knows no job any more."""
        with self.lock:
            for work in self._works.values():
                if self.legacy:
                    work.job.lost = True
                else:
                    work.job.roll_back()
                self._save(work)

    def lose_volume(self) -> None:
        """No job, no file."""
        with self.lock:
            for name in self._works:
                shutil.rmtree(self._state / name, ignore_errors=True)
            self._works.clear()

    def sweep(self) -> None:
        """Deleted jobs go, with their files."""
        with self.lock:
            for name in [name for name, work in self._works.items() if work.job.status == DELETED]:
                shutil.rmtree(self._state / name)
                del self._works[name]


def _fhir(status: int, body: bytes) -> Answer:
    return Answer(status, body, {"Content-Type": FHIR_JSON})


def _json(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, body, {"Content-Type": JSON, **(headers or {})})
