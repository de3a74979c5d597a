"""What the doubles have in common: pseudonyms, credentials, faults, and a record of what came."""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from doubles import faults
from doubles.demands import Demands
from doubles.faults import FaultPlan
from doubles.wire import LIMIT, Answer, LoopbackServer, Request

FHIR = "application/fhir+json"
_FALSE = frozenset(
    ("duplicate", "doubled", "shared", "blank", "same", "stranger", "error", "other-target", "nameless")
)
_TWISTED = _FALSE | {"reordered", "missing-entry"}
_CUT = ("reset", "reset-middle", "truncated", "wrong-length", "hang", "close-idle")
_PAGE = b"<html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>"


@dataclass(frozen=True)
class Fault(faults.Fault):
    """Something that goes wrong with requests of any method; see doubles.faults.Fault.

    Kinds of its own falsify the answer: "duplicate" two answers for the first value; "doubled" the second one in place of another's; "shared" one pseudonym for all; "blank"
    an empty pseudonym; "same" the original as its pseudonym; "stranger" an answer for another value; "error" an error in place of the
    first answer; "other-target" an answer for another domain; "nameless" the first answer does not say what it is for. "reordered"
    hits answers of at least 2 values, "missing-entry" any.
    """

    def __post_init__(self) -> None:
        if self.kind not in _FALSE:
            super().__post_init__()


@dataclass(frozen=True)
class Row:
    """The answer to one value. known: what was asked for, None to leave it out; found: None where there is nothing."""

    known: str | None
    found: str | None
    domain: str
    error: bool = False


