"""The double of TORCH: kick-off, states, manifest, results, Tasks, restarts."""

from pathlib import Path
from typing import Literal

import pytest
import requests
from asking import Asking, bundles, extension, ids, parameters, resources

from crtdl_documents import criterion, document
from doubles.torch.double import Divert, Scenario, TorchDouble, TorchFault

QUICK = Scenario(pending=0, cohort=0, batches=0, core=0)


# ---- the usual course -------------------------------------------------------------------------------------------------


def test_states_last_as_long_as_the_scenario_says(cohort: Path) -> None:
    with TorchDouble(cohort, states=Scenario(pending=2, cohort=1, batches=3, core=1)) as torch:
        ask = Asking(torch)
        assert ask.statuses(ask.job()) == [
            "Pending", "Pending", "Getting cohort", "Processing batches (0%)", "Processing batches (33%)",
            "Processing batches (66%)", "Processing core resources", "200",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("advertise", "start"),
    [("wrong", "http://localhost:1/"), ("right", "http://127.0.0.1:"), ("relative", "/t/fhir/")],
)
def test_addresses_of_torch_lead_nowhere_unless_configured(
    cohort: Path, advertise: Literal["wrong", "right", "relative"], start: str
) -> None:
    with TorchDouble(
        cohort, states=QUICK, advertise=advertise, api_prefix="/t", files_prefix="/t/files"
    ) as torch:
        ask = Asking(torch)
        location = ask.kick_off().headers["Content-Location"]
        assert location.startswith(start)
        job = location.rpartition("/")[2]
        url = ask.manifest(job)["output"][0]["url"]
        if advertise == "right":
            assert location == f"{torch.base_url}/fhir/__status/{job}"
            assert requests.get(url, timeout=10).status_code == 200
        assert (
            requests.get(f"{torch.base_url.removesuffix('/t')}/fhir/metadata", timeout=10).status_code == 404
        )


def test_resources_come_as_they_lie_there(cohort: Path) -> None:
    with TorchDouble(cohort, states=QUICK) as torch:
        ask = Asking(torch)
        job = ask.job()
        results = ask.results(job)
        assert [*results][-1] == "core.ndjson"
        assert torch.expected(job) == {name: content.count(b"\n") for name, content in results.items()}
        assert sorted(torch.expected(job).values()) == [1, 3, 3, 3]
    delivered = b"".join(results.values())
    for path in (cohort / "core.ndjson", next(cohort.glob("*-*[0-9a-f].ndjson"))):
        for part in path.read_bytes().split(b'"resource":')[1:]:
            assert part.partition(b',"request":')[0] in delivered
    assert b'"fullUrl"' not in delivered and delivered.endswith(b"\n")


def test_provenance_names_groups_job_and_original_references(cohort: Path) -> None:
    with TorchDouble(cohort, states=QUICK) as torch:
        ask = Asking(torch)
        job = ask.job()
        content = next(iter(ask.results(job).values()))
    for bundle in bundles(content):
        kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
        made = [
            entry["resource"]
            for entry in bundle["entry"]
            if entry["resource"]["resourceType"] == "Provenance"
        ]
        assert kinds[-len(made) :] == ["Provenance"] * len(made)
        targets = {one["entity"][0]["what"]["identifier"]["value"]: one["target"] for one in made}
        for name, kind in (("patient", "Patient"), ("condition", "Condition")):
            there = [{"reference": f"{kind}/{entry['resource']['id']}"} for entry in bundle["entry"]
                     if entry["resource"]["resourceType"] == kind]  # fmt: skip
            assert targets.get(name, []) == there
        assert all(one["entity"][1]["what"]["identifier"]["value"] == job for one in made)
        assert all(one["id"].startswith("torch-") for one in made)


def test_one_seed_one_result(cohort: Path) -> None:
    def run(seed: int) -> dict[str, bytes]:
        with TorchDouble(cohort, states=QUICK, seed=seed) as torch:
            ask = Asking(torch)
            return ask.results(ask.job())

    assert run(1) == run(1)
    first, other = run(1), run(2)
    assert not set(first) & set(other) - {"core.ndjson"}
    assert first["core.ndjson"] != other["core.ndjson"]


