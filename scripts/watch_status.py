"""Keep status.json of a job as long as the workflow runs. Started by workflow/rules/status.smk, not by a rule.

On stdin come one line of JSON (the plan, see dimpflow.audit.status.new_facts) and at the end one word: completed or
failed. If the pipe ends without a word the workflow was killed.
"""

import os
import select
import sys
import time
from contextlib import suppress
from pathlib import Path

import orjson

from dimpflow.audit.status import KILLED, Collector, State, Status, read_status
from dimpflow.errors import DimpflowError
from dimpflow.ndjson import write_json

LOOK_SECONDS = 1.0
LOOK_SHARE = 0.03  # of a core: with thousands of sources it looks less often
SIGN_OF_LIFE_SECONDS = 10.0


def main(pipe: int) -> None:
    """Follow the job that the first line from file descriptor `pipe` describes until the pipe ends."""
    text = b""
    while b"\n" not in text:
        data = os.read(pipe, 1 << 16)
        if not data:
            return
        text += data
    plan, _, verdict = text.partition(b"\n")
    facts = orjson.loads(plan)
    job_dir = Path(facts["job_dir"])
    collector = Collector(facts, read_status(job_dir))
    shown: Status = {}
    next_sign = 0.0
    while True:
        begin = time.monotonic()
        status = collector.collect("running")
        pause = max(LOOK_SECONDS, (time.monotonic() - begin) / LOOK_SHARE)
        if {**status, "updated": ""} != {**shown, "updated": ""} or time.monotonic() >= next_sign:
            write(job_dir, status)
            shown, next_sign = status, time.monotonic() + SIGN_OF_LIFE_SECONDS
        if select.select([pipe], [], [], min(pause, SIGN_OF_LIFE_SECONDS))[0]:
            data = os.read(pipe, 1 << 16)
            verdict += data
            if not data:
                break
    state: State = "completed" if verdict == b"completed\n" else "failed"
    write(job_dir, collector.collect(state, [] if verdict else [KILLED]))


def write(job_dir: Path, status: Status) -> None:
    """Write the status; if that fails (disk full) the next look tries again."""
    with suppress(DimpflowError, OSError):
        write_json(job_dir / "status.json", status)


if __name__ == "__main__":
    main(sys.stdin.fileno())
