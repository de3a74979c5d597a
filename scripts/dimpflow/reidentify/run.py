"""Re-identification: find what is hidden, look up all of it, put it on record, and only then write originals.

Two passes over the input: the first collects what is asked for, the second writes. Between them lies the log.
"""

import hashlib
import os
import pwd
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from dimpflow.atomic import AtomicFile
from dimpflow.engine.tree.nodes import Node, read, write
from dimpflow.errors import (
    ConfigError,
    DimpflowError,
    InputError,
    LineError,
    OutputError,
    RuleSetError,
    ServiceError,
)
from dimpflow.pseudonyms.plan import prefixes_of
from dimpflow.pseudonyms.releases import SHORTEST
from dimpflow.reidentify.chain import append
from dimpflow.reidentify.inputs import Line, kind_of, lines_of, listed
from dimpflow.reidentify.originals import Answer, Key, RefusedError, Resolved, Sources, resolve
from dimpflow.reidentify.places import FoundPlaces, Places
from dimpflow.ruleset.rules import RuleSet
from dimpflow.sources import compression_of

SHORTEST_REASON = 10
"""Characters of a reason, at least."""
LONGEST_REASON = 500
_TELLING = 4
"""Characters from which on a value that stands in the reason is taken for itself, not for chance."""
_KINDS = {
    ConfigError: "configuration",
    RuleSetError: "rule set",
    ServiceError: "service",
    OutputError: "output",
}


@dataclass(frozen=True)
class Request:
    """What is asked for. rules: those that made the input; None is enough for a list, unless encrypted values are in it.

    numbered: domains whose pseudonyms are numbers, which every job has; releases: SHA-256 of the results that the mapping belongs
    to; release: the beginning of one of them, of which the input says that it comes from there.
    """

    input: Path
    output: Path
    reason: str
    job: str
    rules: RuleSet | None
    sources: Sources
    numbered: frozenset[str] = frozenset()
    releases: Sequence[str] = ()
    release: str = ""


@dataclass(frozen=True)
class Summary:
    """lines: written; values: places in which an original stands now; domains: different pseudonyms of each; hashes: values
    that were hashed, from which no way leads back."""

    lines: int
    values: int
    domains: Mapping[str, int]
    hashes: int


def reidentify(request: Request, logs: Sequence[Path]) -> Summary:
    """Writes the originals to `request.output` (rights 0600, folder 0700), or nothing at all.

    logs: chained logs, each of which has a line about it on the disk before the first original is written.

    Raises ConfigError: no reason; RefusedError: what cannot be turned back as a whole; and what reading and writing raise. What
    is refused is on record, too.
    """
    record = _Record(request, logs)
    try:
        check_reason(request.reason)
        _check_output(request)
        asked = _collect(request)
        _check_silent(request.reason, (text for _, text in asked.wanted))
        record.why = request.reason
        resolved = resolve(asked.wanted, request.sources)
        _check_release(request, asked, resolved)
        _check_silent(request.reason, (answer.original for answer in resolved.answers.values()), record)
    except DimpflowError as error:
        record.add(f"refused: {_kind_of(error)}")
        raise
    record.about(asked, resolved)
    record.add("started")
    try:
        lines, values = _write(request, asked, resolved)
    except DimpflowError as error:
        record.add(f"failed: {_kind_of(error)}")
        raise
    except BaseException:
        record.add("failed: interrupted")
        raise
    record.add("ok")
    return Summary(lines, values, resolved.by_domain(), asked.hashes)


# ---- before anything is read -------------------------------------------------------------------------------------------------


def check_reason(reason: str) -> None:
    """ConfigError unless it is a text that says something: one line, printable, of a sensible length."""
    if not reason.strip():
        raise RefusedReasonError("no reason is given; say why in a sentence (reidentify.reason)")
    if not SHORTEST_REASON <= len(reason.strip()) <= LONGEST_REASON or not reason.isprintable():
        raise RefusedReasonError(
            f"reidentify.reason: expected one line of {SHORTEST_REASON} to {LONGEST_REASON} printable characters"
        )


class RefusedReasonError(ConfigError):
    """A reason that is none."""

    kind = "reason"


def _check_silent(reason: str, values: Iterable[str], record: "_Record | None" = None) -> None:
    """The log holds the reason, and must hold no value."""
    if any(len(value) >= _TELLING and value in reason for value in values):
        if record is not None:
            record.why = ""
        raise RefusedReasonError(
            "reidentify.reason holds one of the values that are asked for; say it without"
        )


def _check_output(request: Request) -> None:
    output, folder = request.output, request.output.parent
    if os.path.lexists(output) and (output.is_symlink() or not output.is_file()):
        raise OutputError(f"{output} is no regular file; give another output")
    if output.exists() and request.input.exists() and output.samefile(request.input):
        raise OutputError(f"{output} is the input; give another output")
    if folder.is_dir() and folder.stat().st_mode & 0o077 and any(folder.iterdir()):
        raise OutputError(
            f"{folder} is open to other users; give an output in a folder of its own (a new one gets the rights 0700)"
        )


def _check_release(request: Request, asked: "_Asked", resolved: Resolved) -> None:
    """Numbers are the same in every job: that they are those of this mapping must be shown, or said."""
    numbers = sorted(request.numbered.intersection(resolved.by_domain()))
    if not numbers or not asked.unproved or asked.sha256 in request.releases:
        return
    given = request.release.strip().lower()
    if not given:
        raise RefusedError(
            "release unknown",
            f"{request.input}: pseudonyms of domain {numbers[0]!r} are numbers, which other jobs have too; say which result they "
            f"were taken from: reidentify.release, the first {SHORTEST} characters or more of the SHA-256 of its dimp_results.ndjson; "
            "nothing was written",
        )
    if len(given) < SHORTEST or not any(one.startswith(given) for one in request.releases):
        raise RefusedError(
            "foreign mapping",
            f"reidentify.release: this job has made no result whose SHA-256 begins like that ({SHORTEST} characters or more); give the "
            "job that made it; nothing was written",
        )


