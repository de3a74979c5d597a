"""Errors that a person can act on.

A message says what is wrong, where (file:line, configuration key) and what to do. It never holds anything
of a resource's content. Everything else that is raised is a bug of ours and is shown without its text (see
joblog).
"""


class DimpflowError(Exception):
    """The job cannot go on, and the message tells a person why."""


class ConfigError(DimpflowError):
    """Wrong or missing configuration; the message names the key."""


class InputError(DimpflowError):
    """Input that is missing, unreadable or not FHIR NDJSON; the message names the file, often the line."""


class OutputError(DimpflowError):
    """An output file that cannot be written: disk full, no permission, read-only."""


class RuleSetError(DimpflowError):
    """A rule set that cannot be used; the message names the rule's number."""


class LineError(DimpflowError):
    """A resource that cannot be processed. path: the place in it, such as `$.name[0]`, never a value."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{reason} at {path}" if path else reason)
        self.reason = reason
        self.path = path


class ServiceError(DimpflowError):
    """A server that cannot be reached or used; the message names its configuration key and what to do."""
