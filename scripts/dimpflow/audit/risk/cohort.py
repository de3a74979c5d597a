"""The patients of a result as a table of small numbers, and the sensitive values that are linked to them.

Lines of other types are passed over unread. Contained resources are no patients of the result.
"""

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from dimpflow.audit.risk.attributes import QuasiIdentifier, Sensitive, Values
from dimpflow.errors import InputError

_TYPE = b'{"resourceType":"'
_PATIENT = re.compile(r"(?:.*/)?Patient/([^/#?]+)(?:/_history/[^/]*)?")


class _Typed(msgspec.Struct):
    resourceType: str


class _Entry(msgspec.Struct):
    fullUrl: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = msgspec.field(default_factory=list)


_type_decoder = msgspec.json.Decoder(_Typed)
_bundle_decoder = msgspec.json.Decoder(_Bundle)


class Codes:
    """Distinct sets of values, numbered as they come."""

    def __init__(self) -> None:
        self.listed: list[Values] = []
        self._numbers: dict[Values, int] = {}

    def number(self, values: Values) -> int:
        """Its number, which is its place in `listed`; a new one if it has not come yet."""
        number = self._numbers.setdefault(values, len(self.listed))
        if number == len(self.listed):
            self.listed.append(values)
        return number


@dataclass(slots=True)
class Linked:
    """The sensitive values of one path.

    links: of each resource with a value and a patient, `patient << 32 | number of the value`; resources: all of the type;
    without_value, unlinked: those without a value, and those with one but without a patient in the result.
    """

    sensitive: Sensitive
    values: list[Values]
    links: "array[int]"
    resources: int
    without_value: int
    unlinked: int


@dataclass(slots=True)
class Cohort:
    """The patients. columns: of each quasi-identifier, the number of the value of each patient; values: what the numbers stand
    for; resources: Patient resources, more than patients where some came more than once."""

    quasi: Sequence[QuasiIdentifier]
    patients: int
    resources: int
    columns: "list[array[int]]"
    values: list[list[Values]]
    linked: list[Linked]


def read_cohort(
    result: Iterable[bytes], quasi: Sequence[QuasiIdentifier], sensitive: Sequence[Sensitive]
) -> Cohort:
    """Read the lines of a result.

    A patient is known by id, in whatever resource a reference to it comes first. One that comes more than once is one patient
    with all the values. One without id is a patient that nothing refers to.

    Raises:
        InputError: a line is not JSON; the message gives its number.
    """
    reader = _Reader(quasi, sensitive)
    for number, line in enumerate(result, 1):
        try:
            reader.take(line, {})
        except (orjson.JSONDecodeError, msgspec.DecodeError):
            raise InputError(
                f"line {number} of the result is not FHIR as JSON; remove the result and run again"
            ) from None
    return reader.cohort()


@dataclass(slots=True)
class _Gathered:
    """Of one sensitive path, while reading."""

    sensitive: Sensitive
    codes: Codes = field(default_factory=Codes)
    links: "array[int]" = field(default_factory=lambda: array("Q"))
    resources: int = 0
    without_value: int = 0
    unlinked: int = 0


