"""dimpflow.plan: every source in one unit, of a sensible size, and units that seldom change."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimpflow.plan import BUCKET_FILES, FEW, Unit, plan_units, shard_name
from dimpflow.sources import Compression, Source

MB = 1024 * 1024


def source(name: str, size: int, compression: Compression = "", document: bool = False) -> Source:
    return Source(name, Path(f"/data/{name}"), size, compression, document)


names = st.text("abcdefgXYZ019._-", max_size=8).map("f".__add__)  # as sources.py lets through
sizes = st.one_of(st.integers(0, 30), st.integers(0, 5000))


@given(st.dictionaries(names, sizes, max_size=80), st.integers(1, 1000))
def test_each_source_is_in_exactly_one_unit(files: dict[str, int], shard_bytes: int) -> None:
    units = plan_units([source(name, size) for name, size in files.items()], shard_bytes)
    assert sorted(name for unit in units for name in unit.sources) == sorted(files)
    assert len({unit.name for unit in units}) == len(units)
    for unit in units:
        if len(unit.sources) > 1 or unit.name.startswith("_"):
            assert unit.shards == 1 and all(files[name] * 4 < shard_bytes for name in unit.sources)
        else:
            (name,) = unit.sources
            assert unit.name == name
            assert (unit.shards - 1) * shard_bytes < max(1, files[name]) <= unit.shards * shard_bytes


def test_shards_of_large_sources() -> None:
    units = plan_units(
        [source("a", 0), source("b", 64 * MB), source("c", 64 * MB + 1), source("d", 64 * MB, "zst"),
         source("e", 500 * MB, "", True)],
        64 * MB,
    )  # fmt: skip
    assert [(unit.name, unit.sources, unit.shards) for unit in units] == [
        ("a", ("a",), 1),
        ("b", ("b",), 1),
        ("c", ("c",), 2),
        ("d", ("d",), 10),
        ("e", ("e",), 1),
    ]


def test_a_few_small_sources_have_a_job_each_and_more_share() -> None:
    few = [source(f"f{i}", 100) for i in range(FEW)]
    assert plan_units(few, MB) == tuple(Unit(s.name, (s.name,), 1) for s in few)
    shared = plan_units([*few, source("g", 100)], MB)
    assert {unit.name for unit in shared} <= {"_001-of-002", "_002-of-002"}


def test_middle_sized_sources_stay_alone() -> None:
    small = [source(f"f{i}", 100) for i in range(FEW + 1)]
    units = plan_units([source("middle", MB // 4), source("small", MB // 4 - 1), *small], MB)
    assert units[0] == Unit("middle", ("middle",), 1)
    assert all(unit.name.startswith("_") for unit in units[1:])


@pytest.mark.parametrize(("count", "size"), [(1000, 100_000), (20_000, 1000), (400, 15 * MB)])
def test_buckets_hold_about_a_shard_and_a_few_hundred_files(count: int, size: int) -> None:
    units = plan_units([source(f"batch-{i:05}", size) for i in range(count)], 64 * MB)
    for unit in units:
        assert len(unit.sources) < BUCKET_FILES * 1.3
        assert len(unit.sources) * size < 64 * MB * 2
    assert len(units) <= 4 * max(2, count / BUCKET_FILES, count * size / (64 * MB))


def test_a_new_source_changes_one_bucket() -> None:
    sources = [source(f"batch-{i}", 100_000) for i in range(1900)]
    before = set(plan_units(sources, 64 * MB))
    after = set(plan_units([*sources, source("new", 100_000)], 64 * MB))
    assert len(before) > 2 and len(after - before) == 1


def test_shard_names_sort_in_order() -> None:
    assert shard_name(1, 4) == "001-of-004"
    for n in (1, 10, 1000, 12345):
        listed = [shard_name(k, n) for k in range(1, n + 1)]
        assert listed == sorted(listed) and len(set(listed)) == n
