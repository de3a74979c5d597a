"""Makes cohorts of invented German patients as NDJSON, of any size and always the same for the same seed.

    python tests/generate.py --patients 200 --seed 1 --out DIR --canaries FILE

Two shapes: `ndjson` (one file per resource type) and `torch` (what TORCH delivers: `core.ndjson`, batch files with
one transaction Bundle per patient, a consent audit file that is no input). The canary file lists every identifying
string that was planted, one JSON object a line: {"kind", "value", "patient"}; `tests/canaries.py` searches for them.

Patient i depends on (seed, i) alone. Memory does not grow with the cohort.
"""

import argparse
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import orjson
import zstandard
from isal import igzip

from cohort.clinic import Json
from cohort.people import Hospital, hospital
from cohort.records import Record

Shape = Literal["ndjson", "torch"]
Compression = Literal["", "gz", "zst"]
Write = Callable[[str, str, bytes], None]  # series (one open file each), name of the file, line

MARKER = ".dimp-cohort"  # says that the folder is ours: only then are its NDJSON files replaced
BATCH = 100  # patients in one TORCH batch file
BUFFER = 1 << 20
FHIR_BASE = "https://fhir.klinikum.example/fhir/"
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(slots=True)
class Summary:
    """What was made; `bytes` counts the uncompressed lines."""

    patients: int = 0
    lines: int = 0
    bytes: int = 0
    canaries: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    files: list[Path] = field(default_factory=list)


class Writer:
    """NDJSON lines into the files of one name series; one file open at a time."""

    def __init__(self, out: Path, compress: Compression, summary: Summary) -> None:
        self.out, self.compress, self.summary = out, compress, summary
        self._name = ""
        self._raw: BinaryIO | None = None
        self._file: BinaryIO | None = None

    def write(self, name: str, line: bytes) -> None:
        """Append `line` (without its newline) to the file `name`.ndjson."""
        if name != self._name:
            self._open(name)
        assert self._file is not None
        self._file.write(line)
        self._file.write(b"\n")
        self.summary.lines += 1
        self.summary.bytes += len(line) + 1

    def _open(self, name: str) -> None:
        self.close()
        self._name = name
        path = self.out / f"{name}.ndjson{'.' + self.compress if self.compress else ''}"
        self._raw = path.open("wb", buffering=BUFFER)
        self.summary.files.append(path)
        if self.compress == "gz":  # no name and no time inside: same bytes for the same seed
            gzip_file = cast(Any, igzip.IGzipFile)  # not typed
            self._file = gzip_file(filename="", mode="wb", compresslevel=1, fileobj=self._raw, mtime=0)
        elif self.compress == "zst":
            compressor = zstandard.ZstdCompressor(level=1)
            self._file = cast(BinaryIO, compressor.stream_writer(self._raw, closefd=False))
        else:
            self._file = self._raw

    def close(self) -> None:
        if self._file is not None and self._file is not self._raw:
            self._file.close()
        if self._raw is not None:
            self._raw.close()
        self._file = self._raw = None


class CanaryFile:
    """The list of planted strings, streamed; without a path they are only counted."""

    def __init__(self, path: Path | None, summary: Summary) -> None:
        self.summary = summary
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb", buffering=BUFFER) if path else None

    def add(self, canaries: list[tuple[str, str]], patient: str | None) -> None:
        self.summary.canaries += len(canaries)
        if self._file is not None:
            rows = [
                orjson.dumps({"kind": kind, "value": value, "patient": patient}) for kind, value in canaries
            ]
            self._file.write(b"\n".join(rows) + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def bundle(resources: list[Json], identity: str) -> Json:
    """A transaction Bundle as TORCH writes it: entries by type and id, each with its PUT request."""
    rows = sorted((resource["resourceType"], resource["id"], resource) for resource in resources)
    return {
        "resourceType": "Bundle",
        "id": identity,
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"{FHIR_BASE}{kind}/{key}",
                "resource": resource,
                "request": {"method": "PUT", "url": f"{kind}/{key}"},
            }
            for kind, key, resource in rows
        ],
    }


def consent_audit(patient: str, identity: str) -> bytes:
    """One line of TORCH's consent audit: a collection Bundle that the importer must leave out."""
    consent = {
        "resourceType": "Consent",
        "id": f"consent-{identity}",
        "status": "active",
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": "2024-01-15T08:30:00+01:00",
        "provision": {"type": "deny", "period": {"start": "2024-01-15", "end": "2054-01-15"}},
    }
    return orjson.dumps(
        {"resourceType": "Bundle", "id": identity, "type": "collection", "entry": [{"resource": consent}]}
    )


def claim_folder(out: Path) -> None:
    """Make `out` ready: new, empty, or one of ours whose old files go. Anything else is refused."""
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).exists():
        raise SystemExit(f"{out}: holds files that the generator did not make; give an empty or new folder")
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text(
        "synthetic cohort made by tests/generate.py; its NDJSON files may be replaced\n"
    )
    for old in out.glob("*.ndjson*"):
        old.unlink()


