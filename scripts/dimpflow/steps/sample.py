"""sample: what belongs to the first patients of the input, so that all else can be tried on little data."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

from dimpflow.errors import InputError
from dimpflow.layout import JobFolder
from dimpflow.ndjson import AtomicFile, open_input, read_errors, write_json
from dimpflow.sources import Source

_REFERENCE = re.compile(rb'"reference"\s*:\s*"(?:[^"]*/)?Patient/([A-Za-z0-9\-.]{1,64})')
"""A reference to a patient, wherever it stands: a superset of those that say whose a resource is."""


class _Resource(msgspec.Struct, gc=False):
    resourceType: str = ""
    id: str = ""


class _Entry(msgspec.Struct, gc=False):
    resource: _Resource | None = None


class _Line(msgspec.Struct, gc=False):
    resourceType: str = ""
    id: str = ""
    entry: list[_Entry] = []


_decode = msgspec.json.Decoder(_Line).decode


def take_sample(sources: Sequence[Source], most: int, folder: JobFolder) -> None:
    """Writes for each source what belongs to the first `most` patients (in the order of sources and lines) into download/, as if it
    had been fetched: patients, Bundles that hold one of them, resources that refer to one of them, and all that refer to no patient.

    Lines that are no FHIR are kept: the import tells them. InputError: no patient at all, a file that cannot be read.
    """
    chosen = first_patients(sources, most)
    if not chosen:
        raise InputError("sample: there is no Patient in the input; leave out sample")
    for source in sources:
        out = folder.download(f"{source.name}.{'json' if source.document else 'ndjson'}")
        with AtomicFile(out, 0o600, dir_mode=0o700) as target:
            for line in _lines(source):
                if source.document or belongs(line, chosen):
                    target.write(line)
                    if not line.endswith(b"\n"):
                        target.write(b"\n")
        facts: dict[str, Any] = {"file": out.name, "bytes": target.bytes, "sha256": target.sha256}
        write_json(folder.download_facts(out.name), facts, 0o600, dir_mode=0o700, durable=False)


def first_patients(sources: Sequence[Source], most: int) -> set[str]:
    """Ids of the first patients. Sources without a patient are read to their end."""
    found: dict[str, None] = {}
    for source in sources:
        for line in _lines(source):
            for patient in _patients(line):
                found.setdefault(patient)
                if len(found) == most:
                    return set(found)
    return set(found)


def belongs(line: bytes, chosen: Collection[str]) -> bool:
    """Whether a line belongs to one of these patients, or to none at all."""
    patients = _patients(line)
    if patients:
        return any(patient in chosen for patient in patients)
    named = {name.decode("ascii") for name in _REFERENCE.findall(line)}
    return not named or not named.isdisjoint(chosen)


def _patients(line: bytes) -> list[str]:
    """Ids of the patients that a line is, or that a Bundle holds."""
    if b"Patient" not in line:
        return []
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    if found.resourceType == "Patient":
        return [found.id]
    inside = (entry.resource for entry in found.entry if entry.resource)
    return [resource.id for resource in inside if resource.resourceType == "Patient"]


def _lines(source: Source) -> Iterator[bytes]:
    """Lines with their ends; a document as it is."""
    with ExitStack() as stack:
        stack.enter_context(read_errors(source.path))
        file = stack.enter_context(open_input(source.path, source.compression))
        if source.document:
            yield file.read()
        else:
            yield from file
