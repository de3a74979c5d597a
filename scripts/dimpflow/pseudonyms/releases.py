"""Which results were made with the mapping of a job: a number alone does not tell whose mapping it belongs to."""

from collections.abc import Sequence
from pathlib import Path

import orjson

from dimpflow.layout import JobFolder
from dimpflow.ndjson import AtomicFile, read_errors

RELEASES = "releases.txt"
"""Name of the file in jobs/<job>/mappings/: a SHA-256 a line, of results before and after compression."""
SHORTEST = 12
"""Characters of a SHA-256 that are enough to name a release."""


def note_release(folder: JobFolder, digests: Sequence[str]) -> None:
    """Puts a result on the list, if the job keeps a mapping. OutputError."""
    path = folder.mapping(RELEASES)
    if not path.parent.is_dir():
        return
    known = _listed(path)
    new = [digest for digest in dict.fromkeys(digests) if digest not in known]
    if new:
        with AtomicFile(path, 0o600, dir_mode=0o700) as file:
            file.write("".join(f"{digest}\n" for digest in [*known, *new]).encode())


def releases_of(folder: JobFolder) -> list[str]:
    """SHA-256 of all results that the job has made, and of the one that lies there. InputError."""
    found = _listed(folder.mapping(RELEASES))
    facts = folder.path / "dimp_results.json"
    if facts.is_file():
        with read_errors(facts):
            content = orjson.loads(facts.read_bytes())
        found += [content[name] for name in ("sha256", "file_sha256") if name in content]
    return found


def numbered_of(folder: JobFolder) -> frozenset[str]:
    """The domains of the job's mapping whose pseudonyms are numbers, which other jobs have too. InputError."""
    facts = folder.mapping("_all.json")
    if not facts.is_file():
        return frozenset()
    with read_errors(facts):
        return frozenset(orjson.loads(facts.read_bytes()).get("numbered", ()))


def _listed(path: Path) -> list[str]:
    if not path.is_file():
        return []
    with read_errors(path):
        return path.read_text(encoding="ascii", errors="replace").split()
