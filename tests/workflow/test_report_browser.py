"""The audit document in a real browser: it asks for nothing, all of its pages open, and it is printed as a whole."""

import base64
import json
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsing import Browser, chromium, find_chromium
from page_reading import Page

from .conftest import ROOT, observation, patient, run_snakemake, succeed, write_lines

pytestmark = pytest.mark.skipif(
    not find_chromium() or not shutil.which("pdftotext"),
    reason="needs Chromium and pdftotext (Debian's packages chromium and poppler-utils)",
)
CONFIG: dict[str, Any] = {"job": "study-42", "input": "data", "audit": {"enabled": True}}
PRINTED = ("0 To print", "all pages, to print or to keep as PDF")
WEB = "https://example.invalid/"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small run, as `make report` makes it."""
    place = tmp_path_factory.mktemp("reported")
    write_lines(place / "data/Patient.ndjson", map(patient, range(12)))
    write_lines(place / "data/Observation.ndjson", (observation(n, n % 12) for n in range(60)))
    succeed(place, config=CONFIG)
    made = place / "jobs/study-42/report.html"
    style = ROOT / "workflow/report/report.css"
    result = run_snakemake(place, "--report", made, "--report-stylesheet", style, config=CONFIG)
    assert result.returncode == 0, result.stdout
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


def open_fresh(browser: Browser, path: Path) -> None:
    browser.requested.clear()
    browser.faults.clear()
    browser.open(path)


def menu(browser: Browser) -> dict[str, tuple[str, str]]:
    """Category and label of each page of the open report, by the name of its file."""
    categories, results = json.loads(browser.evaluate("JSON.stringify([categories, results])"))
    return {
        Path(path).stem: (category, results[path]["labels"]["page"])
        for category, parts in categories.items()
        for paths in parts.values()
        for path in paths
    }


def show(browser: Browser, category: str, label: str) -> str:
    """Opens a page of the open report, as a person does: the category, then the eye beside the page. The page's frame."""
    before = browser.frames()
    click(browser, "nav li a", category)
    click(browser, "nav tbody tr", label, "a")
    ready = "document.readyState === 'complete' && !!document.body?.innerText"

    def shown() -> str | None:
        new = (frame for frame in browser.frames() if frame not in before)
        return next((frame for frame in new if browser.evaluate(ready, frame)), None)

    return browser.wait(shown, f"the page {label}")


def click(browser: Browser, among: str, text: str, within: str = "") -> None:
    """Clicks the element with this text, or the first one of a kind within it, once it is there."""
    script = """((among, text, within) => {
        const found = [...document.querySelectorAll(among)].find(one => one.innerText.trim() === text);
        const target = within ? found?.querySelector(within) : found;
        target?.click();
        return !!target;
    })"""
    call = f"{script}({json.dumps(among)}, {json.dumps(text)}, {json.dumps(within)}) || null"
    browser.wait(lambda: browser.evaluate(call), f"{text} to click")


def outside(browser: Browser, report: Path) -> list[str]:
    """What was asked for of any other place than the report's own file."""
    return [
        address
        for address in browser.requested
        if not address.startswith("data:") and address != report.as_uri()
    ]


