"""Random resources of the R4 model.

Everything is drawn through a Chooser, so that the same grammar serves Hypothesis (which shrinks what fails) and plain random
numbers (which are a hundred times as fast). Values come from small pools, so that predicates hit and values collide.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from dimpflow.fhir.model import has_sibling
from dimpflow.fhir.table import (
    PRIMITIVE,
    RESOURCE_TYPES,
    Element,
    codes,
    elements,
)

T = TypeVar("T")
Json = Any


class Chooser(Protocol):
    """Where choices come from."""

    def one(self, items: Sequence[T]) -> T: ...

    def number(self, low: int, high: int) -> int: ...


class RandomChooser:
    """Choices of a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self, items: Sequence[T]) -> T:
        return items[self._random.randrange(len(items))]

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


USUAL_TYPES = (
    "Patient", "Observation", "Condition", "Encounter", "Bundle", "Parameters", "Procedure", "MedicationStatement",
    "DocumentReference", "Provenance", "QuestionnaireResponse", "Organization", "Basic", "Binary", "Claim", "Composition",
)  # fmt: skip
ALL_TYPES = tuple(sorted(RESOURCE_TYPES))

_TEXTS = (
    "x", "MR", "Doe", "d", " padded\t", "Straße 1", "a😀b", "42", "true", "2020-01-01", "Task/1", "Patient", "s",
)  # fmt: skip
_IDS = ("p1", "example", "A-1.b", "0")
_URIS = (
    "http://x.org/sid", "urn:uuid:9d9b8bed-7b79-7fa9-cea1-f133a6b4d551", "Patient/p1", "https://my-server.org/fhir/Patient/1",
    "http://s.org/fhir/Patient/1/_history/2", "Patient?identifier=http://x|42", "urn:oid:1.2.3", "#p1", "Patient", "#", "s",
    "Task/t1",
)  # fmt: skip
_DATES = (
    "1930-05-05", "1974-12-25", "2020-02-29", "2020", "2020-02", "1936-08-07", "1936-08-08", "2021-02-30", "x",
)  # fmt: skip
_DATE_TIMES = (
    *_DATES, "2015-02-07T13:28:17-05:00", "2015-02-07T13:28:17.12345Z", "2015-02-07T23:30+01:00", "2016-12-31T23:59:60Z",
    "1930-01-01T00:00:00+00:00", "2015-02-07T24:00:00Z", "2015-02-07T13:28:17",
)  # fmt: skip
_INSTANTS = (
    "2015-02-07T13:28:17.500Z", "2015-02-07T13:28:17+02:00", "1931-02-07T13:28:17.12345678-00:00", "2020-01-01T00:00:00+00:00",
)  # fmt: skip
_DECIMALS = (
    "1", "1.0", "1.50", "-2.25", "89", "90", "35.5", "0", "-0.0", "8E+1", "0.1e-2", "123456789.123456789", "1e400", "9E-30",
    "0.12345678901234567890123456789012345", "1E+9999999999999999999", "9999999999999999999999999999999999999999",
)  # fmt: skip
_VALUES: dict[str, Sequence[Json]] = {
    "boolean": (True, False),
    "integer": (0, 1, -5, 100, 2147483647),
    "positiveInt": (1, 2, 50),
    "unsignedInt": (0, 1, 50),
    "date": _DATES,
    "dateTime": _DATE_TIMES,
    "instant": _INSTANTS,
    "time": ("10:00:00", "10:00", "23:59:59.5", "x"),
    "id": _IDS,
    "base64Binary": ("QUJD", "QUI=", "QQ ==", "YWJjZGVm"),
    "code": (*_TEXTS[:5], "male"),
    "xhtml": ('<div xmlns="http://www.w3.org/1999/xhtml">Doe</div>',),
}


class Decimal(str):
    """A JSON number in its own words."""


def resource(choose: Chooser, type_: str = "", depth: int = 0) -> Json:
    """A resource that FHIR R4 allows, with some freedoms that the FHIR Pseudonymizer's parser allows, too."""
    type_ = type_ or (choose.one(USUAL_TYPES) if choose.number(0, 3) else choose.one(ALL_TYPES))
    if depth and type_ in ("Bundle", "Parameters"):
        type_ = "Patient"
    found = {"resourceType": type_, **_object(choose, type_, depth, most=6)}
    if choose.number(0, 9) and "id" not in found:
        found["id"] = choose.one(_IDS)
    return found


def _object(choose: Chooser, key: str, depth: int, most: int = 3) -> dict[str, Json]:
    """Some elements of a type; choice elements in one variant."""
    groups: dict[str, list[Element]] = {}
    for element in elements(key):
        groups.setdefault(element.name, []).append(element)
    names = sorted(groups)
    if depth > 5:
        names = [name for name in names if groups[name][0].primitive]
    if key == "Bundle":
        names = ["id", "meta", "type", "entry", "entry", "timestamp", "identifier"]
    if key == "Bundle.entry":
        names = ["fullUrl", "resource", "resource", "request", "extension"]
    if not choose.number(0, 30):
        return {}
    wanted = dict.fromkeys(choose.one(names) for _ in range(choose.number(1, most))) if names else {}
    found: dict[str, Json] = {}
    for name in wanted:
        found |= _element(choose, key, choose.one(groups[name]), depth)
        if not choose.number(0, 60):
            # perhaps a second variant, which is wrong
            found |= _element(choose, key, choose.one(groups[name]), depth)
    return found


def _element(choose: Chooser, key: str, element: Element, depth: int) -> dict[str, Json]:
    if element.resource:
        one: Callable[[], Json] = lambda: resource(choose, depth=depth + 1)  # noqa: E731
    elif element.primitive:
        return _primitive(choose, key, element, depth)
    else:
        one = lambda: _object(choose, element.type, depth + 1)  # noqa: E731
    if not element.many:
        return {element.json: one()}
    values = [one() for _ in range(choose.number(1, 3))]
    return {element.json: values if choose.number(0, 25) else values[0]}


def _primitive(choose: Chooser, key: str, element: Element, depth: int) -> dict[str, Json]:
    count = choose.number(1, 3) if element.many else 1
    extended = has_sibling(key, element) and not choose.number(0, 5)
    values, others = [], []
    for _ in range(count):
        beside = _object(choose, PRIMITIVE, depth + 3) if extended and choose.number(0, 2) else None
        bare = beside is not None and not choose.number(0, 3)
        values.append(None if bare else _value(choose, element))
        others.append(beside)
    found: dict[str, Json] = {}
    if any(value is not None for value in values):
        found[element.json] = values if element.many else values[0]
    if any(other is not None for other in others):
        found["_" + element.json] = others if element.many else others[0]
    return found


def _value(choose: Chooser, element: Element) -> Json:
    if element.codes:
        return choose.one(sorted(codes(element.codes)))
    if element.type == "decimal":
        return Decimal(choose.one(_DECIMALS))
    if element.name in ("reference", "url", "fullUrl", "postalCode"):
        pool = ("98028-1830", "20301", "12", "ab1 2cd") if element.name == "postalCode" else _URIS
        return choose.one(pool)
    pool = _VALUES.get(element.type) or (
        _URIS if element.type in ("uri", "url", "canonical", "oid", "uuid") else _TEXTS
    )
    return choose.one(pool)


def to_json(value: Json) -> str:
    """Compact JSON in which decimals keep their words."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
