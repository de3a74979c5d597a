"""The routes of TORCH, and what happens to requests and answers between it and a client ("torch-crtdl", sections 1.1 to 1.9)."""

import dataclasses
import gzip
import socket
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from doubles.demands import Demands
from doubles.torch import tasks
from doubles.torch.bodies import (
    FHIR_JSON,
    HTML,
    JSON,
    dumped,
    html_page,
    is_uuid,
    issue,
    outcome,
    spring_error,
)
from doubles.torch.faults import AFTERWARDS, INSTEAD, PAGES, STATUS, FaultPlan, On, TorchFault
from doubles.torch.jobs import DELETED, moment
from doubles.torch.service import Torch
from doubles.wire import Answer, LoopbackServer, Request

_TICK = 0.01
_ACCEPTED = frozenset((FHIR_JSON, "application/*", "*/*"))


class Api:
    """Answers for a TORCH behind a proxy. demanding: whether the proxy asks for credentials."""

    def __init__(
        self, torch: Torch, faults: FaultPlan, demands: Demands, *, prefix: str, demanding: bool
    ) -> None:
        self._torch, self._faults, self._demands = torch, faults, demands
        self._prefix, self._demanding = prefix, demanding
        self._down = 0
        """So many requests are still to be reset before TORCH is back."""

    def answer(self, request: Request, listener: LoopbackServer) -> tuple[Answer, Answer, str]:
        """The answer of TORCH or its proxy; what goes out; the kind of the fault."""
        path = unquote(request.path.partition("?")[0])
        if not path.startswith(f"{self._prefix}/"):
            plain = page(404)
            return plain, plain, ""
        path = path.removeprefix(self._prefix)
        if self._demanding and not self._demands.granted(request.headers):
            plain = unauthorised()
            return plain, plain, ""
        with self._torch.lock:
            if self._down:
                self._down -= 1
                plain = Answer(200, manner="reset")
                return plain, plain, "restart"
            on = _kind(request.method, path)
            fault = self._faults.pick(on) if on else None
            plain = self._plain(request, path, fault, listener)
        kind = fault.kind if fault else ""
        if fault and kind in AFTERWARDS:
            return plain, _harmed(fault, plain, listener), kind
        return plain, _headless(plain) if request.method == "HEAD" else plain, kind

    # ---- faults -----------------------------------------------------------------------------------------------------

    def _plain(
        self, request: Request, path: str, fault: TorchFault | None, listener: LoopbackServer
    ) -> Answer:
        kind = fault.kind if fault else ""
        if fault and kind in INSTEAD:
            return self._instead(fault, request, listener)
        if fault and kind in STATUS:
            self._accident(fault)
            if kind == "restart":
                return Answer(200, manner="reset")
        if kind == "torch-500":
            return self._torch.disk_trouble()
        answer = self._route(request, path)
        if answer.status != 202:
            return answer
        match kind:
            case "accepted-reset":
                return Answer(202, manner="reset")
            case "accepted-hang":
                return Answer(202, manner="hang")
            case "accepted-502":
                return page(502)
            case "no-location":
                return Answer(202)
            case "relative-location" | "bad-location":
                here, _, job = answer.headers["Content-Location"].partition("/fhir/")
                location = (
                    f"{self._prefix}/fhir/{job}"
                    if kind == "relative-location"
                    else f"{here}/fhir/__status/latest"
                )
                return Answer(202, headers={"Content-Location": location})
        return answer

    def _instead(self, fault: TorchFault, request: Request, listener: LoopbackServer) -> Answer:
        match fault.kind:
            case "401":
                return unauthorised()
            case "expired-token":
                self._demands.expire(request.headers)
                return unauthorised('Bearer error="invalid_token"')
            case "reset" | "hang":
                return Answer(200, manner=fault.kind)
            case "html":
                return page(200)
            case "empty":
                return Answer(200)
            case "redirect":
                location = listener.url + request.path if fault.value is None else str(fault.value)
                return page(301 if request.method == "GET" else 307, {"Location": location})
        assert fault.kind in PAGES
        return page(int(fault.kind), {} if fault.value is None else {"Retry-After": str(fault.value)})

    def _accident(self, fault: TorchFault) -> None:
        if fault.kind == "lost-volume":
            self._torch.lose_volume()
        else:
            self._torch.restart()
            self._down = fault.number(3) - 1

    # ---- routes -----------------------------------------------------------------------------------------------------

    def _route(self, request: Request, path: str) -> Answer:
        match request.method, path.split("/")[1:]:
            case "POST", ["fhir", "$extract-data"] if _accepts_fhir(request.headers.get("accept")):
                return self._torch.kick_off(request.body, request.problem)
            case "GET", ["fhir", "__status", job]:
                return self._torch.status(job)
            case "GET", ["fhir", "metadata"]:
                return _fhir(200, _METADATA)
            case "GET", ["actuator", "health"]:
                return Answer(
                    200,
                    dumped({"status": "UP"}),
                    {"Content-Type": "application/vnd.spring-boot.actuator.v3+json"},
                )
            case method, ["fhir", "Task", *rest] if not self._torch.legacy:
                return self._task(method, rest, request) or self._unmapped(request)
        return self._unmapped(request)

    def _unmapped(self, request: Request) -> Answer:
        body = spring_error(404, unquote(request.path), moment(self._torch.stamp()))
        return Answer(404, body, {"Content-Type": JSON})

    def _task(self, method: str, rest: list[str], request: Request) -> Answer | None:
        match method, rest:
            case "GET", []:
                return self._search(request)
            case "GET" | "PUT" | "DELETE", [job_id] if job_id:
                return self._one_task(method, job_id, request)
            case "POST", [job_id, action] if action in tasks.ACTIONS:
                found = self._torch.find(job_id)
                if found is None:
                    return _no_task(job_id)
                try:
                    tasks.act(found[0], action, self._torch.stamp())
                except tasks.Conflict as conflict:
                    return _fhir(409, outcome(issue("error", "conflict", str(conflict))))
                self._torch.keep(found[0])
                return _fhir(200, dumped(tasks.task(*found)))
        return None

    def _search(self, request: Request) -> Answer:
        query = tasks.Query(request.path.partition("?")[2])
        if query.faults and "handling=strict" in request.headers.get("prefer", ""):
            return _fhir(400, outcome(issue("error", "invalid", "; ".join(query.faults))))
        jobs = [job for job in reversed(self._torch.listed()) if query.fits(job)]
        found = [row for job in jobs if (row := self._torch.find(job.id))]
        return _fhir(200, dumped(tasks.searchset([tasks.task(*row) for row in found])))

    def _one_task(self, method: str, job_id: str, request: Request) -> Answer:
        version = tasks.version_of(request.headers.get("if-match", ""))
        if method == "PUT" and version is None:
            return _fhir(428, outcome(issue("error", "required", 'If-Match: W/"<version>" is required')))
        found = self._torch.find(job_id)
        if found is None:
            return _no_task(job_id)
        job, now = found[0], self._torch.stamp()
        if method == "DELETE":
            job.stage, job.hold = DELETED, ""
            job.changed(now)
            self._torch.keep(job)
            return Answer(204, send=lambda _: True)
        if method == "PUT":
            try:
                priority = tasks.priority_of(request.body)
            except ValueError:
                return _fhir(400, outcome(issue("error", "invalid", "Could not parse Task resource")))
            if version != job.version:
                text = f"Version mismatch: expected {job.version}, got {version}"
                return _fhir(412, outcome(issue("error", "conflict", text)))
            job.priority = priority
            job.changed(now)
            self._torch.keep(job)
        return _fhir(200, dumped(tasks.task(*found)))


