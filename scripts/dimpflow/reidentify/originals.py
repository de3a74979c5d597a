"""Where originals come from: a mapping (clear or sealed), the key of encrypted values, a pseudonym service."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from dimpflow.engine.methods.encrypt import Cipher
from dimpflow.errors import DimpflowError, InputError
from dimpflow.keys import fingerprint
from dimpflow.ndjson import file_sha256, read_errors
from dimpflow.pseudonyms.mapping import Entry, entry_of, read_mapping
from dimpflow.pseudonyms.sealed import SEALED, open_sealed

ANYWHERE = "*"
"""In place of a domain: whichever has the pseudonym."""
ENCRYPTED = "(encrypted)"
"""How encrypted values are told among the domains."""

Key = tuple[str | None, str]
"""Domain and pseudonym; None: an encrypted value."""


class RefusedError(InputError):
    """A re-identification that is refused. kind: why, in a word or two for the log."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Answer(NamedTuple):
    """An original, and the domain of its pseudonym."""

    domain: str
    original: str


class Backend(Protocol):
    """A pseudonym service."""

    def reverse(self, domain: str, pseudonyms: Sequence[str]) -> dict[str, str]:
        """The originals of those pseudonyms that it knows. ServiceError."""
        ...


@dataclass(frozen=True)
class MappingFile:
    """A mapping. certificate, key, passphrase: what opens a sealed one (its name ends with .cms)."""

    path: Path
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    passphrase: bytes | None = field(default=None, repr=False)

    def read(self) -> tuple[Iterator[Entry], str]:
        """Its entries, and the SHA-256 of the file as it lies there. RefusedError: it cannot be opened with this key."""
        if self.path.suffix != SEALED:
            return read_mapping(self.path), file_sha256(self.path)
        with read_errors(self.path):
            data = self.path.read_bytes()
        try:
            clear = open_sealed(data, self.certificate, self.key, self.passphrase)
        except DimpflowError as error:
            raise RefusedError("wrong key", f"{self.path}: {error}") from None
        return self._entries(clear), hashlib.sha256(data).hexdigest()

    def _entries(self, clear: bytes) -> Iterator[Entry]:
        start = number = 0
        while start < len(clear):  # line by line: a list of all would take twice the room
            end = clear.find(b"\n", start)
            end = len(clear) if end < 0 else end
            number += 1
            yield entry_of(clear[start:end], self.path, number)
            start = end + 1


@dataclass(frozen=True)
class Sources:
    """What can be asked for originals; the mapping goes first, and the service gets what it lacks.

    encrypt_key: of the rule set, b"" for none; inner_prefix: what the configuration puts before the pseudonyms that the service
    gives for a domain, behind the rule's own prefix.
    """

    mapping: MappingFile | None = None
    encrypt_key: bytes = field(default=b"", repr=False)
    backend: Backend | None = None
    inner_prefix: Callable[[str], str] = lambda domain: ""


class Resolved(NamedTuple):
    """mapping_sha256, key_fingerprint: of what was asked, "" for what was not."""

    answers: dict[Key, Answer]
    mapping_sha256: str
    key_fingerprint: str

    def by_domain(self) -> dict[str, int]:
        """How many different pseudonyms of each domain."""
        counts: dict[str, int] = {}
        for answer in self.answers.values():
            counts[answer.domain] = counts.get(answer.domain, 0) + 1
        return dict(sorted(counts.items()))


def resolve(wanted: Mapping[Key, str], sources: Sources) -> Resolved:
    """The originals of all that is wanted: pseudonyms, with what the rule has put before each.

    RefusedError, with numbers only, unless every one is found: a foreign mapping knows some at best.
    """
    answers: dict[Key, Answer] = {}
    sha256 = mark = ""
    if sources.mapping is not None and any(domain is not None for domain, _ in wanted):
        entries, sha256 = sources.mapping.read()
        answers.update(_from_mapping(wanted, entries, sources.mapping.path))
    if sources.encrypt_key and any(domain in (None, ANYWHERE) for domain, _ in wanted):
        mark = fingerprint(sources.encrypt_key.hex())
        _decrypt(wanted, Cipher(sources.encrypt_key), answers)
    if sources.backend is not None:
        _ask(wanted, sources.backend, sources.inner_prefix, answers)
    _check_all(wanted, answers, sources)
    return Resolved(answers, sha256, mark)


def _from_mapping(wanted: Mapping[Key, str], entries: Iterator[Entry], path: Path) -> dict[Key, Answer]:
    answers: dict[Key, Answer] = {}
    several: set[Key] = set()
    for entry in entries:
        for key in ((entry.domain, entry.pseudonym), (ANYWHERE, entry.pseudonym)):
            if key in wanted:
                answer = Answer(entry.domain, entry.original)
                if answers.setdefault(key, answer) != answer:
                    several.add(key)
    if several:
        raise RefusedError(
            "ambiguous",
            f"{path}: {len(several)} pseudonyms stand for more than one original; in a list, give the domain of each behind a tab",
        )
    return answers


def _decrypt(wanted: Mapping[Key, str], cipher: Cipher, answers: dict[Key, Answer]) -> None:
    """AES-CBC has no check of its own; a wrong key gives padded UTF-8 for one value in some million."""
    for key in wanted:
        domain, text = key
        if domain in (None, ANYWHERE) and key not in answers:
            plain = cipher.decrypt(text)
            if plain:
                answers[key] = Answer(ENCRYPTED, plain)


def _ask(
    wanted: Mapping[Key, str], backend: Backend, inner: Callable[[str], str], answers: dict[Key, Answer]
) -> None:
    """One call for each domain. What does not begin with its prefix is no pseudonym of ours, and is not sent."""
    lacking: dict[str, dict[str, Key]] = {}
    for key, rule_prefix in wanted.items():
        domain, text = key
        if domain is None or domain == ANYWHERE or key in answers:
            continue
        prefix = rule_prefix + inner(domain)
        if text.startswith(prefix) and len(text) > len(prefix):
            lacking.setdefault(domain, {})[text.removeprefix(prefix)] = key
    for domain, keys in sorted(lacking.items()):
        for bare, original in backend.reverse(domain, list(keys)).items():
            if bare in keys:
                answers[keys[bare]] = Answer(domain, original)


def _check_all(wanted: Mapping[Key, str], answers: Mapping[Key, Answer], sources: Sources) -> None:
    missing = [domain for domain, text in wanted if (domain, text) not in answers]
    locked = missing.count(None)
    if locked:
        all_ = sum(domain is None for domain, _ in wanted)
        if not sources.encrypt_key:
            raise RefusedError(
                "no key",
                f"{locked} encrypted values, but parameters.encryptKey of the rule set is not set; export its variable",
            )
        raise RefusedError(
            "wrong key",
            f"{locked} of {all_} encrypted values cannot be decrypted with this key (parameters.encryptKey); nothing was written",
        )
    if missing:
        asked = [
            *([str(sources.mapping.path)] if sources.mapping else []),
            *(["the pseudonym service"] if sources.backend else []),
        ]
        all_ = sum(domain is not None for domain, _ in wanted)
        raise RefusedError(
            "unknown pseudonyms",
            f"{len(missing)} of {all_} pseudonyms are unknown to {' and '.join(asked) or 'nothing that was given'}; "
            "give the mapping (and rule set) of the job that made them; nothing was written",
        )
