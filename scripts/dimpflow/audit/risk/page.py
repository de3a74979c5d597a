"""The figures as a fragment of HTML for the report: words, tables, no value of the data."""

from collections.abc import Iterable, Sequence
from html import escape

from dimpflow.audit.risk.measures import Diversity, RiskReport
from dimpflow.audit.risk.words import band_name, counted, number, percent

_INTRODUCTION = (
    "Patients who have the same values of all of these form a group: {names}. Somebody who knows them of a person, and that the "
    "person is in the data, finds the group, and in it the person with a chance of one to the size of the group. A missing value "
    "counts as a value; several values of one patient (such as two addresses) count together as one."
)
_SENSITIVE = (
    "If all patients of a group have the same diagnosis, whoever finds the group knows the diagnosis without finding the person. "
    "The codes of one resource count together as one value; that a value is shared is asked of each code by itself."
)
_NOT_SEEN = (
    "The figures say nothing of people outside these data, and nothing of other ways to recognise somebody, such as dates of "
    "treatment, rare codes, or free text."
)

Row = Sequence[str]


def html(report: RiskReport) -> str:
    """Sentences and tables, to stand below a heading of the second level. The picture is not in it."""
    if not report.patients:
        return (
            "<p>There are no patients in the result, so there is no figure for the risk of recognition.</p>\n"
        )
    parts = [
        f"<p><strong>{escape(_in_short(report))}</strong></p>",
        f"<p>{escape(_INTRODUCTION.format(names=', '.join(a.name for a in report.quasi_identifiers)))}</p>",
        _table(("Figure", "Value"), _figures(report)),
        "<h3>Groups by size</h3>",
        _table(
            ("Size of the group", "Groups", "Patients", "Share of patients"),
            (
                (band_name(b), number(b.groups), number(b.patients), percent(b.patients / report.patients))
                for b in report.bands
            ),
        ),
        "<h3>What was taken to be known of a person</h3>",
        _table(
            ("Quasi-identifier", "Path", "Distinct values", "Patients without", "Patients with several"),
            (
                (a.name, a.path, number(a.values), number(a.without_value), number(a.several_values))
                for a in report.quasi_identifiers
            ),
        ),
        *_diversity(report),
        *_hints(report),
        f"<p>{escape(_NOT_SEEN)}</p>",
    ]
    return "\n".join(parts) + "\n"


def _in_short(report: RiskReport) -> str:
    if not report.patients_below:
        return f"Each of the {counted(report.patients, 'patient')} is in a group of at least {number(report.k or 0)} (threshold: {number(report.threshold)})."
    return (
        f"{number(report.patients_below)} of {counted(report.patients, 'patient')} ({percent(report.share_below)}) are in groups of "
        f"fewer than {number(report.threshold)}; the smallest group has {counted(report.k or 0, 'patient')}."
    )


def _figures(report: RiskReport) -> Iterable[Row]:
    yield "Patients", number(report.patients)
    yield "Groups", number(report.groups)
    yield "Smallest group (k)", number(report.k or 0)
    yield f"Patients in groups below {number(report.threshold)}", number(report.patients_below)
    yield "Their share", percent(report.share_below)
    yield "Highest risk of one patient (1 / k)", percent(report.highest_risk or 0.0)
    yield "Average risk (groups / patients)", percent(report.average_risk or 0.0)


def _diversity(report: RiskReport) -> Iterable[str]:
    if not report.sensitive:
        return
    yield "<h3>What a group tells about its patients</h3>"
    yield f"<p>{escape(_SENSITIVE)}</p>"
    header = (
        "Sensitive value",
        "Fewest distinct values in a group (l)",
        "Groups with one value only",
        "their patients",
        "Groups that share a value",
        "their patients",
        "Groups without any",
        "their patients",
    )
    yield _table(header, (_diverse(one) for one in report.sensitive))
    for one in report.sensitive:
        if one.without_value or one.unlinked:
            left_out = (
                f"{one.path}: of {counted(one.resources, 'resource')}, {number(one.without_value)} without a value and "
                f"{number(one.unlinked)} that belong to no patient of the result are not in these figures."
            )
            yield f"<p>{escape(left_out)}</p>"


def _diverse(one: Diversity) -> Row:
    return (
        one.path,
        "none has any" if one.smallest is None else number(one.smallest),
        number(one.groups_one_value),
        number(one.patients_one_value),
        number(one.groups_shared),
        number(one.patients_shared),
        number(one.groups_no_value),
        number(one.patients_no_value),
    )


def _hints(report: RiskReport) -> Iterable[str]:
    if not report.hints:
        return
    yield "<h3>What would help</h3>"
    coarser, left_out = report.best(keeps=True), report.best(keeps=False)
    for hint, what in (
        (coarser, "Of the changes that keep something of all"),
        (left_out, "Of those that leave one out"),
    ):
        if hint:
            text = (
                f"{what}, this one helps most: {hint.step}. Then {counted(hint.patients_below, 'patient')} "
                f"({percent(hint.patients_below / report.patients)}) would be below the threshold."
            )
            yield f"<p>{escape(text)}</p>"
    if not coarser and not left_out:
        yield "<p>No single change of these would help.</p>"
    yield _table(
        ("One change, all else as it is", "Smallest group", "Patients below", "Share of patients"),
        (
            (h.step, number(h.k), number(h.patients_below), percent(h.patients_below / report.patients))
            for h in report.hints
        ),
    )


def _table(header: Row, rows: Iterable[Row]) -> str:
    lines = ["<table>", _row("th", header), *(_row("td", row) for row in rows), "</table>"]
    return "\n".join(lines)


def _row(tag: str, cells: Row) -> str:
    return "<tr>" + "".join(f"<{tag}{_align(cell)}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _align(cell: str) -> str:
    return ' class="n"' if cell.replace("\u202f", "").removesuffix(" %").replace(".", "").isdigit() else ""
