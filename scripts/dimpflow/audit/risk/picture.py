"""The distribution of group sizes as a picture (SVG 1.1): no script, no style sheet, nothing loaded from elsewhere.

Colours of Okabe and Ito, which the colour-blind can tell apart; what is below the threshold is hatched as well, for black and
white. The figures stand beside the bars.
"""

from html import escape

from dimpflow.audit.risk.measures import Band, RiskReport
from dimpflow.audit.risk.words import band_name, counted, number, percent

_WIDTH, _TOP, _ROW, _BAR = 760, 64, 36, 24
_GAP = 24  # between what is below the threshold and what is not, for its line
_LEFT, _LONGEST = 180, 300  # where bars begin, and the longest
_DARK, _BELOW, _ENOUGH = "#1c2733", "#d55e00", "#0072b2"


def picture(report: RiskReport) -> str:
    """Bars of the patients by the size of their group, with the threshold marked, as an `svg` element."""
    rows = [_bar(at, band, report) for at, band in enumerate(report.bands)]
    height = _TOP + _ROW * len(rows) + _GAP + 12
    title = "How many patients look alike"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" '
        f'aria-labelledby="risk-title risk-text" font-family="system-ui, sans-serif" font-size="14" fill="{_DARK}">',
        f'<title id="risk-title">{title}</title><desc id="risk-text">{escape(_described(report))}</desc>',
        '<defs><pattern id="risk-below" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="7" height="7" fill="{_BELOW}"/><rect width="2" height="7" fill="#ffffff" fill-opacity="0.55"/>'
        "</pattern></defs>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="26" font-size="17" font-weight="bold">{title}</text>',
        f'<text x="12" y="48" font-size="13">Patients by the number of patients in their group; {escape(_key(report))}</text>',
        *rows,
        _threshold(report),
        f'<path d="M{_LEFT} {_TOP}V{height - 12}" stroke="{_DARK}"/>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bar(at: int, band: Band, report: RiskReport) -> str:
    share = band.patients / report.patients if report.patients else 0.0
    most = max(one.patients for one in report.bands) or 1
    length = _LONGEST * band.patients / most
    below = band.first < report.threshold
    y = _TOP + _ROW * at + (_ROW - _BAR) // 2 + (0 if below else _GAP)
    fill, edge = ("url(#risk-below)", _BELOW) if below else (_ENOUGH, _ENOUGH)
    bar = f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{fill}" stroke="{edge}"/>'
    figures = f"{number(band.patients)} ({percent(share)}), {counted(band.groups, 'group')}"
    return (
        f'<text x="{_LEFT - 10}" y="{y + 17}" text-anchor="end">{band_name(band)}</text>'
        f"{bar if band.patients else ''}"
        f'<text x="{_LEFT + length + 8:.1f}" y="{y + 17}">{figures}</text>'
    )


def _threshold(report: RiskReport) -> str:
    """A line above the first band that is not below it."""
    y = _TOP + _ROW * sum(band.first < report.threshold for band in report.bands) + 5
    return (
        f'<path d="M12 {y}H{_WIDTH - 12}" stroke="{_DARK}" stroke-dasharray="6 4"/>'
        f'<text x="{_WIDTH - 12}" y="{y + 15}" text-anchor="end" font-size="12">threshold: {number(report.threshold)}</text>'
    )


def _key(report: RiskReport) -> str:
    if report.threshold == 1:
        return "no group can be below the threshold of 1"
    return f"hatched: groups of fewer than {number(report.threshold)}"


def _described(report: RiskReport) -> str:
    """The picture in words, for screen readers."""
    if not report.patients:
        return "There are no patients in the result."
    bands = "; ".join(
        f"groups of {band_name(band)}: {counted(band.patients, 'patient')}" for band in report.bands
    )
    below = f"{number(report.patients_below)} ({percent(report.share_below)})"
    return f"Below the threshold of {number(report.threshold)}: {below} of {counted(report.patients, 'patient')}. {bands}."
