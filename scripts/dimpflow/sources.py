"""What is at the input: NDJSON files by name, the same on every look."""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from dimpflow.errors import InputError

Compression = Literal["", "gz", "zst"]
_PACKED = re.compile(r"\.(gz|zst)$", re.IGNORECASE)

EXTENSIONS = ".ndjson, .ndjson.gz, .ndjson.zst, .json, .json.gz, .json.zst"
_EXTENSION = re.compile(r"\.(ndjson|json)(?:\.(gz|zst))?$", re.IGNORECASE)
# A name becomes part of file names and of Snakemake wildcards. The first character keeps hidden files,
# options and the names of buckets (plan.py) apart from sources.
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME = 150  # room for our endings and temporary names within the 255 bytes of a file name


@dataclass(frozen=True)
class Source:
    """One input file of `size` bytes as it lies there; a `document` is one resource on several lines."""

    name: str
    path: Path
    size: int
    compression: Compression
    document: bool


@dataclass(frozen=True)
class Found:
    """The sources in the order of the results (`core`, then by name), and a note on each file left out."""

    sources: tuple[Source, ...]
    left_out: tuple[str, ...]


def find_sources(inputs: Sequence[str]) -> Found:
    """Look at folders (their top level) and files.

    Raises:
        InputError: nothing there, nothing usable, an unreadable file, an unsafe name, two files of one name.
    """
    if not inputs:
        raise InputError("input: nothing is given; name a folder or file, such as --config input=/data/fhir")
    sources: dict[str, Source] = {}
    left_out: list[str] = []
    for entry in inputs:
        for path in _candidates(Path(entry), left_out):
            if is_consent_audit(path.name):
                left_out.append(f"{path}: left out, a consent audit file of TORCH")
                continue
            source = _look_at(path)
            if source.name in sources:
                both = f"{sources[source.name].path} and {path}"
                raise InputError(f"input: {both} have the same name {source.name!r}; rename or leave out one")
            sources[source.name] = source
    if not sources:
        raise InputError(
            f"input: only consent audit files of TORCH in {', '.join(inputs)}; give the data files"
        )
    return Found(tuple(sorted(sources.values(), key=lambda s: (s.name != "core", s.name))), tuple(left_out))


def _candidates(path: Path, left_out: list[str]) -> Iterator[Path]:
    """The files with a fitting extension at one entry of the input."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISDIR(mode):
            if not _EXTENSION.search(path.name):
                raise InputError(f"input: {path} is not an NDJSON file; known are {EXTENSIONS}")
            yield path
            return
        inside = sorted(path.iterdir())
    except OSError as error:
        raise InputError(f"input: {_reason(path, error)}") from None
    fitting = [file for file in inside if _EXTENSION.search(file.name)]
    hidden = [file for file in fitting if file.name.startswith(".")]
    if len(fitting) == len(hidden):
        raise InputError(f"input: no NDJSON file in folder {path}: {_contents(inside)}")
    left_out.extend(f"{file}: left out, a hidden file" for file in hidden)
    yield from (file for file in fitting if not file.name.startswith("."))


def _look_at(path: Path) -> Source:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"input: {_reason(path, error)}") from None
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise InputError(f"input: {path} is {what}, though its name says NDJSON file; rename or remove it")
    if not os.access(path, os.R_OK):
        raise InputError(f"input: {path} cannot be read: permission denied; let this user read it")
    source = source_at(path, status.st_size)
    if fault := name_fault(source.name):
        raise InputError(f"input: rename {str(path)!r}: {fault}")
    return source


def compression_of(path: Path) -> Compression:
    """How a file is packed, by its name."""
    match = _PACKED.search(path.name)
    return cast(Compression, match[1].lower()) if match else ""


def source_at(path: Path, size: int) -> Source:
    """The source that a file of a fitting name is."""
    ending = _EXTENSION.search(path.name)
    assert ending is not None  # only fitting names come here
    compression = cast(Compression, (ending[2] or "").lower())
    return Source(path.name[: ending.start()], path, size, compression, document=ending[1].lower() == "json")


def name_fault(name: str) -> str:
    """Why a source cannot have this name; "" if it can."""
    if _SAFE_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME:
        return ""
    return (
        "a name may hold letters A-Z a-z, digits and . _ - only, begins with a letter or digit and has at most "
        f"{_LONGEST_NAME} characters"
    )


def is_consent_audit(name: str) -> bool:
    """Whether a file holds the consents that TORCH has looked at, `<batch>_consent.ndjson`; they are no part of the data."""
    return re.search(r"_consent\.ndjson(\.(gz|zst))?$", name, re.IGNORECASE) is not None


def _reason(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return f"{path} is a link to a file that does not exist; mend or remove it"
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist; check the path"
    return f"{path} cannot be read: {os.strerror(error.errno or 0)}"


def _contents(inside: Sequence[Path]) -> str:
    """What a folder holds instead, by kind and number, for a person who took the wrong one."""
    if not inside:
        return "it is empty"
    folders = sorted(entry.name for entry in inside if entry.is_dir())
    kinds = Counter(entry.suffix.lower() or "no extension" for entry in inside if not entry.is_dir())
    parts = [f"{n} x {kind}" for kind, n in sorted(kinds.items(), key=lambda item: (-item[1], item[0]))[:5]]
    parts += [f"folder {name}" for name in folders[:3]]
    if folders[3:]:
        parts.append(f"{len(folders) - 3} more folders")
    hint = (
        "only the top level is read, so give the folder with the files"
        if folders
        else f"known are {EXTENSIONS}"
    )
    return f"it holds {', '.join(parts)}; {hint}"
