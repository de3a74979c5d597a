"""Numbers and sizes as text, for the table and the picture."""

from dimpflow.audit.risk.measures import Band


def number(value: int) -> str:
    """With a thin gap after each three digits, as ISO 80000 writes it."""
    return f"{value:,}".replace(",", "\u202f")


def counted(value: int, what: str) -> str:
    """`1 group`, `2 groups`."""
    return f"{number(value)} {what}" if value == 1 else f"{number(value)} {what}s"


def percent(share: float) -> str:
    """A share of 0 to 1 with one digit; what is not nothing is never called 0, what is not all never 100."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    if 0.999 < share < 1:
        return "over 99.9 %"
    return f"{100 * share:.1f} %"


def band_name(band: Band) -> str:
    """The size of its groups."""
    if band.last is None:
        return f"{number(band.first)} or more patients"
    if band.last == band.first:
        return "1 patient, alone" if band.first == 1 else f"{number(band.first)} patients"
    return f"{number(band.first)} to {number(band.last)} patients"
