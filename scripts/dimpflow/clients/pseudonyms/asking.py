"""Requests to a service that gives pseudonyms: repeated where that helps, by the rules of the DIMP client (deidentify-spec.md, section 4).

All requests may be repeated: who asks twice for a pseudonym gets the same one. Addresses hold originals in some protocols, so they
are in no message.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson
import requests

from dimpflow.clients.access import Access, explain, origin_of, renew_token
from dimpflow.clients.explain import untrusted
from dimpflow.clients.oauth import TokenError
from dimpflow.clients.pseudonyms.base import Counts
from dimpflow.clients.retry import TRANSIENT, Pauses, Retry, retry_after
from dimpflow.errors import ServiceError

FHIR = "application/fhir+json"
FAILURES = 3
"""Attempts in all where the service fails (500): nearly always it fails on what was asked."""

UNKNOWN = frozenset((400, 404, 422))
"""Statuses by which a service may say that it does not know a pseudonym."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. body: {} where it is no JSON object, which only a status other than 200 allows."""

    status: int
    body: dict[str, Any] = field(repr=False)

    @property
    def is_outcome(self) -> bool:
        """Whether the service itself says what is wrong, in FHIR."""
        return self.body.get("resourceType") == "OperationOutcome"


class Asker:
    """Asks one service; several threads may do so at once. name: what messages call it."""

    def __init__(
        self,
        name: str,
        session: requests.Session,
        access: Access,
        retry: Retry,
        sleep: Callable[[float], None],
    ) -> None:
        self.name = name
        self.key = access.address_key
        self.section = access.section
        self.counts = Counts()
        self._url = access.url.rstrip("/")
        self._session = session
        self._retry = retry
        self._sleep = sleep
        self._counting = threading.Lock()

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        about: str,
        kind: str = FHIR,
        answers: Collection[int] = (),
        passing: Callable[[Mapping[str, Any]], bool] = lambda body: False,
    ) -> Reply:
        """The answer to a request, of status 200 or one of `answers`; ServiceError for all else.

        path: with its query, behind the configured address, encoded; about: what is asked for, in words for a message, without
        values; passing: whether an answer of status 200 says that another one may come in a while.
        """
        data = None if body is None else orjson.dumps(body)
        headers = {"Accept": kind} if data is None else {"Accept": kind, "Content-Type": kind}
        pauses = Pauses(self._retry, sleep=self._sleep)
        renewed = False
        while True:
            with self._counting:
                self.counts.requests += 1
                self.counts.repeated += pauses.attempts > 1 or renewed
            try:
                answer = self._session.request(
                    method, self._url + path, data=data, headers=headers, allow_redirects=False
                )
                found = _object(answer.content)
            except TokenError as error:
                if error.transient and pauses.again():
                    continue
                raise
            except requests.RequestException as error:
                if not untrusted(error) and pauses.again():
                    continue
                raise self._unavailable(explain(error), pauses) from None
            status = answer.status_code
            if status == 200:
                if found is None:
                    if pauses.again():
                        continue
                    raise self._unavailable("the answer is no whole JSON", pauses)
                if passing(found) and pauses.again():
                    continue
                return Reply(status, found)
            if status == 401 and not renewed and renew_token(self._session, answer):
                renewed = True
                continue
            if status in TRANSIENT:
                if pauses.again(retry_after(answer.headers.get("Retry-After"), time.time())):
                    continue
                raise self._unavailable(f"status {status}", pauses)
            if status == 500 and pauses.again(most=FAILURES):
                continue
            if status in answers:
                return Reply(status, found or {})
            self._final(status, about)

    def wrong(self, what: str) -> ServiceError:
        """For an answer that cannot be right."""
        return ServiceError(f"{self.key}: {self.name} {what}")

    def _unavailable(self, why: str, pauses: Pauses) -> ServiceError:
        tried = f" (tried {pauses.attempts} times)" if pauses.attempts > 1 else ""
        return ServiceError(
            f"{self.key}: {self.name} unavailable: {why}{tried}; look at the service, then run again"
        )

    def _final(self, status: int, about: str) -> NoReturn:
        if status in (401, 403):
            raise ServiceError(
                f"{self.section}.auth: {self.name} refuses these credentials (status {status}) when asked for {about}"
            )
        if 300 <= status < 400:
            raise self.wrong(
                f"sends elsewhere (status {status}), where nothing is sent to; give the address that it means"
            )
        if status in (413, 414):
            raise ServiceError(
                f"{self.section}.batch: more than {self.name} accepts at once (status {status}); lower this number"
            )
        if status in (404, 405):
            raise self.wrong(
                f"has no such operation or domain (status {status}) when asked for {about}; is {origin_of(self._url)} right, with the "
                f"path, and the version in {self.section}.version?"
            )
        if status == 500:
            raise self.wrong(f"fails (status 500) when asked for {about}; its log says why")
        raise self.wrong(f"refuses (status {status}) when asked for {about}; its log says why")


def must_be_parameters(asker: Asker, reply: Reply) -> Reply:
    """The answer. ServiceError where it has status 200 and is no FHIR Parameters."""
    if reply.status == 200 and reply.body.get("resourceType") != "Parameters":
        raise asker.wrong(
            f"answers with something else than Parameters; is {asker.key} the address of such a service, with its path?"
        )
    return reply


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
