"""dimpflow.audit.pages: the pages of the checks, the provenance and the environment."""

import re
from collections.abc import Callable

import pytest

from dimpflow.audit.pages import frame
from dimpflow.audit.pages.consistency import consistency_page
from dimpflow.audit.pages.environment import environment_page
from dimpflow.audit.pages.leaks import leaks_page
from dimpflow.audit.pages.provenance import provenance_page
from dimpflow.audit.pages.risk import risk_page
from page_facts import Facts
from page_reading import Page, plain, read_page


def test_the_leak_page_shows_findings_by_path(changed: Facts) -> None:
    clean = read_page(leaks_page(changed))
    looked_for = changed["checks"]["leaks"]["looked_for"]
    assert {kind: [plain(one) for one in clean.rows[kind]] for kind in looked_for} == {
        kind: [n] for kind, n in looked_for.items()
    }
    assert "No identifying value of the import was found" in clean.text
    changed["checks"]["leaks"] |= {
        "state": "failed",
        "findings": [{"path": "Observation.note.text", "kind": "phone", "count": 12345}],
        "tolerated": [{"path": "Encounter.identifier.value", "kind": "identifier", "count": 9}],
        "common": [{"path": "Condition.code.text", "kind": "name", "count": 8}],
    }
    page = read_page(leaks_page(changed))
    assert page.rows["Observation.note.text"] == ["phone", "12\u202f345"]
    assert page.rows["Encounter.identifier.value"] == ["identifier", "9"] and page.rows[
        "Condition.code.text"
    ] == ["name", "8"]
    assert "✗ FAILED. 12\u202f345 hits in" in page.text
    names = [name for _, name in page.headings]
    assert names.index("Found") < names.index("Found at paths that the configuration tolerates")


def test_the_consistency_page_adds_up(facts: Facts) -> None:
    check = facts["checks"]["consistency"]
    page = read_page(consistency_page(facts))
    before, after = check["references"]["before"], check["references"]["after"]
    assert [plain(one) for one in page.rows["References"]] == [before["references"], after["references"]]
    assert [plain(one) for one in page.rows["Patients"]] == [
        check["patients"][when]["patients"] for when in ("before", "after")
    ]
    paths = page.tables[-1]
    shown: dict[str, list[int]] = {}
    type_ = ""
    for row in paths[1:]:
        if len(row) == 1:
            type_ = row[0]
        else:
            for name in row[0].split(", "):
                shown[f"{type_}.{name}"] = [plain(one) for one in row[1:]]
    assert shown == {
        row["path"]: [row[name] for name in ("kept", "changed", "gone", "new")]
        for row in check["kept"]["paths"]
    }
    for path, count in check["compared"]["gone"].items():
        assert page.rows[path] == [str(count)]
    said = re.search(r"([\d\u202f]+) references and ids of resources\.", page.text)
    assert said and plain(said[1]) == check["compared"]["mentions"]


def test_the_consistency_page_shows_faults(changed: Facts) -> None:
    changed["checks"]["consistency"] |= {
        "state": "failed",
        "faults": ["3 lines have become resources of another type"],
    }
    text = read_page(consistency_page(changed)).text
    assert "✗ FAILED" in text and "3 lines have become resources of another type" in text
    assert "Records refer to each other as before" not in text


@pytest.mark.parametrize(
    ("make", "said"),
    [(leaks_page, "nothing is known"), (consistency_page, "it is not shown"), (risk_page, "not computed")],
)
@pytest.mark.parametrize("check", [{}, {"state": "not run"}])
def test_a_check_that_was_not_run_is_no_good_news(
    make: Callable[[Facts], frame.Page], said: str, check: Facts
) -> None:
    page = read_page(make({"checks": {name: check for name in ("leaks", "consistency", "risk") if check}}))
    assert "– not run" in page.text and said in page.text and "passed" not in page.text
    assert page.tables == []


@pytest.mark.parametrize("state", ["passed", "failed"])
@pytest.mark.parametrize("make", [leaks_page, consistency_page, risk_page])
def test_checks_that_say_only_their_state(make: Callable[[Facts], frame.Page], state: str) -> None:
    text = read_page(
        make({"checks": {name: {"state": state} for name in ("leaks", "consistency", "risk")}})
    ).text
    assert ("✓ passed" if state == "passed" else "✗ FAILED") in text


def test_the_risk_page_holds_picture_and_figures(changed: Facts, checks: Facts) -> None:
    text = risk_page(changed, checks["figures"], checks["picture"]).document()
    assert checks["figures"] in text and checks["picture"] in text
    Page(text)  # well-formed with both


def test_the_provenance_page_shows_digests(changed: Facts) -> None:
    page = read_page(provenance_page(changed))
    for source in changed["input"]["sources"]:
        assert page.rows[source["file"]] == [
            str(source["lines"]),
            str(source["rejected"]),
            source["sha256_input"],
        ]
    assert (
        f"sha256sum {changed['output']['file']}" in page.text
        and changed["output"]["file_sha256"] in page.text
    )
    kinds = [one["kind"] for one in changed["artefacts"]]
    files = page.tables[-1][1:]
    assert {row[0]: int(row[1]) for row in files} == {kind: kinds.count(kind) for kind in kinds}
    assert "was not signed" in page.text
    changed["signed_by"] = "f" * 64
    assert (
        f"the certificate has the SHA-256 fingerprint {'f' * 64}" in read_page(provenance_page(changed)).text
    )


def test_the_environment_page_shows_versions(facts: Facts) -> None:
    page = read_page(environment_page(facts))
    software = facts["software"]
    for name, version in {**software["packages"], **software["libraries"]}.items():
        assert page.rows[name] == [version]
    for step, version in software["output_versions"].items():
        seconds = facts["run"]["seconds"].get(step)
        assert page.rows[step] == [str(version), "–" if seconds is None else f"{seconds:.1f}"]
    assert page.rows["strict"] == ["true"] and page.rows["settings"] == ["–"]  # of which there are none


def test_a_name_of_a_job_is_quoted_in_commands(changed: Facts) -> None:
    changed["job"] = "a job; rm -rf"
    assert "python scripts/verify_audit.py 'a job; rm -rf'" in read_page(provenance_page(changed)).text