def test_two_posts_are_two_jobs(cohort: Path) -> None:
    with TorchDouble(cohort, states=QUICK) as torch:
        ask = Asking(torch)
        first, second = ask.job(), ask.job()
        assert first != second and torch.kickoffs_accepted == torch.kickoffs == 2
        assert [job.id for job in torch.jobs] == [first, second]
        assert not set(ask.results(first)) & set(ask.results(second)) - {"core.ndjson"}


def test_manifest_is_complete_and_holds_what_was_sent(cohort: Path) -> None:
    asked = ids(cohort)[:2]
    states = Scenario(issues=(("warning", "Attribute masked", "Condition.code"),))
    with TorchDouble(cohort, states=states) as torch:
        ask = Asking(torch)
        job = ask.job(parameters(patients=asked))
        manifest = ask.manifest(job)
        torch_job = extension(manifest, "/torch-job")
        assert manifest["error"] == [] and manifest["requiresAccessToken"] is False
        assert manifest["request"].endswith("/fhir/$extract-data")
        assert torch_job["parameters"]["crtdl"] == document()
        assert torch_job["parameters"]["paramBatch"] == asked
        assert {f"{one}.ndjson" for one in torch_job["batches"]} == set(torch.expected(job)) - {"core.ndjson"}
        assert extension(manifest, "torch-job-diagnostics-summary")["Num-Final-Patients"] == 2
        assert extension(manifest, "torch-job-issues") == [
            {"severity": "WARNING", "msg": "Attribute masked", "diagnostics": "Condition.code"}
        ]
        csv = ask.file(job, "reports/resource-exclusions.csv").text.splitlines()
        assert (
            csv[0] == '"Batch-ID","Reason","Group","Attribute","Resource-ID","Patient-ID"'
            and asked[0] in csv[1]
        )
        assert ask.file(job, "job.json").json()["status"] == "COMPLETED"
        batch = next(iter(torch_job["batches"]))
        assert ask.file(job, f"batches/{batch}.ndjson").text.split() == asked


def test_batches_of_a_size_and_in_no_order(cohort: Path) -> None:
    with TorchDouble(cohort, states=QUICK, batch_size=2) as torch:
        ask = Asking(torch)
        job = ask.job()
        lines = torch.expected(job) if ask.manifest(job) else {}
        names = [*extension(ask.manifest(job), "/torch-job")["batches"]]
        listed = [
            one["url"].rpartition("/")[2].removesuffix(".ndjson") for one in ask.manifest(job)["output"]
        ]
    assert sorted(lines.values()) == [1, 1, 2, 2, 2, 2]
    assert listed != [*names, "core"] and sorted(listed) == sorted([*names, "core"])


def test_folder_without_core(cohort: Path, tmp_path: Path) -> None:
    for path in cohort.glob("*.ndjson"):
        if path.name != "core.ndjson":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with TorchDouble(tmp_path, states=QUICK) as torch:
        ask = Asking(torch)
        manifest = ask.manifest(ask.job())
        assert extension(manifest, "/torch-job")["coreState"]["status"] == "SKIPPED"
        assert not any(one["url"].endswith("core.ndjson") for one in manifest["output"])


# ---- patients and consent ---------------------------------------------------------------------------------------------


def test_patients_replace_the_cohort(cohort: Path) -> None:
    wanted = ids(cohort)[::4]
    with TorchDouble(cohort, states=QUICK, batch_size=2) as torch:
        ask = Asking(torch)
        results = ask.results(ask.job(parameters(patients=[*wanted, "unknown"])))
        results.pop("core.ndjson")
        found = [one["id"] for content in results.values() for one in resources(content, "Patient")]
        assert sorted(found) == sorted(wanted)
        assert sorted(content.count(b"\n") for content in results.values()) == [1, 2]


