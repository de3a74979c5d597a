"""Regular expressions of .NET, in which rule sets are written, as Python's.

Source: .NET "Regular expression language" and "Substitutions". What the two spell differently is translated, what Python
does not have is refused.
"""

import re
from collections.abc import Callable

from dimpflow.errors import RuleSetError

_GROUP = re.compile(r"\(\?<(?![=!])([A-Za-z_][A-Za-z0-9_]*)>|\(\?'([A-Za-z_][A-Za-z0-9_]*)'")
_REFERENCE = re.compile(r"\\k<([A-Za-z_][A-Za-z0-9_]*)>|\\k'([A-Za-z_][A-Za-z0-9_]*)'")
_SUBSTITUTION = re.compile(r"\$(?:(\$)|(\d+)|\{([A-Za-z_0-9]+)\}|(&))")


def translate(pattern: str) -> re.Pattern[str]:
    """The compiled pattern; RuleSetError if it is none."""
    python = _GROUP.sub(lambda m: f"(?P<{m[1] or m[2]}>", pattern)
    python = _REFERENCE.sub(lambda m: f"(?P={m[1] or m[2]})", python)
    try:
        return re.compile(python)
    except re.error as error:
        raise RuleSetError(f"not a regular expression that this engine knows: {error.msg}") from None


def replacement(text: str) -> Callable[[re.Match[str]], str]:
    """What a match becomes: `${name}`, `$1`, `$&` and `$$` as in .NET; a group that does not exist stays as written."""

    def expand(match: re.Match[str]) -> str:
        def one(part: re.Match[str]) -> str:
            if part[1]:
                return "$"
            if part[4]:
                return match[0]
            name: str | int = int(part[2] or part[3]) if (part[2] or part[3]).isdigit() else part[3]
            try:
                return match[name] or ""
            except IndexError:
                return part[0]

        return _SUBSTITUTION.sub(one, text)

    return expand
