"""Random mixes of faults ("torch-crtdl", section 3.4, at its end): what passes leaves no trace, what does not ends clearly."""

import os
from pathlib import Path

import pytest
from lab import Lab, right

from doubles.torch.double import Divert, TorchFault
from doubles.torch.mix import Mix, random_mix

MIXES = int(os.environ.get("TORCH_MIXES", "40"))
SEED = int(os.environ.get("TORCH_SEED", "1"))
SEEDS = range(SEED * 1000, SEED * 1000 + MIXES)

PROVED = ("accepted-reset", "no-location", "bad-location")
"""Of a kick-off whose job nobody was told: it is the only new one, and its manifest proves that it is ours."""
COMPLETED_ALL_THE_SAME = ("empty-output", "too-many-lines")
"""TORCH will not say anything else of such a job, so only a new one helps, which a person must want."""


@pytest.fixture
def lab(cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Lab:
    return Lab(cohort, tmp_path, caplog)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_passes(lab: Lab, seed: int) -> None:
    mix = random_mix(seed)
    with lab.torch(*mix.faults, states=mix.scenario) as torch:
        lab.passes(torch)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_thing_that_does_not_pass(lab: Lab, seed: int) -> None:
    mix = random_mix(seed, transient_only=False)
    with lab.torch(*mix.faults, states=mix.scenario) as torch:
        job = lab.importing(torch)
        if mix.final.kind in PROVED if isinstance(mix.final, TorchFault) else False:
            assert job.run() == right(lab.cohort) and torch.kickoffs == 1
            lab.look()
            return
        lab.refused(job, words(mix))
        assert torch.kickoffs_accepted == (0 if on(mix) == "kickoff" else 1)
        over = torch.kickoffs_accepted == 1 and (
            not torch.jobs or torch.jobs[0].status in ("FAILED", "CANCELLED", "DELETED")
        )
    if isinstance(mix.final, TorchFault) and mix.final.kind in COMPLETED_ALL_THE_SAME:
        job.folder.torch("handle.json").unlink()
        over = True
    lab.recovers(job, jobs=1 + over)


def on(mix: Mix) -> str:
    """Where the final fault is."""
    return "job" if mix.final is None or isinstance(mix.final, Divert) else mix.final.on


def words(mix: Mix) -> str:
    """What the error has to name: a key of the configuration, or the job."""
    job, file = (
        "TORCH job [0-9a-f-]{36}|TORCH does not know job [0-9a-f-]{36}",
        r"(core|[0-9a-f-]{36})\.ndjson",
    )
    kind = "" if mix.final is None or isinstance(mix.final, Divert) else mix.final.kind
    match on(mix):
        case "kickoff" | "status" if kind in ("401", "403"):
            return r"^services\.torch\.auth: .*\(status 40[13]\)"
        case "kickoff":
            return r"^services\.torch\.base_url: |^TORCH cannot take the request \(status 500\)"
        case "file" if kind == "401":
            return rf"^services\.torch\.auth: {file}: "
        case "file":
            return rf"^services\.torch\.file_server_url: {file}: |^{file}:\d+: .*services\.torch\.file_server_url"
    return f"^({job})"