def test_prefixed_patients_are_not_found(cohort: Path) -> None:
    with TorchDouble(cohort, states=QUICK) as torch:
        ask = Asking(torch)
        manifest = ask.manifest(ask.job(parameters(patients=[f"Patient/{ids(cohort)[0]}"])))
        assert manifest["output"] == []
        (batch,) = extension(manifest, "/torch-job")["batches"].values()
        assert batch["state"]["status"] == "SKIPPED"


def test_patients_of_another_value_type_are_overlooked(cohort: Path) -> None:
    with TorchDouble(cohort, states=QUICK) as torch:
        ask = Asking(torch)
        job = ask.job(parameters(patients=[ids(cohort)[0]], key="valueIdentifier"))
        assert extension(ask.manifest(job), "torch-job-diagnostics-summary")["Num-Cohort-Patients"] == 9


def test_a_patient_twice_in_a_batch_ends_the_job(cohort: Path) -> None:
    one = ids(cohort)[0]
    with TorchDouble(cohort) as torch:
        ask = Asking(torch)
        job = ask.job(parameters(patients=[one, one]))
        assert ask.statuses(job)[-1] == "500"
        answer = ask.status(job).json()
        assert answer["id"] == f"job-{job}-outcome" and one in answer["issue"][0]["diagnostics"]
    with TorchDouble(cohort, batch_size=1) as torch:
        ask = Asking(torch)
        assert ask.statuses(ask.job(parameters(patients=[one, one])))[-1] == "200"


def test_a_cohort_that_cannot_be_queried_is_found_out_late(cohort: Path) -> None:
    with TorchDouble(cohort) as torch:
        ask = Asking(torch)
        body = document(inclusionCriteria=[[]])
        assert ask.statuses(ask.job(parameters(body))) == ["Pending", "Getting cohort", "500"]
        assert ask.statuses(ask.job(parameters(body, ids(cohort)[:1])))[-1] == "200"


def test_consent(cohort: Path) -> None:
    without = document(inclusionCriteria=[[criterion("Patient", "263495000")]])
    nobody = document(
        inclusionCriteria=[[criterion("Einwilligung", "2.16.840.1.113883.3.1937.777.24.5.3.45")]]
    )
    with TorchDouble(cohort, states=QUICK) as torch:
        ask = Asking(torch)
        for crtdl, audited, files in ((document(), True, 4), (without, False, 4), (nobody, False, 0)):
            job = ask.job(parameters(crtdl))
            manifest = ask.manifest(job)
            output = ask.api("GET", f"Task/{job}").json().get("output", [])
            assert (len(manifest["output"]), bool(output)) == (files, audited)
            assert not any("_consent" in one["url"] for one in manifest["output"])
            for one in output:
                name = one["valueUrl"].rpartition("/")[2]
                assert bundles(ask.file(job, name).content)[0]["type"] == "collection"


def test_empty_bundles(cohort: Path) -> None:
    with TorchDouble(cohort, states=QUICK, empty_patients=2) as torch:
        ask = Asking(torch)
        job = ask.job()
        results = ask.results(job)
        summary = extension(ask.manifest(job), "torch-job-diagnostics-summary")
    empty = [one for content in results.values() for one in bundles(content) if "entry" not in one]
    assert len(empty) == 2 and all({*one} == {"resourceType", "id", "type"} for one in empty)
    assert summary["Num-Final-Patients"] == 11 == summary["Num-Cohort-Patients"]


# ---- where jobs leave their course ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("divert", "seen"),
    [
        (Divert("PAUSED", at=2, polls=2), ["Pending", "Paused", "Paused", "Getting cohort", "Processing batches (0%)"]),
        (Divert("FROZEN", at=2, polls=2), ["Pending", "Pending", "Pending", "Getting cohort"]),
        (Divert("FROZEN", at=4), ["Pending", "Getting cohort", "Processing batches (0%)"] + ["Processing batches (0%)"] * 27),
        (Divert("TEMP_FAILED", at=2, polls=3), ["Pending", "503", "503", "503", "Getting cohort"]),
        (Divert("TEMP_FAILED", at=1), ["503"] * 30),
        (Divert("FAILED", at=3), ["Pending", "Getting cohort", "500"]),
        (Divert("CANCELLED", at=2), ["Pending", "410"]),
        (Divert("DELETED", at=2), ["Pending", "404"]),
        (Divert("BACKWARDS", at=5), ["Pending", "Getting cohort", "Processing batches (0%)", "Processing batches (33%)",
                                     "Processing batches (0%)", "Processing batches (33%)"]),
        (Divert("RESTART", at=3), ["Pending", "Getting cohort", "Pending", "Getting cohort"]),
    ],
)  # fmt: skip
def test_diverts(cohort: Path, divert: Divert, seen: list[str]) -> None:
    with TorchDouble(cohort, states=Scenario(batches=3, diverts=(divert,))) as torch:
        ask = Asking(torch)
        found = ask.statuses(ask.job())
        assert found[: len(seen)] == seen
        assert found[-1] in ("200", seen[-1])


