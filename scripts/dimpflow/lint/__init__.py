"""The linter for rule sets: what in a rule set cannot work, is probably not meant, or leaves something in clear.

It looks at the rules and at the FHIR R4 model, never at data, so that what it says holds for all data.
"""

from dimpflow.lint.findings import Finding, brief
from dimpflow.lint.linter import lint

__all__ = ["Finding", "brief", "lint"]
