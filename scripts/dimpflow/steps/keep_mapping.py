"""mapping, as a step: read what earlier runs left, make the mapping, leave it where only its owner and its recipients can read it."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Protocol

import orjson

from dimpflow.errors import ConfigError
from dimpflow.layout import JobFolder
from dimpflow.ndjson import AtomicFile, read_errors, write_json
from dimpflow.pseudonyms.lookup import LOOKUP, mapped_pseudonyms, write_lookup
from dimpflow.pseudonyms.mapping import (
    MAPPING,
    Entry,
    line_of,
    read_mapping,
    read_mapping_bytes,
    write_mapping,
)
from dimpflow.steps.mapping import ChangedError, Making, counts_of, digest_of, make_mapping

SEALED = f"{MAPPING}.cms"
Shard = tuple[str, str]
"""Source and name of a shard."""

log = logging.getLogger(__name__)


class Seal(Protocol):
    """How a mapping is encrypted for its recipients."""

    def seal(self, data: bytes) -> bytes:
        """Encrypts."""

    def open(self, data: bytes) -> bytes | None:
        """Decrypts; None where there is no private key to do so. ConfigError: the key does not fit."""


def keep_mapping(
    folder: JobFolder,
    units: Mapping[str, Sequence[Shard]],
    making: Making,
    seal: Seal | None,
    other: Path | None,
) -> None:
    """Makes the mapping of a job from what its shards hold. units: the shards of each unit of work; seal: None for a mapping in
    clear; other: the folder of another job, or a mapping file, whose pseudonyms are taken over.

    The mapping comes first: what a shard uses must never be lost. ConfigError, InputError, ServiceError.
    """
    shards = [folder.pairs(*shard) for unit in units.values() for shard in unit]
    try:
        entries = list(make_mapping(shards, chain(_kept(folder, seal, making), _of_other(other)), making))
    except ChangedError:
        # With another key all is made anew, as without a mapping; what was given before must stay to be found.
        if making.plan.gathers or not (earlier := _set_aside(folder)):
            raise
        log.warning(
            "the key or the form of pseudonyms has changed; the mapping of earlier results stays as %s",
            earlier,
        )
        entries = list(make_mapping(shards, _of_other(other), making))
    everything = [entry for entry, _ in entries]
    if seal is None:
        write_mapping(folder.mapping(MAPPING), everything)
    else:
        with AtomicFile(folder.mapping(SEALED), 0o600, dir_mode=0o700) as file:
            file.write(seal.seal(b"".join(map(line_of, everything))))
        folder.mapping(MAPPING).unlink(missing_ok=True)
    if making.plan.gathers:
        lookup = folder.mapping(LOOKUP)
        write_lookup(lookup, _rows(everything, making))
        _write_slices(folder, units, lookup)
    facts = {
        "domains": counts_of(entries),
        "not_in_these_data": sum(not here for _, here in entries),
        "numbered": sorted(
            {one.domain for one in everything if making.plan.of(one.domain).source == "sequential"}
        ),
        "new": sum(entry.first_seen == making.today for entry in everything),
    }
    write_json(folder.mapping("_all.json"), facts, 0o600, dir_mode=0o700)


def today() -> str:
    """The day by UTC."""
    return datetime.now(UTC).date().isoformat()


def _kept(folder: JobFolder, seal: Seal | None, making: Making) -> Iterator[Entry]:
    """The mapping of earlier runs."""
    clear, sealed = folder.mapping(MAPPING), folder.mapping(SEALED)
    if clear.is_file():
        yield from read_mapping(clear)
        return
    if not sealed.is_file():
        return
    data = seal.open(sealed.read_bytes()) if seal else None
    if data is not None:
        yield from read_mapping_bytes(data, sealed)
    elif making.plan.gathers or seal is None:
        raise ConfigError(
            f"mappings.identity: missing; {sealed} must be opened to carry its pseudonyms over; give the private key, or the job another name"
        )
    else:  # keyed pseudonyms come out the same; what is no more in the data stays in the earlier file
        aside = _set_aside(folder)
        log.warning("%s cannot be opened here, so it stays as %s, and a new one is made", sealed.name, aside)


def _set_aside(folder: JobFolder) -> str:
    """Gives the mapping of earlier runs another name, and tells that; "" if there is none."""
    path = next((path for path in (folder.mapping(MAPPING), folder.mapping(SEALED)) if path.is_file()), None)
    if path is None:
        return ""
    names = (path.with_name(f"earlier-{number}-{path.name}") for number in range(1, 1_000_000))
    free = next(name for name in names if not name.exists())
    path.rename(free)
    return free.name


def _of_other(other: Path | None) -> Iterator[Entry]:
    if other is None:
        return
    path = JobFolder(other).mapping(MAPPING) if other.is_dir() else other
    if not path.is_file():
        raise ConfigError(
            f"mappings.from: {path} is not there; give a job that keeps a mapping in clear, or a mapping file"
        )
    yield from read_mapping(path)


def _rows(entries: Iterable[Entry], making: Making) -> Iterator[tuple[str, str, str]]:
    for entry in entries:
        yield entry.domain, entry.original, entry.pseudonym.removeprefix(making.prefix(entry.domain))


def _write_slices(folder: JobFolder, units: Mapping[str, Sequence[Shard]], lookup: Path) -> None:
    """What makes a unit be de-identified again: its data, and the pseudonyms that its shards use. (Of a bucket Snakemake sees one
    source only.) Slices of units that are gone are removed."""
    source = mapped_pseudonyms(lookup)
    places = folder.slice("x").parent
    if places.is_dir():
        for path in places.glob("*.json"):
            if path.name.removesuffix(".json") not in units:
                path.unlink()
    for unit, shards in units.items():
        data = [_sha256_of(folder.manifest(name)) for name, _ in shards]
        digest = digest_of([folder.pairs(*shard) for shard in shards], source)
        content = {"pseudonyms_sha256": digest, "data_sha256": data}
        write_json(folder.slice(unit), content, 0o600, dir_mode=0o700, durable=False)


def _sha256_of(manifest: Path) -> str:
    with read_errors(manifest):
        return str(orjson.loads(manifest.read_bytes())["sha256"])
