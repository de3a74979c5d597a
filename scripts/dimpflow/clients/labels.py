"""One answer from those of a FHIR Pseudonymizer to the chunks of one Bundle (bundles.cut).

Each chunk carries all members of the Bundle but its own entries only, so the answers have the Bundle's members alike and
differ in what was done to the entries. That shows in the security labels (specification of the rules, section 2.6), which the
service puts behind those that the Bundle had, in an order of its own.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from dimpflow.bundles import join_entries
from dimpflow.engine.labels import OWN, REMOVE, codings
from dimpflow.errors import LineError
from dimpflow.fhir.table import elements

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_LABELS = msgspec.json.Decoder(list[Raw])
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_ORDER = [coding.code for coding in codings(OWN, set())]
"""Codes in the order in which the service adds them: the one of redact, which comes first, stands for remove too, which comes last."""
_REDACTED = codings(REMOVE, set())[0].code
_BUNDLE = frozenset(e.json for e in elements("Bundle"))
_META = {sibling + e.json: i for i, e in enumerate(elements("Meta")) for sibling in ("", "_")}


class _Answer:
    """The members of an answer that the labels are about."""

    def __init__(self, data: bytes) -> None:
        try:
            self.members = _MEMBERS.decode(data)
            if msgspec.json.decode(self.members.get("resourceType", b"null")) != "Bundle":
                raise LineError("a chunk of a Bundle came back as something else", "$.resourceType")
            self.meta = _MEMBERS.decode(self.members.get("meta", b"{}"))
            self.labels = [bytes(one) for one in _LABELS.decode(self.meta.pop("security", b"[]"))]
            self.parsed: list[Any] = [msgspec.json.decode(one) for one in self.labels]
            self.codes = [_code(one) for one in self.parsed]
        except _BROKEN:
            raise LineError("the answer for a chunk of a Bundle is no FHIR", "$.meta") from None

    def others(self) -> dict[str, Any]:
        """What has to be the same in all answers, parsed."""
        found: dict[str, Any] = {
            name: _parsed(value, f"$.{name}")
            for name, value in self.members.items()
            if name not in ("resourceType", "entry", "meta")
        }
        return found | {"meta": {name: _parsed(value, "$.meta") for name, value in self.meta.items()}}


def join_answers(chunks: Sequence[bytes], answers: Sequence[bytes]) -> bytes:
    """The answer for the whole Bundle from those for its chunks: the first one's members, all entries, and in meta.security the
    labels that one answer for all would have.

    These are the Bundle's own labels as they came out, then those that were added in any answer, in the service's order.
    REDACTED is added first for redact, last for remove. Where it is the only label of an answer, that one does not tell which
    it was: then the other answers count, and where none of them tells either, it takes the first place.

    Raises:
        LineError: they do not go together: no answers for these chunks, no Bundles, or with different members.
    """
    if not answers or len(chunks) != len(answers):
        raise LineError("the chunks of a Bundle and the answers for them are not equally many")
    read = [_Answer(answer) for answer in answers]
    first = read[0]
    _check_alike(read)
    labels = _joined(read, _own_codes(chunks[0]))
    if labels == first.labels:
        return join_entries(answers)
    meta = {**first.meta, "security": Raw(b"[" + b",".join(labels) + b"]")}
    members = {**first.members, "meta": _written(meta, sorted(meta, key=_rank))}
    return join_entries([_written(members, members), *answers[1:]])


def _check_alike(answers: Sequence[_Answer]) -> None:
    wanted = answers[0].others()
    for answer in answers[1:]:
        found = answer.others()
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                # a name that FHIR does not have may say anything, and is not shown
                raise _differently(f"$.{name}" if name in _BUNDLE else "$")


def _differently(path: str) -> LineError:
    return LineError(
        "the service treats chunks of one Bundle differently; raise services.dimp.bundle_split_threshold_mb so that it is not cut",
        path,
    )


def _own_codes(chunk: bytes) -> frozenset[str]:
    """Codes of the labels that the Bundle came with, as the service compares them."""
    try:
        meta = _MEMBERS.decode(_MEMBERS.decode(chunk).get("meta", b"{}"))
        labels = msgspec.json.decode(meta.get("security", b"[]"))
    except _BROKEN:
        return frozenset()  # read leniently by the service, if at all
    listed = labels if isinstance(labels, list) else [labels]
    return frozenset(_code(label).strip().lower() for label in listed)


def _code(label: Any) -> str:
    code = label.get("code") if isinstance(label, dict) else None
    return code if isinstance(code, str) else ""


def _joined(answers: Sequence[_Answer], own: frozenset[str]) -> list[bytes]:
    """The labels of the whole, in their own words. What all answers begin with counts as the Bundle's own where it can be nothing
    else, or where the Bundle came with that code."""
    first = answers[0]
    kept = _common(answers)
    if not all(_as_added(answer.codes[kept:]) for answer in answers):
        raise _differently("$.meta.security")
    while kept and first.codes[kept - 1].lower() not in own:
        if not all(_as_added(answer.codes[kept - 1 :]) for answer in answers):
            break
        kept -= 1
    added: dict[str, bytes] = {}
    for answer in answers:
        for code, label in zip(answer.codes[kept:], answer.labels[kept:], strict=True):
            added.setdefault(code, label)
    order = list(_ORDER)
    if _is_last([answer.codes[kept:] for answer in answers]):
        order.remove(_REDACTED)
        order.append(_REDACTED)
    return first.labels[:kept] + [added[code] for code in order if code in added]


def _as_added(codes: Sequence[str]) -> bool:
    """Whether the service can have added these labels in this order."""
    if not all(code in _ORDER for code in codes) or len(set(codes)) < len(codes):
        return False
    ranks = [_ORDER.index(code) for code in codes[: -1 if codes[-1:] == [_REDACTED] else None]]
    return ranks == sorted(ranks)


def _common(answers: Sequence[_Answer]) -> int:
    """How many labels all answers begin with."""
    count = 0
    for labels in zip(*(answer.parsed for answer in answers), strict=False):
        if any(label != labels[0] for label in labels):
            break
        count += 1
    return count


def _is_last(added: Iterable[Sequence[str]]) -> bool:
    """Whether REDACTED comes from remove alone: in some answer it follows other labels, in none it stands before them."""
    places = [(codes.index(_REDACTED), len(codes)) for codes in added if _REDACTED in codes]
    return any(place > 0 for place, _ in places) and not any(place + 1 < many for place, many in places)


def _rank(name: str) -> int:
    return _META.get(name, len(_META))


def _parsed(value: Raw, path: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except _BROKEN:
        raise LineError("the answer for a chunk of a Bundle is no FHIR", path) from None


def _written(members: dict[str, Raw], names: Iterable[str]) -> Raw:
    return Raw(
        b"{" + b",".join(msgspec.json.encode(name) + b":" + bytes(members[name]) for name in names) + b"}"
    )
