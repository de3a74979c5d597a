"""The page of the leak check: what was looked for, and where any of it was found. Counts and paths, no value."""

from collections.abc import Iterator, Sequence

from dimpflow.audit.pages.frame import (
    Cell,
    Facts,
    Html,
    Page,
    bullets,
    code,
    counted,
    heading,
    html,
    number,
    paragraph,
    state_of,
    table,
    verdict,
)

_HOW = (
    "From the imported data all values were gathered that name or number a person: names, identifiers, telephone numbers, e-mail addresses, "
    "addresses, birth dates, ids. They were kept as keyed hashes only, and looked for in every text of the result: as words, in "
    "any case and with any punctuation. What is found is shown by path and kind, never by value."
)
_NOT_RUN = (
    "The leak check was not run for this job. So nothing is known about identifying values in the result."
)
_COMMON = (
    "Some names are words of the language too (Berg, Rose), and some numbers are codes. Such a hit counts as common, not as a finding, "
    "if it stands in labels or longer texts of at least {} more patients than bear it, or as the same whole label in data of that many. "
    "Birth dates that agree are common where most full birth dates were changed."
)
_LIMITS = (
    "Values that the input does not hold as such: nicknames, misspellings, people whom only a text names.",
    "Cities, states and postal codes alone, years of birth, titles, and very short ids outside of the places of ids.",
    "Identifying values that are in the result and never were in the import.",
)


def leaks_page(facts: Facts) -> Page:
    """The page."""
    check = facts["checks"].get("leaks", {})
    return Page("Leak check: is anything left that identifies people?", list(_parts(check)))


def _parts(check: Facts) -> Iterator[Html]:
    state = state_of(check)
    if state == "not run":
        yield Html(f'<p class="lead open">{verdict(state)}. {html(_NOT_RUN)}</p>')
        return
    findings = check.get("findings", [])
    lines = number(check.get("lines", 0))
    if findings:
        said = (
            f"{counted(_hits(findings), 'hit', 'hits')} in {lines} lines of the result, at the paths below."
        )
    else:
        said = f"No identifying value of the import was found in {lines} lines of the result."
    yield Html(f'<p class="lead {state}">{verdict(state)}. {html(said)}</p>')
    yield paragraph(_HOW)
    if findings:
        yield heading("Found")
        yield _found(findings)
        yield paragraph(
            "Look at the rules for these paths, correct the rule set and run again. A path that may hold such values "
            "can be tolerated by the configuration; it is then shown as such here."
        )
    if tolerated := check.get("tolerated", []):
        yield heading("Found at paths that the configuration tolerates")
        yield _found(tolerated)
    if common := check.get("common", []):
        yield heading("Found, but common words, codes or days")
        yield paragraph(_COMMON.format(number(check.get("common_from", 0))))
        yield _found(common)
    if looked_for := check.get("looked_for", {}):
        yield heading("Looked for")
        rows: list[tuple[Cell, ...]] = [(kind, count) for kind, count in looked_for.items()]
        yield table(("Kind of value", "Different values"), rows, "dense whole")
    yield heading("What this check cannot see")
    yield bullets(_LIMITS)


def _found(findings: Sequence[Facts]) -> Html:
    rows = [(code(one["path"]), one["kind"], one["count"]) for one in findings]
    return table(("Path", "Kind of value", "Hits"), rows, "dense")


def _hits(findings: Sequence[Facts]) -> int:
    return sum(one["count"] for one in findings)
