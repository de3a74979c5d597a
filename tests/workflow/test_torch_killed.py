"""SIGKILL at every state of an extraction and after it; then the same command again: one kick-off in total, and the right bytes.

The double holds back the answer to a chosen request, so that a kill meets an exact moment.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.torch.double import TorchDouble, TorchFault
from doubles.torch.jobs import BATCH, COHORT, COMPLETED, CORE, PENDING
from doubles.wire import Answer, LoopbackServer, Request
from workflow.conftest import command, environment, run_snakemake, status_of, succeed
from workflow.extractions import BASIC, ENV, asked, config, make_cohort, result
from workflow.test_status import processes_in, wait_for_jobs

PATIENCE = 120  # seconds; only a run that hangs takes so long
TRICKLE = TorchFault("trickle", on="file", name="batch", times=1, value=300)


class HeldDouble(TorchDouble):
    """Holds back one answer at a time. The reason why it is a class: the moment of a kill is chosen by what TORCH has seen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wanted: Callable[[Request], bool] | None = None
        self._drop = False
        self._came = threading.Event()
        self._released = threading.Event()

    def hold(self, wanted: Callable[[Request], bool], *, drop: bool = False) -> None:
        """Hold back the answer to the next request that is `wanted`; drop: TORCH itself never sees it."""
        self._came, self._released = threading.Event(), threading.Event()
        self._drop, self._wanted = drop, wanted

    def held(self) -> bool:
        """Whether there is such a request now."""
        return self._came.is_set()

    def release(self) -> None:
        """Answer it."""
        self._wanted = None
        self._released.set()

    def __exit__(self, *args: Any) -> None:
        self.release()
        super().__exit__(*args)

    def api_answer(self, request: Request, listener: LoopbackServer) -> Answer:
        if not (self._wanted and self._wanted(request)):
            return super().api_answer(request, listener)
        self._wanted, drop, released = None, self._drop, self._released
        answer = Answer(503) if drop else super().api_answer(request, listener)
        self._came.set()
        released.wait(PATIENCE)
        return answer

    # ---- requests that can be waited for -----------------------------------------------------------------------

    def is_metadata(self, request: Request) -> bool:
        return request.path.endswith("/fhir/metadata")

    def is_kickoff(self, request: Request) -> bool:
        return request.method == "POST" and request.path.endswith("/fhir/$extract-data")

    def is_task_at(self, state: str) -> Callable[[Request], bool]:
        """The question for the Task: the importer has seen by then that the job is in this state."""
        return lambda request: "/fhir/Task/" in request.path and self.jobs[0].status == state


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[bytes]) -> None:
    """Until it holds, while the process lives."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, "the run has ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Runs:
    """One command, again and again, in one folder."""

    def __init__(self, folder: Path, torch: HeldDouble) -> None:
        self.folder = folder
        self.torch = torch
        self.config = config(torch)
        self.job = folder / "jobs/study"
        self._number = 0

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; what it says goes to a file. Without a lock, in place of `--unlock` after each kill (see test_status)."""
        again = ("--rerun-incomplete",) if self._number else ()
        if self._number:
            for log in (self.job / "logs").glob("import_*.log"):
                log.unlink()
        self._number += 1
        with open(self.folder / f"terminal-{self._number}", "wb") as terminal:
            return subprocess.Popen(
                command("--nolock", *again, config=self.config),
                cwd=self.folder,
                env=environment(ENV),
                stdout=terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def says(self, text: str) -> bool:
        """Whether the last run has said this."""
        return text in (self.folder / f"terminal-{self._number}").read_text(encoding="utf-8")

    def kill_all(self, process: subprocess.Popen[bytes]) -> None:
        """Snakemake and its jobs; not the keeper of status.json, which has a session of its own."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        wait_for_jobs(self.folder)
        status = status_of(self.folder, "study")
        assert status["state"] == "failed" and "killed" in " ".join(status["errors"])
        assert not [*self.job.glob("*_results.*")]

    def kill_alone(self, process: subprocess.Popen[bytes]) -> None:
        """Snakemake; its jobs go on."""
        process.kill()
        process.wait()

    def finish(self) -> None:
        """The last run, which comes to the end."""
        process = self.start()
        assert process.wait(PATIENCE) == 0, (self.folder / f"terminal-{self._number}").read_text(
            encoding="utf-8"
        )
        wait_for_jobs(self.folder)

    # ---- what is on the disk -----------------------------------------------------------------------------------

    def part(self) -> int:
        """Bytes that have come of the batch file so far."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            (path,) = [
                path for path in (self.job / "download").glob(".*.part") if not path.name.startswith(".core.")
            ]
            return path.stat().st_size
        return 0

    def fetched(self) -> bool:
        """Whether all files are here."""
        return len([*(self.job / "download/facts").glob("*.json")]) == 2

    def importing(self) -> bool:
        """Whether a job of the import has begun, of the last run."""
        return bool([*(self.job / "logs").glob("import_*.log")])


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients, in one batch file."""
    return make_cohort(tmp_path_factory.mktemp("data"), 3)


@pytest.fixture(scope="module")
def undisturbed(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, bytes]]:
    """What an undisturbed run makes: imported and de-identified."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with TorchDouble(cohort, basic=BASIC) as torch:
        succeed(folder, config=config(torch), env=ENV)
    yield result(folder, step="import"), result(folder)


