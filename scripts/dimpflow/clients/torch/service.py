"""TORCH over HTTP: the operations that an import needs (torch-crtdl.md, sections 1.2, 1.3, 1.6 and 1.8).

Each call is one request, but those that may be repeated without harm; who calls decides how to go on.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson
import requests

from dimpflow.clients.access import Access, renew_token
from dimpflow.clients.addresses import origin_of, within_origin
from dimpflow.clients.explain import explain, unsent, untrusted
from dimpflow.clients.oauth import TokenError
from dimpflow.clients.retry import TRANSIENT, Pauses, Retry, retry_after
from dimpflow.clients.torch.addresses import api_url, job_id_of
from dimpflow.clients.torch.outcome import Outcome, read_outcome
from dimpflow.errors import ServiceError

OPERATION = "$extract-data"
_FHIR = "application/fhir+json"
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MOST_REDIRECTS = 5
_PROGRESS = "https://torch.mii.de/fhir/torch-job-progress"
_SHOWN = re.compile(
    r"Pending|Paused|Getting cohort|Processing batches \(\d{1,3}%\)|Processing core resources"
)


class NotSentError(ServiceError):
    """The request for an extraction has surely not reached TORCH; it may be sent again."""


class UnclearError(ServiceError):
    """Whether the request for an extraction has reached TORCH is not known. ended: the connection has come to an end, so that TORCH
    knows of the job by now, if ever."""

    def __init__(self, message: str, *, ended: bool) -> None:
        super().__init__(message)
        self.ended = ended


@dataclass(frozen=True)
class Running:
    """The job goes on (202). progress: what TORCH says of it, in words of its own that are known; wait: seconds it asks for."""

    progress: str
    wait: float | None


@dataclass(frozen=True)
class Done:
    """The job is completed (200). body: the manifest."""

    body: bytes


@dataclass(frozen=True)
class FailedForATime:
    """TEMP_FAILED (503 from TORCH itself): it goes on after `$resume` or a restart of TORCH."""

    outcome: Outcome
    body: bytes


@dataclass(frozen=True)
class Ended:
    """The job has come to nothing: failed (500), cancelled (410), or not known (404)."""

    status: Literal[404, 410, 500]
    outcome: Outcome
    body: bytes

    @property
    def by_torch(self) -> bool:
        """Whether TORCH itself says so (before 1.0 without a body); what a proxy says means nothing for the job."""
        return self.outcome.kind in ("outcome", "empty")


@dataclass(frozen=True)
class Trouble:
    """No word about the job: TORCH or the way to it is disturbed. wait: seconds that are asked for."""

    why: str
    wait: float | None = None


State: TypeAlias = Running | Done | FailedForATime | Ended | Trouble


class TorchService:
    """Asks a TORCH server; not for several threads.

    retry: for requests that may be repeated; sleep: what waits.
    """

    def __init__(
        self,
        session: requests.Session,
        access: Access,
        retry: Retry,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session = session
        self._access = access
        self._retry = retry
        self._sleep = sleep

    def check(self) -> None:
        """ServiceError, with what to do, unless there is a FHIR server that lets us in."""
        answer = self._patiently("GET", "metadata")
        found = _json(answer.content) if answer.status_code == 200 else None
        if answer.status_code != 200:
            raise self._refused(answer, "there is no /fhir/metadata")
        if not isinstance(found, dict) or found.get("resourceType") != "CapabilityStatement":
            raise ServiceError(
                f"{self._access.address_key}: {self._origin} is no FHIR server; give the address of a TORCH server, with the path "
                "that a proxy puts before it"
            )

    def kick_off(self, body: bytes, *, mask: bool) -> str:
        """Starts an extraction, by one request (two where a token has expired), and gives the id of its job.

        NotSentError, UnclearError; ServiceError where it is refused, with TORCH's reason. mask: what may be an id in it, since there is
        a list of patients; else it speaks of the CRTDL document only.
        """
        headers = {"Content-Type": _FHIR, "Accept": _FHIR}
        url = self._url(OPERATION)
        try:
            answer = self._ask("POST", url, data=body, headers=headers)
        except TokenError as error:
            if error.transient:
                raise NotSentError(str(error)) from None
            raise
        except requests.RequestException as error:
            why = f"{self._access.address_key}: {explain(error)} ({self._origin})"
            if untrusted(error):
                raise ServiceError(why) from None
            if unsent(error):
                raise NotSentError(why) from None
            raise UnclearError(why, ended=not isinstance(error, requests.Timeout)) from None
        status = answer.status_code
        if status == 202:
            try:
                return job_id_of(answer.headers.get("Content-Location", ""))
            except ValueError:
                raise UnclearError(
                    f"{self._access.address_key}: TORCH has taken the request (202), but gives no usable Content-Location",
                    ended=False,
                ) from None
        if status == 429:
            wait = retry_after(answer.headers.get("Retry-After"), time.time())
            raise _with_wait(
                NotSentError(f"{self._access.address_key}: too many requests (status 429)"), wait
            )
        if status == 413:
            raise ServiceError(
                f"{self._access.address_key}: the request of {len(body)} bytes is too large for the proxy before TORCH (status 413); raise its "
                "client_max_body_size, write the CRTDL document without indentation, or split the list of patients"
            )
        outcome = read_outcome(answer.content, answer.headers.get("Content-Type"), mask=mask)
        said = outcome.text or "it gives no reason"
        if status == 400 and outcome.kind == "outcome":
            raise ServiceError(f"TORCH refuses the CRTDL document (status 400): {said}")
        if status == 500 and outcome.kind == "outcome":
            raise ServiceError(
                f"TORCH cannot take the request (status 500): {said}; run again, and if it stays so, ask who runs TORCH"
            )
        if status == 408 or status >= 500:  # of a proxy: TORCH may have got the request
            raise UnclearError(
                f"{self._access.address_key}: TORCH unavailable (status {status})",
                ended=status in (408, 502, 503),
            )
        raise self._refused(answer, f"there is no /fhir/{OPERATION}")

    def status(self, job: str) -> State:
        """What TORCH says of a job. ServiceError: it does not let us ask."""
        try:
            answer = self._ask("GET", self._url("__status", job), headers={"Accept": "application/json"})
        except TokenError as error:
            if error.transient:
                return Trouble(str(error))
            raise
        except requests.RequestException as error:
            if untrusted(error):
                raise ServiceError(f"{self._access.address_key}: {explain(error)} ({self._origin})") from None
            return Trouble(f"{explain(error)} ({self._origin})")
        status, content = answer.status_code, answer.content
        wait = retry_after(answer.headers.get("Retry-After"), time.time())
        if status == 200:
            return Done(content)
        if status in (202, 102):
            said = answer.headers.get("X-Progress", "")
            return Running(said if _SHOWN.fullmatch(said) else "", wait)
        outcome = read_outcome(content, answer.headers.get("Content-Type"), job)
        if status == 503 and outcome.temp_failed:
            return FailedForATime(outcome, content)
        if status == 500 and outcome.job_outcome:
            return Ended(500, outcome, content)
        if status == 410 or status == 404:
            return Ended(410 if status == 410 else 404, outcome, content)
        if status in TRANSIENT or status >= 500:
            return Trouble(f"status {status}", wait)
        raise self._refused(answer, "there is no /fhir/__status")

    def task(self, job: str) -> Mapping[str, Any] | None:
        """The Task of a job, empty if TORCH gives none; None where it could not be asked. Never an error: it is for the eye only."""
        try:
            answer = self._ask("GET", self._url("Task", job), headers={"Accept": _FHIR})
        except (requests.RequestException, ServiceError):
            return None
        found = _json(answer.content) if answer.status_code == 200 else None
        return found if isinstance(found, dict) and found.get("resourceType") == "Task" else {}

    def jobs(self) -> dict[str, str] | None:
        """All jobs that TORCH lists, with their states; None if it lists none (before 1.0), or not all of them."""
        answer = self._patiently("GET", "Task")
        if answer.status_code in (401, 403):
            raise self._refused(answer, "")
        bundle = _json(answer.content) if answer.status_code == 200 else None
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
            return None
        found = {}
        for entry in bundle.get("entry") or ():
            task = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(task, dict) and isinstance(task.get("id"), str):
                found[task["id"].lower()] = state_of(task)
        total = bundle.get("total")
        return None if isinstance(total, int) and total > len(found) else found

    def resume(self, job: str) -> None:
        """Tells a job that has failed for a time to go on. ServiceError where TORCH does not want to."""
        answer = self._patiently("POST", "Task", job, "$resume")
        if answer.status_code != 200:
            raise self._refused(answer, "there is no $resume")

    def cancel(self, job: str) -> bool:
        """Cancels a job; whether it is cancelled now."""
        return self._patiently("POST", "Task", job, "$cancel").status_code == 200

    def delete(self, job: str) -> None:
        """Asks for the deletion of a job; it is well if it is gone already. ServiceError where TORCH does not want to."""
        answer = self._patiently("DELETE", "Task", job)
        if answer.status_code not in (200, 204, 404, 410):
            raise self._refused(answer, "there is no Task")

    # ---- requests ----------------------------------------------------------------------------------------------

    @property
    def _origin(self) -> str:
        return origin_of(self._access.url)

    def _url(self, *parts: str) -> str:
        return api_url(self._access.url, *parts)

    def _ask(self, method: str, url: str, **more: Any) -> requests.Response:
        """One request, and another one if the first one's token has expired, or a GET is led on within the server (section 1.1)."""
        renewed, hops = False, 0
        while True:
            answer = self._session.request(method, url, allow_redirects=False, **more)
            there = within_origin(url, answer.headers.get("Location", "")) if method == "GET" else ""
            if answer.status_code == 401 and not renewed and renew_token(self._session, answer):
                renewed = True
            elif answer.status_code in _REDIRECTS and there and hops < _MOST_REDIRECTS:
                url, hops = there, hops + 1
            else:
                return answer

    def _patiently(self, method: str, *parts: str) -> requests.Response:
        """A request that may be repeated: what passes is tried again."""
        pauses = Pauses(self._retry, sleep=self._sleep)
        while True:
            wait = None
            try:
                answer = self._ask(method, self._url(*parts), headers={"Accept": _FHIR})
                if answer.status_code not in TRANSIENT:
                    return answer
                why = f"status {answer.status_code}"
                wait = retry_after(answer.headers.get("Retry-After"), time.time())
            except TokenError as error:
                if not error.transient:
                    raise
                why = str(error)
            except requests.RequestException as error:
                why = explain(error)
                if untrusted(error):
                    raise ServiceError(f"{self._access.address_key}: {why} ({self._origin})") from None
            if not pauses.again(wait):
                raise ServiceError(
                    f"{self._access.address_key}: TORCH unavailable: {why} ({self._origin}; tried {pauses.attempts} times); run again later"
                )

    def _refused(self, answer: requests.Response, missing: str) -> ServiceError:
        status, key = answer.status_code, self._access.address_key
        if status in (401, 403):
            return ServiceError(
                f"{self._access.section}.auth: TORCH, or the proxy before it, refuses these credentials (status {status})"
            )
        if 300 <= status < 400:
            return ServiceError(
                f"{key}: {self._origin} sends elsewhere (status {status}), where nothing is sent to; give the address that it means"
            )
        if status in (404, 405, 406, 415):
            return ServiceError(
                f"{key}: {missing} (status {status}); is {self._origin} a TORCH server, and the path that a proxy puts before it given?"
            )
        outcome = read_outcome(answer.content, answer.headers.get("Content-Type"))
        said = f": {outcome.text}" if outcome.text else ""
        return ServiceError(f"{key}: TORCH answers with status {status}{said}")


