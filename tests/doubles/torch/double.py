"""A double of TORCH and of the file server beside it: real HTTP servers on loopback, by the contract in "torch-crtdl".

For tests: `with TorchDouble(folder) as torch: …`; by hand: see `python -m tests.doubles.torch --help`.
"""

import contextlib
import ssl
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from doubles.demands import Demands
from doubles.files import KINDS as FILE_KINDS
from doubles.files import FileServer
from doubles.torch.api import Api, unauthorised
from doubles.torch.faults import FaultPlan, TorchFault
from doubles.torch.jobs import Divert, Job, Scenario
from doubles.torch.results import Folder
from doubles.torch.service import Addresses, Profile, Torch
from doubles.wire import Answer, LoopbackServer, Request

__all__ = ["Divert", "Scenario", "Seen", "TorchDouble", "TorchFault"]

NOWHERE = "http://localhost:1"
"""Where sites that forgot to configure their TORCH say that it is."""
_UNANSWERED = ("reset", "hang", "reset-headers")


@dataclass(slots=True)
class Seen:
    """A request that came, and what was answered.

    listener: "api" or "files"; headers: names in lower case, of credentials only the scheme; status: 0 where nothing was answered;
    answer: the body, as it is before it comes to harm on its way, empty for files; fault: the kind that hit it (not for files).
    """

    listener: Literal["api", "files"]
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int = 0
    answer_headers: Mapping[str, str] | None = None
    answer: bytes = b""
    fault: str = ""

    @property
    def authorized(self) -> bool:
        """Whether it came with credentials."""
        return "authorization" in self.headers


