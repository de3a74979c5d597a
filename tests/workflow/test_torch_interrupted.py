"""Ctrl-C while TORCH extracts: the job goes on there and is taken up again, or is cancelled, as the configuration says."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from doubles.torch.double import Divert, Scenario, TorchDouble
from workflow.conftest import command, environment, status_of, succeed
from workflow.extractions import BASIC, ENV, asked, config, make_cohort, result
from workflow.test_status import wait_for_jobs

FROZEN = Scenario(diverts=[Divert("FROZEN", at=3)])
"""Stays where it is, in its third state, until somebody does something about it."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(tmp_path_factory.mktemp("data"), 3)


def interrupt(folder: Path, torch: TorchDouble, keys: dict[str, Any]) -> str:
    """Start the workflow, press Ctrl-C when it has looked at the job some times, and wait for its end; what it said."""
    with open(folder / "terminal", "wb") as terminal:
        process = subprocess.Popen(
            command(config=keys),
            cwd=folder,
            env=environment(ENV),
            stdout=terminal,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while len(asked(torch, "api", part="__status")) < 6:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(120) != 0
    wait_for_jobs(folder)
    status = status_of(folder, "study")
    assert (status["state"], status["steps"]["extract"]["done"]) == ("failed", 0)
    return (folder / "terminal").read_text(encoding="utf-8")


@pytest.mark.parametrize("cancel", [False, True], ids=["goes-on", "cancelled"])
def test_interrupted_while_torch_extracts(cohort: Path, tmp_path: Path, cancel: bool) -> None:
    with TorchDouble(cohort, basic=BASIC, states=FROZEN) as torch:
        keys = config(torch, cancel_on_abort=cancel)
        terminal = interrupt(tmp_path, torch, keys)
        assert "Traceback" not in terminal, terminal
        (job,) = torch.jobs
        assert len(asked(torch, "api", "POST", "$cancel")) == cancel
        assert (job.status == "CANCELLED") == cancel
        job.hold = ""  # on it goes
        log = (tmp_path / "jobs/study/logs/extract.log").read_text(encoding="utf-8")
        assert (f"TORCH job {job.id} is cancelled" if cancel else f"TORCH job {job.id} goes on") in log
        if cancel:
            return
        succeed(tmp_path, "--rerun-incomplete", config=keys, env=ENV)
        assert torch.kickoffs == 1
    assert len(result(tmp_path).splitlines()) == 4