def parts(files: int, patients: int | None, size: int | None, summary: Summary) -> Iterator[int]:
    """For patient after patient the number of the file it goes to, 0 to files - 1; ends when enough are made."""
    number = 0
    while (patients is None or number < patients) and (size is None or summary.bytes < size):
        done = number / patients if patients is not None else summary.bytes / (size or 1)
        yield min(int(done * files), files - 1)
        number += 1


def generate(
    out: Path,
    patients: int | None = None,
    seed: int = 1,
    *,
    shape: Shape = "ndjson",
    canaries: Path | None = None,
    compress: Compression = "",
    size: int | None = None,
    notes_kb: int = 0,
    files: int | None = None,
) -> Summary:
    """Write a cohort of `patients`, or of about `size` bytes, to the folder `out`.

    `files` splits each type over so many files (`ndjson`), or is the number of batch files (`torch`, default one per
    100 patients). `notes_kb` lengthens every note by that much text. Raises SystemExit for a folder that is not ours,
    ValueError for settings that contradict each other.
    """
    if patients is None and size is None:
        raise ValueError("give a number of patients or a size")
    if canaries is not None and canaries.resolve().parent == out.resolve():
        raise ValueError(f"{canaries}: the list of canaries must not lie in the cohort's own folder")
    claim_folder(out)
    home, summary = hospital(seed), Summary()
    with ExitStack() as stack:
        listed = CanaryFile(canaries, summary)
        stack.callback(listed.close)
        listed.add(home.canaries, None)
        writers: dict[str, Writer] = {}

        def write(series: str, name: str, line: bytes) -> None:
            if series not in writers:
                writers[series] = Writer(out, compress, summary)
                stack.callback(writers[series].close)
            writers[series].write(name, line)

        records = _records(seed, home, parts(files or 1, patients, size, summary), notes_kb, listed, summary)
        if shape == "torch":
            _write_torch(write, records, home, seed, batched=files is not None)
        else:
            _write_types(write, records, home, files or 1)
    summary.files.sort()
    summary.resources.update(resource["resourceType"] for resource in home.resources)
    return summary


def _records(
    seed: int, home: Hospital, places: Iterator[int], notes_kb: int, listed: CanaryFile, summary: Summary
) -> Iterator[tuple[int, Record]]:
    """(file number, record) of patient after patient."""
    for number, place in enumerate(places):
        record = Record(seed, number, home, notes_kb)
        summary.patients += 1
        summary.resources.update([resource["resourceType"] for resource in record.resources])
        listed.add(record.canaries, record.person.id)
        yield place, record


def _write_types(write: Write, records: Iterator[tuple[int, Record]], home: Hospital, files: int) -> None:
    for resource in home.resources:
        write(resource["resourceType"], resource["resourceType"], orjson.dumps(resource))
    width = len(str(files))
    for place, record in records:
        suffix = f"-{place + 1:0{width}d}" if files > 1 else ""
        for resource in record.resources:
            kind = resource["resourceType"]
            write(kind, kind + suffix, orjson.dumps(resource))


def _write_torch(
    write: Write, records: Iterator[tuple[int, Record]], home: Hospital, seed: int, *, batched: bool
) -> None:
    def named(what: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"dimp-cohort/{seed}/{what}"))

    write("core", "core", orjson.dumps(bundle(home.resources, named("core"))))
    for number, (place, record) in enumerate(records):
        batch = named(f"batch/{place if batched else number // BATCH}")
        write("batch", batch, orjson.dumps(bundle(record.resources, record.draw.uuid())))
        if number < BATCH:
            audit = consent_audit(record.person.id, record.draw.uuid())
            write("consent", f"{named('batch/0')}_consent", audit)


def bytes_of(text: str) -> int:
    """'500000', '300k', '200M', '2G' -> bytes."""
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "")
    try:
        return int(float(number) * UNITS[unit])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write 500000, 300k, 200M or 2G") from None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the files; new, empty or an older cohort"
    )
    parser.add_argument("--patients", type=int, help="number of patients")
    parser.add_argument(
        "--bytes", type=bytes_of, dest="size", help="stop after about so many bytes (200M, 2G)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", choices=("ndjson", "torch"), default="ndjson")
    parser.add_argument("--canaries", type=Path, help="where to list every identifying string")
    parser.add_argument("--compress", choices=("", "gz", "zst"), default="")
    parser.add_argument("--notes-kb", type=int, default=0, help="kB of text to add to every note")
    parser.add_argument("--files", type=int, help="split each type over so many files")
    given = parser.parse_args(arguments)
    if given.patients is None and given.size is None:
        parser.error("give --patients or --bytes")
    try:
        made = generate(**vars(given))
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(f"{given.out}: {error.strerror}", file=sys.stderr)
        return 1
    print(
        f"{made.patients} patients, {made.lines} lines, {made.bytes / 1e6:.1f} MB, {len(made.files)} files in {given.out}"
        + (f"; {made.canaries} identifying strings listed in {given.canaries}" if given.canaries else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
