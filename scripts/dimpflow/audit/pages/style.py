"""How pages look, on a screen and on paper."""

from re import sub

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
.by-rule td:nth-child(2) { min-width: 15rem; }
.verdict, .run { white-space: nowrap; } .verdict { font-weight: 600; }
.lead { border-left: 5px solid #6b7785; background: #f3f5f8; padding: .5rem .9rem; }
.passed { color: #10562c; } .failed { color: #a3170f; } .open { color: #43515f; }
.lead.passed { border-color: #1d7a43; background: #eef7f1; color: inherit; } .lead.failed { border-color: #a3170f; background: #fdf0ef; color: inherit; }
.beside { display: flex; flex-wrap: wrap; gap: 0 2.5rem; } .beside > div { flex: 1 1 20rem; min-width: 0; }
svg { max-width: 100%; height: auto; }
@page { size: A4; margin: 14mm 15mm 17mm; @top-left { content: ""; } @bottom-right { content: counter(page) " / " counter(pages); font: 8pt system-ui, "DejaVu Sans", sans-serif; } }
@media print {
  body { font-size: 8.8pt; line-height: 1.35; margin: 0; max-width: none; color: #000; } p, ul, ol, pre { max-width: none; }
  h1 { font-size: 14pt; } h2 { font-size: 10.5pt; margin: .85rem 0 .2rem; } h3 { font-size: 9.5pt; margin: .6rem 0 .15rem; } p, ul, ol, table { margin: .25rem 0; } li { margin: .05rem 0; }
  h1, h2, h3 { break-after: avoid; } tr, li, pre, svg, .lead, .whole, .part { break-inside: avoid; } .group { break-after: avoid; } thead { display: table-header-group; }
  .dense { font-size: 7.8pt; line-height: 1.3; } td, th { padding: .12rem .6rem .12rem 0; } .small, .passed, .failed, .open { color: #000; }
  .lead, .lead.passed, .lead.failed, pre { background: none; } .new-page { break-before: page; }
  p { orphans: 3; widows: 3; }
}
"""

WHOLE = """
.page { border-top: 2px solid #35506b; margin-top: 2.5rem; padding-top: 1rem; } .contents a { color: inherit; }
body { counter-reset: page-of; } .page { counter-increment: page-of; } .page > h1::before { content: counter(page-of) "\\2002"; }
.on-screen { margin: .8rem 0; } .on-screen button { font: inherit; padding: .3rem 1rem; }
@media print { .on-screen { display: none; } .page { border: 0; margin: 0; padding: 0; break-before: page; } .contents a { text-decoration: none; } }
"""
"""Beside STYLE, for all pages in one document."""


def footer(text: str) -> str:
    """A line at the foot of every sheet."""
    return f'@page {{ @bottom-left {{ content: "{_quoted(text)}"; font: 8pt system-ui, "DejaVu Sans", sans-serif; }} }}'


def _quoted(text: str) -> str:
    """As a string of CSS within HTML: all signs but those that mean nothing there by their numbers."""
    return sub(r"[^\w ,.:“”-]", lambda sign: f"\\{ord(sign[0]):x} ", text)
