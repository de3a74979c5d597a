"""A TORCH that misbehaves while a job runs ("torch-crtdl", sections 1.3, 1.7 and 3.4): what passes gives the same bytes."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from lab import AUTH, ELSEWHERE, PASSWORD, Lab, identifying

from dimpflow.clients.addresses import within_origin
from doubles.torch.double import Divert, Scenario, TorchDouble, TorchFault
from doubles.torch.faults import On
from doubles.wire import Foreign

USUAL = Scenario()
LAST = 6
"""The number of the status request that is answered with the manifest, where nothing happens."""


@pytest.fixture
def lab(cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Lab:
    return Lab(cohort, tmp_path, caplog)


def later(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def fault(kind: str, *at: int, on: On = "status", value: float | str | None = None) -> TorchFault:
    return TorchFault(kind, on, at=at or None, value=value)


PASSING = {
    "slow": [fault("slow", 1, 3, value=0.05)],
    "trickle": [fault("trickle", 2, value=100), fault("trickle", LAST, value=2000)],
    "no answer": [fault("hang", 2)],
    "no answer in place of the manifest": [fault("hang", LAST)],
    "429": [fault("429", 1, 2, 3, 4, 5, 6, 7)],
    "429 with seconds": [fault("429", 2, value="2")],
    "429 with a date": [fault("429", 2, value=later(2))],
    "429 with a date that is over": [fault("429", 2, value="Thu, 01 Jan 2015 00:00:00 GMT")],
    "429 with nonsense": [fault("429", 2, value="soon")],
    "429 that asks for a year": [fault("429", 2, value=str(365 * 86400))],
    "408": [fault("408", 2)],
    "500 of a proxy": [fault("500", 1, 2, 3, 4, 5, 6, 7)],
    "502": [fault("502", 1, 4)],
    "503 of a proxy": [fault("503", 1, 2, 3, 4, 5)],
    "504": [fault("504", 5)],
    "404 of a proxy": [fault("404", 2, 3)],
    "reset": [fault("reset", 1, 2, LAST)],
    "reset in the head": [fault("reset-headers", 1, 3)],
    "reset in the body": [fault("reset-middle", 2, LAST)],
    "truncated": [fault("truncated", 2, LAST)],
    "wrong length": [fault("wrong-length", 2, LAST)],
    "gzip": [fault("gzip", 1, LAST)],
    "chunked": [fault("chunked", 1, LAST)],
    "a page in place of the manifest, twice": [fault("html", LAST, LAST + 1)],
    "nothing in place of the manifest, twice": [fault("empty", LAST, LAST + 1)],
    "redirect within the server": [fault("redirect", 1, 3)],
    "restart": [fault("restart", 3, value=3)],
    "restart that takes long": [fault("restart", 4, value=30)],
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes(lab: Lab, name: str) -> None:
    keys = {"request_timeout": "150ms"} if "no answer" in name else {}
    with lab.torch(*PASSING[name], states=USUAL) as torch:
        lab.passes(torch, keys)
        assert any(seen.fault == PASSING[name][0].kind for seen in torch.requests), (
            "the fault was never there"
        )


@pytest.mark.parametrize(
    "kind", ["429", "500", "502", "503", "504", "404", "401", "html", "reset", "truncated", "hang", "gzip"]
)
def test_the_task_is_for_the_eye_only(lab: Lab, kind: str) -> None:
    """Its progress, while the job runs, and whether there is a consent audit; nothing depends on them. The first request lists."""
    with lab.torch(fault(kind, *range(2, 99), on="task"), states=USUAL) as torch:
        lab.passes(torch, {"request_timeout": "60ms"} if kind == "hang" else {})
        assert any(seen.fault == kind for seen in torch.requests)


@pytest.mark.parametrize(
    "kind",
    [
        "408",
        "429",
        "502",
        "503",
        "504",
        "reset",
        "reset-headers",
        "reset-middle",
        "truncated",
        "slow",
        "gzip",
    ],
)
@pytest.mark.parametrize("on", ["metadata", "task"])
def test_before_the_kickoff(lab: Lab, on: On, kind: str) -> None:
    with lab.torch(fault(kind, 1, 2, on=on, value=0.02 if kind == "slow" else None)) as torch:
        lab.passes(torch)
        assert torch.requests[0].path.endswith("/metadata") and any(
            seen.fault == kind for seen in torch.requests
        )


COURSES = {
    "unknown at first": Scenario(not_found=2),
    "backwards": Scenario(batches=3, diverts=(Divert("BACKWARDS", at=5),)),
    "paused": Scenario(diverts=(Divert("PAUSED", at=2, polls=5),)),
    "frozen": Scenario(diverts=(Divert("FROZEN", at=4, polls=5),)),
    "rolled back": Scenario(diverts=(Divert("RESTART", at=2), Divert("RESTART", at=4), Divert("RESTART", at=6))),
    "failed for a moment": Scenario(diverts=(Divert("TEMP_FAILED", at=3, polls=2),)),
    "failed until it is told to go on": Scenario(diverts=(Divert("TEMP_FAILED", at=3),)),
    "failed twice until it is told to go on": Scenario(diverts=(Divert("TEMP_FAILED", at=3), Divert("TEMP_FAILED", at=9))),
}  # fmt: skip


@pytest.mark.parametrize("name", COURSES)
def test_odd_courses(lab: Lab, name: str) -> None:
    with lab.torch(states=COURSES[name]) as torch:
        lab.passes(torch)
        resumes = [seen for seen in torch.requests if seen.path.endswith("$resume")]
        assert len(resumes) == {"failed until": 1, "failed twice": 2}.get(" ".join(name.split()[:2]), 0)


# ---- Retry-After ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "waited"),
    [
        ("40", 40),
        ("date", 90),
        ("7200", 300),
        (str(10**12), 300),
        ("soon", 10),
        (None, 10),
        ("0", 10),
        ("-5", 10),
    ],
    ids=["seconds", "date", "2 hours", "for ever", "nonsense", "none", "none at all", "negative"],
)
def test_retry_after_between_two_looks(lab: Lab, value: str | None, waited: float) -> None:
    """Honoured, and capped; never less than the pause that would be anyway."""
    sent = later(90) if value == "date" else value
    with lab.torch(fault("429", 2, value=sent), states=USUAL) as torch:
        job = lab.passes(torch)
    assert job.clock.sleeps[1] == pytest.approx(waited, abs=60 if value == "date" else 0)


# ---- what does not pass ---------------------------------------------------------------------------------------------

ENDING: dict[str, tuple[str, list[TorchFault], Scenario, int]] = {
    "401": (r"^services\.torch\.auth: .*refuses these credentials \(status 401\)", [fault("401")], USUAL, 1),
    "403 in mid-job": (r"^services\.torch\.auth: .*\(status 403\)", [fault("403", *range(3, 99))], USUAL, 1),
    "404 of a proxy": (r"^services\.torch\.base_url: not TORCH but something before it answers about TORCH job [0-9a-f-]{36} \(status 404\)", [fault("404")], USUAL, 1),
    "redirect to a foreign host": (r"^services\.torch\.base_url: .*sends elsewhere \(status 301\)", [fault("redirect", value=ELSEWHERE)], USUAL, 1),
    "redirects without end": (r"^services\.torch\.base_url: .*sends elsewhere \(status 301\)", [fault("redirect")], USUAL, 1),
    "500 of TORCH": (r"TORCH job [0-9a-f-]{36} has failed: .*Processing failed.*outcome\.json\); mend", [], Scenario(diverts=(Divert("FAILED", at=3),)), 2),
    "cancelled": (r"TORCH job [0-9a-f-]{36} was cancelled there; run again", [], Scenario(diverts=(Divert("CANCELLED", at=3),)), 2),
    "cancelled, in a damaged answer": (
        r"TORCH job [0-9a-f-]{36} was cancelled there; run again",
        [fault("wrong-length", 3)],
        Scenario(diverts=(Divert("CANCELLED", at=3),)),
        2,
    ),
    "deleted": (r"TORCH does not know job [0-9a-f-]{36} .*deleted, or the volume .* lost; run again", [], Scenario(diverts=(Divert("DELETED", at=3),)), 2),
    "unknown for ever": (r"TORCH does not know job [0-9a-f-]{36}", [], Scenario(not_found=99), 2),
    "lost volume": (r"TORCH does not know job [0-9a-f-]{36} .* volume of its results was lost", [fault("lost-volume", 4)], USUAL, 2),
    "failed for a time": (r"TORCH job [0-9a-f-]{36}: .*TEMP_FAILED.* \$resume .*services\.torch\.max_resumes", [], Scenario(diverts=(Divert("TEMP_FAILED", at=3, stubborn=True),)), 1),
    "resets": (r"TORCH job [0-9a-f-]{36}: no sign of life from TORCH for 30 min, last: the connection broke off .*; it is kept", [fault("reset")], USUAL, 1),
    "502": (r"TORCH job [0-9a-f-]{36}: no sign of life from TORCH for 30 min, last: status 502", [fault("502", *range(2, 999))], USUAL, 1),
    "503 of a proxy": (r"TORCH job [0-9a-f-]{36}: no sign of life .*status 503", [fault("503")], USUAL, 1),
    "429": (r"TORCH job [0-9a-f-]{36}: no sign of life .*status 429", [fault("429")], USUAL, 1),
    "a page in place of the manifest": (r"TORCH job [0-9a-f-]{36}: a page in HTML .*services\.torch\.base_url", [fault("html", *range(LAST, 99))], USUAL, 1),
    "nothing in place of the manifest": (r"TORCH job [0-9a-f-]{36}: the manifest is empty", [fault("empty", *range(LAST, 99))], USUAL, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDING)
def test_what_ends(lab: Lab, name: str) -> None:
    words, faults, states, jobs = ENDING[name]
    lab.ends(words, *faults, states=states, jobs=jobs)
    if name in ("401", "403 in mid-job"):  # a lock-out would follow
        sent = [
            seen.fault for seen in lab.doubles[0].requests if seen.path.endswith(lab.doubles[0].jobs[0].id)
        ]
        assert sent.count(name[:3]) == 1


def test_no_answers(lab: Lab) -> None:
    keys = {"request_timeout": "60ms", "extraction_timeout": "1m"}
    lab.ends(r"TORCH job [0-9a-f-]{36}: no sign of life .*no answer within 0\.06 s", fault("hang"), keys=keys)


def test_torch_that_does_not_come_back(lab: Lab) -> None:
    with lab.torch(states=USUAL) as torch:
        job = lab.importing(torch)
        job.clock.on_sleep = torch.stop_api
        message = lab.refused(
            job, r"TORCH job [0-9a-f-]{36}: no sign of life .*cannot connect: connection refused"
        )
        assert torch.jobs[0].id in message
    job.clock.on_sleep = None
    lab.recovers(job)


def test_a_failure_is_shown_without_the_patient_that_it_names(lab: Lab) -> None:
    with lab.torch(states=Scenario(diverts=(Divert("FAILED", at=3),))) as torch:
        job = lab.importing(torch)
        message = lab.refused(job, r"has failed: .*Patient/…")
        assert torch.jobs[0].id in message
    outcome = job.folder.torch("outcome.json")
    assert str(outcome) in message and outcome.stat().st_mode & 0o777 == 0o600
    kept = outcome.read_text()
    assert any(one in kept for one in identifying(lab.cohort)), "TORCH has named nobody"


def test_a_torch_at_another_address_does_not_know_the_job(lab: Lab) -> None:
    """So it is not given up: the address may be wrong."""
    with lab.torch(states=Scenario(diverts=(Divert("FROZEN", at=2),))) as torch:
        job = lab.importing(torch, {"extraction_deadline": "1m"})
        lab.refused(job, "not completed")
        address = job.keys["base_url"]
        with TorchDouble(lab.cohort) as other:
            job.keys["base_url"] = other.base_url
            number = torch.jobs[0].id
            lab.refused(
                job,
                rf"^services\.torch\.base_url: TORCH does not know job {number}, .* another address; correct",
            )
            assert other.kickoffs == 0
        job.keys["base_url"] = address
    lab.recovers(job)


@pytest.mark.parametrize(
    ("location", "there"),
    [
        ("/fhir/b?c=d", "https://torch.example:8443/fhir/b?c=d"),
        ("b", "https://torch.example:8443/fhir/b"),
        ("HTTPS://TORCH.example:8443/b", "https://TORCH.example:8443/b"),
        ("http://torch.example:8443/fhir/a", ""),
        ("https://torch.example/fhir/a", ""),
        ("https://other.example:8443/fhir/a", ""),
        ("https://torch.example:8443@other.example/", ""),
        ("//other.example:8443/fhir/a", ""),
        ("file:///fhir/a", ""),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_where_a_redirect_may_lead(location: str, there: str) -> None:
    assert within_origin("https://torch.example:8443/fhir/a", location) == there


# ---- patience -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resumes", [0, 2])
def test_resumes_are_bounded(lab: Lab, resumes: int) -> None:
    states = Scenario(diverts=(Divert("TEMP_FAILED", at=2, stubborn=True),))
    lab.ends("TEMP_FAILED", keys={"max_resumes": resumes}, states=states)
    sent = [seen for seen in lab.doubles[0].requests if seen.path.endswith("$resume")]
    assert len(sent) == resumes


@pytest.mark.parametrize("state", ["FROZEN", "PAUSED"])
def test_the_deadline(lab: Lab, state: str) -> None:
    keys = {"extraction_deadline": "PT20M", "stall_warning": "PT5M"}
    states = Scenario(diverts=(Divert(state, at=4),))
    message = lab.ends(
        r"not completed after 20 min \(services\.torch\.extraction_deadline\); it is kept",
        keys=keys,
        states=states,
    )
    assert lab.doubles[1].jobs[0].id in message
    assert sum("no progress for" in line for line in lab.imports[0].told) == 1


def test_each_stall_is_told_once(lab: Lab) -> None:
    states = Scenario(diverts=(Divert("FROZEN", at=2, polls=20), Divert("FROZEN", at=25, polls=20)))
    with lab.torch(states=states) as torch:
        job = lab.passes(torch, {"stall_warning": "PT2M"})
    told = [line for line in job.told if "no progress for" in line]
    assert len(told) == 2 and all(job.job in line for line in told)


# ---- credentials ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["metadata", "task", "kickoff", "status"])
def test_nothing_is_sent_to_a_foreign_host(lab: Lab, on: On) -> None:
    with Foreign() as foreign:
        target = TorchFault("redirect", on, value=f"{foreign.url}/fhir/x")
        first = on in ("metadata", "kickoff")
        with lab.torch(target, basic=("torch", PASSWORD)) as torch:
            job = lab.importing(torch, AUTH)
            if on == "task":  # the list, which an old TORCH has not
                assert job.run()
            else:
                lab.refused(job, r"services\.torch\.base_url: .*sends elsewhere")
            assert torch.kickoffs == (0 if first else 1)
        assert foreign.requests == []
