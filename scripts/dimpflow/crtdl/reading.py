"""Reading a CRTDL file: strict JSON, with messages that name line and column, and no key lost that stands twice."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from dimpflow.crtdl.findings import Finding, pointer, printable, shown
from dimpflow.errors import InputError

MOST_BYTES = 64 << 20
"""A larger file is not read: TORCH takes no more than 2 MiB, and a JSON tree needs many times the memory of its text."""
MOST_DEPTH = 100
"""Levels of nesting; a CRTDL document has under 20."""

_BOM = b"\xef\xbb\xbf"
_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<constant>NaN|-?Infinity)', re.DOTALL)


class CrtdlError(InputError):
    """A file that cannot be read as a CRTDL document. reason: the message without the file's name."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.reason = reason


class Object(dict[str, Any]):
    """A JSON object that knows which of its keys stand in the text more than once (the last one counts)."""

    repeated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Crtdl:
    """A CRTDL file as it was read. raw: its bytes, which are what is sent; document: their JSON object."""

    raw: bytes
    document: Object


def read_crtdl(file: Path) -> Crtdl:
    """The document in `file`.

    CrtdlError: it cannot be opened, is too large or nested too deep, is not UTF-8 or not JSON (with line and column), not an
    object, or FHIR Parameters with a CRTDL inside. Source: torch-crtdl.md 2.4, check 1; aether.md 1.8 for Parameters.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise CrtdlError(file, f"cannot read the CRTDL: {error.strerror}") from None
    return parse_crtdl(raw, file)


def parse_crtdl(raw: bytes, file: Path) -> Crtdl:
    """As `read_crtdl`, from bytes; `file` is for messages only."""
    try:
        if len(raw) > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES >> 20} MiB; this is no CRTDL")
        document = parse_json(raw)
        if not isinstance(document, Object):
            raise ValueError(f"a CRTDL is a JSON object, this is {_kind(document)}")
        if document.get("resourceType") == "Parameters":
            raise ValueError(
                "this is a FHIR Parameters resource; decode its parameter crtdl (base64) and give that document"
            )
        if any(level > MOST_DEPTH for level, _, _ in _objects(document)):
            raise ValueError(f"nested more than {MOST_DEPTH} levels deep")
    except RecursionError:
        raise CrtdlError(file, f"nested more than {MOST_DEPTH} levels deep") from None
    except ValueError as error:
        raise CrtdlError(file, printable(str(error))) from None
    return Crtdl(raw, document)


def repeated_keys(document: Object) -> Iterator[Finding]:
    """Keys that stand in one object twice: what they meant is lost in reading. Source: torch-crtdl.md 2.4, check 1."""
    for _, place, value in _objects(document):
        for key in value.repeated:
            yield Finding(
                "error", "duplicate-key", place + pointer(key), f"the key {shown(key)} stands in this object more than once",
                "reads one of them and drops the others without a word", "keep one",
            )  # fmt: skip


def parse_json(raw: bytes) -> Any:
    """The JSON in `raw`, its objects as `Object`. ValueError with line and column; RecursionError where it is nested too deep."""
    if raw.startswith(_BOM):
        raise ValueError("begins with a byte order mark; save it as UTF-8 without one")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        raise ValueError(f"{_place(before, len(before))}: not UTF-8; save it as UTF-8") from None

    def constant(name: str) -> NoReturn:
        found = next(match for match in _CONSTANT.finditer(text) if match["constant"])
        raise ValueError(f"{_place(text, found.start())}: not JSON: {name} is no JSON number")

    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _object(pairs: list[tuple[str, Any]]) -> Object:
    found = Object(pairs)
    if len(found) < len(pairs):
        found.repeated = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    return found


def _integer(digits: str) -> int | float:
    # Python refuses to make integers of thousands of digits
    return int(digits) if len(digits) < 1000 else float(digits)


def _objects(document: Object) -> Iterator[tuple[int, str, Object]]:
    """Level, pointer and object, for every object; a list inside a list counts as a level too."""
    todo: list[tuple[int, str, Any]] = [(1, "", document)]
    while todo:
        level, place, value = todo.pop()
        if isinstance(value, Object):
            yield level, place, value
            todo += [(level + 1, place + pointer(key), sub) for key, sub in value.items()]
        elif isinstance(value, list):
            if level > MOST_DEPTH:
                raise ValueError(f"nested more than {MOST_DEPTH} levels deep")
            todo += [(level + 1, place + pointer(index), sub) for index, sub in enumerate(value)]


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return "a list" if isinstance(value, list) else "text" if isinstance(value, str) else "a number"