def state_of(task: Mapping[str, Any]) -> str:
    """The exact state of a job, such as RUNNING_GET_COHORT, from its Task; "" if it says none."""
    status = task.get("businessStatus")
    coding = status.get("coding") if isinstance(status, dict) else None
    codes = [one.get("code") for one in coding if isinstance(one, dict)] if isinstance(coding, list) else []
    return next((code for code in codes if isinstance(code, str) and re.fullmatch("[A-Z_]{1,40}", code)), "")


def progress_of(task: Mapping[str, Any]) -> dict[str, int] | None:
    """Counts of a job's progress from its Task (TORCH 1.0.2 and later): cohortSize, batchSize, batchesTotal, batchesCompleted; None
    if it holds none."""
    for extension in task.get("extension") or ():
        if isinstance(extension, dict) and extension.get("url") == _PROGRESS:
            found = {}
            for part in extension.get("extension") or ():
                name = part.get("url") if isinstance(part, dict) else None
                value = next((part[key] for key in part if key.startswith("value")), None) if name else None
                if (
                    name in ("cohortSize", "batchSize", "batchesTotal", "batchesCompleted")
                    and type(value) is int
                    and value >= 0
                ):
                    found[name] = value
            return found
    return None


def wait_of(error: ServiceError) -> float | None:
    """Seconds that a server has asked to wait, where an error says so."""
    found = vars(error).get("wait")
    return found if isinstance(found, float) else None


def _with_wait(error: NotSentError, wait: float | None) -> NotSentError:
    vars(error)["wait"] = wait
    return error


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except ValueError:
        return None
