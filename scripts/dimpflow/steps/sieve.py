"""Resource types that are not passed on, and Bundles without entries: taken out of lines on the raw bytes."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from dimpflow.errors import LineError
from dimpflow.fhir.table import RESOURCE_TYPES

Span: TypeAlias = tuple[int, int]
Line: TypeAlias = bytes | bytearray

_NOTHING: Mapping[str, int] = {}
_KNOWN: frozenset[str | None] = RESOURCE_TYPES | {None}


@dataclass(frozen=True, slots=True)
class BundlePolicy:
    """What is not passed on. drop: resources of these types, as lines of their own and as entries of Bundles; skip_empty: Bundles
    that have no entry, or none left.

    ValueError for a type that FHIR R4 does not have.
    """

    drop: frozenset[str] = frozenset()
    skip_empty: bool = False

    def __post_init__(self) -> None:
        if not self.drop <= RESOURCE_TYPES:
            raise ValueError("drop: not all of these are resource types of FHIR R4")

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.drop) or self.skip_empty


class Sifted(NamedTuple):
    """What becomes of a line. kept: the bytes that are passed on, none if nothing is; changed: they are not all; dropped:
    resources by type; empty: it is skipped as a Bundle without entries."""

    type: str
    kept: Sequence[Span]
    changed: bool = False
    dropped: Mapping[str, int] = _NOTHING
    empty: bool = False


class _Resource(msgspec.Struct, gc=False):
    resourceType: str


class _Entry(msgspec.Struct, gc=False):
    resource: _Resource | UnsetType = UNSET


class _Line(msgspec.Struct, gc=False):
    resourceType: str
    entry: list[_Entry] | UnsetType = UNSET


_line = msgspec.json.Decoder(_Line).decode
_resource = msgspec.json.Decoder(_Resource).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode

_SPACE = re.compile(rb"[ \t\r\n]+")
_NAME = re.compile(rb'[ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*')
_END = re.compile(rb"[ \t\r\n]*([,}])")
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")


class Sieve:
    """Applies a policy to lines.

    JSON may write a name with escapes or a member twice, and readers differ on which of two counts. So a line that spells a
    dropped type anywhere else than in the resources that are found, or could spell it with escapes, is gone through member by
    member; what could be read in two ways is refused.

    Contained resources, Parameters and Bundles within Bundles are not entered.
    """

    def __init__(self, policy: BundlePolicy) -> None:
        self._drop = policy.drop
        self._skip_empty = policy.skip_empty
        self._spellings = [b'"%s"' % name.encode() for name in sorted(policy.drop)]

    def sift(self, line: Line) -> Sifted:
        """What is passed on of a line of UTF-8; a line end at its end is not.

        Raises:
            LineError: it is no FHIR, or could be read in two ways.
            msgspec.DecodeError, RecursionError: it is no JSON object with a resourceType.
        """
        type_, entries = self._read(line)
        is_gone = type_ in self._drop
        gone = [] if is_gone else [i for i, name in enumerate(entries) if name in self._drop]
        is_empty = self._skip_empty and type_ == "Bundle" and len(gone) == len(entries)
        plain = self._is_plain(line, len(gone) + is_gone)
        end = len(line) - line.endswith(b"\n")
        if plain and not gone and not is_gone and not is_empty:
            return Sifted(type_, ((0, end),))

        members = _spans_of_members(line, (0, end))
        if is_gone:
            return Sifted(type_, (), True, {type_: 1})
        cuts = _entry_cuts(line, members, gone, suspicious=not plain) if entries else []
        dropped = Counter(name for name in entries if name and name in self._drop)
        kept = () if is_empty else _between(cuts, end)
        return Sifted(type_, kept, is_empty or bool(gone), dropped, is_empty)

    def _read(self, line: Line) -> tuple[str, list[str | None]]:
        """The type of a line and those of the entries of a Bundle; None for an entry without a resource."""
        try:
            head = _line(line)
        except msgspec.ValidationError:
            type_ = _resource(line).resourceType
            if type_ == "Bundle":
                raise LineError("not FHIR: entry is not an array of objects with resources") from None
            head = _Line(type_)
        if head.resourceType not in RESOURCE_TYPES:
            raise LineError("not FHIR R4: unknown resourceType")
        if head.resourceType != "Bundle" or head.entry is UNSET:
            return head.resourceType, []
        types = [None if one.resource is UNSET else one.resource.resourceType for one in head.entry]
        # Lenient readers take " Provenance" for a type, so what is none is not passed on.
        if not _KNOWN.issuperset(types):
            raise LineError("not FHIR R4: unknown resourceType of an entry")
        return head.resourceType, types

    def _is_plain(self, line: Line, found: int) -> bool:
        """Whether the dropped types are written in the resources that were found, once in each, and nowhere else."""
        if sum(map(line.count, self._spellings)) != found:
            return False
        if not self._spellings or b"\\" not in line:  # one byte is found much faster than several
            return True
        return b"\\u00" not in line or not _ESCAPED_LETTER.search(line)


def _entry_cuts(
    line: Line, members: Mapping[str, tuple[Span, Span]], gone: Collection[int], *, suspicious: bool
) -> list[Span]:
    """The spans of a Bundle to cut so that the entries `gone` go.

    LineError if one of them, or in a suspicious line any one, has a repeated member.
    """
    spans = _spans_of_elements(line, members["entry"][1])
    for i in range(len(spans)) if suspicious else gone:
        once = line.count(b'"resource"', *spans[i]) == 1 == line.count(b'"resourceType"', *spans[i])
        if once and not suspicious:
            continue
        resource = _spans_of_members(line, spans[i]).get("resource")
        if resource:
            _spans_of_members(line, resource[1])
    if len(gone) < len(spans):
        return _cuts(spans, gone)
    # FHIR knows no empty arrays (R4, JSON representation of resources): the member itself goes.
    return _cuts([whole for whole, _ in members.values()], [list(members).index("entry")])


def _spans_of_members(line: Line, span: Span) -> dict[str, tuple[Span, Span]]:
    """Where the members of an object lie (name and value, value). LineError if a name is repeated.

    Of repeated members the decoder keeps one. So each value that it found is looked for at its place: if the object ends where
    the last one does, no member is left over.
    """
    found: dict[str, tuple[Span, Span]] = {}
    at = line.index(b"{", span[0]) + 1
    closed = b"}"
    for name, value in _members(memoryview(line)[slice(*span)]).items():
        key = _NAME.match(line, at)
        start = key.end() if key else at
        end = start + len(value)
        after = _END.match(line, end)
        if not key or not after or not line.startswith(value, start):
            raise _repeated()
        found[name] = (key.start(1), end), (start, end)
        at, closed = after.end(), after[1]
    if closed != b"}":
        raise _repeated()
    return found


def _repeated() -> LineError:
    return LineError("not FHIR: a member is repeated in the Bundle, an entry or its resource")


def _spans_of_elements(line: Line, span: Span) -> list[Span]:
    """Where the elements of an array lie."""
    found: list[Span] = []
    at = span[0] + 1
    for value in _elements(memoryview(line)[slice(*span)]):
        start = _after_space(line, at)
        end = start + len(value)
        found.append((start, end))
        at = _after_space(line, end) + 1  # behind the comma
    return found


def _after_space(line: Line, at: int) -> int:
    if line[at] not in b" \t\r\n":
        return at
    space = _SPACE.match(line, at)
    return space.end() if space else at


def _cuts(spans: Sequence[Span], gone: Collection[int]) -> list[Span]:
    """What to cut so that the items `gone`, in order and not all, go with one comma each and the white space beside it."""
    kept = set(range(len(spans))).difference(gone)
    last = max(kept)
    cuts = [(spans[i][0], spans[i + 1][0]) for i in gone if i < last]
    return [*cuts, (spans[last][1], spans[-1][1])]


def _between(cuts: Sequence[Span], end: int) -> Sequence[Span]:
    """What the cuts leave of 0 to `end`."""
    starts = [0, *(cut[1] for cut in cuts)]
    ends = [*(cut[0] for cut in cuts), end]
    return [span for span in zip(starts, ends, strict=True) if span[0] < span[1]]