def packed(text: str) -> str:
    """Its signs without blanks; ligatures as their letters."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def page_of(report: Path, name: str) -> Page:
    """A page as it lies in the folder of the job."""
    return Page((report.parent / "report" / f"{name}.html").read_text(encoding="utf-8"))


def test_every_page_opens_from_the_menu_and_nothing_is_asked_of_the_web(
    browser: Browser, report: Path
) -> None:
    open_fresh(browser, report)
    pages = menu(browser)
    assert {*pages} == {path.stem for path in (report.parent / "report").iterdir()} and len(pages) == 11
    for name, (category, label) in pages.items():
        frame = show(browser, category, label)
        seen = browser.evaluate("document.body.innerText", frame)
        assert packed(seen) == packed(page_of(report, name).text), name
        assert browser.faults == [] and outside(browser, report) == [], name
        click(browser, "nav ol a", "Results")
    assert len(browser.requested) > len(pages)  # each was one to be seen


PLANTED = f"""
<img src="{WEB}image"><link rel="stylesheet" href="{WEB}sheet"><style>body {{ background: url({WEB}background) }}</style>
<iframe src="{WEB}frame"></iframe><script>fetch("{WEB}fetch").catch(() => 0); new WebSocket("wss://example.invalid/socket")</script>
<script>new Worker(URL.createObjectURL(new Blob(["fetch('{WEB}worker').catch(() => 0)"])))</script>
"""
ASKED = {f"{WEB}{what}" for what in ("image", "sheet", "background", "frame", "fetch", "worker")} | {
    "wss://example.invalid/socket"
}


def test_a_request_to_the_web_would_be_seen(browser: Browser, report: Path, tmp_path: Path) -> None:
    text = report.read_text(encoding="utf-8")
    page = (report.parent / "report/overview.html").read_bytes()
    in_snakemakes, in_ours = tmp_path / "snakemakes.html", tmp_path / "ours.html"
    # the end of the page's own body: earlier ones stand in the texts of its scripts
    in_snakemakes.write_text(f"{PLANTED}</body>".join(text.rsplit("</body>", 1)))
    open_fresh(browser, in_snakemakes)
    browser.wait(lambda: {*outside(browser, in_snakemakes)} >= ASKED or None, f"all of {ASKED}")

    spoilt = page.replace(b"</body>", PLANTED.encode() + b"</body>")
    in_ours.write_text(text.replace(encoded(page), encoded(spoilt)))
    open_fresh(browser, in_ours)
    show(browser, *menu(browser)["overview"])
    browser.wait(lambda: {*outside(browser, in_ours)} >= ASKED or None, f"all of {ASKED}")


def encoded(page: bytes) -> str:
    """As it stands in the report."""
    return base64.b64encode(page).decode()


def test_the_report_does_not_say_where_anything_is(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert str(ROOT) not in text and str(report.parents[2]) not in text


def test_a_fault_of_a_script_would_be_seen(browser: Browser, report: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "report.html"
    spoilt.write_text(report.read_text().replace('<script id="logo">', "<script>invented()</script><script>"))
    open_fresh(browser, spoilt)
    assert any("invented is not defined" in one for one in browser.faults)


def test_the_button_prints_the_page_in_its_frame(browser: Browser, report: Path) -> None:
    open_fresh(browser, report)
    frame = show(browser, *PRINTED)
    browser.evaluate("window.print = () => { window.printed = true }", frame)
    browser.evaluate("document.querySelector('button').click()", frame)
    assert browser.evaluate("window.printed", frame) is True


def test_the_contents_lead_to_the_pages(browser: Browser, report: Path) -> None:
    open_fresh(browser, report)
    frame = show(browser, *PRINTED)
    for number in (2, 9):
        browser.evaluate(f"document.querySelectorAll('.contents a')[{number - 1}].click()", frame)
        top = f"Math.abs(document.getElementById('page-{number}').getBoundingClientRect().top) < 40 || null"
        browser.wait(lambda top=top: browser.evaluate(top, frame), "the page to be scrolled to")  # type: ignore[misc]
    assert browser.faults == []


@pytest.fixture(scope="module")
def sheets(browser: Browser, report: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The text of each sheet of the printed document."""
    open_fresh(browser, report.parent / "report/whole.html")
    return printed(browser, tmp_path_factory.mktemp("printed") / "whole.pdf")


def printed(browser: Browser, pdf: Path) -> list[str]:
    """What is open, as "Save as PDF" prints it."""
    made = browser.page("Page.printToPDF", preferCSSPageSize=True, displayHeaderFooter=True)
    pdf.write_bytes(base64.b64decode(made["data"]))
    about = subprocess.run(["pdfinfo", pdf], capture_output=True, text=True, check=True).stdout
    assert re.search(r"^Page size: .*\(A4\)$", about, re.MULTILINE)
    told = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, check=True).stdout
    return told.decode().split("\f")[:-1]


def test_all_pages_are_printed_to_the_last_sign(sheets: list[str], report: Path) -> None:
    page = page_of(report, "whole")
    wanted = Counter(packed(page.text)) - Counter(packed("Print all pages, or save them as PDF"))
    assert wanted - Counter(packed("".join(sheets))) == Counter()
    assert not any("Print all pages" in sheet for sheet in sheets)


def test_each_page_begins_on_a_sheet_of_its_own(sheets: list[str], report: Path) -> None:
    titles = [text for level, text in page_of(report, "whole").headings if level == 1]
    begins = [
        next(
            at
            for at, sheet in enumerate(sheets)
            if packed(sheet).startswith(packed(f"{number or ''}{title}"))
        )
        for number, title in enumerate(titles)
    ]
    assert begins[0] == 0 and begins == sorted({*begins}) and len(begins) == 11
    assert begins[1:3] == [1, 2]  # cover and overview are a sheet each


def test_each_sheet_says_of_which_job_it_is_and_which_of_how_many(sheets: list[str]) -> None:
    for number, sheet in enumerate(sheets, 1):
        last = sheet.rstrip().splitlines()[-1]
        assert re.fullmatch(
            rf" *Audit document of job “study-42”, facts of .* UTC +{number} / {len(sheets)}", last
        ), last
        assert "file://" not in sheet  # no line of the browser's own


def test_a_table_over_several_sheets_repeats_its_heading(sheets: list[str]) -> None:
    rules = [
        sheet for sheet in sheets if re.search(r"^ *\d+ +\S.* (keep|redact|remove) ", sheet, re.MULTILINE)
    ]
    assert len(rules) > 1
    assert all(re.search(r"^ *Rule +Path +Method +Matched +Changed$", sheet, re.MULTILINE) for sheet in rules)


def test_the_report_itself_says_that_it_is_not_printed_as_a_whole(
    browser: Browser, report: Path, tmp_path: Path
) -> None:
    open_fresh(browser, report)
    [sheet] = printed(browser, tmp_path / "report.pdf")
    assert "This sheet shows only what was on the screen" in sheet and "report/whole.html" in sheet
    assert "Statistics" not in sheet  # the menu
