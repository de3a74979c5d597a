"""A double of the FHIR Pseudonymizer: a real HTTP server on loopback whose answers come from our engine in compat mode.

For tests, benchmarks, and by hand:

    python tests/doubles/dimp.py --rules rules.yaml --port 8080
    python tests/doubles/dimp.py --rules rules.yaml --latency 5 --basic user:password

Keys come from the environment, as in the workflow. It ends on Ctrl-C.
"""

import argparse
import gzip
import hashlib
import os
import ssl
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import unquote

if __name__ == "__main__":
    sys.path[:1] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "scripts")]

from dimpflow.errors import RuleSetError
from doubles.demands import Demands
from doubles.faults import Fault, FaultPlan, random_faults, retry_date
from doubles.service import (
    Asked,
    Refused,
    Service,
    capability_statement,
    outcome,
    reordered,
    without_an_entry,
)
from doubles.wire import LIMIT, Answer, Foreign, LoopbackServer, Request

__all__ = ["DimpDouble", "Fault", "Foreign", "Seen", "random_faults", "retry_date"]

_JSON = "application/fhir+json; charset=utf-8"
_TYPES = ("application/fhir+json", "application/json")
_COMPRESSED_FROM = 1000
"""Bytes above which an answer is compressed."""
_CUT = ("reset", "reset-middle", "truncated", "hang")
_DEIDENTIFY = "/fhir/$de-identify"
_V3 = "/v3alpha1/fhir/$de-identify"
_PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n<hr>"
    "<center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(slots=True)
