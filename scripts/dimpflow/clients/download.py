"""Download of one file to the disk, which goes on where it broke off ("TORCH and CRTDL", sections 1.5 and 1.8; RFC 9110, section
14)."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from dimpflow.clients.fetching import (
    AgainError,
    Fetching,
    MisfitError,
    NotReadyError,
    length_of,
    validator_of,
)
from dimpflow.clients.partial import Checker, ContentError, Examiner, PartFile
from dimpflow.clients.retry import Pauses, Retry
from dimpflow.errors import InputError, ServiceError

__all__ = ["Checker", "ContentError", "Downloaded", "Patience", "download"]

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """What is borne beside failing requests.

    ready_retries: further tries where the file is not there (404, 403, or empty), ready_interval: seconds before each;
    bad_content: full downloads in all where the content is wrong.
    """

    ready_retries: int = 10
    ready_interval: float = 10.0
    bad_content: int = 2


@dataclass(frozen=True)
class Downloaded:
    """bytes, sha256: of the file on the disk; lines: as the checker counted them, 0 without one; resumed_bytes: of the file, that
    were there already when the last request for it went out; requests: how many there were."""

    bytes: int
    sha256: str
    lines: int
    resumed_bytes: int
    requests: int


def download(
    session: requests.Session,
    url: str,
    target: Path,
    *,
    key: str,
    auth_key: str,
    retry: Retry,
    patience: Patience,
    check: Callable[[], Checker] | None,
    sleep: Callable[[float], None] = time.sleep,
    redirects: bool = True,
    expect: str = "NDJSON",
) -> Downloaded:
    """Fetch `url` to `target` (0600, in a folder 0700), which is there whole and checked, or not at all.

    What came before a failure, or before the process was killed, stays beside the target; the next call goes on from there if
    the file on the server is still the same. A second process that wants the same target waits.

    key, auth_key: of the address and of the credentials in the configuration, for messages; retry: attempts in a row that bring
    no byte beyond what came before; check: makes a checker for the content; redirects: follow them (GET, the same origin, at most
    5); expect: what the file should be, for messages.

    Raises:
        ServiceError: the server cannot be reached, refuses, sends elsewhere, has no such file, or sends a page of HTML.
        InputError: the content is wrong, as often as it was fetched: `file:line: reason`.
        OutputError: disk full, no permission and the like.
    """
    parts = urlsplit(url)
    part = PartFile(target, f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    fetching = Fetching(
        session, url, name=target.name, key=key, auth_key=auth_key, redirects=redirects, expect=expect
    )
    with part.opened(sleep):
        one = _Download(fetching, part, key, retry, patience, check, sleep)
        try:
            return one.run()
        finally:
            one.stop_examining()


class _Download:
    def __init__(
        self,
        fetching: Fetching,
        part: PartFile,
        key: str,
        retry: Retry,
        patience: Patience,
        check: Callable[[], Checker] | None,
        sleep: Callable[[float], None],
    ) -> None:
        self._fetching = fetching
        self._part = part
        self._key = key
        self._retry = retry
        self._patience = patience
        self._check = check
        self._sleep = sleep
        self._name = part.target.name
        self._pauses = Pauses(retry, sleep=sleep)
        self._furthest = part.size
        """Bytes beyond which there is progress."""
        self._examiner: Examiner | None = None
        self._missed = self._bad = self._resumed = 0

    def run(self) -> Downloaded:
        while True:
            try:
                self._fetch()
                return self._finish()
            except AgainError as failure:
                if isinstance(failure, MisfitError):
                    self._drop()
                self._repeat(failure)
            except NotReadyError as failure:
                self._wait_for_file(failure)
            except ContentError as fault:
                self._fetch_anew(fault)

    def _finish(self) -> Downloaded:
        assert self._examiner
        self._part.settle()  # while the examiner comes to the end
        sha256, lines = self._examiner.result()
        self._part.rename()
        return Downloaded(self._part.size, sha256, lines, self._resumed, self._fetching.requests)

    # ---- failures ------------------------------------------------------------------------------------------------

    def _repeat(self, failure: AgainError) -> None:
        if self._part.size > self._furthest:
            self._furthest = self._part.size
            self._pauses = Pauses(self._retry, sleep=self._sleep)
        log.warning("%s: %s", self._name, failure.reason)
        if self._pauses.again(failure.wait):
            return
        if failure.error is not None:
            raise failure.error
        tried = f" (tried {self._pauses.attempts} times)" if self._pauses.attempts > 1 else ""
        kept = "what came so far is kept: run again to go on" if self._part.resumable else "run again later"
        raise ServiceError(f"{self._key}: {self._name} cannot be downloaded: {failure.reason}{tried}; {kept}")

    def _wait_for_file(self, failure: NotReadyError) -> None:
        self._missed += 1
        log.warning("%s: %s", self._name, failure.reason)
        if self._missed <= self._patience.ready_retries:
            self._sleep(self._patience.ready_interval)
            return
        tried = f" (asked {self._missed} times)" if self._missed > 1 else ""
        raise ServiceError(f"{self._key}: {self._name}: {failure.reason}{tried}; {failure.advice}")

    def _fetch_anew(self, fault: ContentError) -> None:
        """All of it, since nobody can say where the damage was done."""
        self._bad += 1
        self._drop()
        self._furthest = 0
        message = f"{self._name}:{fault.line}: {fault.reason}"
        if self._bad >= self._patience.bad_content:
            times = f", each of {self._bad} times" if self._bad > 1 else ""
            raise InputError(
                f"{message}; so it came from the server{times}: look at the file there ({self._key})"
            )
        log.warning("%s; fetching the file anew", message)
        self._sleep(self._retry.initial_backoff_ms / 1000)

    def _drop(self) -> None:
        self.stop_examining()
        self._part.forget()

    def stop_examining(self) -> None:
        if self._examiner is not None:
            self._examiner.stop()
            self._examiner = None

    # ---- bodies --------------------------------------------------------------------------------------------------

    def _fetch(self) -> None:
        """One request for what is missing."""
        headers = {"Accept-Encoding": "identity", "Accept": "*/*"}
        part = self._part
        if part.resumable:
            # The last byte is asked for once more: so there is one to send even if nothing is missing, which we may not know.
            headers |= {"Range": f"bytes={part.size - 1}-", "If-Range": part.validator}
        with self._fetching.get(headers) as answer:
            packed = self._fetching.packed(answer)
            blocks = self._fetching.blocks(answer, unpack=packed)
            first = next(blocks, b"")
            if not first and length_of(answer) is None and not answer.raw.chunked:
                raise AgainError("the connection broke off")  # in the headers; TLS does not show it
            self._fetching.refuse_page(answer, first if answer.status_code == 200 else b"")
            if answer.status_code == 200:
                self._begin(answer, packed, first)
            else:
                self._take_up(answer, packed, first, asked="Range" in headers)
                first = first[1:]
            self._write(first, blocks)
        if part.total is not None and part.size < part.total:
            raise AgainError("less came than was announced")
        if part.total is not None and part.size > part.total:
            raise MisfitError("more came than was announced")

    def _begin(self, answer: requests.Response, packed: bool, first: bytes) -> None:
        """The whole file comes, whatever was asked for."""
        if not first:
            raise NotReadyError("the file is empty", "look at the file on the server")
        self._drop()
        if packed:
            self._part.begin("", None)
        else:
            self._part.begin(validator_of(answer), length_of(answer))
        self._resumed = 0

    def _take_up(self, answer: requests.Response, packed: bool, first: bytes, *, asked: bool) -> None:
        """The rest comes, or what the server takes for it."""
        part = self._part
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
        if not asked or packed or not found or int(found[1]) != part.size - 1:
            raise MisfitError("another part of the file came than was asked for")
        total = part.total if found[3] == "*" else int(found[3])
        if part.total not in (None, total):
            raise MisfitError("the file has another length now")
        if first[:1] != part.last_byte():
            raise MisfitError("the file has changed on the server")
        part.total = total
        self._resumed = part.size

    def _write(self, first: bytes, blocks: Iterator[bytes]) -> None:
        if self._examiner is None:
            self._examiner = Examiner(self._part, self._check() if self._check else None)
        self._part.append(first)
        self._examiner.grown()
        for block in blocks:
            self._part.append(block)
            self._examiner.grown()