def results(runs: Runs) -> tuple[bytes, bytes]:
    return result(runs.folder, step="import"), result(runs.folder)


def test_all_processes_killed_at_each_state(
    cohort: Path, undisturbed: tuple[bytes, bytes], tmp_path: Path
) -> None:
    with HeldDouble(cohort, basic=BASIC, faults=[TRICKLE]) as torch:
        runs = Runs(tmp_path, torch)

        def kill_at(condition: Callable[[], Any]) -> None:
            process = runs.start()
            wait_until(condition, process)
            runs.kill_all(process)
            torch.release()

        torch.hold(torch.is_metadata)  # before the kick-off
        kill_at(torch.held)
        assert not (runs.job / "torch/handle.json").exists()

        torch.hold(torch.is_kickoff, drop=True)  # sent, but it does not arrive
        kill_at(torch.held)
        assert '"sending"' in (runs.job / "torch/handle.json").read_text() and torch.kickoffs == 0

        torch.hold(torch.is_kickoff)  # it arrives, and the answer does not
        kill_at(torch.held)
        assert '"sending"' in (runs.job / "torch/handle.json").read_text() and torch.kickoffs == 1

        for state in (PENDING, COHORT, BATCH, CORE, COMPLETED):
            torch.hold(torch.is_task_at(state))
            kill_at(torch.held)
            assert torch.jobs[0].status == state
            assert (runs.job / "torch/manifest.json").exists() == (state == COMPLETED)
            # The list that this last one has left is no finished output, so Snakemake removes it before the job runs again.
            assert state == COMPLETED or not (runs.job / "torch/listing.json").exists()

        before = len(asked(torch, "api", part="__status"))
        kill_at(lambda: runs.part() > 3000)  # in the middle of a download
        there = runs.part()
        kill_at(runs.fetched)
        first, second = [one for one in asked(torch, "files") if "core" not in one.path]
        assert "range" not in first.headers and second.headers["range"] == f"bytes={there - 1}-"
        assert not runs.part()

        kill_at(runs.importing)
        runs.finish()

        assert torch.kickoffs == torch.kickoffs_accepted == len(torch.jobs) == 1
        assert len(asked(torch, "api", part="__status")) == before  # the manifest was kept
        assert len(asked(torch, "files")) == 3  # what was here was not fetched again
        assert results(runs) == undisturbed
        assert status_of(tmp_path, "study")["state"] == "completed"


def test_jobs_that_outlive_snakemake_and_the_next_run_do_not_disturb_each_other(
    cohort: Path, undisturbed: tuple[bytes, bytes], tmp_path: Path
) -> None:
    with HeldDouble(cohort, basic=BASIC, faults=[TRICKLE]) as torch:
        runs = Runs(tmp_path, torch)

        torch.hold(torch.is_kickoff)
        first = runs.start()
        wait_until(torch.held, first)
        runs.kill_alone(first)

        second = runs.start()
        wait_until(lambda: runs.says("another process cares for this extraction"), second)
        torch.release()
        torch.hold(torch.is_task_at(BATCH))  # the job of the first run asks for it
        wait_until(torch.held, second)
        runs.kill_alone(second)

        third = runs.start()
        wait_until(lambda: runs.says("another process cares for this extraction"), third)
        assert len(processes_in(tmp_path)) > 3
        torch.release()
        wait_until(lambda: runs.part() > 3000, third)
        runs.kill_alone(third)

        fourth = runs.start()
        wait_until(runs.importing, fourth)
        runs.kill_alone(fourth)
        runs.finish()

        assert torch.kickoffs == torch.kickoffs_accepted == len(torch.jobs) == 1
        assert results(runs) == undisturbed
        assert status_of(tmp_path, "study")["state"] == "completed"
        assert "Nothing to be done" in run_snakemake(tmp_path, "-n", config=runs.config, env=ENV).stdout