class Seen:
    """A request that came.

    headers: names in lower case; sha256, size: of the decompressed body, size in bytes; resource_type, entries: of what is to be
    de-identified, within a Parameters or not; parameters: names of those that came around it; status: "" as long as nothing was
    answered, and for ever where it was cut; fault: the kind that hit it; body: kept only if so asked. With `canned`, bodies are
    not looked into: sha256, resource_type and parameters are empty.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    sha256: str
    resource_type: str
    entries: int
    size: int
    parameters: tuple[str, ...] = ()
    status: str = ""
    fault: str = ""
    body: bytes = b""


class DimpDouble(LoopbackServer):
    """The double, from `__enter__` to `__exit__`.

    rules: its rule set (default: the workflow's), with keys from `environ` alone; reference_date: the day on which ages are judged
    (default: today, as the service does it); labels: whether it adds security labels; own_rules_only: overlook rule sets in
    requests, as versions before 2.34 do.

    faults: what goes wrong with POSTs, see `Fault`; latency: seconds before every answer to a POST.

    basic, bearer, tokens: credentials in Authorization, any of those that are given (tokens: says whether a bearer token is good);
    api_key: header and value, beside them. Without the right ones 401, but for /ready and /live.

    canned: answer with the resource that came, without looking at it and without faults, for benchmarks. bodies: keep those
    in `requests`.

    Unlike the service it draws no random keys: a rule set without its keys is refused (at the start; 400 if it came along).

    Raises RuleSetError where the rule set cannot be used.
    """

    def __init__(
        self,
        rules: Path | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        faults: Sequence[Fault] = (),
        latency: float = 0.0,
        reference_date: date | None = None,
        labels: bool = True,
        own_rules_only: bool = False,
        basic: tuple[str, str] | None = None,
        bearer: str | None = None,
        api_key: tuple[str, str] | None = None,
        tokens: Callable[[str], bool] | None = None,
        canned: bool = False,
        bodies: bool = False,
        limit: int = LIMIT,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(port=port, limit=limit, tls=tls)
        self.requests: list[Seen] = []
        """What came, in order."""
        self.peak = 0
        """Most POSTs that were in work at one moment."""
        self._working = 0
        self._posts = 0
        self._noting = threading.Lock()
        self._plan = FaultPlan(faults)
        self._latency = latency
        self._demands = Demands(basic, bearer, api_key, tokens)
        self._bodies = bodies
        self._service = (
            None
            if canned
            else Service(
                rules, environ or {}, reference_date or date.today(), labels=labels, own_only=own_rules_only
            )
        )

    @property
    def posts(self) -> list[Seen]:
        """The POST requests that came, in order; a fault's `at` counts them from 1."""
        return [seen for seen in list(self.requests) if seen.method == "POST"]

    def respond(self, request: Request) -> Answer:
        """The answer to a request."""
        if request.method == "POST" and self._service is None:
            return self._echo(request)
        asked = Asked(request.body)
        seen = Seen(
            request.method,
            request.path,
            request.headers,
            hashlib.sha256(request.body).hexdigest(),
            asked.resource_type,
            asked.entries,
            len(request.body),
            tuple(parameter.name for parameter in asked.parameters),
            body=request.body if self._bodies else b"",
        )
        number = self._note(seen)
        if request.method != "POST":
            answer = self._get(request)
        else:
            try:
                answer = self._post(request, asked, seen, number)
            finally:
                self._done()
        seen.status = "" if answer.manner in _CUT else str(answer.status)
        return answer

    def _note(self, seen: Seen) -> int:
        with self._noting:
            self.requests.append(seen)
            if seen.method == "POST":
                self._posts += 1
                self._working += 1
                self.peak = max(self.peak, self._working)
            return self._posts

    def _done(self) -> None:
        with self._noting:
            self._working -= 1

    # ---- without faults ----------------------------------------------------------------------------------------

    def _get(self, request: Request) -> Answer:
        path = unquote(request.path.partition("?")[0])
        if request.method == "GET" and path in ("/ready", "/live"):
            return Answer(200, b"Healthy", {"Content-Type": "text/plain"})
        if not self._demands.granted(request.headers):
            return _unauthorised()
        if request.method == "GET" and path == "/fhir/metadata":
            return Answer(200, capability_statement(), {"Content-Type": _JSON})
        return Answer(404, close=request.method == "HEAD")

    def _post(self, request: Request, asked: Asked, seen: Seen, number: int) -> Answer:
        if self._latency:
            self.stopping.wait(self._latency)
        if not self._demands.granted(request.headers):
            return _unauthorised()
        path = unquote(request.path.partition("?")[0])
        if path not in (_DEIDENTIFY, _V3):
            return Answer(404)
        fault = self._plan.pick(number, request.body, seen.sha256, asked.entries)
        if fault is None:
            return self._right(request, asked, path)
        seen.fault = fault.kind
        return self._wrong(fault, request, asked, path)

    def _right(self, request: Request, asked: Asked, path: str) -> Answer:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _TYPES:
            return Answer(415)
        if request.problem == 413:
            return _page(413)
        if request.problem:
            return Answer(request.problem)
        assert self._service is not None
        try:
            body = self._service.answer(asked, request.body, rules_needed=path == _V3)
        except Refused as refused:
            return Answer(refused.status, refused.outcome, {"Content-Type": _JSON})
        return _resource(request, body)

    def _echo(self, request: Request) -> Answer:
        """The canned answer."""
        seen = Seen(request.method, request.path, request.headers, "", "", 0, len(request.body))
        self._note(seen)
        try:
            if self._latency:
                self.stopping.wait(self._latency)
            if not self._demands.granted(request.headers):
                seen.status = "401"
                return _unauthorised()
            seen.status = "200"
            if request.body.find(b'"Parameters"', 0, 100) >= 0:
                return Answer(200, Asked(request.body).resource, {"Content-Type": _JSON})
            if request.body is not request.sent and _takes_gzip(request):
                return Answer(200, request.sent, {"Content-Type": _JSON, "Content-Encoding": "gzip"})
            return Answer(200, request.body, {"Content-Type": _JSON})
        finally:
            self._done()

    # ---- with a fault ------------------------------------------------------------------------------------------

    def _wrong(self, fault: Fault, request: Request, asked: Asked, path: str) -> Answer:
        kind, value = fault.kind, fault.value
        match kind:
            case "slow":
                self.stopping.wait(float(value or 0))
                return self._right(request, asked, path)
            case "408":
                return Answer(408, close=True)
            case "429" | "503":
                return Answer(int(kind), headers={} if value is None else {"Retry-After": str(value)})
            case "500":
                return Answer(500, outcome(500, "scripted", request.body), {"Content-Type": _JSON})
            case "502" | "504":
                return _page(int(kind))
            case "413":
                return _page(413)
            case "401":
                return _unauthorised()
            case "403" | "404":
                return Answer(int(kind))
            case "expired-token":
                self._demands.expire(request.headers)
                return _unauthorised('Bearer error="invalid_token", error_description="The token expired"')
            case "redirect":
                return Answer(307, headers={"Location": str(value)})
            case "not-json":
                return _page(200)
            case "reset" | "hang":
                return Answer(200, manner=kind)
        answer = self._right(request, asked, path)
        if answer.status != 200:
            return answer
        return self._twisted(fault, answer, request, asked)

    def _twisted(self, fault: Fault, answer: Answer, request: Request, asked: Asked) -> Answer:
        """A good answer, cut or falsified."""
        assert self._service is not None
        plain = answer.body
        if "Content-Encoding" in answer.headers:
            plain = gzip.decompress(plain)
        match fault.kind:
            case "other-resource":
                body = b'{"resourceType":"' + str(fault.value or "Basic").encode() + b'","id":"1"}'
                return _resource(request, body)
            case "missing-entry":
                return _resource(request, without_an_entry(plain))
            case "reordered":
                return _resource(request, reordered(plain))
            case "emptied":
                return _resource(request, self._service.emptied(asked))
            case "garbage-gzip":
                return Answer(200, plain, {"Content-Type": _JSON, "Content-Encoding": "gzip"})
        answer.manner = fault.kind
        return answer


def _unauthorised(challenge: str = "Bearer") -> Answer:
    return Answer(401, headers={"WWW-Authenticate": challenge})


def _page(status: int) -> Answer:
    title = {200: "Sign in", 413: "413 Request Entity Too Large", 502: "502 Bad Gateway"}.get(
        status, "504 Gateway Time-out"
    )
    return Answer(
        status, _PAGE.format(title).encode(), {"Content-Type": "text/html"}, close=status in (413, 504)
    )


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def _resource(request: Request, body: bytes) -> Answer:
    headers = {"Content-Type": _JSON}
    if len(body) > _COMPRESSED_FROM and _takes_gzip(request):
        body = gzip.compress(body, 1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Answer(200, body, headers)


# ---- by hand ----------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Serves until Ctrl-C. The exit code: 0, or 2 if it cannot start."""
    parser = argparse.ArgumentParser(
        prog="dimp.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rules", type=Path, help="rule set (default: the workflow's)")
    parser.add_argument("--port", type=int, default=8080, help="0 for a free one (default: 8080)")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="wait before each answer")
    parser.add_argument("--basic", metavar="USER:PASSWORD", help="ask for these credentials")
    parser.add_argument("--canned", action="store_true", help="send back what came, without any work")
    chosen = parser.parse_args(arguments)
    basic = tuple((chosen.basic or "").split(":", 1))
    if chosen.basic and len(basic) != 2:
        parser.error("--basic: expected USER:PASSWORD")
    try:
        double = DimpDouble(
            chosen.rules,
            environ=environ,
            latency=chosen.latency / 1000,
            basic=(basic[0], basic[1]) if chosen.basic else None,
            canned=chosen.canned,
            port=chosen.port,
        )
        with double:
            example = f'services={{dimp: {{url: "{double.url}"}}}}'
            print(
                f"A double of the FHIR Pseudonymizer serves at {double.url} (Ctrl-C ends it). Try:",
                flush=True,
            )
            print(f"    snakemake --cores 2 --config '{example}'", flush=True)
            threading.Event().wait()
    except RuleSetError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"--port {chosen.port}: {error.strerror}; choose another one, or 0", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
