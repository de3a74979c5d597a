"""Lengths of time in ISO 8601 and in the style of Go."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimpflow.durations import LONGEST, seconds


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PT30M", 1800), ("PT1H30M", 5400), ("P1DT2H", 93_600), ("PT5S", 5), ("PT0S", 0), ("P2W", 1_209_600), ("P1D", 86_400),
        ("PT0.5S", 0.5), ("PT1.25S", 1.25), ("PT1,5H", 5400), ("P1W2DT3H4M5.5S", 788_645.5), ("PT90M", 5400),
        ("30m", 1800), ("1h30m", 5400), ("500ms", 0.5), ("1.5h", 5400), (".5s", 0.5), ("2.s", 2), ("0", 0), ("0s", 0),
        ("1m1m", 120), ("1500us", 0.0015), ("1500µs", 0.0015), ("1500μs", 0.0015), ("3ns", 3e-9),
    ],
)  # fmt: skip
def test_lengths(text: str, found: float) -> None:
    assert seconds(text) == pytest.approx(found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("P", "without a number after the P"), ("PT", "without a number after the T"), ("P1DT", "without a number after the T"),
        ("-PT5M", "negative"), ("-5m", "negative"), ("-.5s", "negative"), ("-5", "negative"),
        ("P1Y", "no fixed length"), ("P1M", "PT30M"), ("P1Y2M3DT4H", "no fixed length"), ("P5M3W", "no fixed length"),
        ("9" * 400 + "h", "too long"), ("PT" + "9" * 5000 + "S", "too long"), ("P106752D", "too long"), ("9223372037s", "too long"),
        ("30", "without its unit"), ("1.5", "without its unit"),
        ("", "not a time"), ("m", "not a time"), ("30 m", "not a time"), ("30M", "not a time"), ("30m ", "not a time"),
        ("1h30", "not a time"), ("pt5m", "not a time"), ("PT5", "not a time"), ("P3W5M", "not a time"), ("PT-5M", "not a time"),
        ("P1H", "not a time"), ("PT1M1H", "not a time"), ("1d", "not a time"), ("+5m", "not a time"), ("--5m", "not a time"),
        ("٣m", "not a time"), ("PT٣M", "not a time"), ("1e3s", "not a time"), ("infs", "not a time"), ("nan", "not a time"),
        ("-", "not a time"), ("5m\n", "not a time"), ("PT5M\n", "not a time"),
    ],
)  # fmt: skip
def test_what_is_none(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        seconds(text)
    assert "\n" not in str(caught.value)


def test_the_longest() -> None:
    assert seconds("9223372036s") <= LONGEST and seconds("P106751D") <= LONGEST


numbers = st.integers(0, 9999)


@given(numbers, numbers, numbers, numbers)
def test_both_ways_of_writing_mean_the_same(days: int, hours: int, minutes: int, rest: int) -> None:
    expected = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    assert seconds(f"P{days}DT{hours}H{minutes}M{rest}S") == expected
    assert seconds(f"{days * 24}h{hours}h{minutes}m{rest}s") == expected


@given(st.text(max_size=12) | st.from_regex(r"-?P?T?[0-9.HMSYDhmsPT]{0,8}", fullmatch=True))
def test_any_text_is_a_length_or_a_clear_fault(text: str) -> None:
    try:
        assert 0 <= seconds(text) <= LONGEST
    except ValueError as error:
        assert "could not convert" not in str(error)
