"""Whether an answer can be what the service made of what was sent. What cannot is never passed on, and never replaced by the
input."""

from collections.abc import Sequence
from typing import Any

import msgspec

from dimpflow.errors import LineError, ServiceError


class WrongAnswerError(ServiceError):
    """An answer that cannot be what the service made of what was sent; asking again would not help."""


class BrokenAnswerError(Exception):
    """Not JSON, or not all of it: the answer was damaged on the way."""


_NONE = msgspec.Raw(b"")


class _Request(msgspec.Struct, gc=False):
    method: str = ""


class _Entry(msgspec.Struct, gc=False):
    id: str = ""
    resource: msgspec.Raw = _NONE
    request: _Request | None = None


class _Bundle(msgspec.Struct, gc=False):
    resourceType: str
    entry: list[_Entry] = []


class _Resource(msgspec.Struct, gc=False):
    resourceType: str


class _Empty(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    resourceType: msgspec.Raw = _NONE
    meta: msgspec.Raw = _NONE


_BUNDLE = msgspec.json.Decoder(_Bundle)
_RESOURCE = msgspec.json.Decoder(_Resource)
_EMPTY = msgspec.json.Decoder(_Empty)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def line_of(answer: bytes) -> bytes:
    """An answer as one line of JSON, its tokens as they came. BrokenAnswerError if it is no JSON object."""
    try:
        if answer[:1] == b"{" and answer[-1:] == b"}" and b"\n" not in answer and b"\r" not in answer:
            _MEMBERS.decode(answer)  # it has to be whole
            answer.decode()
            return answer
        answer = msgspec.json.format(answer, indent=-1)
        _MEMBERS.decode(answer)
        answer.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BrokenAnswerError from None
    return answer


def check(sent: bytes, answer: bytes, *, allow_empty: bool) -> None:
    """WrongAnswerError unless the answer is of the same type as what was sent, with the same entries in the same order, and something
    is left of it. LineError where what was sent is no resource."""
    type_ = _type(sent)
    if _type_or_none(answer) != type_:
        raise WrongAnswerError("the service answered with a resource of another type")
    if type_ == "Bundle":
        _check_entries(_bundle(sent), _bundle(answer), allow_empty=allow_empty)
    elif not allow_empty and is_empty(answer) and not is_empty(sent):
        raise _emptied()


def _check_entries(sent: _Bundle, answer: _Bundle, *, allow_empty: bool) -> None:
    if len(sent.entry) != len(answer.entry):
        raise WrongAnswerError(
            f"the service answered with {len(answer.entry)} entries for a Bundle of {len(sent.entry)}"
        )
    emptied = filled = 0
    for before, after in zip(sent.entry, answer.entry, strict=True):
        if _differ(before, after):
            raise WrongAnswerError("the service answered with the entries of a Bundle in another order")
        if len(before.resource) and not is_empty(before.resource):
            filled += 1
            emptied += not len(after.resource) or is_empty(after.resource)
    if filled and filled == emptied and not allow_empty:
        raise _emptied()


def _differ(before: _Entry, after: _Entry) -> bool:
    """Whether two entries cannot belong together. Rules may take an entry's parts, but make no others."""
    if len(after.resource) and _type_or_none(before.resource) != _type_or_none(after.resource):
        return True
    methods = [one.request.method if one.request else "" for one in (before, after)]
    return all(methods) and methods[0] != methods[1]


def pack(resources: Sequence[bytes], *, numbered: bool) -> bytes:
    """Resources in one Bundle. numbered: each entry has its number as its id, by which another order would show."""
    if numbered:
        entries = [b'{"id":"%d","resource":%s}' % one for one in enumerate(resources)]
    else:
        entries = [b'{"resource":%s}' % resource for resource in resources]
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + b",".join(entries) + b"]}"


def unpack(sent: Sequence[bytes], answer: bytes, *, numbered: bool, allow_empty: bool) -> list[bytes]:
    """The resources of an answer to `pack`, checked as if each had come alone. numbered: so were they sent."""
    try:
        bundle = _bundle(answer)
    except LineError:
        if _type_or_none(answer) == "Bundle":
            raise
        raise WrongAnswerError("the service answered with a resource of another type") from None
    if bundle.resourceType != "Bundle":
        raise WrongAnswerError("the service answered with a resource of another type")
    entries = bundle.entry
    if len(entries) != len(sent):
        raise WrongAnswerError(
            f"the service answered with {len(entries)} entries for a Bundle of {len(sent)}"
        )
    found = []
    for before, after in zip(sent, entries, strict=True):
        if not len(after.resource):
            raise WrongAnswerError("the service answered with an entry that has no resource")
        found.append(bytes(after.resource))
        check(before, found[-1], allow_empty=allow_empty)
    if numbered and any(entry.id != str(number) for number, entry in enumerate(entries)):
        raise WrongAnswerError("the service answered with the entries of a Bundle in another order")
    return found


def is_empty(resource: bytes | msgspec.Raw) -> bool:
    """Whether nothing but type and labels is there. Reads no further than to the first other member."""
    try:
        _EMPTY.decode(resource)
    except msgspec.ValidationError:
        return False
    return True


def _emptied() -> WrongAnswerError:
    return WrongAnswerError(
        "the service empties resources: it may lack its rule set; send one with services.dimp.anonymization_config, or, if it "
        "is meant, set services.dimp.allow_empty: true"
    )


def _type(resource: bytes | msgspec.Raw) -> str:
    found = _type_or_none(resource)
    if found is None:
        raise LineError("no resourceType", "$.resourceType")
    return found


def _type_or_none(resource: Any) -> str | None:
    try:
        return _RESOURCE.decode(resource).resourceType
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _bundle(data: bytes) -> _Bundle:
    try:
        return _BUNDLE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise LineError("the entries of a Bundle cannot be read", "$.entry") from None
