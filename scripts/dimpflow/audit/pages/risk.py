"""The page of the risk of recognition: the picture and the figures that dimpflow.audit.risk makes, in a document like the others."""

from collections.abc import Iterator

from dimpflow.audit.pages.frame import Facts, Html, Page, heading, html, state_of, verdict

_NOT_RUN = "The risk of recognition was not computed for this job."
_SAID = {
    "passed": "Few enough patients are in small groups, by the limit that the configuration sets.",
    "measured": "The figures are for you to judge: the configuration sets no limit (audit.most_below_k).",
    "failed": "More patients are in small groups than the configuration allows.",
}


def risk_page(facts: Facts, figures: str = "", picture: str = "") -> Page:
    """The page. figures: a fragment of HTML (dimpflow.audit.risk.html); picture: an `svg` element (dimpflow.audit.risk.picture)."""
    check = facts["checks"].get("risk", {})
    return Page("Risk: how many patients look alike?", list(_parts(check, Html(figures), Html(picture))))


def _parts(check: Facts, figures: Html, picture: Html) -> Iterator[Html]:
    state = state_of(check)
    if state == "not run":
        yield Html(f'<p class="lead open">{verdict(state)}. {html(_NOT_RUN)}</p>')
        return
    kind = "open" if state == "measured" else state
    yield Html(f'<p class="lead {kind}">{verdict(state)}. {html(_SAID[state])}</p>')
    yield picture
    yield heading("Figures")
    yield figures
