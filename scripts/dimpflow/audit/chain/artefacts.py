"""Every file of a job that its result depends on, or that tells of it, with its digest and what it was made from.

A digest that was made while a file was written is taken from the side file that holds it: it says what was written, not what lies
there some time later. All others are made here. Not listed are working files that are made again from those listed: logs, the
originals of a shard (gather/), what is looked for in free text, the index of the mapping.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dimpflow.audit.balance import read_facts
from dimpflow.errors import InputError
from dimpflow.layout import JobFolder
from dimpflow.ndjson import file_sha256, read_errors
from dimpflow.pseudonyms.mapping import MAPPING
from dimpflow.pseudonyms.releases import RELEASES
from dimpflow.pseudonyms.sealed import SEALED

Facts = dict[str, Any]
Artefact = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """What is known of the files of a job. manifests: of import, by source; counts: of dimp, by source and shard; files: names of the
    input files; rules: name and SHA-256 of the rule set's file; results: facts of `import` and `dimp`; ending: of compressed
    results; more: further files, with what they were made from."""

    manifests: Mapping[str, Facts]
    counts: Mapping[str, Mapping[str, Facts]]
    files: Mapping[str, str]
    rules: tuple[str, str] | None
    results: Mapping[str, Facts]
    ending: str
    keep_shards: bool
    gathers: bool
    more: Mapping[str, Sequence[str]]


@dataclass
class _File:
    """One artefact. known: what is recorded of it (sha256, bytes, and counts); kept: whether it must be there; outside: it lies not in the
    job's folder."""

    path: str
    kind: str
    made_from: Sequence[str] = ()
    known: Facts = field(default_factory=dict)
    kept: bool = True
    outside: bool = False


def artefacts_of(folder: JobFolder, shards: Mapping[str, Sequence[str]], parts: Parts) -> list[Artefact]:
    """All of them, each behind what it was made from. InputError: one is missing, or is not as it was written."""
    return described(folder.path, _files(folder, shards, parts))


def described(root: Path, files: Iterable[_File]) -> list[Artefact]:
    """Files as they stand in audit.json; the digests that are not known are made."""
    listed = list(files)
    new = [
        one for one in listed if not one.outside and "sha256" not in one.known and (root / one.path).exists()
    ]
    for one, digest in zip(new, digests([root / one.path for one in new]), strict=True):
        one.known["sha256"] = digest
    return [_described(root, one) for one in listed]


