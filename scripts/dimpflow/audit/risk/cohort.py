"""The patients of a result as a table of small numbers, and the sensitive values that are linked to them.

Lines of other types are passed over unread. Contained resources are no patients of the result.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from dimpflow.audit.risk.attributes import QuasiIdentifier, Sensitive, Values
from dimpflow.audit.risk.members import Members, Reader, Remembered, parsed
from dimpflow.errors import InputError

_REMEMBERED = 1 << 12
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
                f"line {number} of those that the risk looks at (patients, Bundles, sensitive values) is not FHIR as JSON; remove the result and run again"
            ) from None
    return reader.cohort()


@dataclass(slots=True)
class _Gathered:
    """Of one sensitive path, while reading. owners: places of the members that say whose a resource is, in that order."""

    sensitive: Sensitive
    values: Remembered
    owners: list[int]
    codes: Codes = field(default_factory=Codes)
    links: "array[int]" = field(default_factory=lambda: array("Q"))
    resources: int = 0
    without_value: int = 0
    unlinked: int = 0


class _Type:
    """What is read of the resources of a type."""

    def __init__(self, quasi: Sequence[QuasiIdentifier], sensitive: Sequence[Sensitive]) -> None:
        whose = [name for one in sensitive for name in one.whose]
        steps = [one.steps for one in quasi] + [one.steps for one in sensitive]
        self.read = read = Reader(("id", *whose, *(name for one in steps for name in one[0])))
        self.quasi = [Remembered(read, one.steps, one.values) for one in quasi]
        self.gathered = [
            _Gathered(
                one, Remembered(read, one.steps, one.values), [read.names.index(name) for name in one.whose]
            )
            for one in sensitive
        ]


class _Reader:
    def __init__(self, quasi: Sequence[QuasiIdentifier], sensitive: Sequence[Sensitive]) -> None:
        self._quasi = quasi
        self._sensitive = sensitive
        self._types = {
            name.encode(): _Type(
                quasi if name == "Patient" else (), [one for one in sensitive if one.type == name]
            )
            for name in {"Patient", *(one.type for one in sensitive)}
        }
        self._rows: dict[str, int] = {}
        self._owners: dict[bytes, int] = {}  # of those who own some of the last resources
        self._present = bytearray()  # of each row, whether its Patient resource has come
        self._columns = [array("I") for _ in quasi]
        self._codes = [Codes() for _ in quasi]
        self._resources = 0

    def take(self, data: bytes, within: Mapping[str, int]) -> None:
        """A line, or a resource of a Bundle. within: rows of the Bundle's patients by fullUrl."""
        name = _type_of(data)
        if name == b"Bundle":
            self._bundle(data)
        elif name == b"Patient":
            self._patient(data, "")
        elif type_ := self._types.get(name):
            members = type_.read(data)
            for one in type_.gathered:
                self._link(one, members, self._owner(members, one.owners, within))

    def _bundle(self, data: bytes) -> None:
        """Its patients first, since its other entries may refer to them by fullUrl."""
        entries = [(entry.fullUrl, bytes(entry.resource)) for entry in _bundle_decoder.decode(data).entry]
        within: dict[str, int] = {}
        others = []
        for url, resource in entries:
            if resource and _type_of(resource) == b"Patient":
                row = self._patient(resource, url)
                if url:
                    within[url] = row
            elif resource:
                others.append(resource)
        for resource in others:
            self.take(resource, within)

    def _patient(self, data: bytes, url: str) -> int:
        type_ = self._types[b"Patient"]
        members = type_.read(data)
        (id_,) = parsed(members[:1]) or [None]
        row = self._row(id_ if isinstance(id_, str) else _key(url))
        self._resources += 1
        for attribute, column, codes in zip(type_.quasi, self._columns, self._codes, strict=True):
            values = attribute(members)
            if self._present[row]:
                values = tuple(sorted({*values, *codes.listed[column[row]]}))
            column[row] = codes.number(values)
        self._present[row] = True
        for gathered in type_.gathered:
            self._link(gathered, members, row)
        return row

    def _link(self, gathered: _Gathered, members: Members, row: int | None) -> None:
        values = gathered.values(members)
        gathered.resources += 1
        if not values:
            gathered.without_value += 1
        elif row is None:
            gathered.unlinked += 1
        else:
            gathered.links.append(row << 32 | gathered.codes.number(values))

    def _owner(self, members: Members, owners: Iterable[int], within: Mapping[str, int]) -> int | None:
        """The row of the first patient that it names as its own."""
        for place in owners:
            if not (data := bytes(members[place])):
                continue
            row = None if within else self._owners.get(data)
            if row is None:
                row = self._named(orjson.loads(data), within)
            if row is not None:
                if len(self._owners) >= _REMEMBERED:
                    self._owners.clear()
                if not within:
                    self._owners[data] = row
                return row
        return None

    def _named(self, found: Any, within: Mapping[str, int]) -> int | None:
        """The row of the first patient to which a reference, or one of a list, refers."""
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
            [_linked(gathered, new) for gathered in self._in_order()],
        )

    def _in_order(self) -> Iterator[_Gathered]:
        """Of each sensitive path, as they were given."""
        of_type = {name: iter(type_.gathered) for name, type_ in self._types.items()}
        for one in self._sensitive:
            yield next(of_type[one.type.encode()])


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
        if type_.isalpha():
            return type_
    return _type_decoder.decode(data).resourceType.encode() if data.strip() else b""


def _key(reference: str) -> str:
    """By what a patient is known: the id of `Patient/<id>` at any address, a `urn:` as it stands; empty for all else."""
    match = _PATIENT.fullmatch(reference)
    if match:
        return match[1]
    return reference if reference.startswith("urn:") else ""
