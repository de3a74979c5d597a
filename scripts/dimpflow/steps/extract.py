"""extract: have TORCH extract what a CRTDL document describes, by exactly one request, whatever happens on the way.

The handle of the job is on the disk before the request is sent, and says what is known of it (torch-crtdl.md, sections 1.2 and
1.7). A request whose fate is not known is looked for in TORCH's list of jobs, not sent again.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from dimpflow.clients.retry import Pauses
from dimpflow.clients.torch.manifest import CORE, Manifest, asked_for, read_manifest
from dimpflow.clients.torch.service import Ended, NotSentError, TorchService, UnclearError, wait_of
from dimpflow.crtdl.kickoff import kickoff_body
from dimpflow.errors import InputError, ServiceError
from dimpflow.keys import fingerprint
from dimpflow.layout import JobFolder
from dimpflow.ndjson import AtomicFile, write_json
from dimpflow.steps.following import Follower, JobEndedError, Progress
from dimpflow.steps.handle import Handle, alone, read_handle, write_handle
from dimpflow.steps.listing import list_results
from dimpflow.torch_server import TorchServer

LOOKS = 3
"""How often TORCH's list is looked at for a job whose request has come to an unknown end."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is to be had: a job that is there already, or what a CRTDL document describes.

    crtdl: the document as it is sent; document: the same, parsed; patients: ids in place of its cohort; consent: whether it asks
    for consent.
    """

    job: str = ""
    crtdl: bytes = b""
    document: Mapping[str, Any] | None = None
    patients: tuple[str, ...] = ()
    consent: bool = False

    @property
    def digests(self) -> tuple[str, str]:
        """SHA-256 of the document and of the patients, empty for what is not there."""
        texts = self.crtdl, "\n".join(self.patients).encode()
        one, other = (hashlib.sha256(text).hexdigest() if text else "" for text in texts)
        return one, other

    @property
    def recorded(self) -> tuple[str, str]:
        """The same for Snakemake's records: of patients a fingerprint, since a short list could be found from its digest by trying."""
        return self.digests[0], fingerprint("\n".join(self.patients))


