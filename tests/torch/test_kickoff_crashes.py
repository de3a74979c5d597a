"""A process that dies between any two steps of an extraction; jobs of other users; aborts; and jobs that others have started
("torch-crtdl", sections 1.2, 1.6 and 1.7)."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import Asking
from lab import Lab, right

import delete_extraction
from dimpflow.atomic import AtomicFile
from dimpflow.audit.balance import read_facts
from dimpflow.clients.retry import Retry
from dimpflow.clients.torch.service import TorchService
from dimpflow.errors import InputError
from doubles.torch.double import Scenario, TorchDouble, TorchFault


@pytest.fixture
def lab(cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Lab:
    return Lab(cohort, tmp_path, caplog)


class Killed(BaseException):
    """No handler of ours sees to it, as with SIGKILL."""


class Death:
    """Kills at step `at`, counted from 1. steps: taken so far."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        self.steps.append(name)
        if len(self.steps) == self.at:
            raise Killed(name)

    def around(self, patches: pytest.MonkeyPatch, owner: Any, *names: str) -> None:
        """Before and after each call."""
        for name in names:
            patches.setattr(owner, name, self._wrapped(name, getattr(owner, name)))

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **more: Any) -> Any:
            self.step(f"before {name}")
            found = call(*args, **more)
            self.step(f"after {name}")
            return found

        return wrapped


PLACES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "requests": (TorchService, ("check", "jobs", "kick_off", "status")),
    "disk": (AtomicFile, ("_commit",)),
    "sleep": (None, ()),
}


@pytest.mark.parametrize("lost", [False, True], ids=["", "answer lost"])
@pytest.mark.parametrize("place", PLACES)
def test_death_between_any_two_steps(
    cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str, lost: bool
) -> None:
    owner, names = PLACES[place]
    faults = [TorchFault("accepted-reset", "kickoff")] if lost else []
    seen: list[str] = []
    for at in range(1, 99):
        lab = Lab(cohort, tmp_path / str(at), caplog)
        death = Death(at)
        with lab.torch(*faults, states=Scenario(pending=1, cohort=0, batches=2, core=0)) as torch:
            first = lab.importing(torch)
            with pytest.MonkeyPatch.context() as patches:
                if owner:
                    death.around(patches, owner, *names)
                else:
                    first.clock.on_sleep = lambda death=death: death.step("sleep")  # type: ignore[misc]
                try:
                    first.extract()
                except Killed as killed:
                    seen.append(str(killed))
                else:
                    break
            again = lab.importing(torch)
            assert again.run() == right(cohort), seen
            assert torch.kickoffs == 1, seen
    assert len(seen) > 2 and len(seen) == len(death.steps)
    if place == "requests":
        assert {f"{when} {name}" for when in ("before", "after") for name in names} - set(seen) == (
            {"after kick_off"} if lost else set()
        )


def die_at_kick_off(job: Any, when: str) -> None:
    """A run that is killed just before its request, or just after TORCH has got it."""
    with pytest.MonkeyPatch.context() as patches:
        death = Death(1 if when == "before" else 2)
        death.around(patches, TorchService, "kick_off")
        with pytest.raises(Killed, match=f"{when} kick_off"):
            job.run()


# ---- jobs of others -------------------------------------------------------------------------------------------------


def test_two_candidates(lab: Lab) -> None:
    """A person must say which it is, and can."""
    with lab.torch() as torch:
        job = lab.importing(torch)
        die_at_kick_off(job, "after")
        ours = torch.jobs[0].id
        other = Asking(torch).job()
        for _ in range(2):
            message = lab.refused(
                job, r"TORCH lists 2 jobs since then, .*; give the status address of the right one as input"
            )
            assert ours in message and other in message
        given = lab.importing(torch, crtdl=f"{torch.base_url}/fhir/__status/{ours}")
        assert given.run() == right(lab.cohort) and torch.kickoffs == 2


def test_the_wrong_one_of_two_candidates_given(lab: Lab) -> None:
    """Whoever names a job is believed: its document is not known here."""
    with lab.torch() as torch:
        job = lab.importing(torch)
        die_at_kick_off(job, "after")
        Asking(torch).job()
        lab.refused(job, "TORCH lists 2 jobs")
        given = lab.importing(torch, crtdl=f"{torch.base_url}/fhir/__status/{torch.jobs[1].id}")
        given.run()
        assert given.job == torch.jobs[1].id
        with pytest.raises(
            InputError, match=f"this folder holds TORCH job {given.job}, the input names {torch.jobs[0].id}"
        ):
            lab.importing(torch, crtdl=f"{torch.base_url}/fhir/__status/{torch.jobs[0].id}").run()
    lab.look()


@pytest.mark.parametrize("state", ["completed", "running"])
def test_one_candidate_that_is_not_ours(lab: Lab, state: str) -> None:
    with lab.torch() as torch:
        job = lab.importing(torch)
        die_at_kick_off(job, "before")
        other = Asking(torch).job()
        if state == "completed":
            torch.advance(other, 9)
        lab.refused(
            job,
            f"^TORCH job {other}, .*was not started with this CRTDL document; nothing of it is taken; run again",
        )
        assert not job.folder.download("").exists() and not job.folder.torch("manifest.json").exists()
        assert job.run() == right(lab.cohort, 2) and torch.kickoffs == 2
        assert torch.jobs[1].status == "COMPLETED" and job.job == torch.jobs[1].id


