"""What jobs extract: lines of a TORCH-shaped folder, batched, with new ids and with Provenance ("torch-crtdl", section 1.5).

Resources are copied byte for byte. All that TORCH draws at random comes from the seed and the number of the job.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec

from doubles.torch.bodies import drawn_uuid, dumped, seeded, stamp
from doubles.torch.kickoff import Order

BATCH_SIZE = 500
_SIDS = "https://torch.mii.de/fhir/sid/"


class _Key(msgspec.Struct, rename="camel"):
    resource_type: str
    id: str = ""


class _Keyed(msgspec.Struct):
    resource: _Key


class _Keys(msgspec.Struct):
    entry: list[_Keyed] = []


class _Holder(msgspec.Struct):
    resource: msgspec.Raw


class _Content(msgspec.Struct):
    entry: list[_Holder] = []


@dataclass(frozen=True, slots=True)
class Line:
    """Where the Bundle of a patient lies. length: in bytes, without the line end."""

    path: Path
    start: int
    length: int
    patient: str

    def read(self) -> bytes:
        """The Bundle."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.length)


@dataclass(frozen=True)
class Batch:
    """Some patients and their file; None for a patient of whom nothing is left. lines: none if it is skipped."""

    id: str
    lines: tuple[Line | None, ...]

    @property
    def name(self) -> str:
        return f"{self.id}.ndjson"


@dataclass(frozen=True)
class Plan:
    """What a job is going to make. cohort: patients that were found or asked for; missing: those of whom nothing is known;
    core: whether there is a core.ndjson; repeated: whether a batch holds a patient twice.
    """

    job: str
    batches: tuple[Batch, ...]
    cohort: int
    batch_size: int
    missing: tuple[str, ...] = ()
    core: bool = False
    repeated: bool = False
    order: tuple[int, ...] = field(default=())
    """Of the batches in manifests."""

    @property
    def finished(self) -> list[Batch]:
        """Those with a file, in the order of manifests."""
        return [self.batches[i] for i in self.order if self.batches[i].lines]


