"""How a reader checks the evidence by hand."""

import shlex


def command_of(job: str) -> str:
    """The command that checks all files of a job."""
    return f"python scripts/verify_audit.py {shlex.quote(job)}"
