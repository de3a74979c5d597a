"""Third-party data through a service, alone, packed and cut, and through the engine: the same results."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from shards import TODAY, Shards, parsed

from doubles.dimp import DimpDouble
from shared import SHARED, needs_shared

RULES = SHARED / "conformance" / "rulesets" / "mii-dup-base.yaml"


def files(folder: str) -> Iterator[Path]:
    for path in sorted((SHARED / "data" / folder).rglob("*.ndjson")):
        if not path.stem.endswith("_consent"):
            yield path


@needs_shared
@pytest.mark.parametrize(("pack", "limit"), [(1, 1 << 30), (100, 1 << 30), (100, 20_000), (1, 200_000)])
@pytest.mark.parametrize("folder", ["ndjson", "torch"])
def test_equal_to_the_engine(tmp_path: Path, folder: str, pack: int, limit: int) -> None:
    lines = [line for path in files(folder) for line in path.read_bytes().splitlines() if line.strip()]
    assert len(lines) > 10
    data = Shards(tmp_path, lines, RULES, limit=limit)
    with DimpDouble(RULES, reference_date=TODAY) as double:
        done = data.remote(double.url, pack=pack)
    assert parsed(done) == parsed(data.embedded())
