"""Look after jobs: which there are, how far a run is, what its logs say; and remove jobs, or what identifies people in them.

    python scripts/jobs.py list                              # all jobs, newest first
    python scripts/jobs.py status study-42 --watch           # counts, rate and time left, until the run ends
    python scripts/jobs.py logs study-42 --follow --errors   # as the logs grow, from another terminal
    python scripts/jobs.py logs study-42 --rule dimp         # logs whose names begin so: dimp_Patient.001-of-002 ...
    python scripts/jobs.py delete study-42                   # all of it; deleted.json stays, with hashes and counts
    python scripts/jobs.py delete study-42 --purge           # then that too
    python scripts/jobs.py prune --retention-days 90 --dry-run
    python scripts/jobs.py prune --configfile aether.yaml    # what identifies people, of jobs older than jobs.retention_days

States: running; completed; failed; stopped (killed, or without a sign of life for two minutes); unreadable (no or a damaged
status.json); deleting (a deletion was interrupted, the same command finishes it); deleted (only deleted.json is left).

`delete` and `prune` ask before they do anything (--yes: they do not; without a terminal they need it), never touch a job that runs,
and never follow links. Snakemake does a job anew if it is started again after that. All commands take --jobs-dir and --json; `logs`
and `status --watch` then print one object a line.

The exit code is 0; 1 for a job that has failed, was stopped or cannot be read, or if there is no such job, or it was not done;
2 for a wrong call.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from dimpflow.errors import ConfigError, DimpflowError
from dimpflow.jobs.commands import Ask, Said, run_delete, run_list, run_logs, run_prune, run_status
from dimpflow.jobs.listing import JOB_NAME


def main(arguments: Sequence[str], stdout: TextIO, stderr: TextIO, ask: Ask | None = None) -> int:
    """The exit code. ask: puts a question to a person, who says yes or no; None: there is no terminal."""
    chosen = _parser().parse_args(arguments)
    say = Said(stdout, stderr, as_json=chosen.json)
    try:
        code: int = chosen.command(chosen, say, ask)
        return code
    except ConfigError as error:
        say.wrong(str(error))
        return 2
    except DimpflowError as error:
        say.wrong(str(error))
        return 1


def _job_name(text: str) -> str:
    if not JOB_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("no name of a job (letters, digits, . _ -), as `list` shows them")
    return text


def _days(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 36500:
        raise argparse.ArgumentTypeError("must be a whole number of days, 1 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--jobs-dir", type=Path, metavar="DIR", help="folder of all jobs (default: jobs)")
    common.add_argument("--json", action="store_true", help="print JSON (schemas/jobs.schema.json)")
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("job", type=_job_name, metavar="JOB", help="name of the job")
    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("--yes", action="store_true", help="do it without a question")

    parser = argparse.ArgumentParser(
        prog="jobs.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Any, text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, parents=[*parents, common])
        command.set_defaults(command=run)
        return command

    add("list", run_list, "all jobs, newest first")
    status = add(
        "status", run_status, "how far a job is, how fast, how long it may still take, and its errors", one
    )
    status.add_argument("--watch", action="store_true", help="show it again and again until the run ends")
    logs = add("logs", run_logs, "all logs of a job in the order of time", one)
    logs.add_argument("--follow", action="store_true", help="go on as they grow, until the run ends")
    logs.add_argument(
        "--rule",
        default="",
        metavar="R",
        help="only logs whose names begin so, such as dimp or import_Patient",
    )
    logs.add_argument("--errors", action="store_true", help="only lines of level ERROR")
    delete = add("delete", run_delete, "remove a job; deleted.json stays, with hashes and counts", one, asked)
    delete.add_argument("--purge", action="store_true", help="remove deleted.json of a deleted job, too")
    prune = add("prune", run_prune, "remove what identifies people from old jobs; pruned.json stays", asked)
    prune.add_argument(
        "--retention-days", type=_days, metavar="N", help="jobs that ended more than N days ago"
    )
    prune.add_argument(
        "--configfile",
        type=Path,
        metavar="FILE",
        help="configuration with jobs.retention_days and the folder of the jobs; options go first",
    )
    prune.add_argument("--all", action="store_true", help="remove all of these jobs, as delete does")
    prune.add_argument("--dry-run", action="store_true", help="say what would be removed, with sizes")
    return parser


def ask_at_terminal(question: str) -> bool:
    """Whether the person at the terminal says yes."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no failure
    try:
        code = main(sys.argv[1:], sys.stdout, sys.stderr, ask_at_terminal if sys.stdin.isatty() else None)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), b"\n")
    sys.exit(code)