def digests(paths: Sequence[Path]) -> list[str]:
    """SHA-256 of files, several at a time: hashing needs the processor, and leaves Python free meanwhile."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(file_sha256, paths))


def listed_file(path: str, kind: str, made_from: Sequence[str]) -> _File:
    """A file of the job that is there and has to stay."""
    return _File(path, kind, made_from)


def _described(root: Path, one: _File) -> Artefact:
    known = dict(one.known)
    path = root / one.path
    if not one.outside and path.exists():
        with read_errors(path):
            size = path.stat().st_size
        if known.setdefault("bytes", size) != size:
            raise InputError(f"{path} is not as it was written; remove it and run again")
    elif one.kept:
        raise InputError(f"{path} is missing; run again")
    return {
        "path": one.path,
        "kind": one.kind,
        "sha256": known.pop("sha256", None),
        "bytes": known.pop("bytes", None),
        "kept": one.kept,
        "outside": one.outside,
        "made_from": list(one.made_from),
        **known,
    }


def _files(folder: JobFolder, shards: Mapping[str, Sequence[str]], parts: Parts) -> Iterator[_File]:
    rules = []
    if parts.rules:
        name, sha256 = parts.rules
        rules = [f"rules/{Path(name).name}"]
        yield _File(rules[0], "rule set", known={"sha256": sha256}, kept=False, outside=True)
    for source in shards:
        yield from _imported(folder, source, parts)
    yield from _result(folder, "import", [_path(folder, folder.imported(source)) for source in shards], parts)
    pairs = [(source, shard) for source, names in shards.items() for shard in names]
    for pair in pairs:
        yield from _split(folder, *pair, parts)
    done = [_path(folder, folder.shard("dimp", *pair)) for pair in pairs]
    cut = [_path(folder, folder.shard("split", *pair)) for pair in pairs]
    mapping = list(_mapping(folder, cut if parts.gathers else done))
    if parts.gathers:
        yield from mapping
    needed = [one.path for one in mapping if one.kind == "mapping"] if parts.gathers else []
    for pair in pairs:
        yield from _deidentified(folder, *pair, parts, [*rules, *needed])
    if not parts.gathers:
        yield from mapping
    yield from _result(folder, "dimp", done, parts)
    for path, made_from in parts.more.items():
        yield _File(path, "table" if path.startswith("report/") else "check", made_from)


def _imported(folder: JobFolder, source: str, parts: Parts) -> Iterator[_File]:
    manifest, name = parts.manifests[source], Path(parts.files[source]).name
    fetched = folder.download_facts(name).exists()
    given = _path(folder, folder.download(name)) if fetched else f"input/{name}"
    size = read_facts(folder.side_file(source))["bytes"]
    yield _File(
        given,
        "input",
        known={"sha256": manifest["sha256_input"], "bytes": size},
        kept=fetched and parts.keep_shards,
        outside=not fetched,
    )
    yield _File(_path(folder, folder.side_file(source)), "counts", [given])
    data, beside = folder.imported(source), folder.manifest(source)
    numbers = {name: manifest[name] for name in ("sha256", "bytes", "lines", "rejected")}
    yield _File(_path(folder, data), "import", [given], numbers)
    yield _File(_path(folder, beside), "counts", [given])
    yield from _set_aside(folder, data, given)


def _split(folder: JobFolder, source: str, shard: str, parts: Parts) -> Iterator[_File]:
    imported = [_path(folder, folder.imported(source))]
    index, manifest = folder.facts("split", source, shard), parts.manifests[source]
    facts = read_facts(index)
    known = {"lines": facts["lines"]}
    if (facts["start"], facts["end"], facts["bytes"]) == (0, manifest["bytes"], manifest["bytes"]):
        known["sha256"] = manifest[
            "sha256"
        ]  # all of it was copied, and nothing cut, which would have made it longer
    path = _path(folder, folder.shard("split", source, shard))
    yield _File(path, "split", imported, known, parts.keep_shards)
    yield _File(_path(folder, index), "counts", imported)


def _deidentified(
    folder: JobFolder, source: str, shard: str, parts: Parts, needed: Sequence[str]
) -> Iterator[_File]:
    counts = parts.counts[source][shard]
    given = folder.shard("split", source, shard)
    made_from = [_path(folder, given), _path(folder, folder.facts("split", source, shard)), *needed]
    numbers = {name: counts[name] for name in ("sha256", "bytes", "lines", "rejected")}
    data = folder.shard("dimp", source, shard)
    yield _File(_path(folder, data), "de-identified", made_from, numbers, parts.keep_shards)
    yield _File(_path(folder, folder.facts("dimp", source, shard)), "counts", made_from)
    yield from _set_aside(folder, given, made_from[0])


def _set_aside(folder: JobFolder, data: Path, made_from: str) -> Iterator[_File]:
    rejected = data.parent / "rejected" / data.name
    if rejected.exists():
        yield _File(_path(folder, rejected), "set aside", [made_from])


def _mapping(folder: JobFolder, made_from: Sequence[str]) -> Iterator[_File]:
    """In clear or sealed, as it lies there."""
    for name, kind in ((MAPPING, "mapping"), (f"{MAPPING}{SEALED}", "mapping"), ("_all.json", "counts")):
        if folder.mapping(name).exists():
            yield _File(_path(folder, folder.mapping(name)), kind, made_from)


def _result(folder: JobFolder, step: str, made_from: Sequence[str], parts: Parts) -> Iterator[_File]:
    facts = parts.results[step]
    data, side, table = f"{step}_results.ndjson{parts.ending}", f"{step}_results.json", f"report/{step}.html"
    numbers = {"sha256": facts["file_sha256"], "content_sha256": facts["sha256"], "lines": facts["lines"]}
    yield _File(data, "result", made_from, numbers)
    yield _File(side, "counts", [data])
    yield _File(table, "table", [side])
    releases = folder.mapping(RELEASES)
    if step == "dimp" and releases.exists():
        yield _File(_path(folder, releases), "counts", [data])


def _path(folder: JobFolder, path: Path) -> str:
    """In the job's folder, with slashes."""
    return path.relative_to(folder.path).as_posix()
