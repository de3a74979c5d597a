"""What is to be re-identified: de-identified NDJSON, or a list of pseudonyms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dimpflow.errors import InputError
from dimpflow.ndjson import open_input, utf8_fault
from dimpflow.reidentify.originals import ANYWHERE, Key
from dimpflow.sources import compression_of


class Line(NamedTuple):
    """number: from 1; data: without white space around it."""

    number: int
    data: bytes


def lines_of(path: Path, digest: Any = None) -> Iterator[Line]:
    """The lines of a file that are not blank; `.gz` and `.zst` are unpacked. digest: fed with the file as it lies there.

    InputError: it cannot be read, or is no UTF-8.
    """
    with open_input(path, compression_of(path), digest) as file:
        for number, line in enumerate(file, 1):
            data = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip(b" \t\r\n")
            if utf8_fault(data) >= 0:
                raise InputError(f"{path}:{number}: not UTF-8")
            if data:
                yield Line(number, data)


def kind_of(path: Path) -> Literal["ndjson", "list"]:
    """Whether a file holds resources or a list; told by its first character."""
    first = next(lines_of(path), None)
    if first is None:
        raise InputError(f"{path}: nothing in it to re-identify")
    return "ndjson" if first.data.startswith(b"{") else "list"


def listed(path: Path, line: Line) -> Key:
    """The pseudonym on a line of a list, and its domain, which may stand behind a tab. InputError: more than that."""
    pseudonym, tab, domain = line.data.decode().partition("\t")
    pseudonym, domain = pseudonym.strip(), domain.strip()
    if "\t" in domain or (tab and not domain) or not pseudonym:
        raise InputError(f"{path}:{line.number}: expected a pseudonym, or a pseudonym, a tab and its domain")
    return domain or ANYWHERE, pseudonym
