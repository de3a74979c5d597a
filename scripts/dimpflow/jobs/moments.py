"""Times as the files of a job give them: "2026-11-22T20:00:00Z"."""

from datetime import UTC, datetime


def moment(text: str) -> datetime:
    """A time.

    Raises:
        ValueError: it is none, or has no time zone.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at


def stamp(at: datetime) -> str:
    """The way back; whole seconds, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_between(start: str, end: str) -> float:
    """From one time to another; never below 0, since clocks of two machines may differ."""
    return max(0.0, (moment(end) - moment(start)).total_seconds())
