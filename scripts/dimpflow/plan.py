"""Work units: which sources share a job, and into how many shards a large source is cut. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from dimpflow.sources import Source, source_at

COMPRESSION_RATIO = 10  # FHIR JSON packs 8 to 20 times; a guess is enough to find the number of shards
FEW = 16  # up to so many small sources have a job each, so that a changed file reruns only its own jobs
BUCKET_FILES = 512  # sources that share a job: a job costs as much as some megabytes of work


@dataclass(frozen=True)
class Unit:
    """What one job does: one source in `shards` slices, or a bucket of small sources (one shard each)."""

    name: str
    sources: tuple[str, ...]
    shards: int


def plan_units(sources: Sequence[Source], shard_bytes: int) -> tuple[Unit, ...]:
    """Units of about `shard_bytes` each; every source is in exactly one.

    Small sources (under a quarter of a shard) go to the bucket that the CRC-32 of their name says: a new file
    then changes one bucket, not all. The number of buckets is a power of two, so that it seldom changes.
    """
    small = [source for source in sources if weight(source) * 4 < shard_bytes]
    if len(small) <= FEW:
        small = []
    in_bucket = {source.name for source in small}
    units = [
        Unit(source.name, (source.name,), shard_count(source, shard_bytes))
        for source in sources
        if source.name not in in_bucket
    ]
    if small:
        n = _bucket_count(small, shard_bytes)
        buckets: list[list[str]] = [[] for _ in range(n)]
        for name in sorted(in_bucket):
            buckets[crc32(name.encode()) % n].append(name)
        # No source begins with "_" (sources.py), so the names cannot meet.
        filled = [(k, names) for k, names in enumerate(buckets, 1) if names]
        units += [Unit(f"_{shard_name(k, n)}", tuple(names), 1) for k, names in filled]
    return tuple(units)


def fetched_shards(listing: Mapping[str, Any], shard_bytes: int) -> dict[str, list[str]]:
    """The names of the shards of each source that was fetched from a server; each is a unit of its own. listing: what
    `inventory/_all.json` says."""
    sources = [source_at(Path(one["file"]), one["bytes"]) for one in listing["sources"]]
    return {source.name: shard_names(shard_count(source, shard_bytes)) for source in sources}


def shard_names(n: int) -> list[str]:
    """Names of all shards of a source with n of them."""
    return [shard_name(k, n) for k in range(1, n + 1)]


def weight(source: Source) -> int:
    """Expected bytes after decompression."""
    return source.size * (COMPRESSION_RATIO if source.compression else 1)


def shard_count(source: Source, shard_bytes: int) -> int:
    """ceil(size / shard_bytes), at least 1; a document is one line and cannot be sliced."""
    return 1 if source.document else max(1, -(-weight(source) // shard_bytes))


def shard_name(k: int, n: int) -> str:
    """Name of shard k (from 1) of n, such as "001-of-004"; sorted by name, shards are in order."""
    width = max(3, len(str(n)))
    return f"{k:0{width}}-of-{n:0{width}}"


def _bucket_count(small: Sequence[Source], shard_bytes: int) -> int:
    total = sum(weight(source) for source in small)
    needed = max(2, -(-total // shard_bytes), -(-len(small) // BUCKET_FILES))
    return 1 << (needed - 1).bit_length()
