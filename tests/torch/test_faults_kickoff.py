"""The kick-off: whatever happens to it, there is one job ("torch-crtdl", sections 1.2, 1.8 and 3.4)."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from unittest.mock import patch

import pytest
from asking import Asking
from lab import AUTH, ELSEWHERE, PASSWORD, Lab, right

from dimpflow.clients.torch.service import TorchService
from dimpflow.errors import InputError
from doubles.torch.double import TorchFault
from doubles.wire import Foreign
from importing import EXAMPLE


@pytest.fixture
def lab(cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Lab:
    return Lab(cohort, tmp_path, caplog)


def fault(kind: str, *at: int, value: float | str | None = None) -> TorchFault:
    return TorchFault(kind, "kickoff", at=at or None, value=value)


def posts(lab: Lab) -> int:
    """Kick-offs that were sent, whether or not they reached TORCH."""
    return sum(
        seen.method == "POST" and seen.path.endswith("$extract-data")
        for double in lab.doubles
        for seen in double.requests
    )


SENT_AGAIN = {
    "429": [fault("429", 1, 2, 3, 4)],
    "429 with seconds": [fault("429", 1, value="2")],
    "429 with a date": [fault("429", 1, value="Thu, 01 Jan 2015 00:00:00 GMT")],
    "429 with nonsense": [fault("429", 1, value="soon")],
    "408": [fault("408", 1)],
    "502": [fault("502", 1, 2)],
    "503": [fault("503", 1, 2)],
    "reset": [fault("reset", 1, 2)],
}
"""TORCH has surely not seen them, or lists no job of theirs."""

ARRIVED = {
    "slow": fault("slow", value=0.1),
    "gzip": fault("gzip"),
    "chunked": fault("chunked"),
    "relative": fault("relative-location"),
    "reset after it": fault("accepted-reset"),
    "reset in the head": fault("reset-headers"),
    "no answer": fault("accepted-hang"),
    "502 after it": fault("accepted-502"),
    "no Content-Location": fault("no-location"),
    "no UUID in Content-Location": fault("bad-location"),
}
"""The answer was lost, or of no use; the only job that TORCH did not list before is proved to be ours by its manifest."""


@pytest.mark.parametrize("name", SENT_AGAIN)
def test_what_did_not_arrive_is_sent_again(lab: Lab, name: str) -> None:
    with lab.torch(*SENT_AGAIN[name]) as torch:
        lab.passes(torch)
        times = len(SENT_AGAIN[name][0].at or ())
        assert posts(lab) == times + 1
        # a 429 says that it was not passed on; all else is looked for first
        lists = sum(seen.path.endswith("/Task") for seen in torch.requests)
        assert lists == (1 if name.startswith("429") else 1 + 3 * times)


@pytest.mark.parametrize("name", ARRIVED)
def test_what_arrived_is_not_sent_again(lab: Lab, name: str) -> None:
    keys = {"request_timeout": "200ms"} if name == "no answer" else {}
    with lab.torch(ARRIVED[name]) as torch:
        job = lab.passes(torch, keys)
        assert posts(lab) == 1
    assert job.handle["adopted"] is (name not in ("slow", "gzip", "chunked", "relative"))


@pytest.mark.parametrize("name", ["504", "500", "no answer"])
def test_what_is_unclear_waits_for_the_next_run(lab: Lab, name: str) -> None:
    """Nothing was heard of it, so it may still arrive; it is looked for again before anything is sent."""
    keys = {"request_timeout": "100ms"} if name == "no answer" else {}
    words = r"^services\.torch\.base_url: .*whether an extraction was started is not known yet, .*the next run looks for it"
    with lab.torch(fault("hang" if name == "no answer" else name)) as torch:
        job = lab.importing(torch, keys)
        lab.refused(job, words)
        assert posts(lab) == 1 and job.handle["state"] == "sending"
    lab.recovers(job)
    assert posts(lab) == 2


def test_what_arrived_late(lab: Lab) -> None:
    with lab.torch(fault("504", 1)) as torch:
        job = lab.importing(torch)
        lab.refused(job, "not known yet")
        body = next(seen.body for seen in torch.requests if seen.method == "POST")
        Asking(torch).job(body)
        assert job.run() == right(lab.cohort) and torch.kickoffs == 1


def test_torch_is_gone_when_it_comes_to_it(lab: Lab) -> None:
    """Surely not sent, so it is sent again without a look."""
    with lab.torch() as torch:
        job = lab.importing(torch)
        kick_off = TorchService.kick_off

        def gone(self: TorchService, body: bytes, *, mask: bool) -> str:
            torch.stop_api()
            return kick_off(self, body, mask=mask)

        def back() -> None:
            torch.start_api()
            patcher.stop()
            job.clock.on_sleep = None

        job.clock.on_sleep = back
        patcher = patch.object(TorchService, "kick_off", gone)
        patcher.start()
        assert job.run() == right(lab.cohort)
        assert torch.kickoffs == 1 and job.handle["kickoffs"] == 1


def test_no_torch_at_all(lab: Lab) -> None:
    with lab.torch() as torch:
        job = lab.importing(torch)
        torch.stop_api()
        lab.refused(
            job,
            r"^services\.torch\.base_url: TORCH unavailable: cannot connect: connection refused .*tried 5 times.*run again later",
        )
        assert not job.folder.torch("handle.json").exists()
        torch.start_api()
        assert job.run() == right(lab.cohort) and torch.kickoffs == 1


# ---- what ends it ---------------------------------------------------------------------------------------------------

ENDING = {
    "401": (r"^services\.torch\.auth: .*\(status 401\)", fault("401")),
    "403": (r"^services\.torch\.auth: .*\(status 403\)", fault("403")),
    "404": (r"^services\.torch\.base_url: there is no /fhir/\$extract-data \(status 404\)", fault("404")),
    "413": (r"^services\.torch\.base_url: the request of \d+ bytes is too large .*client_max_body_size", fault("413")),
    "429": (r"^services\.torch\.base_url: too many requests \(status 429\) \(tried 5 times\); nothing was started", fault("429")),
    "429 for hours": (r"^services\.torch\.base_url: too many requests .*nothing was started", fault("429", value="4000")),
    "500 of TORCH": (r"^TORCH cannot take the request \(status 500\): Could not write job\.json", fault("torch-500")),
    "redirect to a foreign host": (r"^services\.torch\.base_url: .*sends elsewhere \(status 307\)", fault("redirect", value=ELSEWHERE)),
    "redirect to the same place": (r"^services\.torch\.base_url: .*sends elsewhere \(status 307\)", fault("redirect")),
    "a page": (r"^services\.torch\.base_url: TORCH answers with status 200", fault("html")),
    "nothing": (r"^services\.torch\.base_url: TORCH answers with status 200", fault("empty")),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDING)
def test_what_ends_it(lab: Lab, name: str) -> None:
    words, wrong = ENDING[name]
    with lab.torch(wrong) as torch:
        job = lab.importing(torch)
        lab.refused(job, words)
        assert posts(lab) == (5 if name == "429" else 1) and torch.kickoffs_accepted == 0
        assert not job.folder.torch("handle.json").exists()
    lab.recovers(job)


def test_a_server_that_stays_unavailable(lab: Lab) -> None:
    with lab.torch(fault("503")) as torch:
        job = lab.importing(torch)
        lab.refused(job, r"TORCH unavailable \(status 503\).*not known yet")
        assert posts(lab) == 5
    lab.recovers(job)


def test_a_document_that_torch_refuses(lab: Lab) -> None:
    """With its reason; the document is corrected, and nothing stands in its way."""
    text = EXAMPLE.read_text()
    document = json.loads(text)
    document["dataExtraction"]["attributeGroups"][1]["groupReference"] = (
        "https://fhir.example/StructureDefinition/Unheard"
    )
    crtdl = lab.folder / "crtdl.json"
    crtdl.write_text(json.dumps(document))
    with lab.torch() as torch:
        job = lab.importing(torch, crtdl=crtdl)
        lab.refused(
            job,
            r"^TORCH refuses the CRTDL document \(status 400\): Unknown profile: https://fhir\.example/StructureDefinition/Unheard",
        )
        assert not job.folder.torch("handle.json").exists() and torch.kickoffs == 1
        crtdl.write_text(text)
        assert job.run() == right(lab.cohort) and torch.kickoffs_accepted == 1


@pytest.mark.parametrize(
    "kind", ["401", "403", "404", "500", "html", "empty", "redirect", "429", "reset", "truncated"]
)
def test_a_server_that_is_none(lab: Lab, kind: str) -> None:
    """Found out before anything is sent."""
    key = r"^services\.torch\.auth: " if kind in ("401", "403") else r"^services\.torch\.base_url: "
    with lab.torch(TorchFault(kind, "metadata")) as torch:
        job = lab.importing(torch)
        lab.refused(job, key)
        assert posts(lab) == 0 and torch.kickoffs == 0
    lab.recovers(job)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("2", 2, 2), ("90", 90, 90), ("date", 60, 100), ("soon", 0.5, 1), (None, 0.5, 1), ("-1", 0.5, 1)],
    ids=["seconds", "minutes", "date", "nonsense", "none", "negative"],
)
def test_retry_after(lab: Lab, value: str | None, least: float, most: float) -> None:
    sent = (
        format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True) if value == "date" else value
    )
    with lab.torch(fault("429", 1, value=sent)) as torch:
        job = lab.passes(torch)
    assert least <= job.clock.sleeps[0] <= most


def test_nothing_goes_to_a_foreign_host_with_credentials(lab: Lab) -> None:
    with Foreign() as foreign:
        elsewhere = fault("redirect", value=f"{foreign.url}/fhir/$extract-data")
        with lab.torch(elsewhere, basic=("torch", PASSWORD)) as torch:
            lab.refused(lab.importing(torch, AUTH), r"^services\.torch\.base_url: .*sends elsewhere")
        assert foreign.requests == []


# ---- old servers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["accepted-reset", "reset", "accepted-502", "no-location"])
def test_an_old_torch_lists_no_jobs(lab: Lab, kind: str) -> None:
    """So a person must look; nothing is sent again by itself."""
    keys = {"allow_legacy_torch": True}
    with lab.torch(fault(kind, 1), profile="legacy-alpha13") as torch:
        job = lab.importing(torch, keys)
        for _ in range(2):
            message = lab.refused(
                job,
                r"whether an extraction was started is not known .*this TORCH lists no jobs.*status address",
            )
        assert posts(lab) == 1
        if kind == "reset":
            assert str(job.folder.torch("handle.json")) in message
            job.folder.torch("handle.json").unlink()
            assert job.run() == right(lab.cohort)
        else:
            given = lab.importing(torch, keys, crtdl=f"{torch.base_url}/fhir/__status/{torch.jobs[0].id}")
            assert given.run() == right(lab.cohort)
        assert torch.kickoffs == 1


def test_a_changed_document_while_a_job_lives(lab: Lab) -> None:
    crtdl = lab.folder / "crtdl.json"
    crtdl.write_bytes(EXAMPLE.read_bytes())
    with lab.torch() as torch:
        job = lab.importing(torch, crtdl=crtdl)
        job.extract()
        crtdl.write_bytes(EXAMPLE.read_bytes().replace(b"Adults who consent", b"Adults"))
        handle = job.folder.torch("handle.json")
        with pytest.raises(
            InputError,
            match=f"^{handle}: TORCH job {job.job} was started with another CRTDL document .*remove that file",
        ):
            job.run()
        assert torch.kickoffs == 1 and not job.finished()
        handle.unlink()
        assert job.run() == right(lab.cohort, 2) and torch.kickoffs == 2
    lab.look()


def test_a_list_of_patients_shows_nowhere(lab: Lab) -> None:
    """It is a part of what is asked for, so it also tells whether a job is ours."""
    lines = (
        line for path in sorted(lab.cohort.glob("*-*.ndjson")) for line in path.read_bytes().splitlines()
    )
    entries = [entry["resource"] for line in lines for entry in json.loads(line)["entry"]]
    ids = [one["id"] for one in entries if one["resourceType"] == "Patient"]
    listed = lab.folder / "patients.txt"
    listed.write_text(f"# some\n{ids[0]}\nPatient/{ids[4]}\n{ids[0]}\n")
    with lab.torch(fault("accepted-reset", 1)) as torch:
        job = lab.importing(torch, {"patients": str(listed)})
        found = job.run()
        assert torch.kickoffs == 1 and job.handle["adopted"]
        assert len(found.splitlines()) == 3 and ids[0].encode() in found and ids[4].encode() in found
        assert ids[1].encode() not in found
        listed.write_text(ids[1])
        lab.look()
        with pytest.raises(InputError, match="with another CRTDL document or other patients") as caught:
            job.run()
        lab.look(str(caught.value))
        assert torch.kickoffs == 1
