"""dimpflow.audit.pages.whole: all pages as one document, which is printed as a whole."""

import re
from pathlib import Path

import pytest

from audit_jobs import ENVIRON, RULES, AuditedJob
from canaries import find_canaries
from dimpflow.audit.balance import read_facts
from dimpflow.audit.pages.report import report_pages
from dimpflow.audit.pages.style import footer
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from page_facts import Facts
from page_reading import Page

RULE_SET = load_rule_set(RULES, ENVIRON, Options(strict=True))
MADE_BEFORE = ("import", "dimp")
"""Pages that the results bring along."""


@pytest.fixture(scope="session")
def pages(page_job: AuditedJob, facts: Facts, checks: Facts) -> dict[str, str]:
    return made(page_job, facts, checks)


def made(job: AuditedJob, facts: Facts, checks: Facts) -> dict[str, str]:
    counts = [read_facts(job.folder.path / f"{step}_results.json") for step in MADE_BEFORE]
    return report_pages(facts, RULE_SET, (counts[0], counts[1]), checks["figures"], checks["picture"])


def body(document: str) -> str:
    """What stands below the heading of a page."""
    found = re.search(r"</h1>\n(.*)\n</body>", document, re.DOTALL)
    assert found
    return found[1]


def test_it_holds_every_page_of_the_report_word_for_word(pages: dict[str, str], page_job: AuditedJob) -> None:
    whole = pages["whole"]
    others = [text for name, text in pages.items() if name != "whole"]
    others += [(page_job.folder.path / "report" / f"{name}.html").read_text() for name in MADE_BEFORE]
    assert len(others) == 10 == whole.count('<section class="page"')
    assert all(body(text) in whole for text in others)


def test_its_contents_lead_to_every_page(pages: dict[str, str]) -> None:
    page = Page(pages["whole"])  # well-formed
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == [f"#page-{number}" for number in range(1, 11)]
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == [
        link[1:] for link in links if link
    ]
    titles = [text for level, text in page.headings if level == 1]
    assert titles[0] == "Audit document of job “study”" and len(titles) == 11
    listed = page.text[page.text.index("Contents") : page.text.index("A verdict is")]
    assert all(title in listed for title in titles[1:])


def test_the_german_page_says_that_it_is_german(pages: dict[str, str]) -> None:
    page = Page(pages["whole"])
    german = [tag for tag, attributes in page.tags if attributes.get("lang") == "de"]
    assert german == ["p", "li", "section"]


def test_the_cover_says_the_verdict_and_of_which_result(pages: dict[str, str], facts: Facts) -> None:
    cover = pages["whole"][: pages["whole"].index("<section")]
    [failed] = re.findall(r"<strong>(\d of \d checks FAILED): .*?</strong>", cover)
    assert failed in pages["overview"]  # small groups, in this job
    assert facts["output"]["file_sha256"] in cover and "Abschnitt 2" in cover


def test_each_page_begins_on_a_sheet_of_its_own_and_each_sheet_is_numbered(pages: dict[str, str]) -> None:
    style = Page(pages["whole"]).style
    assert re.search(r"@media print {[^@]*\.page {[^}]*break-before: page", style)
    assert "@bottom-right { content: counter(page)" in style
    assert re.search(r'@bottom-left { content: "Audit document of job “study”, facts of \d', style)
    assert re.search(r"@media print {[^@]*\.on-screen { display: none; }", style)


def test_the_only_script_prints(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        page = Page(text)
        scripts = [attributes["onclick"] for tag, attributes in page.tags if "onclick" in attributes]
        assert scripts == (["print()"] if name == "whole" else [])


def test_a_hostile_name_of_a_job_stays_in_its_place(
    page_job: AuditedJob, changed: Facts, checks: Facts
) -> None:
    changed["job"] = 'x"; } </style><img src=x> \\22 \n'
    page = Page(made(page_job, changed, checks)["whole"])
    assert not any(tag == "img" for tag, _ in page.tags)
    assert page.style.count("{") == page.style.count("}") and page.style.count('"') % 2 == 0


def test_the_foot_of_a_sheet_is_a_string_of_css() -> None:
    assert 'content: "job “a b”, \\22 \\3c \\5c \\a "' in footer('job “a b”, "<\\\n')


def test_it_holds_nothing_of_anybody(pages: dict[str, str], page_job: AuditedJob, tmp_path: Path) -> None:
    written = tmp_path / "whole.html"
    written.write_text(pages["whole"], encoding="utf-8")
    assert find_canaries([written], page_job.canaries) == []
    assert not any(value in pages["whole"] for value in ENVIRON.values())
