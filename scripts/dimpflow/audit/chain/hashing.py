"""Digests of many files in one pass: of each, and of those that make a result of all of them one after another."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 18  # bytes


@dataclass(frozen=True)
class Hashed:
    """What a file is now."""

    sha256: str
    bytes: int


def hash_files(
    places: Mapping[str, Path], joins: Sequence[Sequence[str]]
) -> tuple[dict[str, Hashed], list[str | None]]:
    """The files of `places` that can be read, by their keys; and for each of `joins` (keys in order) the SHA-256 of these files one
    after another, None where one cannot be read. Several at a time: hashing needs the processor, and leaves Python free."""
    joined = {key for keys in joins for key in keys}
    groups = [*joins, *([key] for key in places if key not in joined)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(lambda keys: _hash_group(places, keys), groups))
    found: dict[str, Hashed] = {}
    for files, _ in done:
        found.update(files)
    return found, [total for _, total in done[: len(joins)]]


def _hash_group(places: Mapping[str, Path], keys: Sequence[str]) -> tuple[dict[str, Hashed], str | None]:
    total = hashlib.sha256()
    lone = len(keys) == 1
    found: dict[str, Hashed] = {}
    for key in keys:
        digest = hashlib.sha256()
        size = 0
        try:
            with open(places[key], "rb", buffering=0) as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    if not lone:
                        total.update(block)
                    size += len(block)
        except (KeyError, OSError):
            continue
        found[key] = Hashed(digest.hexdigest(), size)
    if len(found) < len(keys):
        return found, None
    return found, found[keys[0]].sha256 if lone else total.hexdigest()
