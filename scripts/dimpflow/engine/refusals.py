"""What a person may read of a resource that is refused: types and the path to the place, nothing of its content."""

import msgspec

from dimpflow.errors import LineError


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
    elif not (
        isinstance(error, msgspec.ValidationError) and reason.startswith("Expected")
    ) and not reason.startswith(("JSON is malformed", "Input data was truncated")):
        reason = "not a valid FHIR R4 resource"
    return LineError(reason, path.rstrip("`") or "$")
