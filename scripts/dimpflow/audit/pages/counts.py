"""The pages of what came in and what went out: lines by type and by source, and what each rule did."""

from collections.abc import Iterator

from dimpflow.audit.pages.frame import Cell, Facts, Html, Page, code, heading, html, paragraph, table

CAME_IN, WENT_OUT = "What came in", "What went out"

_NOT_COUNTED = "No counts: a DIMP service applied its rules, which does not say what each of them did, or there are none."


def counts_page(title: str, facts: Facts) -> Page:
    """The page of what `import_results.json` or `dimp_results.json` says."""
    return Page(title, list(_parts(facts)))


def _parts(facts: Facts) -> Iterator[Html]:
    yield table(("Fact", "Value"), list(_totals(facts)))
    yield Html('<div class="beside"><div>')
    yield heading("By resource type")
    yield table(("Type of the line", "Lines"), list(facts["resources"].items()), "dense")
    yield Html("</div><div>")
    yield heading("By source")
    rows = [(one["source"], one["lines"], one["rejected"]) for one in facts["sources"]]
    yield table(("Source", "Lines", "Rejected"), rows, "dense")
    yield Html("</div></div>")
    if "rules" in facts:
        yield heading("By rule")
        yield _rules(facts) if facts["rules"] else paragraph(_NOT_COUNTED)


def _totals(facts: Facts) -> Iterator[tuple[Cell, ...]]:
    yield "Lines", html(facts["lines"])
    yield "Rejected lines", html(facts["rejected"])
    # what the import has left out on purpose, if there was anything to look for
    for name, count in facts.get("dropped", {}).items():
        yield f"{name}: resources left out", html(count)
    if "empty_bundles" in facts:
        yield "Bundles without entries, left out", html(facts["empty_bundles"])
    yield "Bytes", html(facts["bytes"])
    yield "SHA-256", code(facts["sha256"])


def _rules(facts: Facts) -> Html:
    rows = [
        (one["rule"], code(one["path"]), one["method"], one["matched"], one["changed"])
        for one in facts["rules"]
    ]
    return table(("Rule", "Path", "Method", "Matched", "Changed"), rows, "dense")
