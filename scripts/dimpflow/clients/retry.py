"""When a request is sent again, and after which pause (RFC 9110, sections 10.2.3 and 15)."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

TRANSIENT = frozenset((408, 429, 502, 503, 504))
"""Answers that may be others in a while."""

LONGEST_WAIT = 3600.0
"""Seconds; a server that asks for more patience is not there."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempts of a request to a server in all, and the pauses between them."""

    max_attempts: int
    initial_backoff_ms: int
    max_backoff_ms: int


class Pauses:
    """The pauses between the attempts of one request: doubled each time, with jitter, so that clients that failed together do
    not come back together.

    sleep: what waits; ended: raises where there is no point in waiting, looked at every half second.
    """

    def __init__(
        self,
        retry: Retry,
        *,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._retry = retry
        self._sleep = sleep
        self._draw = draw
        self.attempts = 1

    def again(self, wait: float | None = None, *, most: int | None = None) -> bool:
        """Waits, and says True if another attempt may be made. wait: seconds that the server asked for; most: attempts for
        this kind of failure, if less than configured."""
        allowed = self._retry.max_attempts if most is None else min(most, self._retry.max_attempts)
        if self.attempts >= allowed or (wait or 0) > LONGEST_WAIT:
            return False
        backoff = self._retry.initial_backoff_ms * 2 ** (self.attempts - 1)
        pause = min(backoff, self._retry.max_backoff_ms) / 1000 * (0.5 + self._draw() / 2)
        self.attempts += 1
        self._sleep(max(pause, wait or 0))
        return True


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds from `now` (of the epoch) that a header Retry-After asks for: a number, or a date. None for none, or nonsense."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 10 else LONGEST_WAIT + 1
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
