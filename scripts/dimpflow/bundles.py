"""Cutting large Bundles into chunks and joining them again, on raw bytes: nothing is parsed that need not be.

msgspec's Raw keeps the exact bytes of a value, so numbers and escapes keep their spelling.
"""

from collections.abc import Sequence

import msgspec

from dimpflow.errors import LineError
from dimpflow.fhir.table import RESOURCE_TYPES

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])

# FHIR R4 section 2.36.5 (Bundle), in definition order
_ORDER = (
    "resourceType", "id", "meta", "implicitRules", "language", "identifier", "type", "timestamp", "total",
    "link", "entry", "signature",
)  # fmt: skip
_RANK = {sibling + name: i for i, name in enumerate(_ORDER) for sibling in ("", "_")}


class _Head(msgspec.Struct, gc=False):
    resourceType: str


class _EntryHead(msgspec.Struct, gc=False):
    resource: _Head | None = None


class _BundleHead(msgspec.Struct, gc=False):
    resourceType: str
    entry: list[_EntryHead] = []


_HEAD = msgspec.json.Decoder(_Head)
_BUNDLE_HEAD = msgspec.json.Decoder(_BundleHead)
_PREFIX = b'{"resourceType":"'


def peek(line: bytes) -> str:
    """The resourceType of a resource; at no cost if it is the first member, without white space.

    Raises:
        LineError: not a JSON object, or without a resourceType.
    """
    if line.startswith(_PREFIX):
        name, quote, _ = line[len(_PREFIX) : len(_PREFIX) + 64].partition(b'"')
        if quote and name.isalpha() and name.isascii():
            return name.decode()
    try:
        return _HEAD.decode(line).resourceType
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise LineError("no resourceType", "$.resourceType") from None


def cut(line: bytes, limit: int) -> list[bytes]:
    """Chunks of a Bundle, each a valid Bundle of at most `limit` bytes, or of a single entry that is larger.

    Every chunk has all Bundle-level members, in order and byte for byte; the entries keep their bytes and
    order. What is small enough, is not a Bundle or has fewer than two entries comes back as it is.
    """
    if len(line) <= limit:
        return [line]
    try:
        members = _MEMBERS.decode(line)
        if msgspec.json.decode(members["resourceType"]) != "Bundle":
            return [line]
        entries = _ENTRIES.decode(members["entry"])  # views into the line
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return [line]  # whether the line is FHIR at all is for the model to say
    if len(entries) < 2:
        return [line]

    before, after = _around_entry(members)
    frame = len(before) + len(after)
    chunks: list[bytes] = []
    run: list[msgspec.Raw] = []
    size = frame
    for entry in entries:
        more = len(entry) + (1 if run else 0)  # with the comma
        if run and size + more > limit:
            chunks.append(b"".join((before, b",".join(run), after)))
            run, size, more = [], frame, len(entry)
        run.append(entry)
        size += more
    chunks.append(b"".join((before, b",".join(run), after)))
    return chunks


def _around_entry(members: dict[str, msgspec.Raw]) -> tuple[bytes, bytes]:
    """The bytes of a chunk before its first and after its last entry."""
    names = list(members)
    at = names.index("entry")
    written = [msgspec.json.encode(name) + b":" + bytes(value) for name, value in members.items()]
    before = b"".join(member + b"," for member in written[:at])
    after = b"".join(b"," + member for member in written[at + 1 :])
    return b"{" + before + b'"entry":[', b"]" + after + b"}"


def oversize(chunk: bytes, limit: int) -> tuple[str, int] | None:
    """Type and bytes of a resource, or a chunk of one entry (then the entry's type), over the limit."""
    if len(chunk) <= limit:
        return None
    try:
        name = peek(chunk)
        if name == "Bundle":
            entries = _BUNDLE_HEAD.decode(chunk).entry
            if len(entries) == 1 and entries[0].resource is not None:
                name = entries[0].resource.resourceType
    except (LineError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        name = ""
    # What the data calls a type may be anything, and goes into errors and side files.
    return name if name in RESOURCE_TYPES else "resource", len(chunk)


def join_entries(chunks: Sequence[bytes]) -> bytes:
    """The Bundle of its de-identified chunks: Bundle-level members of the first one, the entries of all.

    Entries keep their order. Members come in definition order, unknown ones at the end; `entry` only if there
    is one.

    Raises:
        LineError: a chunk is not a Bundle.
    """
    members: dict[str, msgspec.Raw] = {}
    entries: list[msgspec.Raw] = []
    for chunk in chunks:
        try:
            decoded = _MEMBERS.decode(chunk)
            if msgspec.json.decode(decoded["resourceType"]) != "Bundle":
                raise LineError("a chunk of a Bundle came back as something else", "$.resourceType")
            entries += _ENTRIES.decode(decoded.pop("entry", b"[]"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            raise LineError("a chunk came back that is not a Bundle", "$.entry") from None
        members = members or decoded
    written = {name: bytes(value) for name, value in members.items()}
    if entries:
        written["entry"] = b"[" + b",".join(entries) + b"]"
    names = sorted(written, key=lambda name: (_RANK.get(name, len(_ORDER)), name[:1] == "_"))
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + written[name] for name in names) + b"}"
