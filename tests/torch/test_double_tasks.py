"""The double of TORCH: Tasks, restarts, lost volumes, credentials, old servers, by hand."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from asking import Asking, parameters

from doubles.torch.double import Divert, Scenario, TorchDouble, TorchFault
from doubles.torch.manifest import TORCH_JOB

QUICK = Scenario(pending=0, cohort=0, batches=0, core=0)
NOBODY = "5a0b7e1e-7d7f-4c5e-9c1c-0a4f5f0e8a11"


def progress(task: dict[str, Any]) -> dict[str, Any]:
    """The extension with the progress, by name."""
    (found,) = (one for one in task["extension"] if one["url"].endswith("torch-job-progress"))
    return {one["url"]: one.get("valueUnsignedInt", one.get("extension")) for one in found["extension"]}


def test_task_follows_the_job(cohort: Path) -> None:
    with TorchDouble(cohort, states=Scenario(batches=3)) as torch:
        ask = Asking(torch)
        job = ask.job()
        seen = []
        while True:
            task = ask.api("GET", f"Task/{job}").json()
            seen.append(
                (
                    task["status"],
                    task["businessStatus"]["coding"][0]["code"],
                    progress(task)["batchesCompleted"],
                )
            )
            if task["status"] == "completed":
                break
            ask.status(job)
        assert seen == [
            ("requested", "PENDING", 0), ("requested", "PENDING", 0), ("in-progress", "RUNNING_GET_COHORT", 0),
            ("in-progress", "RUNNING_PROCESS_BATCH", 0), ("in-progress", "RUNNING_PROCESS_BATCH", 1),
            ("in-progress", "RUNNING_PROCESS_BATCH", 2), ("in-progress", "RUNNING_PROCESS_CORE", 3), ("completed", "COMPLETED", 3),
        ]  # fmt: skip
        assert progress(task)["cohortSize"] == 9 and {*task["executionPeriod"]} == {"start", "end"}


def test_active_batch(cohort: Path) -> None:
    with TorchDouble(cohort, states=Scenario(pending=0, cohort=0)) as torch:
        ask = Asking(torch)
        job = ask.job()
        ask.status(job)
        active = progress(ask.api("GET", f"Task/{job}").json())["activeBatch"]
        assert [one["url"] for one in active] == ["batchId", "stage"]


def test_search(cohort: Path) -> None:
    with TorchDouble(cohort) as torch:
        ask = Asking(torch)
        jobs = [ask.job() for _ in range(3)]
        ask.status(jobs[0])
        ask.status(jobs[0])
        ask.api("DELETE", f"Task/{jobs[1]}")

        def found(query: str, **headers: str) -> list[str]:
            answer = ask.api("GET", f"Task{query}", headers=headers).json()
            assert answer["total"] == len(answer.get("entry", []))
            return [one["resource"]["id"] for one in answer.get("entry", [])]

        assert found("") == [jobs[2], jobs[0]]
        assert found(f"?_id={jobs[0]},{NOBODY}") == [jobs[0]]
        assert found("?status=PENDING,COMPLETED") == [jobs[2]]
        assert found("?status=RUNNING_GET_COHORT") == [jobs[0]]
        assert found("?foo=1&_id=x&status=odd") == [jobs[2], jobs[0]]
        strict = ask.api("GET", "Task?foo=1&_id=x", headers={"Prefer": "handling=strict"})
        assert strict.status_code == 400
        assert (
            strict.json()["issue"][0]["diagnostics"]
            == "Unsupported search parameters: [foo]; Invalid _id values: [x]"
        )


def test_priority_and_if_match(cohort: Path) -> None:
    body = {"resourceType": "Task", "priority": "stat"}
    with TorchDouble(cohort) as torch:
        ask = Asking(torch)
        job = ask.job()

        def put(match: str | None, data: object = body, path: str = job) -> requests.Response:
            return ask.api("PUT", f"Task/{path}", json=data, headers={"If-Match": match} if match else {})

        assert [put(match).status_code for match in (None, "1", '"1"', 'W/"x"')] == [428] * 4
        assert put('W/"7"').status_code == 412
        assert put('W/"1"', path=NOBODY).status_code == 404
        assert put('W/"1"', {"resourceType": "Basic"}).status_code == 400
        changed = put('W/"1"').json()
        assert (changed["priority"], changed["meta"]["versionId"]) == ("asap", "2")
        assert put('W/"1"').status_code == 412
        assert put('W/"2"', {"resourceType": "Task", "priority": "routine"}).json()["priority"] == "routine"


def test_pause_resume_cancel(cohort: Path) -> None:
    with TorchDouble(cohort, states=Scenario(pending=3)) as torch:
        ask = Asking(torch)
        job = ask.job()

        def act(action: str, path: str = job) -> int:
            return ask.api("POST", f"Task/{path}/${action}").status_code

        assert [act("pause"), act("pause")] == [200, 200]
        assert ask.statuses(job, 4) == ["Paused"] * 4
        assert act("resume") == 200 and ask.statuses(job, 1) == ["Pending"]
        assert act("resume") == 200
        assert [act("cancel"), act("cancel")] == [200, 200]
        assert ask.status(job).status_code == 410
        assert [act("pause"), act("resume")] == [409, 409]
        assert [act(one, NOBODY) for one in ("pause", "resume", "cancel")] == [404] * 3
        done = ask.job()
        ask.manifest(done)
        assert [act(one, done) for one in ("pause", "resume", "cancel")] == [409] * 3
        assert act("odd", done) == 404


@pytest.mark.parametrize("state", ["PENDING", "TEMP_FAILED"])
def test_pause_from_any_state_that_is_not_final(cohort: Path, state: str) -> None:
    diverts = (Divert("TEMP_FAILED", at=1),) if state == "TEMP_FAILED" else ()
    with TorchDouble(cohort, states=Scenario(diverts=diverts)) as torch:
        ask = Asking(torch)
        job = ask.job()
        ask.status(job)
        assert ask.api("POST", f"Task/{job}/$pause").json()["businessStatus"]["coding"][0]["code"] == "PAUSED"


def test_deletion_is_lazy(cohort: Path) -> None:
    with TorchDouble(cohort, states=QUICK) as torch:
        ask = Asking(torch)
        job = ask.job()
        names = [*ask.results(job)]
        assert ask.api("DELETE", f"Task/{job}").status_code == 204
        assert ask.status(job).status_code == 404
        assert ask.api("GET", f"Task/{job}").json()["status"] == "cancelled"
        assert all(ask.file(job, name).status_code == 200 for name in names)
        torch.sweep()
        assert ask.file(job, names[0]).status_code == 404
        assert ask.api("GET", f"Task/{job}").status_code == 404
        assert ask.api("DELETE", f"Task/{job}").status_code == 404


# ---- accidents --------------------------------------------------------------------------------------------------------


def test_restart_refuses_and_rolls_back(cohort: Path) -> None:
    with TorchDouble(cohort, states=Scenario(batches=3)) as torch:
        ask = Asking(torch)
        job = ask.job()
        assert ask.statuses(job, 2) == ["Pending", "Getting cohort"]
        torch.stop_api()
        with pytest.raises(requests.ConnectionError):
            ask.status(job)
        torch.start_api()
        assert ask.statuses(job, 5)[:3] == ["Pending", "Getting cohort", "Processing batches (0%)"]
        kept = torch.expected(job)
        torch.stop_api()
        torch.start_api()
        assert torch.expected(job) == kept and len(kept) == 2
        assert ask.statuses(job)[0] == "Processing batches (66%)"
        assert torch.kickoffs_accepted == 1


def test_restart_as_a_fault(cohort: Path) -> None:
    faults = [TorchFault("restart", "status", at=(2,), value=2)]
    with TorchDouble(cohort, states=Scenario(), faults=faults) as torch:
        ask = Asking(torch)
        job = ask.job()
        assert ask.status(job).status_code == 202
        for _ in range(2):
            with pytest.raises(requests.ConnectionError):
                ask.status(job)
        assert ask.statuses(job)[-1] == "200"


def test_another_process_goes_on_with_the_jobs(cohort: Path, tmp_path: Path) -> None:
    with TorchDouble(cohort, state_dir=tmp_path, seed=3) as torch:
        ask = Asking(torch)
        job = ask.job(parameters(patients=["x"]))
        other = ask.job()
        ask.statuses(other, 4)
        kept = torch.expected(other)
    with TorchDouble(cohort, state_dir=tmp_path, seed=4) as torch:
        ask = Asking(torch)
        assert torch.expected(other) == kept and kept
        assert {*kept} < {*ask.results(other)}
        assert ask.manifest(job)["extension"][0]["valueObject"]["parameters"]["paramBatch"] == ["x"]
        assert ask.job() not in (job, other)


def test_lost_volume(cohort: Path) -> None:
    with TorchDouble(cohort, faults=[TorchFault("lost-volume", "status", at=(3,))]) as torch:
        ask = Asking(torch)
        job = ask.job()
        assert ask.statuses(job) == ["Pending", "Getting cohort", "404"]
        assert ask.job() != job and torch.kickoffs_accepted == 2


# ---- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guarded", [("api", "files"), ("api",), ("files",)])
def test_basic_authentication(cohort: Path, guarded: tuple[str, ...]) -> None:
    with TorchDouble(cohort, states=QUICK, basic=("torch", "s3cret"), auth_on=guarded) as torch:
        right = Asking(torch)
        right.session.auth = ("torch", "s3cret")
        without = Asking(torch)
        job = right.job()
        assert without.status(job).status_code == (401 if "api" in guarded else 200)
        right.manifest(job)
        refused = without.file(job, "core.ndjson")
        assert refused.status_code == (401 if "files" in guarded else 200)
        if "files" in guarded:
            assert (
                refused.headers["WWW-Authenticate"].startswith("Basic")
                and refused.headers["Content-Type"] == "text/html"
            )
        assert right.file(job, "core.ndjson").status_code == 200
        assert {seen.headers["authorization"] for seen in torch.requests if seen.authorized} == {"Basic"}
        assert sum(seen.authorized for seen in torch.requests) == 3


def test_expiring_tokens(cohort: Path) -> None:
    good = {"a", "b", "c"}
    faults = [
        TorchFault("expired-token", "status", at=(2,)),
        TorchFault("expired-token", "file", "core", at=(1,)),
    ]
    with TorchDouble(cohort, states=QUICK, tokens=good.__contains__, faults=faults) as torch:
        first, second, third = (Asking(torch, {"Authorization": f"Bearer {one}"}) for one in "abc")
        job = first.job()
        assert [first.status(job).status_code for _ in range(3)] == [200, 401, 401]
        second.manifest(job)
        assert [second.file(job, "core.ndjson").status_code for _ in range(2)] == [401, 401]
        assert third.file(job, "core.ndjson").status_code == 200


# ---- old servers ------------------------------------------------------------------------------------------------------


def test_an_old_server(cohort: Path) -> None:
    with TorchDouble(cohort, profile="legacy-alpha13") as torch:
        ask = Asking(torch)
        job = ask.job()
        first = ask.status(job)
        assert (first.status_code, first.content, "X-Progress" in first.headers) == (202, b"", False)
        manifest = ask.manifest(job)
        assert manifest["deleted"] == manifest["error"] == [] and "extension" not in manifest
        assert {one["url"].rpartition("/")[2] for one in manifest["output"]} == {*torch.expected(job)}
        assert ask.api("GET", f"Task/{job}").status_code == 404
        assert (ask.status(NOBODY).status_code, ask.status(NOBODY).content) == (404, b"")


def test_an_old_server_takes_a_part_for_the_whole_after_a_restart(cohort: Path) -> None:
    with TorchDouble(cohort, profile="legacy-alpha13", states=Scenario(batches=3)) as torch:
        ask = Asking(torch)
        job, early = ask.job(), ask.job()
        torch.advance(job, 5)
        torch.stop_api()
        torch.start_api()
        names = {one["url"].rpartition("/")[2] for one in ask.manifest(job)["output"]}
        assert len(names) == 2 and "core.ndjson" not in names
        assert ask.status(early).status_code == 404


def test_an_old_server_that_extracts_nothing(cohort: Path) -> None:
    with TorchDouble(cohort, profile="legacy-alpha13", states=QUICK) as torch:
        ask = Asking(torch)
        answer = ask.status(ask.job(parameters(patients=["x"])))
        assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/plain")


# ---- by hand ----------------------------------------------------------------------------------------------------------


def test_by_hand(cohort: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.doubles.torch",
        "--data",
        str(cohort),
        "--port",
        "0",
        "--files-port",
        "0",
    ]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        base = lines[0].split(" serves at ")[1].split(",")[0]
        assert requests.get(f"{base}/actuator/health", timeout=10).json() == {"status": "UP"}
        assert f'base_url: "{base}"' in lines[2]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_by_hand_without_a_folder(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.doubles.torch", "--data", str(tmp_path / "none")]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1) and "no such folder" in ended.stderr


def test_manifests_carry_the_version_of_the_task(cohort: Path) -> None:
    with TorchDouble(cohort) as torch:
        ask = Asking(torch)
        job = ask.job()
        manifest = ask.manifest(job)
        assert manifest["extension"][0]["url"] == TORCH_JOB
        version = manifest["extension"][0]["valueObject"]["version"]
        assert str(version) == ask.api("GET", f"Task/{job}").json()["meta"]["versionId"]