class TorchDouble:
    """The double, from `__enter__` to `__exit__`. Raises FileNotFoundError where `data` is no folder.

    data: a TORCH-shaped folder. seed: of everything that TORCH draws at random: doubles of one seed extract the same bytes.
    states: of every job. profile: "v1", or "legacy-alpha13", which keeps no jobs over a restart and knows no Tasks.

    advertise: what TORCH believes about its own addresses: "wrong" (they lead nowhere), "right", "relative".

    basic, bearer, tokens: credentials, any of those that are given (tokens: says whether a bearer token is good), on the listeners
    in auth_on. batch_size: patients a file (default: as in the folder; 500 for lists of patients). empty_patients: so many Bundles
    without an entry in the first batch. profiles: canonicals and types that TORCH knows beside the usual ones.

    state_dir: TORCH's output directory, which a later double can go on with (default: a temporary one). now: the time, for what
    TORCH writes down. tls: for both listeners.
    """

    def __init__(
        self,
        data: Path,
        *,
        profile: Profile = "v1",
        seed: int = 1,
        states: Scenario = Scenario(),  # noqa: B008 it is frozen
        faults: Sequence[TorchFault] = (),
        api_prefix: str = "",
        files_prefix: str = "",
        advertise: Literal["wrong", "right", "relative"] = "wrong",
        basic: tuple[str, str] | None = None,
        bearer: str | None = None,
        tokens: Callable[[str], bool] | None = None,
        auth_on: Collection[str] = ("api", "files"),
        batch_size: int | None = None,
        empty_patients: int = 0,
        profiles: Mapping[str, str] | None = None,
        api_port: int = 0,
        files_port: int = 0,
        state_dir: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[Seen] = []
        """All that came, to both listeners, in order."""
        self._folder = Folder(data)
        self._plan = FaultPlan(faults)
        self._auth_on = frozenset(auth_on)
        self._demands = Demands(basic, bearer, None, tokens)
        self._stack = ExitStack()
        self._state = state_dir or Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="torch-"))
        )
        self._state.mkdir(parents=True, exist_ok=True)
        self._advertise = advertise
        self._noting = threading.Lock()
        self._torch = Torch(
            self._folder,
            self._state,
            profile=profile,
            seed=seed,
            states=states,
            faults=self._plan,
            batch_size=batch_size,
            empty_patients=empty_patients,
            profiles=profiles or {},
            now=now,
            addresses=self._addresses,
            made=self._made,
        )
        self._routes = Api(
            self._torch, self._plan, self._demands, prefix=api_prefix, demanding="api" in auth_on
        )
        self._api = _Listener(self, api_prefix, api_port, tls)
        self._files = _Files(self, self._state, files_prefix, files_port, tls)
        for fault in self._plan.of_files(FILE_KINDS):
            name = {"core": "core.ndjson"}.get(fault.name or "", fault.name)
            if name is None or not _is_batch(name):
                self._files.add(fault.file_fault(name))
        for job in self.jobs:
            self._made(self._torch.batch_files(job.id))
        self._api_runs = False

    def __enter__(self) -> Self:
        self._files.__enter__()
        self.start_api()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_api()
        self._files.__exit__(kind, error, trace)
        self._stack.close()

    # ---- what a client must configure -------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """Of TORCH, with the prefix, without /fhir."""
        return self._api.url + self._api.prefix

    @property
    def file_server_url(self) -> str:
        """Of the file server, with the prefix."""
        return self._files.base

    def _addresses(self) -> Addresses:
        if self._advertise == "right":
            return Addresses(self.base_url, self.file_server_url)
        if self._advertise == "relative":
            return Addresses(self._api.prefix, self._files.prefix)
        return Addresses(NOWHERE, NOWHERE)

    # ---- what happened ----------------------------------------------------------------------------------------------

    @property
    def kickoffs(self) -> int:
        """POSTs to $extract-data that TORCH itself has seen."""
        return self._torch.kickoffs

    @property
    def kickoffs_accepted(self) -> int:
        """Those of which a job was made."""
        return self._torch.accepted

    @property
    def jobs(self) -> list[Job]:
        """The jobs that there are, oldest first."""
        return self._torch.listed()

    def expected(self, job_id: str) -> dict[str, int]:
        """The lines of each result file of a job, as far as they are written."""
        return self._torch.expected(job_id)

    def job_folder(self, job_id: str) -> Path:
        """Where its files lie."""
        return self._state / job_id

    # ---- what can be done to it -------------------------------------------------------------------------------------

    def stop_api(self) -> None:
        """TORCH has gone: connections to the API are refused. The file server goes on."""
        if self._api_runs:
            self._api_runs = False
            self._api.__exit__(None, None, None)

    def start_api(self) -> None:
        """TORCH comes back at its address, with its jobs rolled back; an old one has forgotten them."""
        if not self._api_runs:
            self._torch.restart()
            self._api.__enter__()
            self._api_runs = True

    def lose_volume(self) -> None:
        """All jobs and results are gone."""
        self._torch.lose_volume()

    def sweep(self) -> None:
        """What TORCH does once a day: files of deleted jobs go, and the jobs themselves."""
        self._torch.sweep()

    def advance(self, job_id: str, polls: int = 1) -> None:
        """Let the clock of a job go on as if it had been asked for so often."""
        for _ in range(polls):
            self._torch.tick(job_id)

    # ---- listeners --------------------------------------------------------------------------------------------------

    def api_answer(self, request: Request, listener: LoopbackServer) -> Answer:
        """The answer of the API to a request."""
        seen = self._note("api", request)
        plain, answer, seen.fault = self._routes.answer(request, listener)
        if answer.manner not in _UNANSWERED:
            seen.status, seen.answer_headers, seen.answer = plain.status, dict(plain.headers), plain.body
        return answer

    def files_answer(self, request: Request, serve: Callable[[Request], Answer]) -> Answer:
        """The answer of the file server to a request."""
        seen = self._note("files", request)
        answer = serve(request)
        if answer.manner not in _UNANSWERED:
            seen.status, seen.answer_headers = answer.status, dict(answer.headers)
        return answer

    def files_refused(self, request: Request) -> Answer | None:
        """401 where credentials are missing, or the token has just expired."""
        folder, _, name = request.path.partition("?")[0].rpartition("/")
        names = self._torch.names(folder.rpartition("/")[2], name)
        if self._plan.pick("file", ("expired-token",), names):
            self._demands.expire(request.headers)
        if "files" not in self._auth_on or self._demands.granted(request.headers):
            return None
        return unauthorised()

    def _note(self, listener: Literal["api", "files"], request: Request) -> Seen:
        headers = dict(request.headers)
        if "authorization" in headers:
            headers["authorization"] = headers["authorization"].partition(" ")[0]
        seen = Seen(listener, request.method, request.path, headers, request.body)
        with self._noting:
            self.requests.append(seen)
        return seen

    # ---- faults of files --------------------------------------------------------------------------------------------

    def _made(self, names: Sequence[str]) -> None:
        """A job was made, with these batch files."""
        for fault in self._plan.of_files(FILE_KINDS):
            if fault.name and _is_batch(fault.name):
                number = int(fault.name.partition("-")[2] or 1)
                with contextlib.suppress(IndexError):
                    self._files.add(fault.file_fault(names[number - 1]))


def _is_batch(name: str) -> bool:
    return name == "batch" or name.startswith("batch-")


class _Listener(LoopbackServer):
    """The API."""

    def __init__(self, double: TorchDouble, prefix: str, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(port=port, tls=tls)
        self.prefix = prefix
        self._double = double

    def respond(self, request: Request) -> Answer:
        return self._double.api_answer(request, self)


class _Files(FileServer):
    """The file server, which tells the double what comes."""

    def __init__(
        self, double: TorchDouble, root: Path, prefix: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(root, prefix=prefix, port=port, tls=tls, authorize=double.files_refused)
        self._double = double

    def respond(self, request: Request) -> Answer:
        return self._double.files_answer(request, super().respond)