class Extraction:
    """One order and its job at TORCH.

    folder: of the job here; sleep, clock: in seconds; tell: a line for the terminal.
    """

    def __init__(
        self,
        order: Order,
        server: TorchServer,
        service: TorchService,
        folder: JobFolder,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._order = order
        self._server = server
        self._service = service
        self._folder = folder
        self._sleep = sleep
        self._clock = clock
        self._tell = tell
        self._handle: Handle | None = None

    def run(self) -> None:
        """Leaves TORCH's manifest, and for each result file a small file that stands for it.

        ServiceError, InputError: with what to do; the state on the disk is one that the next run goes on from.
        """
        with alone(self._folder.torch(".lock"), self._sleep, self._say_waiting):
            self._handle = read_handle(self._folder.torch("handle.json"))
            self._check_same_order()
            if self._handle is None or self._handle.state == "dead":
                self._begin()
            elif self._handle.state == "sending":
                self._find_again()
            kept = self._folder.torch("manifest.json")
            if self._known.state == "completed" and kept.is_file():
                self._take(self._read(kept.read_bytes()))
            else:
                self._take(self._follow())

    @property
    def _known(self) -> Handle:
        assert self._handle is not None
        return self._handle

    def _save(self, handle: Handle | None) -> None:
        path = self._folder.torch("handle.json")
        if handle is None:
            path.unlink(missing_ok=True)
        else:
            write_handle(path, handle)
        self._handle = handle

    def _say_waiting(self) -> None:
        self._tell(
            "another process cares for this extraction (of a run that was killed?); waiting until it ends"
        )

    # ---- kick-off ----------------------------------------------------------------------------------------------

    def _check_same_order(self) -> None:
        """A job of another document must not be taken for ours, and not be given up without a word either."""
        handle, order = self._handle, self._order
        if handle is None or handle.state == "dead":
            return
        path = self._folder.torch("handle.json")
        if order.job:
            if handle.job and handle.job != order.job:
                raise InputError(
                    f"{path}: this folder holds TORCH job {handle.job}, the input names {order.job}; give it a folder of its own with job=…"
                )
            if handle.adopted or not handle.job:  # a person has found the job that was looked for
                self._save(
                    replace(
                        handle,
                        state="running",
                        job=order.job,
                        adopted=False,
                        crtdl_sha256="",
                        patients_sha256="",
                    )
                )
        elif not handle.is_for(*order.digests):
            job = f"TORCH job {handle.job}" if handle.job else "a request to TORCH"
            raise InputError(
                f"{path}: {job} was started with another CRTDL document or other patients; give this one a name of its own with job=…, or "
                "remove that file to extract anew"
            )

    def _begin(self) -> None:
        if self._handle is not None:
            log.info(
                "the earlier TORCH job %s has come to nothing (%s); a new one is begun",
                self._handle.job,
                self._handle.why,
            )
        base_url = self._server.access.url
        if self._order.job:
            self._save(Handle("running", base_url, job=self._order.job))
            return
        kickoffs = self._handle.kickoffs if self._handle else 0
        self._service.check()
        jobs = self._service.jobs()
        crtdl, patients = self._order.digests
        handle = Handle(
            "sending",
            base_url,
            crtdl,
            patients,
            _now(),
            None if jobs is None else tuple(sorted(jobs)),
            kickoffs=kickoffs,
        )
        self._send(handle)

    def _send(self, handle: Handle) -> None:
        """Sends the request, again only where it has surely not arrived."""
        body = kickoff_body(self._order.crtdl, self._order.patients)
        pauses = Pauses(self._server.retry, sleep=self._sleep)
        while True:
            handle = replace(handle, kickoffs=handle.kickoffs + 1)
            self._save(handle)
            try:
                job = self._service.kick_off(body, mask=bool(self._order.patients))
                break
            except NotSentError as error:
                handle = replace(handle, kickoffs=handle.kickoffs - 1)
                self._save(None)
                if not pauses.again(wait_of(error)):
                    raise ServiceError(
                        f"{error} (tried {pauses.attempts} times); nothing was started at TORCH"
                    ) from None
            except UnclearError as error:
                log.warning("whether TORCH has taken the request is not known; looking for its job")
                if self._look_for_job(handle):
                    return
                if not (error.ended and pauses.again()):
                    raise ServiceError(
                        f"{error}; whether an extraction was started is not known yet, TORCH lists no new job; the next run looks for it "
                        "again before it sends anything"
                    ) from None
            except ServiceError:
                self._save(None)
                raise
        self._save(replace(handle, state="running", job=job))
        self._tell(f"TORCH: job {job} is started")
        log.info("TORCH job %s is started", job)

    def _find_again(self) -> None:
        """A request was sent and then the process, or TORCH, broke off."""
        if not self._look_for_job(self._known):
            log.info("TORCH lists no job of the earlier request, so it did not arrive; it is sent now")
            self._send(self._known)

    def _look_for_job(self, handle: Handle) -> bool:
        """Whether TORCH lists one job that it did not list before; it is proved to be ours when it is completed."""
        lost = (
            f"{self._server.access.address_key}: whether an extraction was started is not known"
            f" (request of {handle.sent_at})"
        )
        choose = (
            "; give the status address of the right one as input with the same job=…, or remove "
            f"{self._folder.torch('handle.json')} to extract anew"
        )
        for _ in range(LOOKS):
            jobs = self._service.jobs() if handle.before is not None else None
            if jobs is None or handle.before is None:
                raise ServiceError(f"{lost}, and this TORCH lists no jobs; look for it there{choose}")
            new = sorted(set(jobs) - set(handle.before))
            if len(new) > 1:
                raise ServiceError(
                    f"{lost}; TORCH lists {len(new)} jobs since then, {', '.join(new[:5])}{choose}"
                )
            if new:
                self._save(replace(handle, state="running", job=new[0], adopted=True))
                self._tell(f"TORCH: job {new[0]} is taken up again")
                log.info(
                    "TORCH job %s is the only one since the request; taken for ours, to be proved by its manifest",
                    new[0],
                )
                return True
            self._sleep(self._server.polling.first)
        return False

    # ---- the job -----------------------------------------------------------------------------------------------

    def _follow(self) -> Manifest:
        self._show(Progress())
        follower = Follower(
            self._service,
            self._known.job,
            self._server.polling,
            max_resumes=self._server.max_resumes,
            sleep=self._sleep,
            clock=self._clock,
            show=self._show,
            tell=self._tell,
        )
        try:
            return follower.follow(self._complete)
        except JobEndedError as error:
            raise self._buried(error.end) from None
        except (KeyboardInterrupt, SystemExit):
            self._abort()
            raise

    def _complete(self, body: bytes) -> Manifest:
        """Reads the manifest, and keeps it: from here on TORCH is not asked about the job any more."""
        manifest = self._read(body)
        if self._known.adopted:
            self._prove_ours(body)
        with AtomicFile(self._folder.torch("manifest.json"), 0o600, dir_mode=0o700) as file:
            file.write(body)
        self._save(replace(self._known, state="completed"))
        return manifest

    def _prove_ours(self, body: bytes) -> None:
        """ServiceError unless the manifest shows that the job that was found is of our request."""
        ours = asked_for(body, self._order.document or {}, self._order.patients)
        if ours:
            return
        found = f"TORCH job {self._known.job}, the only one since our request broke off,"
        if ours is None:
            raise ServiceError(
                f"{found} does not show what it was started with, so nothing of it is taken; if it is the right one, give its status address "
                f"as input with the same job=…, or remove {self._folder.torch('handle.json')} to extract anew"
            )
        self._save(replace(self._known, state="dead", why="not ours"))
        raise ServiceError(
            f"{found} was not started with this CRTDL document; nothing of it is taken; run again to extract"
        )

    def _read(self, body: bytes) -> Manifest:
        files = self._server.files
        return read_manifest(
            body,
            job_id=self._known.job,
            base_url=self._server.access.url,
            file_server_url=files.url if files else "",
            allow_legacy=self._server.allow_legacy,
        )

    def _buried(self, end: Ended) -> ServiceError:
        """The error for a person; a job of ours that has come to nothing makes room for a new one."""
        job, key, status = self._known.job, self._server.access.address_key, end.status
        if not end.by_torch:
            return ServiceError(
                f"{key}: not TORCH but something before it answers about TORCH job {job} (status {status}); correct the address if it is "
                "wrong; the job is kept, and the next run takes it up again"
            )
        outcome = self._folder.torch("outcome.json")
        with AtomicFile(outcome, 0o600, dir_mode=0o700) as file:
            file.write(end.body)
        if status == 404 and self._known.base_url.rstrip("/") != self._server.access.url.rstrip("/"):
            return ServiceError(
                f"{key}: TORCH does not know job {job}, which was started at another address; correct the address, or remove "
                f"{self._folder.torch('handle.json')} to extract anew"
            )
        self._save(
            replace(self._known, state="dead", why={404: "unknown", 410: "cancelled", 500: "failed"}[status])
        )
        again = "check the input's address" if self._order.job else "run again to extract anew"
        if status == 404:
            return ServiceError(
                f"TORCH does not know job {job} (any more): it was deleted, or the volume of its results was lost; {again}"
            )
        if status == 410:
            return ServiceError(f"TORCH job {job} was cancelled there; {again}")
        return ServiceError(
            f"TORCH job {job} has failed: {end.outcome.text or 'no reason is given'} (as TORCH says it, with what may identify people: "
            f"{outcome}); mend the cause, then run again"
        )

    def _abort(self) -> None:
        """Cancels the job if that is wanted. No trouble with it may hide the abort itself."""
        job, cancelled = self._known.job, False
        if self._server.cancel_on_abort and not self._order.job:
            try:
                cancelled = self._service.cancel(job)
            except ServiceError as error:
                log.warning("TORCH job %s could not be cancelled: %s", job, error)
        if cancelled:
            self._save(replace(self._known, state="dead", why="cancelled"))
            log.info("TORCH job %s is cancelled, as services.torch.cancel_on_abort asks", job)
        else:
            log.info("TORCH job %s goes on; the next run takes it up again", job)

    def _show(self, progress: Progress) -> None:
        """For status.json: counts and TORCH's own words for its states, nothing else."""
        content = {"job": self._known.job, "progress": progress.text, **progress.counts}
        write_json(self._folder.torch("progress.json"), content, 0o600, dir_mode=0o700, durable=False)

    # ---- the result --------------------------------------------------------------------------------------------

    def _take(self, manifest: Manifest) -> None:
        names = list_results(
            manifest, self._known.job, self._folder, accept_empty=self._server.on_empty == "accept"
        )
        if any(name != CORE for name in names):
            self._look_for_consent_audit()
        self._tell(f"TORCH: job {self._known.job} is completed, {len(names)} files")

    def _look_for_consent_audit(self) -> None:
        """A server can be told not to look at consents; that it wrote no audit of them is the only trace (section 2.5)."""
        task = self._service.task(self._known.job) if self._order.consent else None
        if task and not task.get("output"):
            line = (
                f"TORCH job {self._known.job}: the CRTDL document asks for consent, but TORCH has written no consent audit; ask whether "
                "DISABLE_CONSENT_CALCULATION is set there"
            )
            log.warning(line)
            self._tell(line)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
