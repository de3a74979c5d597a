"""The finished mapping as every shard reads it: a file of SQLite that nobody writes to any more. No lock, no race, flat memory."""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from dimpflow.errors import InputError, LineError
from dimpflow.pseudonyms import Pseudonyms

LOOKUP = "lookup.sqlite"
"""Name of the file in jobs/<job>/mappings/."""
_KEPT = 1 << 16
"""Pseudonyms kept in memory; the values of a patient's resources come again and again."""


def write_lookup(path: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    """Writes domain, original and pseudonym (without the rule's prefix) of each row; whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(temporary)) as base:
            base.execute("PRAGMA journal_mode = OFF")
            base.execute("PRAGMA synchronous = OFF")  # it is synced below, as a whole
            base.execute(
                "CREATE TABLE pseudonym (domain TEXT, original TEXT, pseudonym TEXT, PRIMARY KEY (domain, original)) WITHOUT ROWID"
            )
            base.executemany("INSERT INTO pseudonym VALUES (?, ?, ?)", rows)
            base.commit()
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def mapped_pseudonyms(path: Path) -> Pseudonyms:
    """The source that the file at `path` is.

    InputError: it is not there. The source raises LineError for what it does not hold: something has changed since it was made.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there; run again")
    base = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
    )
    select = base.cursor()
    kept: dict[tuple[str, str], str] = {}

    def pseudonym(domain: str, original: str) -> str:
        if (found := kept.get((domain, original))) is not None:
            return found
        row = select.execute(
            "SELECT pseudonym FROM pseudonym WHERE domain = ? AND original = ?", (domain, original)
        ).fetchone()
        if row is None:
            raise LineError(
                "no pseudonym was made for this value; remove the folder gather/ of the job and run again"
            )
        if len(kept) >= _KEPT:
            kept.clear()
        kept[domain, original] = row[0]
        return str(row[0])

    return pseudonym
