"""Resources that are refused, and what a person may read of them: types and the path, nothing of their content."""

from typing import Any

import msgspec
from msgspec import UNSET

from dimpflow.errors import LineError


class NotStrictError(LineError):
    """The resource is no strict FHIR JSON; perhaps it can be read leniently."""


def check_utf8(data: bytes) -> None:
    """UnicodeDecodeError where data are no UTF-8: what is decoded unread, or stands under a key that comes again, is not looked at."""
    if not data.isascii():
        data.decode()


def check_places(values: Any, others: Any) -> None:
    """NotStrictError unless each null in a list of primitives, or in the list of what stands beside them, holds a place.

    Where there are both, they get the same length.
    """
    left = [] if values is UNSET else values
    right = [] if others is UNSET else others
    filled = [value is not None for value in left], [other is not None for other in right]
    longest = max(map(len, filled))
    both = [side + [False] * (longest - len(side)) for side in filled]
    if any(side and not any(side) for side in filled) or not all(map(any, zip(*both, strict=True))):
        raise NotStrictError("null where nothing stands beside it", "")
    if left and right:
        for side in (left, right):
            side += [None] * (longest - len(side))


def refusal(error: Exception) -> LineError:
    """A decoder's error without anything of the data."""
    if isinstance(error, RecursionError):
        return LineError("nested too deeply", "$")
    if isinstance(error, UnicodeDecodeError):
        return LineError("not UTF-8", "$")
    reason, _, path = str(error).partition(" - at `")
    if reason.startswith("Object contains unknown field"):
        reason = "an element that FHIR R4 does not have here"
    elif reason.startswith("Invalid enum value"):
        reason = "a code that FHIR R4 does not allow here"
    elif "length >= 1" in reason:
        reason = "empty text or an empty list"
    elif reason.endswith("out of range"):
        reason = "a number beyond every limit of FHIR R4"
    elif not (
        isinstance(error, msgspec.ValidationError) and reason.startswith("Expected")
    ) and not reason.startswith(("JSON is malformed", "Input data was truncated")):
        reason = "not a valid FHIR R4 resource"
    return LineError(reason, path.rstrip("`") or "$")