def test_a_failed_job_names_patients(cohort: Path) -> None:
    with TorchDouble(cohort, states=Scenario(diverts=(Divert("FAILED", at=1),))) as torch:
        ask = Asking(torch)
        job = ask.job()
        answer = ask.status(job)
        assert (
            answer.headers["Content-Type"] == "application/json"
            and answer.json()["id"] == f"job-{job}-outcome"
        )
        issues = answer.json()["issue"]
        assert any(f"Patient/{one}" in issues[0]["diagnostics"] for one in ids(cohort))
        assert (issues[-1]["code"], "Status: FAILED" in issues[-1]["diagnostics"]) == ("informational", True)


def test_temp_failed_says_so_and_ends_with_resume(cohort: Path) -> None:
    with TorchDouble(cohort, states=Scenario(diverts=(Divert("TEMP_FAILED", at=2),))) as torch:
        ask = Asking(torch)
        job = ask.job()
        assert ask.statuses(job, 5) == ["Pending", "503", "503", "503", "503"]
        assert "TEMP_FAILED" in ask.status(job).json()["issue"][-1]["diagnostics"]
        assert ask.api("GET", f"Task/{job}").json()["status"] == "on-hold"
        assert ask.api("POST", f"Task/{job}/$resume").status_code == 200
        assert ask.statuses(job)[0] == "Getting cohort"


def test_stubborn_temp_failed(cohort: Path) -> None:
    with TorchDouble(cohort, states=Scenario(diverts=(Divert("TEMP_FAILED", at=1, stubborn=True),))) as torch:
        ask = Asking(torch)
        job = ask.job()
        for _ in range(3):
            assert ask.status(job).status_code == 503
            assert ask.api("POST", f"Task/{job}/$resume").status_code == 200


def test_not_found_at_first(cohort: Path) -> None:
    with TorchDouble(cohort, states=Scenario(not_found=2)) as torch:
        ask = Asking(torch)
        job = ask.job()
        assert [ask.status(job).status_code for _ in range(3)] == [404, 404, 202]


@pytest.mark.parametrize(("kind", "names"), [("empty-output", []), ("core-only", ["core.ndjson"])])
def test_nobody_survives(cohort: Path, kind: str, names: list[str]) -> None:
    with TorchDouble(cohort, states=QUICK, faults=[TorchFault(kind, "manifest")]) as torch:
        ask = Asking(torch)
        job = ask.job()
        assert [*ask.results(job)] == names
        manifest = ask.manifest(job)
        assert {one["state"]["status"] for one in extension(manifest, "/torch-job")["batches"].values()} == {
            "SKIPPED"
        }
        assert extension(manifest, "torch-job-diagnostics-summary")["Num-Final-Patients"] == 0


def test_unknown_and_odd_ids(cohort: Path) -> None:
    with TorchDouble(cohort) as torch:
        ask = Asking(torch)
        assert ask.status("5a0b7e1e-7d7f-4c5e-9c1c-0a4f5f0e8a11").status_code == 404
        assert ask.status("latest").status_code == 400
        assert ask.api("DELETE", "__status/5a0b7e1e-7d7f-4c5e-9c1c-0a4f5f0e8a11").status_code == 404
        assert ask.api("GET", "nothing").json()["error"] == "Not Found"
