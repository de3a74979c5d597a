"""When a request is sent again, and after which pause."""

import pytest

from dimpflow.clients.retry import LONGEST_WAIT, Pauses, Retry, retry_after

RETRY = Retry(max_attempts=6, initial_backoff_ms=1000, max_backoff_ms=5000)
NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def pauses(retry: Retry = RETRY, draw: float = 1.0) -> tuple[Pauses, list[float]]:
    slept: list[float] = []
    return Pauses(retry, sleep=slept.append, draw=lambda: draw), slept


def test_pauses_double_up_to_the_longest() -> None:
    some, slept = pauses()
    while some.again():
        pass
    assert slept == [1, 2, 4, 5, 5] and some.attempts == 6


def test_jitter_takes_half_at_most() -> None:
    some, slept = pauses(draw=0.0)
    while some.again():
        pass
    assert slept == [0.5, 1, 2, 2.5, 2.5]


def test_a_single_attempt_is_never_repeated() -> None:
    some, slept = pauses(Retry(1, 1, 1))
    assert not some.again(3.0) and slept == []


def test_what_the_server_asks_for_counts_if_it_is_longer() -> None:
    some, slept = pauses()
    assert some.again(0.1) and some.again(30.0) and slept == [1, 30]
    assert not some.again(LONGEST_WAIT + 1) and len(slept) == 2


def test_fewer_attempts_for_some_failures() -> None:
    some, slept = pauses()
    assert some.again(most=3) and some.again(most=3) and not some.again(most=3)
    assert some.again() and len(slept) == 3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("9" * 30, LONGEST_WAIT + 1),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Thu, 99 Jan 2026", None),
        ("٣", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
