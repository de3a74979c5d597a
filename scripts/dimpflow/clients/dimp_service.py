"""A FHIR Pseudonymizer over HTTP (its operation $de-identify, versions 2.22 to 2.35).

What a status means follows the specification of the service, section 4: 400 and 500 are answers about what was sent, 413 about
its size, 408, 429, 502, 503, 504 and broken connections pass, all else is about the service or the way to it.
"""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from secrets import token_hex
from typing import Any, NoReturn

import requests
from isal import igzip

from dimpflow.bundles import peek
from dimpflow.clients.access import Access, explain, origin_of, renew_token
from dimpflow.clients.answers import BrokenAnswerError, line_of
from dimpflow.clients.oauth import TokenError
from dimpflow.clients.retry import TRANSIENT, Pauses, Retry, retry_after
from dimpflow.errors import LineError, ServiceError

OPERATION = "$de-identify"
KEY = "services.dimp"
_JSON = "application/fhir+json"
FAILURES = 3
"""Attempts in all where the service fails (500): nearly always it fails on what was sent."""
_SMALL = 1000
"""Bytes under which compressing gains nothing."""


class TooLargeError(LineError):
    """More than the service accepts (413)."""


class FailedError(LineError):
    """The service fails on it (500), or refuses it."""


class StoppedError(Exception):
    """Another request has ended the run."""


@dataclass
class Counts:
    """What was asked of the service."""

    requests: int = 0
    repeated: int = 0


@dataclass(frozen=True)
class Wrapping:
    """What goes along with each resource: a rule set (service 2.34 and later), settings for all rules; see the specification,
    sections 3.12 and 4."""

    rules: bytes | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    def around(self) -> tuple[bytes, bytes]:
        """The bytes before and after a resource."""
        parts: list[dict[str, Any]] = []
        if self.rules is not None:
            data = b64encode(self.rules).decode()
            parts.append(
                {"name": "config", "valueAttachment": {"contentType": "application/yaml", "data": data}}
            )
        if self.settings:
            parts.append({"name": "settings", "part": [_setting(*one) for one in self.settings.items()]})
        before = "".join(f"{json.dumps(part, separators=(',', ':'))}," for part in parts)
        return (
            f'{{"resourceType":"Parameters","parameter":[{before}{{"name":"resource","resource":'.encode(),
            b"}]}",
        )

    def __bool__(self) -> bool:
        return self.rules is not None or bool(self.settings)


def _setting(name: str, value: str) -> dict[str, Any]:
    if name == "dateShiftFixedOffsetInDays":
        return {"name": name, "valueInteger": int(value)}
    return {"name": name, "valueString": value}


