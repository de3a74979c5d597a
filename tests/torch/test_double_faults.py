"""The double of TORCH: every fault there is, and mixes of them."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from asking import Asking, bundles

from doubles.files import KINDS as FILE_KINDS
from doubles.torch.double import Scenario, TorchDouble, TorchFault
from doubles.torch.faults import AFTERWARDS, INSTEAD, KICKOFF, KINDS, LINES, MANIFEST, RESULTS, STATUS, On

QUICK = Scenario(pending=0, cohort=0, batches=0, core=0)
VALUES = {"slow": 0.01, "trickle": 50}
BROKEN = (requests.RequestException,)


def outcome(send: Callable[[], requests.Response]) -> str:
    """The status of an answer, or that there was none."""
    try:
        return str(send().status_code)
    except BROKEN as error:
        return "time-out" if isinstance(error, requests.Timeout) else "broken"


def requests_of(ask: Asking, on: str, job: str) -> Callable[[float], requests.Response]:
    """A request of each kind; it takes the time-out in seconds."""
    sending: dict[str, Callable[[float], requests.Response]] = {
        "kickoff": lambda limit: ask.kick_off(timeout=limit),
        "status": lambda limit: ask.api("GET", f"__status/{job}", timeout=limit),
        "task": lambda limit: ask.api("GET", f"Task/{job}", timeout=limit),
        "metadata": lambda limit: ask.api("GET", "metadata", timeout=limit),
    }
    return sending[on]


@pytest.mark.parametrize("on", ["kickoff", "status", "task", "metadata"])
@pytest.mark.parametrize("kind", [*INSTEAD, *AFTERWARDS])
def test_faults_of_the_api(cohort: Path, kind: str, on: On) -> None:
    usual = "202" if on == "kickoff" else "200"
    expected = {
        **dict.fromkeys(("reset", "reset-headers"), "broken"), "hang": "time-out", "expired-token": "401",
        "redirect": "307" if on == "kickoff" else "301", "html": "200", "empty": "200",
        **dict.fromkeys(("reset-middle", "truncated"), "broken"), "wrong-length": usual, **dict.fromkeys(VALUES, usual),
        **dict.fromkeys(("gzip", "chunked"), usual),
    }.get(kind, kind)  # fmt: skip
    if on == "kickoff" and kind in ("reset-middle", "truncated"):
        expected = usual  # its answer has no body
    faults = [TorchFault(kind, on, at=(2,), value=VALUES.get(kind))]
    with TorchDouble(cohort, states=QUICK, faults=faults) as torch:
        ask = Asking(torch)
        send = requests_of(ask, on, ask.job())  # which is the first of its requests, if it is a kick-off
        assert on == "kickoff" or outcome(lambda: send(30)) == usual
        assert outcome(lambda: send(0.3 if kind == "hang" else 30)) == expected
        assert outcome(lambda: send(30)) == usual
        assert [seen.fault for seen in torch.requests if seen.fault] == [kind]
        if on == "kickoff":
            assert torch.kickoffs_accepted == (2 if kind in INSTEAD else 3)


@pytest.mark.parametrize("value", [None, "2", "Thu, 01 Jan 2015 00:00:00 GMT", "soon"])
def test_retry_after(cohort: Path, value: str | None) -> None:
    with TorchDouble(cohort, faults=[TorchFault("429", "kickoff", value=value)]) as torch:
        answer = Asking(torch).kick_off()
        assert answer.headers.get("Retry-After") == value and answer.headers["Content-Type"] == "text/html"
        assert torch.kickoffs == 0


def test_redirects(cohort: Path) -> None:
    faults = [
        TorchFault("redirect", "status", times=1),
        TorchFault("redirect", "status", value="https://foreign.example/x"),
    ]
    with TorchDouble(cohort, faults=faults) as torch:
        ask = Asking(torch)
        job = ask.job()
        assert ask.status(job).headers["Location"] == f"{torch.base_url}/fhir/__status/{job}"
        assert ask.status(job).headers["Location"] == "https://foreign.example/x"


@pytest.mark.parametrize("kind", KICKOFF)
def test_faults_of_the_kick_off(cohort: Path, kind: str) -> None:
    with TorchDouble(cohort, faults=[TorchFault(kind, "kickoff")]) as torch:
        ask = Asking(torch)
        expected = {
            "torch-500": "500",
            "accepted-reset": "broken",
            "accepted-hang": "time-out",
            "accepted-502": "502",
        }
        answers: list[requests.Response] = []

        def send() -> requests.Response:
            answers.append(ask.kick_off(timeout=2 if kind == "accepted-hang" else 30))
            return answers[0]

        assert outcome(send) == expected.get(kind, "202")
        assert (torch.kickoffs, torch.kickoffs_accepted) == (1, 0 if kind == "torch-500" else 1)
        listed = ask.api("GET", "Task?status=PENDING").json()
        assert listed["total"] == torch.kickoffs_accepted
        if kind == "torch-500":
            assert answers[0].json()["issue"][0]["code"] == "exception"
        if expected.get(kind, "202") == "202":
            location = answers[0].headers.get("Content-Location", "")
            right = {
                "no-location": "",
                "relative-location": f"/fhir/__status/{torch.jobs[0].id}",
                "bad-location": "http://localhost:1/fhir/__status/latest",
            }
            assert location == right[kind]


# ---- manifests --------------------------------------------------------------------------------------------------------


def urls(body: Any) -> list[str]:
    return [one["url"] for one in body["output"]]


def names(body: Any) -> list[str]:
    return [url.rpartition("/")[2] for url in urls(body)]


def torch_job(body: Any) -> Any:
    return next(one["valueObject"] for one in body["extension"] if one["url"].endswith("/torch-job"))


def final_patients(body: Any) -> int:
    found = [
        one["valueObject"]
        for one in body["extension"]
        if one["url"] == "torch-job-diagnostics-summary" and "valueObject" in one
    ]
    return int(found[0]["Num-Final-Patients"])


MANIFESTS: dict[str, Callable[[Any, str], bool]] = {
    "array": lambda body, job: isinstance(body, list) and len(body) == 1,
    "no-output": lambda body, job: "output" not in body,
    "output-string": lambda body, job: isinstance(body["output"], str),
    "entry-without-url": lambda body, job: sum("url" not in one for one in body["output"]) == 1,
    "duplicate-urls": lambda body, job: len(urls(body)) == len(set(urls(body))) + 1,
    "extra-entry": lambda body, job: body["output"][-1]["type"] == "OperationOutcome",
    "dot-dot": lambda body, job: f"{job}/../../" in urls(body)[0],
    "encoded-dot-dot": lambda body, job: f"{job}/%2e%2e%2f" in urls(body)[0],
    "foreign-host": lambda body, job: urls(body)[0].startswith(f"https://files.foreign.example/{job}/"),
    "other-job": lambda body, job: job not in urls(body)[0] and job in urls(body)[1],
    "odd-name": lambda body, job: "patients.ndjson" in names(body),
    "consent-listed": lambda body, job: names(body)[-1].endswith("_consent.ndjson"),
    "core-twice": lambda body, job: names(body).count("core.ndjson") == 2,
    "missing-file": lambda body, job: (
        names(body)[0].removesuffix(".ndjson") not in torch_job(body)["batches"]
    ),
    "unlisted-batch": lambda body, job: len(names(body)) == len(torch_job(body)["batches"]),
    "no-extension": lambda body, job: "extension" not in body,
    "not-completed": lambda body, job: torch_job(body)["status"] != "COMPLETED",
    "too-many-lines": lambda body, job: final_patients(body) == 0 and len(names(body)) == 4,
}


@pytest.mark.parametrize("kind", MANIFEST)
def test_faults_of_the_manifest(cohort: Path, kind: str) -> None:
    with TorchDouble(cohort, states=QUICK, faults=[TorchFault(kind, "manifest", times=1)]) as torch:
        ask = Asking(torch)
        job = ask.job()
        first, second = ask.status(job), ask.status(job)
        assert (first.status_code, len(urls(second.json()))) == (200, 4)
        if kind in MANIFESTS:
            assert MANIFESTS[kind](first.json(), job) and not MANIFESTS[kind](second.json(), job)
        else:
            assert kind in ("html", "invalid-json", "cut-json")
            with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
                json.loads(first.content)
            assert (first.headers["Content-Type"] == "text/html") == (kind == "html")


# ---- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["core", "batch", "batch-2", "core.ndjson", None])
def test_faults_reach_the_file_they_name(cohort: Path, name: str | None) -> None:
    with TorchDouble(cohort, states=QUICK, faults=[TorchFault("404", "file", name, at=(1, 2))]) as torch:
        ask = Asking(torch)
        job = ask.job()
        found = {
            one: [ask.file(job, one).status_code for _ in range(3)]
            for one in [*torch.expected(job), *names(ask.manifest(job))]
        }
        batches = [f"{one}.ndjson" for one in torch_job(ask.manifest(job))["batches"]]
        hit = {
            "core": ["core.ndjson"], "batch": batches[:1], "batch-2": batches[1:2], "core.ndjson": ["core.ndjson"], None: [*found],
        }[name]  # fmt: skip
        assert {one for one, codes in found.items() if codes == [404, 404, 200]} == set(hit)
        assert {one for one, codes in found.items() if codes == [200, 200, 200]} == {*found} - set(hit)


def test_each_job_has_its_first_batch(cohort: Path) -> None:
    with TorchDouble(cohort, states=QUICK, faults=[TorchFault("403", "file", "batch")]) as torch:
        ask = Asking(torch)
        for job in (ask.job(), ask.job()):
            codes = Counter(ask.file(job, name).status_code for name in names(ask.manifest(job)))
            assert codes == {200: 3, 403: 1}


def damaged(content: bytes, right: bytes, kind: str) -> bool:
    """Whether a file has this one fault in its last line."""
    last, rest = (
        content.removesuffix(b"\n").rpartition(b"\n")[2],
        right.removesuffix(b"\n").rpartition(b"\n")[0],
    )
    if not content.startswith(rest):
        return False
    match kind:
        case "blank-line":
            return content == right + b"\n"
        case "crlf":
            return content == right[:-1] + b"\r\n"
        case "bom":
            return last.startswith(b"\xef\xbb\xbf{")
        case "no-line-end":
            return content == right[:-1]
        case "broken-json":
            return content == right[:-3] + b"\n"
        case "invalid-utf8":
            return b"\xff" in last and len(content) == len(right) + len(b'"language":".",')
        case "non-bundle":
            return bool(json.loads(last)["resourceType"] != "Bundle")
        case "searchset":
            return bool(json.loads(last)["type"] == "searchset")
    entries = json.loads(last)["entry"]
    match kind:
        case "no-resource":
            return "resource" not in entries[-1] and "resource" in entries[-2]
        case "duplicate":
            first, twin = entries[0]["resource"], entries[-1]["resource"]
            return bool(
                first["id"] == twin["id"] and first["resourceType"] == twin["resourceType"] and first != twin
            )
        case "huge-line":
            return len(last) > 1_000_000
    return False


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("name", ["core", "batch-2"])
def test_malformed_files(cohort: Path, kind: str, name: str) -> None:
    def results(*faults: TorchFault) -> dict[str, bytes]:
        with TorchDouble(cohort, states=QUICK, faults=faults) as torch:
            ask = Asking(torch)
            return ask.results(ask.job())

    right, wrong = (
        results(),
        results(TorchFault(kind, "file", name, value=1 if kind == "huge-line" else None)),
    )
    (changed,) = (one for one in right if right[one] != wrong[one])
    assert (changed == "core.ndjson") == (name == "core")
    assert damaged(wrong[changed], right[changed], kind)
    assert not damaged(right[changed], right[changed], kind)


def test_the_line_that_is_malformed(cohort: Path) -> None:
    faults = [TorchFault("searchset", "file", "batch", value=2)]
    with TorchDouble(cohort, states=QUICK, faults=faults) as torch:
        ask = Asking(torch)
        content = [one for one in ask.results(ask.job()).values() if b"searchset" in one]
        assert [[one["type"] for one in bundles(each)] for each in content] == [
            ["transaction", "searchset", "transaction"]
        ]


# ---- the script itself ------------------------------------------------------------------------------------------------


def test_every_kind_is_tried_here_or_beside_the_file_server() -> None:
    """Kinds of status: restart and lost-volume in test_double_tasks.py; results: in test_double_jobs.py."""
    tried = {
        "kickoff": {*INSTEAD, *AFTERWARDS, *KICKOFF},
        "status": {*INSTEAD, *AFTERWARDS, *STATUS},
        "task": {*INSTEAD, *AFTERWARDS},
        "metadata": {*INSTEAD, *AFTERWARDS},
        "manifest": {*MANIFEST, *RESULTS},
        "file": {*FILE_KINDS, *LINES, "expired-token"},
    }
    assert tried == {on: set(kinds) for on, kinds in KINDS.items()}
    assert set(STATUS) == {"restart", "lost-volume"} and set(RESULTS) == {"empty-output", "core-only"}
    assert {*MANIFESTS, "html", "invalid-json", "cut-json"} == set(MANIFEST)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("odd", "status"), "no such fault on status: odd"),
        (("restart", "kickoff"), "no such fault on kickoff"),
        (("429", "cellar"), "on='cellar'"),
        (("slow", "status"), "must be a number"),
        (("429", "status", "core"), "of no meaning"),
    ],
)
def test_faults_that_cannot_be(arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        TorchFault(*arguments)


def test_first_live_fault_wins(cohort: Path) -> None:
    faults = [TorchFault("502", "status", at=(2, 3), times=1), TorchFault("503", "status", times=2)]
    with TorchDouble(cohort, faults=faults) as torch:
        ask = Asking(torch)
        job = ask.job()
        assert [ask.status(job).status_code for _ in range(4)] == [503, 502, 503, 202]
