"""What all pages share: the frame of a document, tables, numbers and times as people read them.

A page is one file: no script, nothing loaded from elsewhere, readable on a laptop and printed on A4. Texts are escaped where they
get into it; only `Html` is taken as it is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any, Literal, NamedTuple

Facts = dict[str, Any]
"""What audit.json says."""

Language = Literal["en", "de"]

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; margin: 1.5rem; color: #1c2733; background: #fff; max-width: 66rem; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: 0 0 .6rem; } h2 { font-size: 1.08rem; margin: 1.5rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.1rem 0 .3rem; }
p, ul, ol { margin: .4rem 0; max-width: 56rem; } li { margin: .15rem 0; } ul, ol { padding-left: 1.4rem; }
table { border-collapse: collapse; margin: .4rem 0; }
th, td { padding: .22rem 1rem .22rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #d8dee5; }
th { font-weight: 600; vertical-align: bottom; border-bottom: 2px solid #35506b; }
th[scope=row] { font-weight: normal; vertical-align: top; border-bottom: 1px solid #d8dee5; }
th[scope=rowgroup] { padding-top: .7rem; border-bottom-width: 1px; }
td:last-child, th:last-child { padding-right: .2rem; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code { font: .87em/1.4 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
pre { background: #f3f5f8; border: 1px solid #d8dee5; padding: .5rem .8rem; white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0; max-width: 54rem; }
.small { font-size: .87em; color: #43515f; } .dense { font-size: 13px; line-height: 1.35; } .dense td, .dense th { padding-top: .12rem; padding-bottom: .12rem; }
.verdict { white-space: nowrap; font-weight: 600; }
.lead { border-left: 5px solid #6b7785; background: #f3f5f8; padding: .5rem .9rem; }
.passed { color: #10562c; } .failed { color: #a3170f; } .open { color: #43515f; }
.lead.passed { border-color: #1d7a43; background: #eef7f1; color: inherit; } .lead.failed { border-color: #a3170f; background: #fdf0ef; color: inherit; }
.beside { display: flex; flex-wrap: wrap; gap: 0 2.5rem; } .beside > div { flex: 1 1 20rem; min-width: 0; }
svg { max-width: 100%; height: auto; }
@page { size: A4; margin: 14mm 15mm; }
@media print {
  body { font-size: 8.8pt; line-height: 1.35; margin: 0; max-width: none; color: #000; } p, ul, ol, pre { max-width: none; }
  h1 { font-size: 14pt; } h2 { font-size: 10.5pt; margin: .85rem 0 .2rem; } h3 { font-size: 9.5pt; margin: .6rem 0 .15rem; } p, ul, ol, table { margin: .25rem 0; } li { margin: .05rem 0; }
  h1, h2, h3 { break-after: avoid; } tr, li, pre, svg, .lead, .whole { break-inside: avoid; } .group { break-after: avoid; } thead { display: table-header-group; }
  .dense { font-size: 7.8pt; line-height: 1.3; } td, th { padding: .12rem .6rem .12rem 0; } .small, .passed, .failed, .open { color: #000; }
  .lead, .lead.passed, .lead.failed, pre { background: none; } .new-page { break-before: page; }
  p { orphans: 3; widows: 3; }
}
"""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


class Said(NamedTuple):
    """The same in both languages."""

    en: str
    de: str

    def by(self, language: Language) -> str:
        """In one of them."""
        return self.en if language == "en" else self.de


NONE = "–"
"""In a table: there is no such number."""

Cell = str | int | float
Row = Sequence[Cell]

_MONTHS = Said(
    "January February March April May June July August September October November December",
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
)
_STATES = {
    "passed": Said("✓ passed", "✓ bestanden"),
    "failed": Said("✗ FAILED", "✗ NICHT BESTANDEN"),
    "measured": Said("• measured, no limit set", "• gemessen, ohne gesetzte Grenze"),
    "not run": Said("– not run", "– nicht durchgeführt"),
}