def test_one_candidate_that_is_not_ours_and_fails(lab: Lab) -> None:
    """Our request has not arrived, as nothing proves; it is sent again once the other job is out of the way."""
    with lab.torch() as torch:
        job = lab.importing(torch)
        die_at_kick_off(job, "before")
        other = Asking(torch).job()
        assert Asking(torch).api("POST", f"Task/{other}/$cancel").status_code == 200
        lab.refused(job, f"TORCH job {other} was cancelled there; run again")
        assert job.run() == right(lab.cohort, 2) and torch.kickoffs == 2


def test_jobs_that_were_there_before_are_no_candidates(lab: Lab) -> None:
    with lab.torch() as torch:
        Asking(torch).job()
        job = lab.importing(torch)
        die_at_kick_off(job, "after")
        assert job.run() == right(lab.cohort, 2) and torch.kickoffs == 2


def test_an_old_torch_and_a_death(lab: Lab) -> None:
    with lab.torch(profile="legacy-alpha13") as torch:
        job = lab.importing(torch, {"allow_legacy_torch": True})
        die_at_kick_off(job, "after")
        lab.refused(
            job,
            r"whether an extraction was started is not known .*this TORCH lists no jobs; look for it there",
        )
        assert torch.kickoffs == 1


# ---- aborts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cancels", [False, True])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_an_abort(lab: Lab, kind: type[BaseException], cancels: bool) -> None:
    with lab.torch(states=Scenario()) as torch:
        job = lab.importing(torch, {"cancel_on_abort": cancels})

        def abort() -> None:
            job.clock.on_sleep = None
            raise kind

        job.clock.on_sleep = abort
        with pytest.raises(kind):
            job.run()
        sent = [seen for seen in torch.requests if seen.path.endswith("$cancel")]
        assert len(sent) == cancels
        assert torch.jobs[0].status == ("CANCELLED" if cancels else "PENDING")
        assert job.run() == right(lab.cohort, 2 if cancels else 1)
        assert torch.kickoffs == 1 + cancels
    lab.look()


def test_an_abort_where_the_job_cannot_be_cancelled(lab: Lab) -> None:
    """The user's abort is what counts, not another error; the job is taken up again."""
    with lab.torch(TorchFault("503", "task", at=range(2, 99)), states=Scenario()) as torch:
        job = lab.importing(torch, {"cancel_on_abort": True})
        sleeps = iter(range(99))

        def abort() -> None:
            if next(sleeps) == 1:
                raise SystemExit(1)

        job.clock.on_sleep = abort
        with pytest.raises(SystemExit):
            job.run()
        assert job.run() == right(lab.cohort) and torch.kickoffs == 1


# ---- jobs that are there already ------------------------------------------------------------------------------------


def example_body(torch: TorchDouble, lab: Lab) -> bytes:
    """What an import sends."""
    from dimpflow.crtdl.kickoff import kickoff_body
    from importing import EXAMPLE

    return kickoff_body(EXAMPLE.read_bytes(), ())


@pytest.mark.parametrize("path", ["__status", "extraction", "result"])
def test_a_job_given_by_its_address(lab: Lab, path: str) -> None:
    with lab.torch(states=Scenario()) as torch:
        number = Asking(torch).job(example_body(torch, lab))
        given = lab.importing(
            torch, {"cancel_on_abort": True}, crtdl=f"{torch.base_url}/fhir/{path}/{number}"
        )
        assert given.run() == right(lab.cohort) and torch.kickoffs == 1
        assert given.run() == right(lab.cohort) and torch.kickoffs == 1
    lab.look()


def test_an_address_of_no_job(lab: Lab) -> None:
    with lab.torch() as torch:
        number = "3f0b2f0e-6a0c-4c3b-9d7c-0a4f5d1e2b3c"
        given = lab.importing(torch, crtdl=f"{torch.base_url}/fhir/__status/{number}")
        lab.refused(given, f"TORCH does not know job {number} .*check the input's address")
        assert torch.kickoffs == 0


def test_a_given_job_is_never_cancelled(lab: Lab) -> None:
    with lab.torch(states=Scenario()) as torch:
        number = Asking(torch).job(example_body(torch, lab))
        given = lab.importing(
            torch, {"cancel_on_abort": True}, crtdl=f"{torch.base_url}/fhir/__status/{number}"
        )

        def abort() -> None:
            given.clock.on_sleep = None
            raise KeyboardInterrupt

        given.clock.on_sleep = abort
        with pytest.raises(KeyboardInterrupt):
            given.run()
        assert given.run() == right(lab.cohort) and torch.kickoffs == 1


# ---- deletion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["", "503", "reset", "404"])
def test_deletion_after_the_import(lab: Lab, kind: str) -> None:
    with lab.torch() as torch:
        job = lab.passes(torch)
    with lab.torch(*([TorchFault(kind, "task", at=(1,))] if kind else [])) as torch:
        server = dataclasses.replace(job.server, retry=Retry(3, 1, 1))
        out = job.folder.torch("deleted.json")
        delete_extraction.main(server, job.folder.torch("listing.json"), out)
        assert read_facts(out) == {"job": job.job, "deletion_requested": True}
        assert [seen.method for seen in torch.requests] == ["DELETE"] * (1 if kind in ("", "404") else 2)
        assert kind == "404" or torch.jobs[0].status == "DELETED"
    lab.look()


def test_deletion_that_is_refused(lab: Lab) -> None:
    with lab.torch() as torch:
        job = lab.passes(torch)
    with lab.torch(TorchFault("403", "task")) as torch:
        with pytest.raises(Exception, match=r"^services\.torch\.auth: .*\(status 403\)"):
            delete_extraction.main(
                job.server, job.folder.torch("listing.json"), job.folder.torch("deleted.json")
            )
        assert not job.folder.torch("deleted.json").exists() and torch.jobs[0].status == "COMPLETED"
    lab.look()
