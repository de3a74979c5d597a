"""The page of the consistency check: whether records still belong together, and what became of the values of each path."""

from collections.abc import Iterator, Mapping, Sequence

from dimpflow.audit.pages.frame import (
    Cell,
    Facts,
    Html,
    Page,
    bullets,
    code,
    grouped,
    heading,
    html,
    joined,
    number,
    paragraph,
    state_of,
    table,
    verdict,
)

_NOT_RUN = "This check was not run for this job. So it is not shown that references and counts are as before."
_PASSED = "Records refer to each other as before, and none has become a record of another type."
_REFERENCES = (
    ("things", "Resources that can be referred to"),
    ("references", "References"),
    ("resolved", "of these: lead to a resource of these data"),
    ("distinct", "different resources that they lead to"),
)
_PATIENTS = (
    ("patients", "Patients"),
    ("least", "References to a patient: fewest"),
    ("middle", "References to a patient: in the middle (median)"),
    ("most", "References to a patient: most"),
)
_GROUPS = (
    "References were compared by their places: those that meant the same resource before have to mean one same resource now, and those that "
    "meant different ones different ones. "
)
_KEPT = (
    "Kept: values that stand there as before. Changed: another value stands in their place. Gone: no value is left. New: values "
    "where there was none. The rule set decides which of these is right; the table shows what happened, also to elements that no rule "
    "names. "
)
_HEADER = ("Paths, those with the same counts together", "Kept", "Changed", "Gone", "New")

Row = Mapping[str, int | str]


def consistency_page(facts: Facts) -> Page:
    """The page."""
    check = facts["checks"].get("consistency", {})
    return Page("Consistency: do records still belong together?", list(_parts(check)))


def _parts(check: Facts) -> Iterator[Html]:
    state = state_of(check)
    if state == "not run":
        yield Html(f'<p class="lead open">{verdict(state)}. {html(_NOT_RUN)}</p>')
        return
    faults = check.get("faults", [])
    yield Html(f'<p class="lead {state}">{verdict(state)}. {html("See below." if faults else _PASSED)}</p>')
    if faults:
        yield heading("Not as it was")
        yield bullets(faults)
    yield heading("References before and after")
    yield _before_after(_REFERENCES, check.get("references", {}), ("before", "after"))
    yield heading("Patients before and after")
    yield _before_after(_PATIENTS, check.get("patients", {}), ("before", "after"))
    compared = check.get("compared", {})
    if compared:
        yield heading("References compared one by one")
        yield paragraph(
            f"{_GROUPS}{_of_lines(compared.get('every', 1))}: {number(compared.get('mentions', 0))} references and ids of resources."
        )
        yield from _gone(compared.get("gone", {}))
    kept = check.get("kept", {})
    if kept.get("paths"):
        yield heading("What became of the values")
        yield paragraph(
            f"{_KEPT}Looked at were {number(kept.get('lines', 0))} of {number(check.get('lines', 0))} lines."
        )
        yield grouped(_HEADER, _by_type(kept["paths"]), "dense")


def _of_lines(every: int) -> str:
    return "All lines were compared" if every == 1 else f"One line in {number(every)} was compared"


def _before_after(named: Sequence[tuple[str, str]], counts: Facts, columns: tuple[str, str]) -> Html:
    before, after = (counts.get(one, {}) for one in columns)
    rows: list[tuple[Cell, ...]] = [
        (name, before.get(key, 0), after.get(key, 0)) for key, name in named if key in before or key in after
    ]
    return table(("", "Before", "After"), rows)


def _gone(gone: Mapping[str, int]) -> Iterator[Html]:
    if not gone:
        yield paragraph("None of them has gone.")
        return
    yield paragraph("These have gone, with the elements that they stood in:")
    yield table(("Path", "References"), [(code(path), count) for path, count in gone.items()], "dense")


def _by_type(paths: Sequence[Row]) -> list[tuple[str, list[tuple[Cell, ...]]]]:
    """Paths below the name of their resource type; those with the same counts together."""
    parts: dict[str, dict[tuple[Cell, ...], list[str]]] = {}
    for row in paths:
        type_, _, rest = str(row["path"]).partition(".")
        counts = (row["kept"], row["changed"], row["gone"], row["new"])
        parts.setdefault(type_, {}).setdefault(counts, []).append(rest or type_)
    return [
        (type_, [(joined(map(code, names)), *counts) for counts, names in rows.items()])
        for type_, rows in parts.items()
    ]
