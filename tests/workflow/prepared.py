"""Snakemake that has been imported already; each run is a fork of this process.

Of a run with little to do a third goes into importing Snakemake and what it brings along. Our own library is not imported here:
the run does that, as for everybody. Started as a program, by workflow.conftest. Each line of JSON on stdin (the arguments
of `run`) is a run; its exit code goes to stdout.
"""

import json
import os
import signal
import sys

import jsonschema  # noqa: F401 (of other hands, and needed by every run)
import requests  # noqa: F401
from snakemake.cli import main

PATIENCE = 300  # seconds; only a run that hangs takes so long


def run(args: list[str], folder: str, env: dict[str, str], output: str) -> None:
    """Be `snakemake *args` in `folder`; what it says goes to the file `output`. Ends this process."""
    signal.alarm(PATIENCE)  # kills it
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), 1)
    os.dup2(1, 2)
    sys.argv[1:] = args
    main(args)


if __name__ == "__main__":
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            run(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