def document(title: str, parts: Iterable[str], language: Language = "en") -> str:
    """A complete page; the title is its heading. parts: HTML."""
    name = escape(title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title><style>{STYLE}</style>'
    body = "\n".join((f"<h1>{name}</h1>", *parts))
    return f'<!DOCTYPE html>\n<html lang="{language}"><head>{head}</head><body>\n{body}\n</body></html>\n'


def html(text: Cell) -> Html:
    """As it stands in HTML; whole numbers in groups of three digits, others with one decimal."""
    if isinstance(text, Html):
        return text
    if isinstance(text, float):
        return Html(f"{text:.1f}")
    return Html(escape(number(text) if isinstance(text, int) else text))


def code(text: str) -> Html:
    """A path, a digest, a name of a file."""
    return Html(f"<code>{escape(text)}</code>")


def paragraph(text: str, kind: str = "") -> Html:
    """A paragraph. kind: its classes."""
    return Html(f"<p{_class(kind)}>{html(text)}</p>")


def heading(text: str, level: int = 2) -> Html:
    """A heading of the second level, or a lower one."""
    return Html(f"<h{level}>{html(text)}</h{level}>")


def bullets(texts: Iterable[str]) -> Html:
    """A list."""
    return Html("<ul>" + "".join(f"<li>{html(text)}</li>" for text in texts) + "</ul>")


def joined(texts: Iterable[str], between: str = ", ") -> Html:
    """Texts one behind the other."""
    return Html(html(between).join(map(html, texts)))


def number(value: int) -> str:
    """With a thin gap after each three digits, as ISO 80000 writes it."""
    return f"{value:,}".replace(",", "\u202f")


def counted(value: int, one: str, many: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number(value)}\u00a0{one if value == 1 else many}"


def share(part: float, language: Language) -> str:
    """A share of 0 to 1 in per cent; what is not nothing is never called 0, what is not all never 100."""
    under, over = ("under", "over") if language == "en" else ("unter", "über")
    if 0 < part < 0.001:
        text = f"{under} 0.1 %"
    elif 0.999 < part < 1:
        text = f"{over} 99.9 %"
    else:
        text = f"{100 * part:.1f} %"
    return text if language == "en" else text.replace(".", ",")


def moment(text: str | None, language: Language) -> str:
    """A time of audit.json (UTC); "" where there is none."""
    if not text:
        return ""
    at = datetime.fromisoformat(text)
    month = _MONTHS.by(language).split()[at.month - 1]
    if language == "en":
        return f"{at.day} {month} {at.year}, {at:%H:%M} UTC"
    return f"{at.day}. {month} {at.year}, {at:%H:%M} Uhr (UTC)"


def state_of(check: Facts) -> str:
    """passed, failed, measured or not run; a check that does not say it has not been run."""
    found = check.get("state", "not run")
    return found if found in _STATES else "not run"


def verdict(state: str, language: Language = "en") -> Html:
    """A state in words, with a mark, so that it needs no colour."""
    kind = state if state in ("passed", "failed") else "open"
    return Html(f'<span class="verdict {kind}">{escape(_STATES[state].by(language))}</span>')


def table(header: Sequence[str], rows: Iterable[Row], kind: str = "whole") -> Html:
    """A table whose first column names its rows; columns of numbers stand right. kind: `whole` is kept on one page in print."""
    return grouped(header, [("", list(rows))], kind)


def grouped(header: Sequence[str], groups: Iterable[tuple[str, Sequence[Row]]], kind: str = "") -> Html:
    """A table of several parts, each with its heading."""
    listed = [(name, rows) for name, rows in groups if rows]
    first = [row for _, rows in listed for row in rows]
    right = [_is_numbers([row[at] for row in first]) for at in range(len(header))]
    lines = [
        f"<table{_class(kind)}>",
        _row("<thead>", (_cell("th", *one, ' scope="col"') for one in zip(header, right, strict=True))),
    ]
    lines.append("</thead>")
    for name, rows in listed:
        lines.append("<tbody>")
        if name:
            lines.append(
                f'<tr class="group"><th scope="rowgroup" colspan="{len(header)}">{html(name)}</th></tr>'
            )
        lines += [_row("", _cells(row, right)) for row in rows]
        lines.append("</tbody>")
    return Html("\n".join((*lines, "</table>")))


def _is_numbers(column: Sequence[Cell]) -> bool:
    kinds = [isinstance(cell, int | float) for cell in column if cell != NONE]
    return bool(kinds) and all(kinds)


def _cells(row: Row, right: Sequence[bool]) -> Iterable[str]:
    for at, (cell, number_) in enumerate(zip(row, right, strict=True)):
        yield _cell("th", cell, number_, ' scope="row"') if at == 0 else _cell("td", cell, number_)


def _row(before: str, cells: Iterable[str]) -> str:
    return f"{before}<tr>{''.join(cells)}</tr>"


def _cell(tag: str, text: Cell, right: bool, more: str = "") -> str:
    return f"<{tag}{more}{_class('n' if right else '')}>{html(text)}</{tag}>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
