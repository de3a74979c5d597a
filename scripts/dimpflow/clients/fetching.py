"""One request for a file: where redirects lead, what a refusal means, the body as it comes ("TORCH and CRTDL", sections 1.1, 1.5 and
1.8; RFC 9110)."""

import time
from collections.abc import Iterator, Mapping
from typing import NoReturn
from urllib.parse import urljoin

import requests
import urllib3

from dimpflow.clients.access import renew_token
from dimpflow.clients.addresses import origin_of
from dimpflow.clients.explain import explain, untrusted
from dimpflow.clients.oauth import TokenError
from dimpflow.clients.retry import retry_after
from dimpflow.errors import ServiceError

_BLOCK = 1 << 20
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PAGES = ("text/html", "application/xhtml+xml")
_BOM = b"\xef\xbb\xbf"
_CODINGS = ("gzip", "x-gzip", "deflate")
"""What a server may use although it is asked not to."""
_PACKED = {".gz": ("gzip", "x-gzip"), ".zst": ("zstd",)}
"""Codings that servers name for files that are packed themselves, by the end of the name."""


class AgainError(Exception):
    """The request failed in a way that may pass. wait: seconds that the server asked for; error: raised if it does not pass."""

    def __init__(self, reason: str, wait: float | None = None, error: ServiceError | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.error = error


class NotReadyError(Exception):
    """The file is not there, or not yet."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


class MisfitError(AgainError):
    """What came before and what the server has now do not belong together."""


class Fetching:
    """Asks for one file. name, expect: what it is called and should be, for messages; key, auth_key: of its address and of the
    credentials in the configuration; redirects: follow them to the same origin, at most 5."""

    def __init__(
        self,
        session: requests.Session,
        url: str,
        *,
        name: str,
        key: str,
        auth_key: str,
        redirects: bool,
        expect: str,
    ) -> None:
        self.requests = 0
        """How many went out so far."""
        self._session = session
        self._url = url
        self._name = name
        self._key = key
        self._auth_key = auth_key
        self._redirects = redirects
        self._expect = expect
        self._renewed = False

    def get(self, headers: Mapping[str, str]) -> requests.Response:
        """An answer with status 200 or 206, whose body is still to come. AgainError, NotReadyError, ServiceError."""
        answer = self._answer(headers)
        if answer.status_code in (200, 206):
            self._renewed = False  # a token that expires later may be renewed as well
            return answer
        answer.close()
        self._refuse(answer)

    def _answer(self, headers: Mapping[str, str]) -> requests.Response:
        """From where redirects lead; with a new token if the old one has expired."""
        url = self._url
        hops = 0
        while True:
            self.requests += 1
            answer = self._ask(url, headers)
            if answer.status_code == 401 and not self._renewed and renew_token(self._session, answer):
                self._renewed = True
            elif self._redirects and answer.status_code in _REDIRECTS and hops < _MOST_REDIRECTS:
                url = self._elsewhere(url, answer)
                hops += 1
            else:
                return answer
            answer.close()

    def _ask(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        try:
            return self._session.get(url, headers=headers, stream=True, allow_redirects=False)
        except TokenError as error:
            if error.transient:
                raise AgainError("there is no token", error=error) from None
            raise
        except requests.RequestException as error:
            reason = explain(error)
            # Both stay wrong.
            if untrusted(error) or isinstance(error, requests.exceptions.InvalidURL):
                self._final(reason)
            raise AgainError(reason) from None

    def _elsewhere(self, url: str, answer: requests.Response) -> str:
        location = answer.headers.get("Location", "")
        try:
            found = urljoin(url, location)
            same = bool(location) and origin_of(found) == origin_of(url)
        except ValueError:
            same = False
        if not same:
            answer.close()
            self._refuse(answer)
        return found

    def _refuse(self, answer: requests.Response) -> NoReturn:
        status = answer.status_code
        match status:
            case 401:
                self._final("the server refuses these credentials (status 401)", self._auth_key)
            case 403:
                advice = (
                    f"the file server may have no right to read it, or we none to have it ({self._auth_key})"
                )
                raise NotReadyError("the server does not give it out (status 403)", advice)
            case 404:
                advice = "look whether the address is right, and the file there"
                raise NotReadyError("there is no such file (status 404)", advice)
            case 416:
                raise MisfitError("the file has become shorter (status 416)")
            case _ if 300 <= status < 400:
                self._final(
                    f"the server sends elsewhere (status {status}), where nothing is asked for; give the address that it means"
                )
            case _ if status in (408, 429) or status >= 500:
                raise AgainError(
                    f"status {status}", retry_after(answer.headers.get("Retry-After"), time.time())
                )
        self._final(f"the server answers with status {status}; look whether the address is right")

    def _final(self, reason: str, key: str = "") -> NoReturn:
        raise ServiceError(f"{key or self._key}: {self._name}: {reason}")

    # ---- bodies --------------------------------------------------------------------------------------------------

    def refuse_page(self, answer: requests.Response, beginning: bytes = b"") -> None:
        """HTML is what servers send in place of a file: a page to sign in, an error."""
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in _PAGES or beginning.removeprefix(_BOM).lstrip()[:1] == b"<":
            self._final(
                f"the server sends a page of HTML, not {self._expect}; look whether the address and {self._auth_key} are right"
            )

    def packed(self, answer: requests.Response) -> bool:
        """Whether the file is packed for the way, so that lengths, ranges and validators are not those of the file."""
        coding = answer.headers.get("Content-Encoding", "").strip().lower()
        if coding in ("", "identity") or coding in _PACKED.get(self._name[self._name.rfind(".") :], ()):
            return False
        if coding not in _CODINGS:
            self._final("the server packs it for the way as it was not asked to (Content-Encoding)")
        return True

    def blocks(self, answer: requests.Response, *, unpack: bool) -> Iterator[bytes]:
        """The body, as it comes: a read that waits for more would lose, in a failure, what is there already."""
        try:
            while block := answer.raw.read1(_BLOCK, decode_content=unpack):
                yield block
        except urllib3.exceptions.HTTPError as error:
            broken = requests.ConnectionError(error)
            vars(broken)["timeout"] = getattr(self._session, "timeouts", None)  # for explain()
            raise AgainError(explain(broken)) from None


def length_of(answer: requests.Response) -> int | None:
    """Bytes of the body, if it says."""
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and not answer.raw.chunked else None


def validator_of(answer: requests.Response) -> str:
    """What If-Range takes (RFC 9110, section 13.1.5): no weak ETag. "" for none."""
    etag = answer.headers.get("ETag", "").strip()
    if len(etag) > 2 and etag[0] == etag[-1] == '"':
        return etag
    return answer.headers.get("Last-Modified", "").strip()