@dataclass(slots=True)
class Seen:
    """A request that came. path: with the query, as it came; values: how many it asks for; fault: the kind that hit it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    values: int = 0
    status: int = 0
    fault: str = ""


@dataclass
class Asked:
    """What a request asks for. entries: of values that are asked for; answer: makes the answer of the rows."""

    domain: str
    values: Sequence[str]
    reverse: bool
    answer: Callable[[Sequence[Row]], Answer]


@dataclass
class Refused(Exception):
    """The answer to a request that cannot be one."""

    answer: Answer = field(default_factory=lambda: Answer(404))


class PseudonymDouble(LoopbackServer):
    """A double, from `__enter__` to `__exit__`.

    domains: those that exist; missing: status of the answer for others. faults: what goes wrong; latency: seconds before each answer;
    basic, bearer, tokens, api_key: credentials that it asks for, see Demands; secret: what its pseudonyms depend on.
    """

    def __init__(
        self,
        domains: Collection[str],
        *,
        faults: Sequence[Fault] = (),
        missing: int = 404,
        latency: float = 0.0,
        basic: tuple[str, str] | None = None,
        bearer: str | None = None,
        tokens: Callable[[str], bool] | None = None,
        api_key: tuple[str, str] | None = None,
        secret: bytes = b"double",
        port: int = 0,
        limit: int = LIMIT,
    ) -> None:
        super().__init__(port=port, limit=limit)
        self.domains = set(domains)
        self.requests: list[Seen] = []
        """What came, in order; a fault's `at` counts them from 1."""
        self.peak = 0
        """Most requests that were in work at one moment."""
        self.created: dict[tuple[str, str], str] = {}
        """Domain and pseudonym to original."""
        self._missing = missing
        self._latency = latency
        self._demands = Demands(basic, bearer, api_key, tokens)
        self._secret = secret
        self._plan = FaultPlan(faults)
        self._working = 0
        self._noting = threading.Lock()

    def pseudonym(self, domain: str, original: str) -> str:
        """The pseudonym of an original, the same for ever."""
        text = json.dumps([domain, original]).encode()
        return "psn-" + hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:20]

    def asked(self, request: Request) -> Asked | Answer:
        """What a request asks for, or an answer that needs no pseudonyms. Raises Refused."""
        raise NotImplementedError

    def absent(self, status: int, domain: str) -> Answer:
        """The answer for a domain that is not there."""
        return outcome(status, f"domain {domain} is unknown")

    def unknown(self, asked: Asked) -> Answer | None:
        """The answer where no value of a reverse lookup is known; None for one of rows without anything found."""
        return None

    def respond(self, request: Request) -> Answer:
        """The answer to a request."""
        seen = Seen(request.method, request.path, request.headers, request.body)
        with self._noting:
            self.requests.append(seen)
            number = len(self.requests)
            self._working += 1
            self.peak = max(self.peak, self._working)
        try:
            answer = self._respond(request, seen, number)
        finally:
            with self._noting:
                self._working -= 1
        seen.status = answer.status
        return answer

    def _respond(self, request: Request, seen: Seen, number: int) -> Answer:
        self.stopping.wait(self._latency)
        if not self._demands.granted(request.headers):
            return Answer(401, headers={"WWW-Authenticate": "Bearer"})
        if request.problem:
            return Answer(request.problem, close=True)
        try:
            asked = self.asked(request)
        except Refused as refused:
            asked = refused.answer
        values = [] if isinstance(asked, Answer) else list(asked.values)
        seen.values = len(values)
        identity = hashlib.sha256(request.path.encode() + request.body).hexdigest()
        fault = self._plan.pick(number, request.path.encode() + request.body, identity, len(values))
        seen.fault = fault.kind if fault else ""
        if fault and (answer := self._failure(fault, request)):
            return answer
        answer = asked if isinstance(asked, Answer) else self._right(asked, fault)
        if fault and fault.kind in _CUT:
            answer.manner = fault.kind
        if fault and fault.kind == "garbage-gzip":
            answer.headers = {**answer.headers, "Content-Encoding": "gzip"}
        return answer

    def _failure(self, fault: faults.Fault, request: Request) -> Answer | None:
        """An answer that has nothing to do with what was asked; None where the fault is of another sort."""
        match fault.kind:
            case "slow":
                self.stopping.wait(float(fault.value or 0))
            case "408":
                return Answer(408, close=True)
            case "429" | "503":
                return Answer(
                    int(fault.kind), headers={} if fault.value is None else {"Retry-After": str(fault.value)}
                )
            case "500":
                return outcome(500, request.path + request.body.decode(errors="replace"))
            case "401" | "403" | "404" | "413":
                return Answer(int(fault.kind))
            case "502" | "504":
                return Answer(int(fault.kind), _PAGE, {"Content-Type": "text/html"})
            case "not-json":
                return Answer(200, _PAGE, {"Content-Type": "text/html"})
            case "other-resource":
                return answer_of({"resourceType": "Basic"})
            case "expired-token":
                self._demands.expire(request.headers)
                return Answer(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
            case "redirect":
                return Answer(307, headers={"Location": str(fault.value)})
        return None

    def _right(self, asked: Asked, fault: faults.Fault | None) -> Answer:
        if asked.domain not in self.domains:
            return self.absent(self._missing, asked.domain)
        rows = [self._row(asked, value) for value in asked.values]
        if asked.reverse and all(row.found is None for row in rows) and (answer := self.unknown(asked)):
            return answer
        if fault and fault.kind in _TWISTED:
            rows = twisted(rows, fault.kind)
        return asked.answer(rows)

    def _row(self, asked: Asked, value: str) -> Row:
        if asked.reverse:
            return Row(value, self.created.get((asked.domain, value)), asked.domain)
        pseudonym = self.pseudonym(asked.domain, value)
        self.created[asked.domain, pseudonym] = value
        return Row(value, pseudonym, asked.domain)


def twisted(rows: list[Row], kind: str) -> list[Row]:
    """Answers that lie."""
    first, rest = rows[0], rows[1:]
    match kind:
        case "reordered":
            return rows[::-1]
        case "missing-entry":
            return rest
        case "duplicate":
            return [first, first, *rest]
        case "doubled":
            return [first, first, *rest[1:]] if rest else rows
        case "shared":
            return [replace(one, found="psn-of-all") for one in rows]
        case "blank":
            return [replace(first, found=" "), *rest]
        case "same":
            return [replace(first, found=first.known), *rest]
        case "stranger":
            return [replace(first, known="somebody else"), *rest]
        case "error":
            return [replace(first, found=None, error=True), *rest]
        case "other-target":
            return [replace(first, domain="elsewhere"), *rest]
        case _:
            return [replace(first, known=None), *rest]


# ---- FHIR -------------------------------------------------------------------------------------------------------------


def body_of(request: Request, kind: str = FHIR) -> dict[str, Any]:
    """The JSON object of a POST. Raises Refused: another method or type, or no object."""
    if request.method != "POST":
        raise Refused(Answer(405, close=request.method == "HEAD"))
    if request.headers.get("content-type", "").partition(";")[0] != kind:
        raise Refused(Answer(415))
    try:
        found = json.loads(request.body)
    except ValueError:
        raise Refused(Answer(400)) from None
    if not isinstance(found, dict):
        raise Refused(Answer(400))
    return found


def values_of(body: Mapping[str, Any], name: str, kind: str) -> list[str]:
    """Values of the parameters with a name. Raises Refused where one has no value of this kind, as a service does."""
    found = []
    for parameter in body.get("parameter", []):
        if parameter.get("name") == name:
            value = parameter.get(kind)
            if isinstance(value, dict):
                value = value.get("value")
            if value is None or value == "":
                raise Refused(outcome(400, f"{name} has no {kind}"))
            found.append(value)
    return found


def one_of(body: Mapping[str, Any], name: str, kind: str) -> str:
    """The value of the only parameter with a name. Raises Refused."""
    found = values_of(body, name, kind)
    if len(found) != 1:
        raise Refused(outcome(400, f"{name} is needed once"))
    return found[0]


def value(name: str, kind: str, text: Any) -> dict[str, Any]:
    """A parameter or part with a value."""
    return {
        "name": name,
        kind: {"system": "urn:double", "value": text} if kind == "valueIdentifier" else text,
    }


def parameters(*given: Mapping[str, Any]) -> Answer:
    """Status 200 with Parameters."""
    return answer_of({"resourceType": "Parameters", "parameter": list(given)})


def answer_of(resource: object, status: int = 200, kind: str = FHIR) -> Answer:
    """An answer with JSON."""
    return Answer(status, json.dumps(resource).encode(), {"Content-Type": f"{kind}; charset=utf-8"})


def outcome(status: int, diagnostics: str) -> Answer:
    """A refusal in FHIR, whose text may hold values: it may reach no log."""
    issue = {
        "severity": "error",
        "code": "exception" if status == 500 else "not-found",
        "diagnostics": diagnostics,
    }
    return answer_of({"resourceType": "OperationOutcome", "issue": [issue]}, status)
