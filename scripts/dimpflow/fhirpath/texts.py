"""String functions of FHIRPath as .NET works on text: in UTF-16 code units (specification of the rules, section 2.4)."""

from collections.abc import Callable

from dimpflow.errors import LineError
from dimpflow.fhirpath.ast import Call, Literal
from dimpflow.fhirpath.dotnet import Pattern

Result = str | bool | None


def text_function(call: Call) -> Callable[..., Result]:
    """What a call makes of a text and its arguments; patterns and replacements are compiled now."""
    match call.name:
        case "startsWith":
            return str.startswith
        case "endsWith":
            return str.endswith
        case "contains":
            return str.__contains__
        case "substring":
            return substring
        case "matches":
            pattern = Pattern(_literal(call, 0))
            return lambda text, _: pattern.matches(text)
    pattern, replacement = Pattern(_literal(call, 0)), _literal(call, 1)
    replace = pattern.replacer(replacement)
    return lambda text, _, __: replace(text)


def _literal(call: Call, index: int) -> str:
    argument = call.arguments[index]
    assert isinstance(argument, Literal)
    return str(argument.value)


def substring(text: str, start: int, length: int | None = None) -> str | None:
    """None (nothing) where the start lies outside the text."""
    if length is not None and length < 0:
        raise LineError("substring() cannot give a negative number of characters")
    if not text.isascii():
        return _substring_of_units(text, start, length)
    if start < 0 or start >= len(text):
        return None
    return text[start:] if length is None else text[start : start + length]


def _substring_of_units(text: str, start: int, length: int | None) -> str | None:
    units = text.encode("utf-16-le", "surrogatepass")
    if start < 0 or start >= len(units) // 2:
        return None
    end = None if length is None else 2 * (start + length)
    # half of a pair cannot be written as UTF-8; .NET writes the replacement character
    return units[2 * start : end].decode("utf-16-le", "replace")