def _kind(method: str, path: str) -> On | None:
    """Which faults hit a request."""
    match method, path.split("/")[1:]:
        case "POST", ["fhir", "$extract-data"]:
            return "kickoff"
        case _, ["fhir", "__status", _]:
            return "status"
        case _, ["fhir", "Task", *_]:
            return "task"
        case _, ["fhir", "metadata"]:
            return "metadata"
    return None


def _accepts_fhir(accept: str | None) -> bool:
    """Whether the route of the kick-off fits a header Accept."""
    kinds = (accept or "*/*").split(",")
    return any(kind.partition(";")[0].strip().lower() in _ACCEPTED for kind in kinds)


_METADATA = dumped(
    {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "software": {"name": "TORCH", "version": "1.0.0"},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "operation": [{"name": "extract-data", "definition": "urn:torch:extract-data"}],
            }
        ],
    }
)


def _fhir(status: int, body: bytes) -> Answer:
    return Answer(status, body, {"Content-Type": FHIR_JSON})


def _no_task(job_id: str) -> Answer:
    shown = job_id if is_uuid(job_id) else "?"
    return _fhir(404, outcome(issue("error", "not-found", f"Task/{shown} not found")))


def page(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """A page of the proxy."""
    return Answer(status, html_page(status), {"Server": "nginx", "Content-Type": HTML, **(headers or {})})


def unauthorised(challenge: str = 'Basic realm="TORCH"') -> Answer:
    """As the proxy refuses."""
    return page(401, {"WWW-Authenticate": challenge})


# ---- on the way back ------------------------------------------------------------------------------------------------


def _headless(answer: Answer) -> Answer:
    """To HEAD."""
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    return Answer(answer.status, headers=headers, send=lambda _: True)


def _harmed(fault: TorchFault, answer: Answer, listener: LoopbackServer) -> Answer:
    if answer.manner or answer.send:
        return answer
    headers = dict(answer.headers)
    match fault.kind:
        case "slow":
            listener.stopping.wait(float(fault.value or 0))
            return answer
        case "trickle":
            headers["Content-Length"] = str(len(answer.body))
            return Answer(
                answer.status, headers=headers, send=_trickling(answer.body, fault.number(1), listener)
            )
        case "gzip":
            return Answer(
                answer.status, gzip.compress(answer.body, 1), {**headers, "Content-Encoding": "gzip"}
            )
        case "chunked":
            return Answer(
                answer.status,
                headers={**headers, "Transfer-Encoding": "chunked"},
                send=_chunking(answer.body),
            )
    return dataclasses.replace(answer, manner=fault.kind, close=True)


def _trickling(body: bytes, step: int, listener: LoopbackServer) -> Callable[[socket.socket], bool]:
    def send(connection: socket.socket) -> bool:
        for at in range(0, len(body), step):
            connection.sendall(body[at : at + step])
            if listener.stopping.wait(_TICK):
                return False
        return True

    return send


def _chunking(body: bytes) -> Callable[[socket.socket], bool]:
    def send(connection: socket.socket) -> bool:
        middle = len(body) // 2
        for part in filter(None, (body[:middle], body[middle:])):
            connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        connection.sendall(b"0\r\n\r\n")
        return True

    return send
