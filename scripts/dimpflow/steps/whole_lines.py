"""The lines of a shard as they were before split cut Bundles."""

from collections.abc import Iterator
from pathlib import Path

from dimpflow.bundles import join_entries
from dimpflow.ndjson import blocks


def whole_lines(shard: Path, chunks: list[tuple[int, int]]) -> Iterator[list[bytes]]:
    """Blocks of lines as they were before split cut Bundles: the engine has no limit, and rules may look at a whole Bundle."""
    runs = dict(chunks)
    number, run, missing = 0, list[bytes](), 0
    for lines in blocks(shard):
        if not runs and not missing:
            yield lines
            continue
        whole = []
        for line in lines:
            missing = missing or runs.pop(number, 0)
            number += 1
            if not missing:
                whole.append(line)
                continue
            run.append(line)
            missing -= 1
            if not missing:
                whole.append(join_entries(run))
                run = []
        yield whole
