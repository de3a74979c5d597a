"""What a new process needs; tests/bench_engine.py runs it.

    python fresh_process.py RULES FOLDER PASSES STRICT

De-identifies the first line of the NDJSON files in a folder, or, with PASSES over 0, all of them that many times; before each
pass but the first all ids and references are made new. Prints the peak memory (MB) after each pass, as a JSON array.
"""

import json
import re
import resource
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from dimpflow.engine.engine import Engine
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options

_ID = re.compile(rb'("id":"|"reference":"[A-Za-z]+/)')
_LINUX = Path("/proc/self/status")


def peak() -> float:
    """The most memory that this process has had, in MB."""
    if _LINUX.exists():  # ru_maxrss there knows the memory of the process that started this one, too
        found = re.search(r"VmHWM:\s*(\d+) kB", _LINUX.read_text())
        assert found
        return int(found[1]) * 1024 / 1e6
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    )


def one_pass(engine: Engine, files: list[Path], number: int) -> None:
    """All lines of the files, ids beginning with the pass's number."""
    from dimpflow.ndjson import blocks  # not needed for the first line

    new = b"\\g<1>%d-" % number
    for file in files:
        for lines in blocks(file):
            for line in lines:
                engine.deidentify(_ID.sub(new, line) if number else line)


def main(rules: str, folder: str, passes: str, strict: str) -> None:
    options = Options(strict=strict == "strict", reference_date=date(2026, 8, 7))
    engine = Engine(load_rule_set(Path(rules), {}, options))
    files = sorted(Path(folder).glob("*.ndjson"))
    peaks = []
    for number in range(int(passes)):
        one_pass(engine, files, number)
        peaks.append(peak())
    if not peaks:
        with files[0].open("rb") as file:
            engine.deidentify(file.readline())
        peaks.append(peak())
    print(json.dumps(peaks))


if __name__ == "__main__":
    main(*sys.argv[1:])