# ---- first pass ----------------------------------------------------------------------------------------------------------------


class _Asked:
    """What the input asks for, with what the rule put before each pseudonym."""

    def __init__(self, request: Request) -> None:
        self.wanted: dict[Key, str] = {}
        self.hashes = 0
        self.sha256 = ""
        self.unproved = False  # numbers of which nothing in the input shows whose they are
        self.places: Places | None = None
        if kind_of(request.input) == "ndjson":
            if request.rules is None:
                raise ConfigError("the rule set that made the input is needed to know where pseudonyms stand")
            self.places = Places(request.rules)


def _collect(request: Request) -> _Asked:
    asked = _Asked(request)
    digest = hashlib.sha256()
    prefixes = prefixes_of(request.rules) if request.rules and not asked.places else {}
    for line in lines_of(request.input, digest):
        if asked.places is None:
            key = listed(request.input, line)
            asked.wanted[key] = prefixes.get(key[0] or "", "")
            asked.unproved = True
            continue
        _, found = _found(asked.places, request.input, line)
        asked.hashes += found.hashes
        for hidden in found.hidden:
            asked.wanted[hidden.key] = hidden.prefix
            if hidden.domain in request.numbered and not asked.places.proves(hidden, found):
                asked.unproved = True
    if not asked.wanted:
        hashes = (
            f"; {asked.hashes} values are hashed, and no way leads back from these" if asked.hashes else ""
        )
        raise RefusedError("nothing to do", f"{request.input}: no pseudonyms and no encrypted values{hashes}")
    asked.sha256 = digest.hexdigest()
    return asked


def _found(places: Places, path: Path, line: Line) -> tuple[Node, FoundPlaces]:
    try:
        root = read(line.data)
        return root, places.find(root)
    except LineError as error:
        raise InputError(f"{path}:{line.number}: {error}") from None


# ---- second pass ---------------------------------------------------------------------------------------------------------------


def _write(request: Request, asked: _Asked, resolved: Resolved) -> tuple[int, int]:
    """Lines and values that were written."""
    output, answers = request.output, resolved.answers
    digest = hashlib.sha256()
    lines = values = 0
    with AtomicFile(output, 0o600, compression_of(output), dir_mode=0o700) as file:
        for line in lines_of(request.input, digest):
            if asked.places is None:
                done, count = _row(listed(request.input, line), answers), 1
            else:
                done, count = _put_back(asked.places, request.input, line, answers)
            file.write(done + b"\n")
            lines, values = lines + 1, values + count
        if digest.hexdigest() != asked.sha256:
            raise InputError(f"{request.input} has changed while it was read; run again")
    return lines, values


def _row(key: Key, answers: Mapping[Key, Answer]) -> bytes:
    answer = _answer(key, answers)
    return orjson.dumps({"domain": answer.domain, "pseudonym": key[1], "original": answer.original})


def _put_back(places: Places, path: Path, line: Line, answers: Mapping[Key, Answer]) -> tuple[bytes, int]:
    root, found = _found(places, path, line)
    new = []
    for hidden in found.hidden:
        original = _answer(hidden.key, answers).original
        if not places.belongs(hidden, found, original):
            raise RefusedError(
                "foreign mapping",
                f"{path}:{line.number}: the mapping names another resource than the hash of its id does; "
                "give the mapping (and key) of the job that made this file; nothing was written",
            )
        new.append(original)
    try:
        for hidden, original in zip(found.hidden, new, strict=True):
            hidden.put_back(original)
        return write(root), len(new)
    except LineError as error:
        raise InputError(
            f"{path}:{line.number}: an original does not fit where its pseudonym stands: {error.reason}"
        ) from None


def _answer(key: Key, answers: Mapping[Key, Answer]) -> Answer:
    try:
        return answers[key]
    except KeyError:
        raise InputError("the input has changed while it was read; run again") from None


# ---- the record ------------------------------------------------------------------------------------------------------------------


class _Record:
    """The lines about one run; `run` holds them together. Numbers, names of domains and hashes, never a value."""

    def __init__(self, request: Request, logs: Sequence[Path]) -> None:
        self.why = ""  # until it is known to hold no value
        self._logs = logs
        self._fixed = {"run": uuid.uuid4().hex, "who": _who(), "job": request.job}
        self._facts: dict[str, Any] = {
            "how_many": 0, "of_what": {}, "input_sha256": "", "mapping_sha256": "", "key_fingerprint": "",
        }  # fmt: skip

    def about(self, asked: _Asked, resolved: Resolved) -> None:
        self._facts = {
            "how_many": len(resolved.answers),
            "of_what": resolved.by_domain(),
            "input_sha256": asked.sha256,
            "mapping_sha256": resolved.mapping_sha256,
            "key_fingerprint": resolved.key_fingerprint,
        }

    def add(self, result: str) -> None:
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        record = {**self._fixed, **self._facts, "when": when, "why": self.why, "result": result}
        for path in self._logs:
            append(path, record)


def _who() -> dict[str, str]:
    """As the system knows the user, whatever the environment says."""
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return {"user": user, "host": socket.gethostname()}


def _kind_of(error: DimpflowError) -> str:
    if isinstance(error, RefusedError | RefusedReasonError):
        return error.kind
    return next((kind for type_, kind in _KINDS.items() if isinstance(error, type_)), "input")
