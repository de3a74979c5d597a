"""The leak check: whether identifying values of a job's import are still in its result. Keyed hashes are compared, never texts.

What is looked for, where, and what is let pass, stands in `kinds`.
"""

from dimpflow.audit.leaks.gathering import Gathered, clear, gather, gathered
from dimpflow.audit.leaks.run import LeakReport, check_leaks, search

__all__ = ["Gathered", "LeakReport", "check_leaks", "clear", "gather", "gathered", "search"]
