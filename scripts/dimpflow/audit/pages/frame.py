"""What all pages share: the frame of a document, tables, numbers and times as people read them.

A page is one file: no script, nothing loaded from elsewhere, readable on a laptop and printed on A4; all of them together are one
more (dimpflow.audit.pages.whole). Texts are escaped where they get into it; only `Html` is taken as it is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any, Literal, NamedTuple

from dimpflow.audit.pages.style import STYLE

Facts = dict[str, Any]
"""What audit.json says."""

Language = Literal["en", "de"]


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


class Page(NamedTuple):
    """title: its heading, as text; parts: what stands below it."""

    title: str
    parts: Sequence[Html]
    language: Language = "en"

    def document(self) -> str:
        """As a complete document of its own."""
        return document(self.title, self.html(), self.language)

    def html(self) -> Html:
        """The page as it stands in a document."""
        return Html("\n".join((f"<h1>{escape(self.title)}</h1>", *self.parts)))


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


def document(title: str, body: Html, language: Language = "en", style: str = "") -> str:
    """A complete document. style: beside that of all pages."""
    name = escape(title)
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
        f"<style>{STYLE}{style}</style>"
    )
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
        lines.append(f"<tbody{_class('part' if name else '')}>")
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
