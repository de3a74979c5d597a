"""The counts of a result as a page of plain HTML: no script, no values of the data, nothing loaded from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem; color: #1c2733; background: #fff; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 1.6rem; }
table { border-collapse: collapse; } th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #35506b; } td { border-bottom: 1px solid #d8dee5; }
.n { text-align: right; font-variant-numeric: tabular-nums; } code { font-size: .9em; overflow-wrap: anywhere; }
"""

_NOT_COUNTED = "<p>No counts: a DIMP service applied its rules, which does not say what each of them did, or there are none.</p>"

Row = Sequence[object]


def counts_page(title: str, facts: dict[str, Any]) -> str:
    """A page for what `import_results.json` or `dimp_results.json` says."""
    totals: list[Row] = [
        ("Lines", _number(facts["lines"])),
        ("Rejected lines", _number(facts["rejected"])),
        *_left_out(facts),
        ("Bytes", _number(facts["bytes"])),
        ("SHA-256", facts["sha256"]),
    ]
    parts = [
        f"<h1>{escape(title)}</h1>",
        _table(("Fact", "Value"), totals),
        "<h2>By resource type</h2>",
        _table(("Type of the line", "Lines"), ((name, _number(n)) for name, n in facts["resources"].items())),
        "<h2>By source</h2>",
        _table(
            ("Source", "Lines", "Rejected"),
            ((one["source"], _number(one["lines"]), _number(one["rejected"])) for one in facts["sources"]),
        ),
    ]
    if "rules" in facts:
        header = ("Rule", "Path", "Method", "Matched", "Changed")
        rows = (
            (r["rule"], r["path"], r["method"], _number(r["matched"]), _number(r["changed"]))
            for r in facts["rules"]
        )
        counted = _table(header, rows) if facts["rules"] else _NOT_COUNTED
        parts += ["<h2>By rule</h2>", counted]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _left_out(facts: dict[str, Any]) -> list[Row]:
    """What the import has left out on purpose, if there was anything to look for."""
    rows: list[Row] = [
        (f"{name}: resources left out", _number(count)) for name, count in facts.get("dropped", {}).items()
    ]
    if "empty_bundles" in facts:
        rows.append(("Bundles without entries, left out", _number(facts["empty_bundles"])))
    return rows


def _number(value: int) -> str:
    """With a thin gap after each three digits, as ISO 80000 writes it."""
    return f"{value:,}".replace(",", "\u202f")


def _table(header: Row, rows: Iterable[Row]) -> str:
    lines = ["<table>", _row("th", header), *(_row("td", row) for row in rows), "</table>"]
    return "\n".join(lines)


def _row(tag: str, cells: Row) -> str:
    return "<tr>" + "".join(f"<{tag}{_align(cell)}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"


def _align(cell: object) -> str:
    return ' class="n"' if str(cell).replace("\u202f", "").isdigit() else ""
