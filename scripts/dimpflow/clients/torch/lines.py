"""Whether a result file of TORCH is what it should be ("TORCH and CRTDL", section 1.5): a transaction Bundle on each line."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from dimpflow.clients.partial import ContentError
from dimpflow.ndjson import utf8_fault

_BOM = b"\xef\xbb\xbf"


class _Resource(msgspec.Struct, gc=False):
    resourceType: Annotated[str, msgspec.Meta(min_length=1)]
    id: str = ""


class _Entry(msgspec.Struct, gc=False):
    resource: _Resource


class _Bundle(msgspec.Struct, gc=False):
    """msgspec checks the grammar of all else and makes no objects of it."""

    resourceType: str
    type: str = ""
    entry: list[_Entry] = []


class _Type(msgspec.Struct, gc=False):
    resourceType: str


class _Number(str):
    """As it is written; unlike the text, which is a str."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Number) and str.__eq__(self, other)

    __hash__ = str.__hash__


class _RawEntry(msgspec.Struct, gc=False):
    resource: msgspec.Raw


class _RawBundle(msgspec.Struct, gc=False):
    entry: list[_RawEntry] = []


_decode = msgspec.json.Decoder(_Bundle).decode
_decode_type = msgspec.json.Decoder(_Type).decode
_decode_raw = msgspec.json.Decoder(_RawBundle).decode


class TorchLines:
    """A Checker: whole lines, each a transaction Bundle (one without entries is fine) whose entries have resources, none of them
    twice with different content. A line may be as long as it likes; it is in memory once."""

    def __init__(self) -> None:
        self._lines = 0
        self._rest = bytearray()

    def feed(self, block: bytes) -> None:
        view = memoryview(block)
        at = 0
        if self._rest:
            at = block.find(b"\n") + 1
            self._rest += view[: at or len(block)]
            if not at:
                return
            line, self._rest = self._rest, bytearray()
            self._take(memoryview(line)[:-1], clean=b"\r" not in line and utf8_fault(line) < 0)
            del line  # it may be long
        end = block.rfind(b"\n") + 1
        clean = block.find(b"\r", at, end) < 0 and (block.isascii() or utf8_fault(view[at:end]) < 0)
        while at < end:
            length = block.find(b"\n", at) - at
            self._take(view[at : at + length], clean=clean)
            at += length + 1
        self._rest += view[at:]

    def finish(self) -> int:
        if self._rest:
            raise ContentError(self._lines + 1, "no line end: the file is cut off")
        return self._lines

    def _take(self, line: memoryview, *, clean: bool) -> None:
        """clean: surely UTF-8, without a carriage return."""
        reason = "" if clean else _fault_of_bytes(line)
        if reason := reason or _fault(line):
            raise ContentError(self._lines + 1, reason)
        self._lines += 1


def _fault_of_bytes(line: memoryview) -> str:
    if b"\r" in bytes(line):
        return "a carriage return; lines end with a line feed alone"
    place = utf8_fault(line)
    return f"not UTF-8 at byte {place + 1} of the line" if place >= 0 else ""


def _fault(line: memoryview) -> str:
    """What is wrong with a line; "" if nothing. Never a word of its content."""
    try:
        bundle = _decode(line)
        if bundle.resourceType != "Bundle":
            return "not a Bundle"
        if bundle.type != "transaction":
            return "a Bundle of another type than transaction"
        names = {(entry.resource.resourceType, entry.resource.id) for entry in bundle.entry}
        if len(names) < len(bundle.entry) and _contradicts_itself(bundle.entry, line):
            return "two entries of one Bundle have the same type and id, but not the same content"
    except RecursionError:
        return "nested too deeply"
    except msgspec.ValidationError as error:
        return _wrong_shape(line, str(error))
    except msgspec.DecodeError as error:
        return _wrong_grammar(line, str(error))
    return ""


def _contradicts_itself(entries: Sequence[_Entry], line: memoryview) -> bool:
    """Whether there are two versions of a resource. A resource without an id is not the same as another one."""
    names = [(entry.resource.resourceType, entry.resource.id) for entry in entries]
    times = Counter(names)
    seen: dict[tuple[str, str], Any] = {}
    for name, entry in zip(names, _decode_raw(line).entry, strict=True):
        if times[name] > 1 and name[1]:
            content = json.loads(bytes(entry.resource), parse_float=_Number, parse_int=_Number)
            if seen.setdefault(name, content) != content:
                return True
    return False


def _wrong_shape(line: memoryview, message: str) -> str:
    """JSON, but not a Bundle."""
    try:
        if _decode_type(line).resourceType != "Bundle":
            return "not a Bundle"
    except msgspec.ValidationError:
        return "not a Bundle"
    if "`$.type`" in message:
        return "a Bundle whose type is no text"
    place = re.search(r"`\$\.entry\[\d+\](\.resource)?(\.id|\.resourceType)?`", message)
    if place and "required field `resource`" in message:
        return "an entry without a resource"
    if place and place[1]:
        if not place[2] and message.startswith("Expected"):
            return "an entry without a resource"
        return "an entry whose resource has no proper resourceType or id"
    return "a Bundle whose entry is no list of objects"


def _wrong_grammar(line: memoryview, message: str) -> str:
    if line[:3] == _BOM:
        return "a byte order mark (BOM)"
    if not bytes(line).strip():
        return "a blank line"
    place = re.search(r"\(byte (\d+)\)", message)
    if "truncated" in message or place is None:
        return "not JSON: the line ends too early"
    if "trailing characters" in message:  # here the number is of the byte after
        return f"something follows the Bundle at byte {place[1]} of the line"
    return f"not JSON at byte {int(place[1]) + 1} of the line"