class Folder:
    """A TORCH-shaped folder: batch files, and perhaps core.ndjson and consent audits, which may lie in `audit`."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise FileNotFoundError(f"{root}: no such folder")
        self.root = root
        self.core = root / "core.ndjson"
        self.files: list[tuple[Line, ...]] = [
            tuple(_lines(path, _patient_of))
            for path in sorted(root.glob("*.ndjson"))
            if path != self.core and not path.stem.endswith("_consent")
        ]
        audits = sorted((*root.glob("*_consent.ndjson"), *root.glob("audit/*_consent.ndjson")))
        self.audits = {line.patient: line for path in audits for line in _lines(path, _audited)}

    @property
    def lines(self) -> list[Line]:
        """Of all patients."""
        return [line for file in self.files for line in file]

    def plan(
        self,
        seed: int,
        number: int,
        job: str,
        order: Order,
        *,
        batch_size: int | None,
        empty: int,
        what: str = "",
    ) -> Plan:
        """empty: so many patients more of whom nothing is left; what: "" all, "nothing", or "core" alone."""
        draw = seeded(seed, number, "plan")
        known = {line.patient: line for line in self.lines}
        groups: Iterable[Sequence[Line | None]]
        if order.patients is not None:
            asked = order.patients
            size = batch_size or BATCH_SIZE
            groups = [[known.get(one) for one in asked[i : i + size]] for i in range(0, len(asked), size)]
            repeated = any(
                len(set(asked[i : i + size])) < len(asked[i : i + size]) for i in range(0, len(asked), size)
            )
            missing = tuple(one for one in asked if one not in known)
            cohort = len(asked)
        elif batch_size:
            lines = self.lines
            groups = [lines[i : i + batch_size] for i in range(0, len(lines), batch_size)]
            repeated, missing, cohort = False, (), len(lines)
        else:
            groups = self.files
            repeated, missing, cohort = False, (), len(self.lines)
        kept = [[line for line in group if line is not None] for group in groups]
        if what or order.consent == "nobody":
            kept = [[] for _ in kept]
        batches = tuple(
            Batch(drawn_uuid(draw), _with_empty(group, empty if i == 0 else 0, draw))
            for i, group in enumerate(kept)
        )
        core = self.core.is_file() and (any(batch.lines for batch in batches) or what == "core")
        shuffled = draw.sample(range(len(batches)), len(batches))
        return Plan(
            job, batches, cohort + (empty if kept and not what else 0), batch_size or BATCH_SIZE, missing, core, repeated, tuple(shuffled)
        )  # fmt: skip


def _with_empty(lines: Sequence[Line], number: int, draw: Random) -> tuple[Line | None, ...]:
    if not lines:
        return ()
    places: list[Line | None] = [*lines]
    for _ in range(number):
        places.insert(draw.randint(0, len(places)), None)
    return tuple(places)


def _lines(path: Path, patient_of: Callable[[bytes], str]) -> Iterator[Line]:
    start = 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield Line(path, start, len(line.rstrip(b"\r\n")), patient_of(line))
            start += len(line)


class _Reference(msgspec.Struct, frozen=True):
    reference: str = ""


class _OfPatient(msgspec.Struct):
    patient: _Reference = _Reference()
    subject: _Reference = _Reference()


class _Audited(msgspec.Struct):
    resource: _OfPatient


class _Audit(msgspec.Struct):
    entry: list[_Audited] = []


def _patient_of(line: bytes) -> str:
    entries = msgspec.json.decode(line, type=_Keys).entry
    return next((one.resource.id for one in entries if one.resource.resource_type == "Patient"), "")


def _audited(line: bytes) -> str:
    for one in msgspec.json.decode(line, type=_Audit).entry:
        reference = one.resource.patient.reference or one.resource.subject.reference
        if reference:
            return reference.removeprefix("Patient/")
    return ""


class Writer:
    """Writes the files of a job into its folder, each by an atomic rename."""

    def __init__(
        self, folder: Folder, target: Path, plan: Plan, order: Order, seed: int, number: int
    ) -> None:
        self._folder, self._target, self._plan, self._order = folder, target, plan, order
        self._seed, self._number = seed, number
        self._recorded = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(
            milliseconds=seeded(seed, number, "recorded").randrange(1 << 34)
        )

    def batch(self, batch: Batch) -> None:
        """The file of a batch and its consent audit; nothing if it is skipped."""
        (self._target / "batches").mkdir(parents=True, exist_ok=True)
        ids = [line.patient for line in batch.lines if line]
        _put(self._target / "batches" / batch.name, ("\n".join(ids) + "\n").encode() if ids else b"")
        if not batch.lines:
            return
        draw = seeded(self._seed, self._number, batch.id)
        _put(
            self._target / batch.name,
            (self._bundle(line.read() if line else b"{}", draw) for line in batch.lines),
        )
        if self._order.consent == "enforced":
            audits = [self._folder.audits[one].read() + b"\n" for one in ids if one in self._folder.audits]
            if audits:
                _put(self._target / f"{batch.id}_consent.ndjson", audits)

    def core(self) -> None:
        """core.ndjson: one line."""
        draw = seeded(self._seed, self._number, "core")
        _put(self._target / "core.ndjson", [self._bundle(self._folder.core.read_bytes(), draw)])

    def reports(self) -> None:
        """The diagnostics: a summary and two CSV files, which hold original ids."""
        (self._target / "reports").mkdir(parents=True, exist_ok=True)
        excluded = [
            [self._plan.batches[0].id, "DIRECT_LOAD", one] for one in self._plan.missing if self._plan.batches
        ]
        first = next((line for batch in self._plan.batches for line in batch.lines if line), None)
        masked = (
            [[self._plan.batches[0].id, "MUST_HAVE", self._order.groups[0][0], "id", f"Patient/{first.patient}", first.patient]]
            if first
            else []
        )  # fmt: skip
        for name, head, rows in (
            ("patient-exclusions.csv", ["Batch-ID", "Stage", "Patient-ID"], excluded),
            ("resource-exclusions.csv", ["Batch-ID", "Reason", "Group", "Attribute", "Resource-ID", "Patient-ID"], masked),
        ):  # fmt: skip
            text = io.StringIO(newline="")
            csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([head, *rows])
            _put(self._target / "reports" / name, text.getvalue().encode())
        _put(self._target / "reports" / "job-summary.json", dumped(summary(self._plan)))

    def _bundle(self, bundle: bytes, draw: Random) -> bytes:
        head = b'{"resourceType":"Bundle","id":"%b","type":"transaction"' % drawn_uuid(draw).encode()
        resources = [holder.resource for holder in msgspec.json.decode(bundle, type=_Content).entry]
        if not resources:
            return head + b"}\n"
        keys = [msgspec.json.decode(resource, type=_Key) for resource in resources]
        entries = [_entry(bytes(resource), key) for resource, key in zip(resources, keys, strict=True)]
        entries += self._provenance(keys, draw)
        return head + b',"entry":[' + b",".join(entries) + b"]}\n"

    def _provenance(self, keys: Sequence[_Key], draw: Random) -> Iterator[bytes]:
        """One for each attribute group of which there are resources."""
        for group, kind in self._order.groups:
            targets = [{"reference": f"{kind}/{key.id}"} for key in keys if key.resource_type == kind]
            if not targets:
                continue
            identity = f"torch-{drawn_uuid(draw)}"
            whats = [(f"{_SIDS}attribute-group-id", group), (f"{_SIDS}extraction-id", self._plan.job)]
            resource = {
                "resourceType": "Provenance",
                "id": identity,
                "target": targets,
                "recorded": stamp(self._recorded),
                "agent": [{"who": {"display": "TORCH"}}],
                "entity": [
                    {"role": "source", "what": {"identifier": {"system": system, "value": value}}}
                    for system, value in whats
                ],
            }
            yield _entry(dumped(resource), _Key("Provenance", identity))


def summary(plan: Plan) -> dict[str, object]:
    """The content of `torch-job-diagnostics-summary`."""
    excluded = Counter({"DIRECT_LOAD": len(plan.missing)}) if plan.missing else Counter[str]()
    return {
        "Num-Cohort-Patients": plan.cohort,
        "Num-Final-Patients": sum(len(batch.lines) for batch in plan.batches),
        "Cohort-Query-Duration-Ms": 12,
        "Duration-Measurements": {
            "DIRECT_LOAD": {"count": len(plan.batches), "totalMs": 40 * len(plan.batches)}
        },
        "Patient-Exclusions": dict(excluded),
        "Resource-Exclusions": {},
        "Resource-Inclusions": {},
    }


def _entry(resource: bytes, key: _Key) -> bytes:
    url = f"{key.resource_type}/{key.id}".encode()
    return b'{"resource":%b,"request":{"method":"PUT","url":"%b"}}' % (resource, url)


def _put(path: Path, content: bytes | Iterable[bytes]) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.writelines([content] if isinstance(content, bytes) else content)
    os.replace(part, path)
