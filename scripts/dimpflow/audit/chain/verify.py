"""Checks a job against its audit.json: is every file still the one that the audit tells of, and does the chain hold together?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from jsonschema import Draft202012Validator

from dimpflow.audit.chain.hashing import Hashed, hash_files
from dimpflow.audit.chain.joined import first_difference
from dimpflow.audit.chain.links import link_faults
from dimpflow.audit.chain.record import AUDIT, FOLDER, SIGNED, SUMS, sums_of
from dimpflow.audit.signing import fingerprint_of, signature_fault
from dimpflow.errors import InputError
from dimpflow.layout import JobFolder
from dimpflow.ndjson import file_sha256, read_errors

Artefact = Mapping[str, Any]

GONE = "is missing"
_CHANGED = "was changed after the audit"


@dataclass(frozen=True)
class Finding:
    """Something that is not as recorded. path: in the job's folder."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True)
class Verdict:
    """findings: empty if all is as recorded; notes: what a person should know beside; checked: files whose digests were made anew."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    checked: int


def verify_job(
    folder: JobFolder,
    schema: Mapping[str, Any],
    *,
    certificate: Path | None = None,
    removed: Sequence[str] = (),
    inputs: Mapping[str, Path] | None = None,
) -> Verdict:
    """Everything that audit.json vouches for, checked anew.

    schema: of audit.json; certificate: of the site (PEM), by which it must be signed; removed: names in the job's folder that were
    removed on purpose; inputs: where input files lie, by their names, to be checked too.

    InputError: the signature cannot be checked here.
    """
    run = _Verification(folder.path, certificate, removed, inputs or {})
    facts = run.read_audit(schema)
    if facts is not None:
        run.check_files(facts["artefacts"])
        run.findings += [Finding(*fault) for fault in link_faults(facts["artefacts"])]
        run.check_joined(facts["artefacts"])
        run.findings += _other_results(folder.path, facts["artefacts"])
    return Verdict(tuple(run.findings), tuple(run.notes), run.checked)


class _Verification:
    def __init__(
        self, root: Path, certificate: Path | None, removed: Sequence[str], inputs: Mapping[str, Path]
    ) -> None:
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.checked = 0
        self._root = root
        self._certificate = certificate
        self._removed = removed
        self._inputs = inputs
        self._hashed: Mapping[str, Hashed] = {}
        self._joined: Mapping[str, str | None] = {}

    def read_audit(self, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        """What audit.json says; None where that cannot be relied upon."""
        place = self._root / FOLDER
        try:
            facts = orjson.loads((place / AUDIT).read_bytes())
        except OSError:
            self._find(AUDIT, f"{GONE}, or cannot be read: there is nothing to check this job by")
            return None
        except ValueError:
            self._find(AUDIT, f"{_CHANGED}: it is no JSON any more")
            return None
        signed = (place / SIGNED).exists()
        vouched = self._check_sums(signed)
        if signed:
            fault = signature_fault(place / AUDIT, place / SIGNED, self._certificate)
            if fault:
                self._find(SIGNED, fault)
            elif not self._certificate:
                self.notes.append(
                    "the signature fits, but whose it is was not checked: give the certificate of the site"
                )
            vouched = vouched or not fault
        elif self._certificate:
            self._find(SIGNED, f"{GONE}: the audit is not signed")
        if not vouched:
            self.notes.append("what audit.json says cannot be relied upon, so nothing else was checked")
            return None
        return self._whole(facts, schema, signed=signed)

    def _whole(self, facts: Any, schema: Mapping[str, Any], *, signed: bool) -> dict[str, Any] | None:
        """The audit, if it is one."""
        error = next(Draft202012Validator(schema).iter_errors(facts), None)
        if error is not None:
            place = "/".join(map(str, error.absolute_path))
            self._find(AUDIT, f"is not of the form of audit.schema.json (at /{place})")
            return None
        assert isinstance(facts, dict)  # says the schema
        by = facts["signed_by"]
        if by and not signed:
            self._find(SIGNED, f"{GONE}, though the audit was signed")
        if by and self._certificate and by != fingerprint_of(self._certificate.read_bytes()):
            self._find(AUDIT, "names another certificate than the one given")
        if not by:
            self.notes.append(
                "the audit is not signed: who can write in this folder could have changed it together with the data; "
                "compare audit.sha256 with a copy that was kept elsewhere"
            )
        return facts

    def _check_sums(self, signed: bool) -> bool:
        """Whether audit.sha256 fits audit.json."""
        place = self._root / FOLDER
        names = [AUDIT, *([SIGNED] if signed else [])]
        digests = {name: file_sha256(place / name) for name in names}
        try:
            lines = (place / SUMS).read_bytes().splitlines(keepends=True)
        except OSError:
            self._find(SUMS, f"{GONE}, or cannot be read")
            return False
        expected = sums_of(digests).splitlines(keepends=True)
        if lines == expected:
            return True
        for name, line in zip(sorted(names), expected, strict=True):
            if line not in lines:
                self._find(name, f"does not fit {FOLDER}/{SUMS}: one of the two {_CHANGED}")
        if all(line in lines for line in expected):
            self._find(SUMS, f"{_CHANGED}, or a signature was removed: it has lines of its own")
        return expected[0] in lines

    def check_files(self, artefacts: Sequence[Artefact]) -> None:
        """Each file that is there has its digest, and each that should be there is there."""
        places = {one["path"]: place for one in artefacts if (place := self._place(one)) is not None}
        results = [one for one in artefacts if one["kind"] == "result"]
        self._hashed, joined = hash_files(places, [one["made_from"] for one in results])
        self._joined = {one["path"]: digest for one, digest in zip(results, joined, strict=True)}
        gone = 0
        for one in artefacts:
            hashed = self._hashed.get(one["path"])
            if hashed is None:
                if one["kept"] and self._is_removed(one["path"]):
                    gone += 1
                elif one["kept"] or one["path"] in places:
                    self.findings.append(Finding(one["path"], f"{GONE}, or cannot be read"))
            elif one["sha256"] is not None:
                self.checked += 1
                if (hashed.sha256, hashed.bytes) != (one["sha256"], one["bytes"]):
                    self.findings.append(Finding(one["path"], _difference(one, hashed)))
        if gone:
            self.notes.append(f"{gone} files were removed on purpose, as pruned.json of the job says")

    def check_joined(self, artefacts: Sequence[Artefact]) -> None:
        """A result is its parts, one after another, as long as these are there; and where it differs, if one of them was changed."""
        known = {one["path"]: one for one in artefacts}
        for one in artefacts:
            parts = one["made_from"]
            if one["kind"] != "result" or not all(path in self._hashed for path in (one["path"], *parts)):
                continue
            changed = [path for path in (one["path"], *parts) if self._is_changed(known[path])]
            plain = one["sha256"] == one["content_sha256"]
            if not changed and self._joined[one["path"]] != one["content_sha256"]:
                self.findings.append(Finding(one["path"], "is not what its parts are, one after another"))
            elif changed and plain:
                data = self._root / one["path"]
                with read_errors(data):
                    at = first_difference(data, [self._root / path for path in parts])
                if at:
                    self.findings.append(
                        Finding(
                            one["path"],
                            f"line {at.line} is the first that differs from line {at.part_line} of {at.part}",
                        )
                    )

    def _is_changed(self, one: Artefact) -> bool:
        return one["sha256"] is not None and self._hashed[one["path"]].sha256 != one["sha256"]

    def _place(self, one: Artefact) -> Path | None:
        """Where a file has to be looked for; None: nowhere."""
        if one["outside"]:
            return self._inputs.get(Path(one["path"]).name) if one["kind"] == "input" else None
        path = self._root / one["path"]
        return path if one["kept"] or path.exists() else None

    def _is_removed(self, path: str) -> bool:
        return any(path == name or path.startswith(f"{name}/") for name in self._removed)

    def _find(self, name: str, what: str) -> None:
        self.findings.append(Finding(f"{FOLDER}/{name}", what))


def _difference(one: Artefact, hashed: Hashed) -> str:
    more = hashed.bytes - one["bytes"]
    if not more:
        return f"{_CHANGED}: it has other content of the same size"
    return f"{_CHANGED}: it is {abs(more)} bytes {'longer' if more > 0 else 'shorter'} than recorded"


def _other_results(root: Path, artefacts: Iterable[Artefact]) -> Iterator[Finding]:
    """Files that look like a result, of which the audit knows nothing."""
    known = {one["path"] for one in artefacts}
    for path in sorted(root.glob("dimp_results.*")):
        if path.name not in known:
            yield Finding(path.name, "is not in the audit: it came afterwards")


def audited_inputs(given: Sequence[Path]) -> dict[str, Path]:
    """Files, and those of folders, by their names. InputError: one is not there."""
    found: dict[str, Path] = {}
    for path in given:
        if not path.exists():
            raise InputError(f"{path} does not exist; give the folder or files that went in")
        for file in sorted(path.iterdir()) if path.is_dir() else (path,):
            if file.is_file():
                found[file.name] = file
    return found
