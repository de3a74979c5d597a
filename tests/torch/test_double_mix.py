"""Mixes of faults: they come from their seed, and a stubborn client gets over the transient ones."""

import hashlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import requests
from asking import Asking

from doubles.torch.double import Divert, Scenario, TorchDouble, TorchFault
from doubles.torch.mix import random_mix

QUICK = Scenario(pending=0, cohort=0, batches=0, core=0)


def test_mixes_come_from_the_seed() -> None:
    mixes = [random_mix(seed) for seed in range(200)]
    assert mixes == [random_mix(seed) for seed in range(200)]
    assert len({str(mix) for mix in mixes}) == 200
    assert all(mix.final is None for mix in mixes)
    met = {(fault.on, fault.kind) for mix in mixes for fault in mix.faults}
    assert {on for on, _ in met} == {"kickoff", "status", "task", "metadata", "manifest", "file"}
    assert len(met) > 45


def test_mixes_with_an_end_hold_one_final_thing() -> None:
    finals = Counter[str]()
    for seed in range(400):
        mix = random_mix(seed, transient_only=False)
        assert mix.final is not None
        places = [one for one in (*mix.faults, *mix.scenario.diverts) if one == mix.final]
        assert len(places) == 1
        finals[mix.final.to if isinstance(mix.final, Divert) else mix.final.on] += 1
    assert set(finals) == {
        "kickoff",
        "status",
        "manifest",
        "file",
        "FAILED",
        "CANCELLED",
        "DELETED",
        "TEMP_FAILED",
    }


def attempts(
    send: Callable[[], requests.Response], good: Callable[[requests.Response], bool], most: int = 5
) -> requests.Response:
    """What a stubborn client gets. Answers 404, 403 and empty ones are no attempts, up to ten."""
    failed = waits = 0
    while failed < most and waits <= 10:
        try:
            answer = send()
            if good(answer):
                return answer
            waited = answer.status_code in (403, 404) or (answer.status_code == 200 and not answer.content)
        except requests.RequestException:
            waited = False
        waits, failed = waits + waited, failed + (not waited)
    raise AssertionError(f"{failed} attempts failed, {waits} waits")


def whole(size: int, answer: requests.Response) -> bool:
    """Whether it is all of a file."""
    return answer.status_code == 200 and len(answer.content) == size


def stubborn(torch: TorchDouble) -> dict[str, str]:
    """SHA-256 of every file that a stubborn client gets, read in full."""
    ask = Asking(torch)
    attempts(lambda: ask.api("GET", "metadata"), lambda one: one.status_code == 200)
    job = (
        attempts(ask.kick_off, lambda one: one.status_code == 202)
        .headers["Content-Location"]
        .rpartition("/")[2]
    )
    output: list[str] | None = None
    resumed = 0
    for _ in range(60):
        if output is not None:
            break
        answer = attempts(
            lambda: ask.status(job),
            lambda one: (
                one.status_code in (200, 202) or (one.status_code == 503 and b"TEMP_FAILED" in one.content)
            ),
        )
        if answer.status_code == 503:
            resumed += 1
            assert resumed <= 2
            attempts(lambda: ask.api("POST", f"Task/{job}/$resume"), lambda one: one.status_code == 200)
        elif answer.status_code == 200:
            try:
                output = [one["url"].rpartition("/")[2] for one in answer.json()["output"]]
            except ValueError:
                continue
    assert output is not None
    found = {}
    for name in output:
        size = (torch.job_folder(job) / name).stat().st_size
        file = attempts(partial(ask.file, job, name), partial(whole, size))
        found[name] = hashlib.sha256(file.content).hexdigest()
    return found


@pytest.mark.parametrize("seed", range(16))
def test_a_stubborn_client_gets_over_transient_faults(cohort: Path, seed: int) -> None:
    mix = random_mix(seed)
    with TorchDouble(cohort, states=QUICK) as torch:
        right = stubborn(torch)
    with TorchDouble(cohort, states=mix.scenario, faults=mix.faults) as torch:
        assert stubborn(torch) == right
        assert torch.kickoffs_accepted == 1


@pytest.mark.parametrize("seed", range(30))
def test_no_client_gets_over_the_final_thing(cohort: Path, seed: int) -> None:
    mix = random_mix(seed, transient_only=False)
    with TorchDouble(cohort, states=QUICK) as torch:
        right = stubborn(torch)
    with TorchDouble(cohort, states=mix.scenario, faults=mix.faults) as torch:
        try:
            ended = stubborn(torch) != right
        except (AssertionError, LookupError, TypeError, OSError):
            ended = True
    only_in_the_manifest = ("no-extension", "not-completed", "too-many-lines", "duplicate-urls", "core-twice")
    assert ended or (isinstance(mix.final, TorchFault) and mix.final.kind in only_in_the_manifest)