class _Reader:
    def __init__(self, quasi: Sequence[QuasiIdentifier], sensitive: Sequence[Sensitive]) -> None:
        self._quasi = quasi
        self._gathered = [_Gathered(one) for one in sensitive]
        self._by_type: dict[bytes, list[_Gathered]] = {}
        for one in self._gathered:
            self._by_type.setdefault(one.sensitive.type.encode(), []).append(one)
        self._wanted = frozenset({b"Patient", b"Bundle", *self._by_type})
        self._rows: dict[str, int] = {}
        self._present = bytearray()  # of each row, whether its Patient resource has come
        self._columns = [array("I") for _ in quasi]
        self._codes = [Codes() for _ in quasi]
        self._resources = 0

    def take(self, data: bytes, within: Mapping[str, int]) -> None:
        """A line, or a resource of a Bundle. within: rows of the Bundle's patients by fullUrl."""
        type_ = _type_of(data)
        if type_ not in self._wanted:
            return
        if type_ == b"Bundle":
            self._bundle(data)
        elif type_ == b"Patient":
            self._patient(orjson.loads(data), "")
        else:
            self._owned(orjson.loads(data), self._by_type[type_], within)

    def _bundle(self, data: bytes) -> None:
        """Its patients first, since its other entries may refer to them by fullUrl."""
        entries = [(entry.fullUrl, bytes(entry.resource)) for entry in _bundle_decoder.decode(data).entry]
        within: dict[str, int] = {}
        others = []
        for url, resource in entries:
            if resource and _type_of(resource) == b"Patient":
                row = self._patient(orjson.loads(resource), url)
                if url:
                    within[url] = row
            elif resource:
                others.append(resource)
        for resource in others:
            self.take(resource, within)

    def _patient(self, patient: dict[str, Any], url: str) -> int:
        id_ = patient.get("id")
        row = self._row(id_ if isinstance(id_, str) else _key(url))
        self._resources += 1
        for attribute, column, codes in zip(self._quasi, self._columns, self._codes, strict=True):
            values = attribute.values(patient)
            if self._present[row]:
                values = tuple(sorted({*values, *codes.listed[column[row]]}))
            column[row] = codes.number(values)
        self._present[row] = True
        for gathered in self._by_type.get(b"Patient", ()):
            self._link(gathered, patient, row)
        return row

    def _owned(
        self, resource: dict[str, Any], gathered: Iterable[_Gathered], within: Mapping[str, int]
    ) -> None:
        for one in gathered:
            self._link(one, resource, self._owner(resource, one.sensitive.whose, within))

    def _link(self, gathered: _Gathered, resource: dict[str, Any], row: int | None) -> None:
        values = gathered.sensitive.values(resource)
        gathered.resources += 1
        if not values:
            gathered.without_value += 1
        elif row is None:
            gathered.unlinked += 1
        else:
            gathered.links.append(row << 32 | gathered.codes.number(values))

    def _owner(self, resource: dict[str, Any], whose: Sequence[str], within: Mapping[str, int]) -> int | None:
        """The row of the first patient that it names as its own."""
        for name in whose:
            found = resource.get(name)
            for one in found if isinstance(found, list) else [found]:
                reference = one.get("reference") if isinstance(one, dict) else None
                if not isinstance(reference, str):
                    continue
                if (row := within.get(reference)) is not None:
                    return row
                if key := _key(reference):
                    return self._row(key)
        return None

    def _row(self, key: str) -> int:
        """The row of a patient, a new one if it has not been heard of; always a new one without a key."""
        row = self._rows.get(key) if key else None
        if row is None:
            row = len(self._present)
            self._present.append(False)
            for column in self._columns:
                column.append(0)
            if key:
                self._rows[key] = row
        return row

    def cohort(self) -> Cohort:
        """What was read; rows of which no Patient resource has come are left out."""
        new = array("q", [-1]) * len(self._present)
        patients = 0
        for row, present in enumerate(self._present):
            if present:
                new[row] = patients
                patients += 1
        columns = [
            array("I", (c for c, p in zip(column, self._present, strict=True) if p))
            for column in self._columns
        ]
        return Cohort(
            self._quasi,
            patients,
            self._resources,
            columns,
            [codes.listed for codes in self._codes],
            [_linked(gathered, new) for gathered in self._gathered],
        )


def _linked(gathered: _Gathered, new: "array[int]") -> Linked:
    links = array("Q")
    for link in gathered.links:
        if (row := new[link >> 32]) >= 0:
            links.append(row << 32 | link & 0xFFFFFFFF)
    return Linked(
        gathered.sensitive,
        gathered.codes.listed,
        links,
        gathered.resources,
        gathered.without_value,
        gathered.unlinked + len(gathered.links) - len(links),
    )


def _type_of(data: bytes) -> bytes:
    """The resource type, at once where it stands first, as our engine writes it; empty for an empty line."""
    if data.startswith(_TYPE):
        type_ = data[len(_TYPE) : data.find(b'"', len(_TYPE))]
        if b"\\" not in type_:
            return type_
    return _type_decoder.decode(data).resourceType.encode() if data.strip() else b""


def _key(reference: str) -> str:
    """By what a patient is known: the id of `Patient/<id>` at any address, a `urn:` as it stands; empty for all else."""
    match = _PATIENT.fullmatch(reference)
    if match:
        return match[1]
    return reference if reference.startswith("urn:") else ""
