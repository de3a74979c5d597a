"""Lengths of time as a configuration gives them: ISO 8601 (`PT1H30M`) or in the style of Go (`1h30m`)."""

import re

LONGEST = 2.0**63 / 1e9
"""Seconds, some 292 years; a Go program knows no longer time."""

_HINT = "write it like PT30M, PT1H30M, P1DT2H, 30m, 1h30m or 500ms"
_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
_ISO = re.compile(
    rf"P(?:(?P<years>{_NUMBER})Y)?(?:(?P<months>{_NUMBER})M)?(?:(?P<w>{_NUMBER})W)?(?:(?P<d>{_NUMBER})D)?"
    rf"(?P<time>T(?:(?P<h>{_NUMBER})H)?(?:(?P<m>{_NUMBER})M)?(?:(?P<s>{_NUMBER})S)?)?"
)
_GO = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {
    "w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0,
    "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9,
}  # fmt: skip


def seconds(text: str) -> float:
    """The length of a time in seconds. Source: ISO 8601-1, 5.5.2; Go's time.ParseDuration; aether.md 1.2.

    Raises:
        ValueError: no length of time, a negative one, one with years or months (whose length is not fixed), or one of more than
            `LONGEST` seconds. The text says what to write and goes well after the key and a colon.
    """
    if text.startswith("-") and text[1:2] in (*"P.0123456789",):
        raise ValueError("a negative time; it must be 0 or more")
    found = _of_iso(text) if text.startswith("P") else _of_go(text)
    if found > LONGEST:
        raise ValueError("too long a time; 292 years are the most")
    return found


def _of_iso(text: str) -> float:
    parts = _ISO.fullmatch(text)
    if parts is None:
        raise ValueError(f"not a time; {_HINT}")
    if parts["years"] or parts["months"]:
        raise ValueError(
            "years and months have no fixed length; give days (P30D), or minutes after a T (PT30M)"
        )
    given = {unit: parts[unit] for unit in "wdhms" if parts[unit]}
    if not given or parts["time"] == "T":
        raise ValueError(f"a time without a number after the {text[-1]}; {_HINT}")
    return sum(float(number.replace(",", ".")) * _UNITS[unit] for unit, number in given.items())


def _of_go(text: str) -> float:
    if text == "0":
        return 0.0
    parts = _GO.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        bare = re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)
        raise ValueError(f"{'a time without its unit' if bare else 'not a time'}; {_HINT}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
