"""The mapping: which pseudonym stands for which original. It identifies people like nothing else that a job leaves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dimpflow.errors import InputError
from dimpflow.ndjson import AtomicFile, blocks

MAPPING = "mapping.ndjson"
"""Name of the file in jobs/<job>/mappings/."""


@dataclass(frozen=True, slots=True)
class Entry:
    """domain: with the rule's domain prefix in front; pseudonym: as it stands in the result, with its prefix; first_seen: a day,
    YYYY-MM-DD."""

    domain: str
    original: str
    pseudonym: str
    first_seen: str


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    domain: str
    original: str
    pseudonym: str
    firstSeen: str


_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode


def read_mapping(path: Path) -> Iterator[Entry]:
    """The entries of a file, in its order.

    InputError: it cannot be read, or a line is none of a mapping (`file:line`).
    """
    number = 0
    for lines in blocks(path):
        for line in lines:
            number += 1
            yield entry_of(line, path, number)


def read_mapping_bytes(data: bytes, path: Path) -> Iterator[Entry]:
    """The same of a mapping that was opened in memory; path: for messages."""
    for number, line in enumerate(data.splitlines(), 1):
        yield entry_of(line, path, number)


def entry_of(line: bytes, path: Path, number: int) -> Entry:
    """The entry on a line. InputError: none."""
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError(
            f"{path}:{number}: no entry of a mapping; is this the right file, and whole?"
        ) from None
    return Entry(found.domain, found.original, found.pseudonym, found.firstSeen)


def line_of(entry: Entry) -> bytes:
    """An entry as a line of a file, with its end."""
    return _encode(_Line(entry.domain, entry.original, entry.pseudonym, entry.first_seen)) + b"\n"


def write_mapping(path: Path, entries: Iterable[Entry]) -> None:
    """Writes the entries in the order of domain and original, which must be theirs already; only its owner may read the file."""
    with AtomicFile(path, 0o600, dir_mode=0o700) as file:
        for entry in entries:
            file.write(line_of(entry))
