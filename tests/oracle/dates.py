"""redact and dateshift (3.2, 3.4)."""

import re
from datetime import date, timedelta
from decimal import Decimal

from .errors import Refused
from .node import Node
from .rules import Parameters
from .temporal import read_temporal, utc_date

_TIME = r"(T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00)))?"
_YEAR = r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_FORM = _YEAR + r"(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1])%s)?)?"
_PATTERNS = {
    "date": re.compile(_FORM % ""),
    "dateTime": re.compile(_FORM % _TIME),
    "instant": re.compile(_FORM % _TIME),
}
_YEAR_GROUP, _MONTH_GROUP, _DAY_GROUP, _TIME_GROUP = 1, 5, 7, 8


def redact(node: Node, parameters: Parameters, today: date) -> str | None:
    """Redact a node; the answer is the operation to record."""
    if node.value is None:
        return None
    parent_type = node.parent.type_name if node.parent is not None else ""
    if node.type_key in _PATTERNS:
        _redact_date(node, parameters, today)
    elif node.type_key == "decimal" and parent_type == "Age":
        _redact_age(node, parameters)
    elif node.name.lower() == "postalcode":
        if parameters.partial_zips:
            kept = partial_zip(str(node.value), parameters.restricted_zips)
            if kept is not None:
                node.write(kept)
            return "abstract"
        node.clear()
    else:
        node.clear()
    return "redact"


def _redact_date(node: Node, parameters: Parameters, today: date) -> None:
    if not parameters.partial_dates:
        node.clear()
        return
    match = _PATTERNS[node.type_key].search(str(node.value))
    if match is None:
        return
    if _is_over_89(match, today):
        node.clear()
    else:
        node.write(match[_YEAR_GROUP])


def _redact_age(node: Node, parameters: Parameters) -> None:
    if not parameters.partial_ages:
        node.clear()
    elif not re.fullmatch(r"-?[0-9]+", node.text()):
        raise Refused("an age is not an integer")
    elif Decimal(node.text()) > 89:
        node.clear()


def partial_zip(code: str, restricted: tuple[str, ...]) -> str | None:
    """What partial redaction makes of a postal code; None if it stays."""
    if any(code.startswith(prefix) for prefix in restricted):
        return re.sub(r"\d", "0", code)
    if len(code) >= 3:
        return code[:3] + re.sub(r"\d", "0", code[3:])
    return None


def _is_over_89(match: re.Match[str], today: date) -> bool:
    """Whether a date tells of an age over 89; a missing month or day is taken as 1 (3.4)."""
    month, day = int(match[_MONTH_GROUP] or 1), int(match[_DAY_GROUP] or 1)
    still_to_come = (month, day) > (today.month, today.day)
    return today.year - int(match[_YEAR_GROUP]) - still_to_come > 89


def dateshift(node: Node, parameters: Parameters, today: date, root: Node) -> str | None:
    """Shift a date; the answer is the operation to record."""
    if node.type_key not in _PATTERNS or not node.text():
        return None
    text = node.text()
    match = _PATTERNS[node.type_key].search(text)
    if match is None or not match[_DAY_GROUP] or _is_over_89(match, today):
        _redact_date(node, parameters, today)
        return "redact"
    offset = _offset(parameters, root)
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        node.write(_shifted(_real_date(text), offset))
    elif node.type_key != "date" and match.group() == text and match[_TIME_GROUP]:
        node.write(_shifted(_real_date(text[:10]), offset) + _without_time(text[10:]))
    else:
        value = read_temporal("DateTime", text)
        if value is None or len(value.parts) < 5:
            raise Refused("a date cannot be read")
        try:
            in_utc = utc_date(value)
        except ValueError:
            raise Refused("a date leaves the calendar") from None
        node.write(_shifted(in_utc, offset))
    return "perturb"


def _real_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused("no such date") from None


def _shifted(day: date, offset: int) -> str:
    try:
        return (day + timedelta(days=offset)).isoformat()
    except OverflowError:
        raise Refused("a date leaves the calendar") from None


def _without_time(time: str) -> str:
    """`T13:28:17.12Z` -> `T00:00:00.00Z`: the digits of the zone stay."""
    match = re.fullmatch(r"(T[0-9:.]+)(.*)", time)
    assert match is not None
    if match[1][7:9] == "60":
        raise Refused("a leap second")
    return re.sub(r"[0-9]", "0", match[1]) + match[2]


def _offset(parameters: Parameters, root: Node) -> int:
    if parameters.fixed_offset is not None:
        return parameters.fixed_offset
    if not parameters.date_shift_key:
        raise ValueError("dateshift needs dateShiftKey: without one the offset is random")
    prefix = parameters.date_shift_prefix or "".join(str(child.value or "") for child in root.named("id"))
    return offset_of(prefix + parameters.date_shift_key)


def offset_of(seed: str) -> int:
    """-50 to 50 days."""
    remainder = 0
    for byte in seed.encode():
        remainder = (remainder * 131 + byte) % 101
    return remainder - 50
