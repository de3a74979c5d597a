"""One run of the step in a process of its own, to be killed: `python one_run.py URL PACK CONNECTIONS FOLDER RULES`."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "remote"), str(TESTS), str(TESTS.parent / "scripts")]

from shards import Shards  # noqa: E402  the path comes first


def main(url: str, pack: str, connections: str, folder: str, rules: str) -> None:
    """De-identify what is there."""
    data = Shards.there(Path(folder), Path(rules))
    data.remote(url, pack=int(pack), connections=int(connections))


if __name__ == "__main__":
    main(*sys.argv[1:])
