"""Extractions that are refused before TORCH is asked for anything, and those that bring nobody."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.torch.double import TorchDouble, TorchFault
from workflow.conftest import run_snakemake, status_of, succeed
from workflow.extractions import BASIC, ENV, EXAMPLE, PASSWORD, asked, config, make_cohort, result

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(tmp_path_factory.mktemp("data"), 3)


@pytest.fixture(scope="module")
def torch(cohort: Path) -> Iterator[TorchDouble]:
    """One that nobody must ask."""
    with TorchDouble(cohort, basic=BASIC) as torch:
        yield torch
        assert torch.requests == []


def refused(folder: Path, *args: str, **kwargs: Any) -> list[str]:
    """Run the workflow, which must end before it has made anything; what it says for a person."""
    result = run_snakemake(folder, *args, **kwargs)
    assert result.returncode != 0, result.stdout
    assert "Traceback" not in result.stdout and PASSWORD not in result.stdout
    assert not (folder / "jobs").exists()
    return result.stdout.splitlines()


def last_word(terminal: str) -> str:
    """What a failed run says for a person, at its end."""
    (line,) = [line for line in terminal.splitlines() if line.startswith("study failed: ")]
    return line


def _break(document: dict[str, Any]) -> None:
    groups = document["dataExtraction"]["attributeGroups"]
    groups[1]["filter"][0]["end"] = "2014-01-01"  # before its start
    groups[1]["attributes"][2]["linkedGroups"] = ["nobody"]
    groups[3]["id"] = "diagnosis"  # twice
    groups[3]["attributes"].append(groups[3]["attributes"][0])


def test_all_faults_of_a_document_are_told_at_once(torch: TorchDouble, tmp_path: Path) -> None:
    document = json.loads(EXAMPLE.read_bytes())
    _break(document)
    (tmp_path / "bad.json").write_text(json.dumps(document), encoding="utf-8")
    lines = [
        line
        for line in refused(tmp_path, config=config(torch, source="bad.json"), env=ENV)
        if line.startswith("bad.json: ") and ": error " in line
    ]
    groups = "/dataExtraction/attributeGroups"
    for place in (
        f"{groups}/1/filter/0",
        f"{groups}/1/attributes/2/linkedGroups/0",
        f"{groups}/3/id",
        f"{groups}/3/attributes/3",
    ):
        assert any(place in line for line in lines), (place, lines)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"base_url": None}, ["services.torch.base_url: missing", "CRTDL"]),
        ({"base_url": "torch.example"}, ["services.torch.base_url"]),
        ({"pollinginterval": "1s"}, ["services.torch", "pollinginterval"]),
        ({"polling_interval": "5 minutes"}, ["services.torch.polling_interval", "PT30M"]),
        (
            {"auth": {"username": "importer", "password": "${NO_SUCH_VARIABLE}"}},
            ["NO_SUCH_VARIABLE", "not set"],
        ),
        (
            {"auth": {"username": "importer", "password": PASSWORD}},
            ["services.torch.auth.password", "clear"],
        ),
        ({"auth": {"username": "importer"}}, ["services.torch.auth", "password"]),
        ({"provenance": "keep"}, ["services.torch.provenance", "drop", "pseudonymize"]),
        ({"patients": "nobody.txt"}, ["nobody.txt"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_configurations_that_cannot_be_meant(
    torch: TorchDouble, tmp_path: Path, keys: dict[str, Any], words: list[str]
) -> None:
    lines = refused(tmp_path, config=config(torch, **keys), env=ENV)
    assert [line for line in lines if all(word in line for word in words)], lines


def test_a_document_beside_something_else(torch: TorchDouble, tmp_path: Path) -> None:
    keys = {**config(torch), "input": [str(EXAMPLE), "other"]}
    assert any(
        "is a CRTDL document, which stands alone" in line for line in refused(tmp_path, config=keys, env=ENV)
    )


def test_a_dry_run_neither_asks_nor_makes_anything(torch: TorchDouble, tmp_path: Path) -> None:
    jobs = succeed(tmp_path, "--dry-run", config=config(torch), env=ENV)
    assert any(job.startswith("extract: ") for job in jobs)
    assert {path.name for path in tmp_path.iterdir()} <= {".snakemake"}


def test_wrong_credentials_end_the_run_and_name_their_key(cohort: Path, tmp_path: Path) -> None:
    with TorchDouble(cohort, basic=BASIC) as torch:
        run = run_snakemake(tmp_path, config=config(torch), env={"TORCH_PASSWORD": "another-kestrel"})
        assert run.returncode != 0
        assert "services.torch.auth" in last_word(run.stdout) and "another-kestrel" not in run.stdout
        assert len(torch.requests) == 1 and torch.kickoffs == 0
    status = status_of(tmp_path, "study")
    assert status["state"] == "failed" and "services.torch.auth" in status["errors"][0]


@pytest.mark.parametrize("kind", ["empty-output", "core-only"])
def test_nobody_is_left(cohort: Path, tmp_path: Path, kind: str) -> None:
    """An error by default; where it can be, a result without lines, or with those of core.ndjson."""
    with TorchDouble(cohort, basic=BASIC, faults=[TorchFault(kind, on="manifest")]) as torch:
        run = run_snakemake(tmp_path, config=config(torch), env=ENV)
        assert run.returncode != 0 and "no patient is left" in last_word(run.stdout)
        assert "services.torch.on_empty: accept" in last_word(run.stdout)
        assert not [*tmp_path.glob("jobs/study/*_results.*")]
        jobs = succeed(tmp_path, config=config(torch, on_empty="accept"), env=ENV)
        assert {"results: dimp_results.ndjson", "results: import_results.ndjson", "inventory"} <= set(jobs)
        core = 1 if kind == "core-only" else 0
        assert len(asked(torch, "files")) == core and torch.kickoffs == 1
        assert succeed(tmp_path, config=config(torch, on_empty="accept"), env=ENV) == []
    for step in ("import", "dimp"):
        assert len(result(tmp_path, step=step).splitlines()) == core
        facts = json.loads((tmp_path / f"jobs/study/{step}_results.json").read_bytes())
        assert (facts["lines"], len(facts["sources"])) == (core, core)
    status = status_of(tmp_path, "study")
    assert (status["state"], status["steps"]["dimp"]["total"]) == ("completed", core)
