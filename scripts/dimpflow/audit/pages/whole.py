"""All pages as one document, which is printed as a whole: Snakemake's report shows, and prints, one page at a time."""

from collections.abc import Iterator, Sequence

from dimpflow.audit.pages.frame import (
    Cell,
    Facts,
    Html,
    Language,
    Page,
    code,
    document,
    heading,
    html,
    moment,
    paragraph,
    table,
)
from dimpflow.audit.pages.overview import verdict_part
from dimpflow.audit.pages.style import WHOLE, footer

_TITLE = "Audit document of job “{}”"
_ABOUT = (
    "What was done to the data, what was checked, and how anybody can check it again. This document holds counts, paths, digests and "
    "versions, no data of any person, and no key."
)
_GERMAN = "Auf Deutsch: Abschnitt {}, die Zusammenfassung mit den Regeln in Worten."
_VERDICTS = (
    "A verdict is passed, failed, measured (figures for you to judge, since the configuration sets no limit) or not run. What was not "
    "run says nothing."
)
# The only script of all pages. In Snakemake's report a page is a frame: this prints the frame alone, on as many sheets as it needs.
_BUTTON = Html(
    '<p class="on-screen"><button type="button" onclick="print()">Print all pages, or save them as PDF</button></p>'
)


def whole_document(facts: Facts, pages: Sequence[Page]) -> str:
    """A cover with a verdict and the contents, then each page on a sheet of its own."""
    title = _TITLE.format(facts["job"])
    cover = Page(title, list(_cover(facts, pages)))
    body = Html("\n".join((cover.html(), *_numbered(pages))))
    line = footer(f"{title}, facts of {moment(facts['made'], 'en')}")
    return document(title, body, style=f"{WHOLE}{line}\n")


def _cover(facts: Facts, pages: Sequence[Page]) -> Iterator[Html]:
    yield _BUTTON
    yield paragraph(_ABOUT)
    yield verdict_part(facts, "en")
    yield Html(f'<p lang="de">{html(_GERMAN.format(_number_of("de", pages)))}</p>')
    yield heading("Contents")
    links = (
        f'<li{_lang(page)}><a href="#page-{number}">{html(page.title)}</a></li>'
        for number, page in enumerate(pages, 1)
    )
    yield Html(f'<ol class="contents">{"".join(links)}</ol>')
    yield paragraph(_VERDICTS)
    yield heading("Of which result")
    yield table(("Fact", "Value"), list(_result(facts)))


def _result(facts: Facts) -> Iterator[tuple[Cell, ...]]:
    yield "Job", facts["job"]
    yield "Result", code(facts["output"]["file"])
    yield "SHA-256 of the result", code(facts["output"]["file_sha256"])
    yield "These facts collected", moment(facts["made"], "en")


def _numbered(pages: Sequence[Page]) -> Iterator[str]:
    for number, page in enumerate(pages, 1):
        yield f'<section class="page" id="page-{number}"{_lang(page)}>\n{page.html()}\n</section>'


def _number_of(language: Language, pages: Sequence[Page]) -> int:
    return next(number for number, page in enumerate(pages, 1) if page.language == language)


def _lang(page: Page) -> str:
    return "" if page.language == "en" else f' lang="{page.language}"'
