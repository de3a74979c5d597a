"""A file server that misbehaves, and one that asks for credentials ("torch-crtdl", sections 1.1, 1.5 and 3.4)."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from lab import AUTH, ELSEWHERE, PASSWORD, Import, Lab, right

from doubles.oidc import OidcIssuer
from doubles.torch.double import Scenario, Seen, TorchDouble, TorchFault
from doubles.wire import Foreign

FOR_EVER = range(1, 999)


@pytest.fixture
def lab(cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Lab:
    return Lab(cohort, tmp_path, caplog)


def fault(
    kind: str,
    *at: int,
    name: str | None = "batch",
    value: float | str | None = None,
    times: int | None = None,
) -> TorchFault:
    return TorchFault(kind, "file", name, at or None, times, value)


def fetched(torch: TorchDouble) -> list[Seen]:
    """The requests for files."""
    return [seen for seen in torch.requests if seen.listener == "files"]


PASSING = {
    "slow": fault("slow", 1, name=None, value=0.03),
    "trickle": fault("trickle", 1, value=4000),
    "stall": fault("stall", 1),
    "stalls": fault("stall", 1, 2, value=20_000),
    "not there at first": fault("404", *range(1, 11), name=None),
    "not readable at first": fault("403", *range(1, 11)),
    "empty at first": fault("empty", 1, 2, name="core"),
    "408": fault("408", 1),
    "429": fault("429", 1, 2, 3, 4),
    "429 with seconds": fault("429", 1, value="3"),
    "429 with a date": fault("429", 1, value="Thu, 01 Jan 2015 00:00:00 GMT"),
    "429 with nonsense": fault("429", 1, value="soon"),
    "500": fault("500", 1, 2, 3, 4),
    "502": fault("502", 1, 2, name=None),
    "503": fault("503", 1, 2, 3, 4, name="core"),
    "504": fault("504", 1),
    "truncated": fault("truncated", 1, name=None),
    "truncated often, but always further": fault("truncated", *range(1, 9)),
    "truncated at a line end": fault("truncated-at-line", 1),
    "reset": fault("reset", 1, 2, 3, 4, name=None),
    "reset in the head": fault("reset-headers", 1, 2),
    "reset in the body": fault("reset-body", 1, name=None),
    "length too large": fault("too-large-length", 1),
    "length too small": fault("too-small-length", 1, name=None),
    "no length": fault("chunked", 1, name=None),
    "no length and no end": fault("chunked-truncated", 1),
    "gzip": fault("gzip", 1, name=None, value="always"),
    "no ranges": fault("no-ranges", 1, 2),
}
ONCE = ("slow", "trickle", "no length", "gzip", "no ranges")
"""Right, if odd: asked for once is enough."""


@pytest.mark.parametrize("name", PASSING)
def test_what_passes(lab: Lab, name: str) -> None:
    keys = {"download_stall_timeout": "150ms"} if name.startswith("stall") else {}
    with lab.torch(PASSING[name]) as torch:
        job = lab.passes(torch, keys)
        asked = len(fetched(torch))
    files = len(job.listed)
    assert asked == files if name in ONCE else asked > files
    assert sorted(path.name for path in job.folder.download("").iterdir()) == sorted([*job.listed, "facts"])
    assert all(seen.headers["accept-encoding"] == "identity" for seen in fetched(torch))


def test_what_came_is_not_asked_for_again(lab: Lab) -> None:
    """Cut off at a line end, it can be told by the length alone; what is missing is fetched, also after a broken body and no ranges."""
    faults = [fault("truncated-at-line", 1), fault("reset-body", 2, value=1000), fault("no-ranges", 3)]
    with lab.torch(*faults) as torch:
        lab.passes(torch)
        batch = Counter(seen.path for seen in fetched(torch)).most_common(1)[0][0]
        ranges = ["range" in seen.headers for seen in fetched(torch) if seen.path == batch]
    assert ranges == [False, True, True]


def test_a_file_that_changes_is_fetched_anew(lab: Lab) -> None:
    """The rest of another version does not belong to what came of the first."""
    with lab.torch(fault("truncated", 1), fault("changed", 2), fault("truncated", 3)) as torch:
        job = lab.importing(torch)
        job.run()
        batch = Counter(seen.path for seen in fetched(torch)).most_common(1)[0][0]
        name = batch.rpartition("/")[2]
        now = (torch.job_folder(job.job) / name).read_bytes()
    changed = now.translate(bytes.maketrans(b"12345678", b"21436587"))
    assert job.folder.download(name).read_bytes() in (now, changed)


def test_a_restart_does_not_touch_files(lab: Lab) -> None:
    """The file server goes on, and TORCH is not asked again: what is listed can be fetched."""
    with lab.torch() as torch:
        job = lab.importing(torch)
        job.extract()
        torch.stop_api()
        assert job.run() == right(lab.cohort)
        assert torch.kickoffs == 1


def test_no_prefix_is_taken_for_granted(lab: Lab) -> None:
    with lab.torch(api_prefix="/torch", files_prefix="/torch/fileserver") as torch:
        lab.passes(torch)
        job = lab.importing(
            torch, {"base_url": f"{torch.base_url}/fhir/", "file_server_url": f"{torch.file_server_url}/"}
        )
        assert job.run() == right(lab.cohort) and torch.kickoffs == 1


@pytest.mark.parametrize("advertise", ["wrong", "right", "relative"])
def test_what_torch_says_of_its_own_address_is_of_no_meaning(lab: Lab, advertise: str) -> None:
    with lab.torch(advertise=advertise, api_prefix="/torch", files_prefix="/files") as torch:
        lab.passes(torch)


# ---- what does not pass ---------------------------------------------------------------------------------------------

ENDING: dict[str, tuple[str, TorchFault]] = {
    "gone": (r"^services\.torch\.file_server_url: {file}: there is no such file \(status 404\) \(asked 11 times\)", fault("404")),
    "core is gone": (r"^services\.torch\.file_server_url: core\.ndjson: there is no such file", fault("404", name="core")),
    "not readable": (r"^services\.torch\.file_server_url: {file}: .*\(status 403\) \(asked 11 times\); the file server may have no right to read it", fault("403")),
    "empty": (r"^services\.torch\.file_server_url: {file}: the file is empty", fault("empty")),
    "401": (r"^services\.torch\.auth: {file}: .*refuses these credentials \(status 401\)", fault("401")),
    "a page": (r"^services\.torch\.file_server_url: {file}: .*a page of HTML", fault("html")),
    "redirect to a foreign host": (r"^services\.torch\.file_server_url: {file}: .*sends elsewhere \(status 301\)", fault("redirect", value=ELSEWHERE)),
    "429": (r"{file} cannot be downloaded: status 429 \(tried 5 times\).*run again", fault("429")),
    "429 for hours": (r"{file} cannot be downloaded: status 429", fault("429", value="4000")),
    "500": (r"{file} cannot be downloaded: status 500 \(tried 5 times\)", fault("500")),
    "503": (r"{file} cannot be downloaded: status 503", fault("503", name="core")),
    "reset": (r"{file} cannot be downloaded: the connection broke off \(tried 5 times\)", fault("reset")),
    "truncated at the same place": (r"{file} cannot be downloaded: .*run again", fault("truncated", value=0)),
    "no end": (r"{file} cannot be downloaded: ", fault("chunked-truncated", value=1)),
    "length too small": (r"{file}:\d+: .*so it came from the server, each of 2 times", fault("too-small-length")),
    "length too large": (r"{file} cannot be downloaded: .*what came so far is kept: run again", fault("too-large-length")),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDING)
def test_what_ends(lab: Lab, name: str) -> None:
    words, wrong = ENDING[name]
    file = r"(core|[0-9a-f-]{36})\.ndjson"
    with lab.torch(wrong, states=Scenario()) as torch:
        job = lab.importing(torch)
        message = lab.refused(job, words.replace("{file}", file))
        named = [one for one in job.listed if one in message]
        assert len(named) == 1 and not job.folder.download(named[0]).exists()
        asked = [seen.path.endswith(named[0]) for seen in fetched(torch)]
        assert sum(asked) <= 11
        if name in ("401", "redirect to a foreign host", "a page"):
            assert sum(asked) == 1
    lab.recovers(job)


def test_no_retry_of_a_missing_file_where_none_is_wanted(lab: Lab) -> None:
    with lab.torch(fault("404", 1, name="core")) as torch:
        job = lab.importing(torch, {"file_ready_retries": 0})
        lab.refused(job, r"core\.ndjson: there is no such file \(status 404\); look")
        assert len(fetched(torch)) == 1


# ---- credentials ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asking", [("api", "files"), ("api",), ("files",)], ids=["both", "api", "files"])
def test_credentials_on_either_listener(lab: Lab, asking: tuple[str, ...]) -> None:
    with lab.torch(basic=("torch", PASSWORD), auth_on=asking) as torch:
        bare = lab.importing(torch)
        lab.refused(bare, r"^services\.torch\.auth: .*\(status 401\)")
        assert lab.accepted == (0 if "api" in asking else 1)
        wrong = lab.importing(torch, AUTH, environ={"TORCH_PASSWORD": "other-1234"})
        assert "other-1234" not in lab.refused(wrong, r"^services\.torch\.auth: .*\(status 401\)")
        assert lab.importing(torch, AUTH).run() == right(lab.cohort)
        assert torch.kickoffs == 1


def test_no_secret_is_on_the_disk(lab: Lab) -> None:
    with lab.torch(basic=("torch", PASSWORD)) as torch:
        job = lab.passes(torch, AUTH)
    files = [path for path in job.folder.path.rglob("*") if path.is_file()]
    assert len(files) > 10 and not any(PASSWORD.encode() in path.read_bytes() for path in files)


def oauth(lab: Lab, torch: TorchDouble, issuer: OidcIssuer) -> Import:
    auth = {
        "oauth_issuer_uri": issuer.url,
        "oauth_client_id": "dimp",
        "oauth_client_secret": "${TORCH_SECRET}",
    }
    return lab.importing(torch, {"auth": auth}, environ={"TORCH_SECRET": issuer.secret})


def test_tokens_that_expire_in_mid_job(lab: Lab) -> None:
    faults = [
        TorchFault("expired-token", "status", at=(2, 4)),
        TorchFault("expired-token", "kickoff", at=(1,)),
        TorchFault("expired-token", "file", "batch", times=1),
        TorchFault("expired-token", "file", "core", times=1),
    ]
    with (
        OidcIssuer() as issuer,
        lab.torch(*faults, states=Scenario(), tokens=issuer.tokens.__contains__) as torch,
    ):
        job = oauth(lab, torch, issuer)
        assert job.run() == right(lab.cohort)
        assert torch.kickoffs == 1
        assert issuer.token_requests == 1 + 5


def test_a_new_token_is_asked_for_once(lab: Lab) -> None:
    refusing = TorchFault("401", "status", at=range(3, 99))
    with OidcIssuer() as issuer:
        with lab.torch(refusing, states=Scenario(), tokens=issuer.tokens.__contains__) as torch:
            job = oauth(lab, torch, issuer)
            lab.refused(job, r"^services\.torch\.auth: .*\(status 401\)")
            assert issuer.token_requests == 2
        with lab.torch(fault("401"), tokens=issuer.tokens.__contains__):
            lab.refused(job, r"^services\.torch\.auth: .*\(status 401\)")
        with lab.torch(tokens=issuer.tokens.__contains__):
            assert job.run() == right(lab.cohort) and lab.accepted == 1


def test_an_issuer_that_is_gone_for_a_moment(lab: Lab) -> None:
    with OidcIssuer() as issuer, lab.torch(states=Scenario(), tokens=issuer.tokens.__contains__) as torch:
        job = oauth(lab, torch, issuer)
        issuer.answer = (503, b"")
        looks = iter(range(99))

        def back() -> None:
            if next(looks) == 2:
                issuer.answer = None

        job.clock.on_sleep = back
        assert job.run() == right(lab.cohort) and torch.kickoffs == 1


def test_an_issuer_that_refuses(lab: Lab) -> None:
    with OidcIssuer() as issuer, lab.torch(tokens=issuer.tokens.__contains__) as torch:
        job = oauth(lab, torch, issuer)
        issuer.answer = (401, b'{"error":"invalid_client"}')
        assert issuer.secret not in lab.refused(job, r"^services\.torch\.auth")
        assert torch.kickoffs == 0
        issuer.answer = None
        assert job.run() == right(lab.cohort) and torch.kickoffs == 1


def test_no_credentials_for_a_foreign_host(lab: Lab) -> None:
    with Foreign() as foreign:
        elsewhere = fault("redirect", name="core", value=f"{foreign.url}/core.ndjson")
        with lab.torch(elsewhere, basic=("torch", PASSWORD)) as torch:
            lab.refused(lab.importing(torch, AUTH), r"core\.ndjson: the server sends elsewhere")
        assert foreign.requests == []


def test_a_redirect_within_the_file_server(lab: Lab) -> None:
    with lab.torch() as torch, Foreign() as foreign:
        job = lab.importing(torch)
        job.extract()
        core = f"{torch.file_server_url}/{job.job}/core.ndjson"
    faults = [
        fault("redirect", 1, name="core", value=f"{core}?{'x' * 9}"),
        fault("redirect", 2, name="core", value=core),
    ]
    with lab.torch(*faults, states=Scenario(not_found=0)):
        assert job.run() == right(lab.cohort) and lab.accepted == 1
    assert foreign.requests == []


def test_retry_after_of_the_file_server(lab: Lab) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    with lab.torch(fault("429", 1, value="777"), fault("503", 2, value=soon)) as torch:
        job = lab.passes(torch)
    assert 777 in job.clock.sleeps and any(300 < one <= 600 for one in job.clock.sleeps)
