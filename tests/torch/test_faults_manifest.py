"""Manifests that are malformed, untrue or of nobody, and TORCHs that are old ("torch-crtdl", sections 1.4, 1.7 and 3.4)."""

import re
import shutil
from pathlib import Path

import pytest
from lab import Lab, identifying, right

from dimpflow.audit.balance import read_facts
from doubles.torch.double import Scenario, TorchFault
from doubles.torch.faults import MANIFEST

JOB = r"^TORCH job [0-9a-f-]{36}: "


@pytest.fixture
def lab(cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Lab:
    return Lab(cohort, tmp_path, caplog)


TOLERATED = {
    "html": [1, 2],
    "invalid-json": [1, 2],
    "cut-json": [1],
    "extra-entry": None,
    "consent-listed": None,
    "foreign-host": None,
}
"""A true one comes after the first; what is no data is left out; where a file lies follows from its name."""

REFUSED = {
    "html": "a page in HTML came instead of the manifest.*services\\.torch\\.base_url",
    "invalid-json": "the manifest is not whole, or no JSON; run again",
    "cut-json": "the manifest is not whole, or no JSON; run again",
    "array": "the manifest is not a JSON object; check services\\.torch\\.base_url",
    "no-output": "the manifest has no `output`; check",
    "output-string": "`output` of the manifest is not a list",
    "entry-without-url": "output\\[0\\] of the manifest has no url",
    "duplicate-urls": "the manifest lists [0-9a-f-]{36}\\.ndjson more than once",
    "core-twice": "the manifest lists core\\.ndjson more than once",
    "dot-dot": "output\\[0\\] of the manifest has an address that TORCH does not make .*nothing is fetched",
    "encoded-dot-dot": "output\\[0\\] of the manifest has an address that TORCH does not make .*nothing is fetched",
    "other-job": "output\\[0\\] of the manifest lies in the folder of another job",
    "odd-name": "output\\[\\d\\] of the manifest is neither core\\.ndjson nor",
    "missing-file": "3 batches are finished, but the manifest lists 4 files.*not complete",
    "unlisted-batch": "3 batches are finished, but the manifest lists 2 files.*not complete",
    "no-extension": "the manifest has no torch-job extension.*services\\.torch\\.allow_legacy_torch: true",
    "not-completed": "the state of the job in the manifest is RUNNING_PROCESS_CORE, not COMPLETED",
}


def test_no_kind_is_forgotten() -> None:
    assert {*TOLERATED, *REFUSED, "too-many-lines"} == set(MANIFEST)


@pytest.mark.parametrize("kind", TOLERATED)
def test_what_is_put_up_with(lab: Lab, kind: str) -> None:
    with lab.torch(TorchFault(kind, "manifest", at=TOLERATED[kind])) as torch:
        job = lab.passes(torch)
        names = {seen.path.rpartition("/")[2] for seen in torch.requests if seen.listener == "files"}
    assert names == set(job.listed)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(lab: Lab, kind: str) -> None:
    with lab.torch(TorchFault(kind, "manifest")) as torch:
        job = lab.importing(torch)
        lab.refused(job, JOB + REFUSED[kind])
        assert not any(seen.listener == "files" for seen in torch.requests)
        looks = sum(seen.status == 200 and "__status" in seen.path for seen in torch.requests)
        assert looks == (3 if kind in ("html", "invalid-json", "cut-json") else 1)
    lab.recovers(job)


def test_more_lines_than_patients(lab: Lab) -> None:
    with lab.torch(TorchFault("too-many-lines", "manifest")) as torch:
        job = lab.importing(torch)
        lab.refused(
            job,
            JOB
            + "its files hold 9 patients, its summary says 0; .* nothing is imported; .* remove the folder torch/",
        )
    shutil.rmtree(job.folder.torch(""))
    lab.recovers(job, jobs=2)


def test_files_elsewhere_than_the_api_need_their_key(lab: Lab) -> None:
    with lab.torch(advertise="right") as torch:
        job = lab.importing(torch)
        del job.keys["file_server_url"]
        origin = re.escape(torch.file_server_url)
        lab.refused(
            job,
            JOB + f"the manifest says that the files lie on {origin}, .*services\\.torch\\.file_server_url",
        )
        job.keys["file_server_url"] = torch.file_server_url
        assert job.run() == right(lab.cohort) and torch.kickoffs == 1


def test_a_foreign_host_is_refused_where_no_file_server_is_configured(lab: Lab) -> None:
    with lab.torch(TorchFault("foreign-host", "manifest")) as torch:
        job = lab.importing(torch)
        server = job.keys.pop("file_server_url")
        lab.refused(job, JOB + r"the manifest says that the files lie on .*services\.torch\.file_server_url")
        job.keys["file_server_url"] = server
    lab.recovers(job)


def test_what_torch_notes_of_a_job_is_shown_without_ids(lab: Lab, cohort: Path) -> None:
    ids = identifying(cohort)[:3]
    issues = [
        ("warning", f"Patient/{ids[0]} skipped", ids[1]),
        ("error", "Attribute masked: Condition.code", f"id {ids[2]}"),
    ]
    with lab.torch(states=Scenario(issues=issues)) as torch:
        lab.passes(torch)
    assert (
        "TORCH: error: Attribute masked: Condition.code" in lab.log
        and "TORCH: warning: Patient/… skipped" in lab.log
    )


# ---- nobody is left -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["empty-output", "core-only"])
def test_nobody_is_left(lab: Lab, kind: str) -> None:
    with lab.torch(TorchFault(kind, "manifest")) as torch:
        job = lab.importing(torch)
        lab.refused(
            job,
            r"TORCH job [0-9a-f-]{36} is completed, but no patient is left .*services\.torch\.on_empty: accept",
        )
        assert not any(seen.listener == "files" for seen in torch.requests)
        accepting = lab.importing(torch, {"on_empty": "accept"})
        found = accepting.run()
        assert torch.kickoffs == 1
        files = ["core.ndjson"] if kind == "core-only" else []
        assert accepting.listed == files and found.count(b"\n") == len(files)
        assert found in right(lab.cohort)
    job.folder.torch("handle.json").unlink()
    lab.recovers(job, jobs=2)


# ---- old servers ----------------------------------------------------------------------------------------------------


def test_an_old_torch(lab: Lab) -> None:
    with lab.torch(profile="legacy-alpha13") as torch:
        job = lab.importing(torch)
        lab.refused(
            job, JOB + r"the manifest has no torch-job extension, .*services\.torch\.allow_legacy_torch: true"
        )
        allowing = lab.importing(torch, {"allow_legacy_torch": True})
        assert allowing.run() == right(lab.cohort) and torch.kickoffs == 1
    assert "services.torch.allow_legacy_torch: nothing proves that these results are complete" in lab.log


def test_an_old_torch_that_was_restarted(lab: Lab) -> None:
    """A part of the results as if it were all."""
    states = Scenario(pending=0, cohort=0, batches=4, core=3)
    with lab.torch(
        TorchFault("restart", "status", at=(4,)), states=states, profile="legacy-alpha13"
    ) as torch:
        job = lab.importing(torch)
        lab.refused(job, JOB + "the manifest has no torch-job extension, .*after a restart reports a part")
        part = lab.importing(torch, {"allow_legacy_torch": True}).run()
        assert 0 < len(part) < len(right(lab.cohort)) and torch.kickoffs == 1
    assert all(line in right(lab.cohort) for line in part.splitlines(keepends=True))


def test_an_old_torch_that_has_lost_all(lab: Lab) -> None:
    with lab.torch(
        TorchFault("restart", "status", at=(1,)), states=Scenario(), profile="legacy-alpha13"
    ) as torch:
        job = lab.importing(torch, {"allow_legacy_torch": True})
        lab.refused(job, r"TORCH does not know job [0-9a-f-]{36}")
        assert job.run() == right(lab.cohort, 2) and torch.kickoffs == 2


# ---- lines ----------------------------------------------------------------------------------------------------------

REASONS = {
    "blank-line": "a blank line",
    "crlf": "a carriage return",
    "bom": r"a byte order mark \(BOM\)",
    "non-bundle": "not a Bundle",
    "searchset": "a Bundle of another type than transaction",
    "no-resource": "an entry without a resource",
    "duplicate": "two entries of one Bundle have the same type and id, but not the same content",
    "invalid-utf8": r"not UTF-8 at byte \d+ of the line",
    "no-line-end": "no line end: the file is cut off",
    "broken-json": "not JSON",
}


CASES = [
    *((kind, name, False) for kind in REASONS for name in ("core", "batch")),
    *((kind, "batch", True) for kind in REASONS if kind != "no-line-end"),
]


@pytest.mark.parametrize(
    ("kind", "name", "first"),
    CASES,
    ids=[f"{kind}-{name}-{'first' if first else 'last'}" for kind, name, first in CASES],
)
def test_malformed_lines(lab: Lab, kind: str, name: str, first: bool) -> None:
    """With the place, and nothing of the content (which `refused` looks for)."""
    with lab.torch(TorchFault(kind, "file", name, value=1 if first else None)) as torch:
        job = lab.importing(torch)
        file = r"core\.ndjson" if name == "core" else r"[0-9a-f-]{36}\.ndjson"
        line = (1 if first or name == "core" else 3) + (kind == "blank-line")
        message = lab.refused(
            job, f"^{file}:{line}: {REASONS[kind]}.*each of 2 times.*services\\.torch\\.file_server_url"
        )
        assert not job.folder.download(message.partition(":")[0]).exists()
    lab.recovers(job)


@pytest.mark.parametrize("megabytes", [9, 50])
def test_a_long_line_is_no_fault(lab: Lab, megabytes: int) -> None:
    with lab.torch(TorchFault("huge-line", "file", "batch", value=megabytes)) as torch:
        job = lab.importing(torch)
        found = job.run()
        assert torch.kickoffs == 1 and b"x" * 1000 in found
        usual = right(lab.cohort)
        assert len(found) - len(usual) > megabytes * 1_000_000 and found.count(b"\n") == usual.count(b"\n")
        facts = [read_facts(job.folder.download_facts(file)) for file in job.listed]
        assert sum(one["lines"] for one in facts) == usual.count(b"\n")