class DimpService:
    """Asks the service; several threads may do so at once.

    stop: set where the run has failed, so that nobody waits any more.
    """

    def __init__(
        self,
        session: requests.Session,
        url: str,
        retry: Retry,
        *,
        wrapping: Wrapping,
        compress: bool,
    ) -> None:
        self._session = session
        self._url = operation_url(url)
        self._origin = origin_of(url)
        self._retry = retry
        self._wrapped = bool(wrapping)
        self._before, self._after = wrapping.around()
        self._compress = compress
        self._counting = threading.Lock()
        self.counts = Counts()
        self.stop = threading.Event()

    def ask(self, resource: bytes, *, failures: int = FAILURES) -> bytes:
        """What the service makes of a resource or Bundle, as one line of JSON. failures: attempts in all where it fails (500).

        TooLargeError, FailedError (a LineError: about this resource), ServiceError; StoppedError where another request has
        ended the run.
        """
        body, headers = self._body(resource)
        pauses = Pauses(self._retry, sleep=self._sleep)
        renewed = False
        while True:
            if self.stop.is_set():
                raise StoppedError
            with self._counting:
                self.counts.requests += 1
                self.counts.repeated += pauses.attempts > 1
            try:
                answer = self._post(body, headers)
                if answer.status_code == 200:
                    return line_of(answer.content)
            except TokenError as error:
                if error.transient and pauses.again():
                    continue
                raise
            except (requests.RequestException, BrokenAnswerError) as error:
                if pauses.again():
                    continue
                raise ServiceError(
                    f"{KEY}.url: DIMP service unavailable: {_why(error)}{self._tried(pauses)}"
                ) from None
            status = answer.status_code
            if status == 401 and not renewed and renew_token(self._session, answer):
                renewed = True
                continue
            if status in TRANSIENT:
                wait = retry_after(answer.headers.get("Retry-After"), time.time())
                if pauses.again(wait):
                    continue
                raise ServiceError(
                    f"{KEY}.url: DIMP service unavailable: status {status}{self._tried(pauses)}; "
                    "look at the service, then run again: what was answered is kept"
                )
            if status == 500 and pauses.again(most=failures):
                continue
            self._final(status)

    def _body(self, resource: bytes) -> tuple[bytes, dict[str, str]]:
        if self._wrapped or _is_request(resource):
            resource = b"".join((self._before, resource, self._after))
        if self._compress and len(resource) > _SMALL:
            return igzip.compress(resource, 1, mtime=0), {"Content-Encoding": "gzip"}
        return resource, {}

    def _post(self, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        request = self._prepared.copy()
        request.body = body
        request.headers.update(headers)
        request.prepare_content_length(body)
        request.prepare_auth(self._session.auth)
        return self._session.send(request, allow_redirects=False, proxies=self._session.proxies)

    @cached_property
    def _prepared(self) -> requests.PreparedRequest:
        """A request without body and credentials, to be copied: preparing each one takes a third of all that the client does."""
        headers = {**self._session.headers, "Content-Type": _JSON, "Accept": _JSON}
        if not self._compress:  # on the same machine it costs both sides more than it saves
            headers["Accept-Encoding"] = "identity"
        return requests.Request("POST", self._url, headers=headers).prepare()

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise StoppedError

    def _tried(self, pauses: Pauses) -> str:
        return f" (tried {pauses.attempts} times)" if pauses.attempts > 1 else ""

    def _final(self, status: int) -> NoReturn:
        if status == 413:
            raise TooLargeError("larger than the service accepts (status 413)")
        if status in (401, 403):
            raise ServiceError(f"{KEY}.auth: the service refuses these credentials (status {status})")
        if 300 <= status < 400:
            raise ServiceError(
                f"{KEY}.url: the service sends elsewhere (status {status}), where nothing is sent to; give the address that it means"
            )
        if status in (404, 405):
            raise ServiceError(
                f"{KEY}.url: there is no {OPERATION} (status {status}); is {self._origin} a FHIR Pseudonymizer, and the path right?"
            )
        if status == 500:
            raise FailedError("the service fails on it (status 500); its log says why")
        raise FailedError(f"the service refuses it (status {status})")


def _is_request(resource: bytes) -> bool:
    """Whether the service would take a resource for the wrapping of another one."""
    try:
        return peek(resource) == "Parameters"
    except LineError:
        return False


def operation_url(url: str) -> str:
    """The address of the operation, whether or not the configured one ends in /fhir."""
    root = url.rstrip("/")
    return f"{root}/{OPERATION}" if root.endswith("/fhir") else f"{root}/fhir/{OPERATION}"


def check_service(session: requests.Session, access: Access, *, rules: bool) -> None:
    """ServiceError, with what to do, unless there is a FHIR server that lets us in and, if asked, takes rule sets along with
    requests."""
    url = access.url
    address = operation_url(url).removesuffix(OPERATION) + "metadata"
    key = f"{KEY}.url: DIMP service unavailable"
    try:
        answer = session.get(address, allow_redirects=False, headers={"Accept": _JSON})
    except requests.RequestException as error:
        raise ServiceError(
            f"{key}: {_why(error)} ({origin_of(url)}); start it, or correct the address"
        ) from None
    if answer.status_code in (401, 403):
        raise ServiceError(
            f"{key}: it refuses these credentials (status {answer.status_code}); look at {KEY}.auth"
        )
    if answer.status_code != 200:
        raise ServiceError(
            f"{key}: status {answer.status_code} for /fhir/metadata; is {origin_of(url)} a FHIR Pseudonymizer, and the path right?"
        )
    try:
        found = answer.json()
    except (ValueError, requests.RequestException):
        found = None
    if not isinstance(found, dict) or found.get("resourceType") != "CapabilityStatement":
        raise ServiceError(
            f"{key}: {origin_of(url)} is no FHIR server; give the address of a FHIR Pseudonymizer"
        )
    if rules:
        _check_takes_rules(session, url)


def _check_takes_rules(session: requests.Session, url: str) -> None:
    """Services before 2.34 overlook a rule set that comes along, and apply their own without a word. So ask for something that
    only the rule set can have made."""
    mark = token_hex(8)
    rule = (
        f"fhirVersion: R4\nfhirPathRules: [{{path: Basic.id, method: substitute, replaceWith: '{mark}'}}]\n"
    )
    before, after = Wrapping(rule.encode()).around()
    body = before + b'{"resourceType":"Basic","id":"check"}' + after
    headers = {"Content-Type": _JSON, "Accept": _JSON}
    try:
        answer = session.post(operation_url(url), data=body, headers=headers, allow_redirects=False)
        found = answer.json().get("id") if answer.status_code == 200 else None
    except (requests.RequestException, ValueError, AttributeError):
        found = None
    if found != mark:
        raise ServiceError(
            f"{KEY}.anonymization_config: {origin_of(url)} does not apply a rule set that comes along with a request (version 2.34 "
            "or later does); remove this key to let it apply its own"
        )


def _why(error: Exception) -> str:
    if isinstance(error, requests.RequestException):
        return explain(error)
    return "the answer is no whole JSON"
