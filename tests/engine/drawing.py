"""Random resources of the R4 model, and rule lists from a grammar of the accepted FHIRPath.

Everything is drawn through a Chooser, so that the same grammar serves Hypothesis (which shrinks what fails) and plain random
numbers (which are a hundred times as fast). Values come from small pools, so that predicates hit and values collide.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from dimpflow.fhir.table import PRIMITIVE, PRIMITIVE_TYPES, RESOURCE_TYPES, Element, codes, elements, type_name
from dimpflow.fhir.model import has_sibling

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

_TEXTS = ("x", "MR", "Doe", "d", " padded\t", "Straße 1", "a😀b", "42", "true", "2020-01-01", "Task/1", "Patient", "s")
_IDS = ("p1", "example", "A-1.b", "0")
_URIS = (
    "http://x.org/sid", "urn:uuid:9d9b8bed-7b79-7fa9-cea1-f133a6b4d551", "Patient/p1", "https://my-server.org/fhir/Patient/1",
    "http://s.org/fhir/Patient/1/_history/2", "Patient?identifier=http://x|42", "urn:oid:1.2.3", "#p1", "Patient", "#", "s",
    "Task/t1",
)  # fmt: skip
_DATES = ("1930-05-05", "1974-12-25", "2020-02-29", "2020", "2020-02", "1936-08-07", "1936-08-08", "2021-02-30", "x")
_DATE_TIMES = (
    *_DATES, "2015-02-07T13:28:17-05:00", "2015-02-07T13:28:17.12345Z", "2015-02-07T23:30+01:00", "2016-12-31T23:59:60Z",
    "1930-01-01T00:00:00+00:00", "2015-02-07T24:00:00Z", "2015-02-07T13:28:17",
)  # fmt: skip
_INSTANTS = ("2015-02-07T13:28:17.500Z", "2015-02-07T13:28:17+02:00", "1931-02-07T13:28:17.12345678-00:00", "2020-01-01T00:00:00+00:00")
_DECIMALS = ("1", "1.0", "1.50", "-2.25", "89", "90", "35.5", "0", "-0.0", "8E+1", "0.1e-2", "123456789.123456789")
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
    pool = _VALUES.get(element.type) or (_URIS if element.type in ("uri", "url", "canonical", "oid", "uuid") else _TEXTS)
    return choose.one(pool)


def to_json(value: Json) -> str:
    """Compact JSON in which decimals keep their words."""
    import json

    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


# ---- rules ---------------------------------------------------------------------------------------------------------

_TYPES_ASKED = (
    "HumanName", "Identifier", "Coding", "string", "date", "dateTime", "instant", "code", "uri", "Reference", "Extension", "id",
    "Address", "Quantity", "Age", "Period", "decimal", "CodeableConcept", "BackboneElement", "Annotation", "boolean", "Patient",
    "Meta", "Narrative", "integer", "base64Binary",
)  # fmt: skip
_NAMES_ASKED = ("value", "system", "code", "id", "reference", "period", "text", "extension", "resource", "entry", "family")


class PathDrawer:
    """Draws paths along the model: `types` are the type keys that the path so far can have."""

    def __init__(self, choose: Chooser) -> None:
        self.choose = choose

    def path(self, types: Sequence[str], most: int, *, general: bool) -> str:
        """A path from nodes of the types; general: with steps that depend on all nodes at once, too."""
        parts: list[str] = []
        for _ in range(self.choose.number(1, most)):
            step, types = self._step(types, general)
            parts.append(step)
            if not types:
                break
        text = ".".join(parts)
        if general and not self.choose.number(0, 5):
            text = f"({text} | {self.path(types or ['Patient'], 2, general=False)})"
        return text

    def _step(self, types: Sequence[str], general: bool) -> tuple[str, Sequence[str]]:
        choose = self.choose
        kind = choose.number(0, 15)
        if kind <= 7:
            return self._child(types)
        if kind <= 9:
            name = choose.one(_TYPES_ASKED)
            return f"nodesByType('{name}')", _with_type(name)
        if kind == 10:
            return f"where({self.predicate(types)})", types
        if kind == 11:
            name = choose.one(sorted({type_name(t) for t in types})) if types else "string"
            return f"ofType({name})", [t for t in types if type_name(t) == name]
        if kind == 12:
            return f"nodesByName('{choose.one(_NAMES_ASKED)}')", types
        if kind == 13:
            return choose.one(["descendants()", "children()"]), types
        if general:
            step = choose.one(["first()", "last()", "[0]", "[1]", "select", "iif"])
            if step == "select":
                return f"select({self.path(types, 2, general=False)})", types
            if step == "iif":
                inner = self.path(types, 2, general=False)
                return f"iif({self.predicate(types)}, {inner}, $this)", types
            return ("where(true)" + step if step[0] == "[" else step), types
        return f"where({self.predicate(types)})", types

    def _child(self, types: Sequence[str]) -> tuple[str, Sequence[str]]:
        known = sorted({e.name for t in types for e in _children(t)})
        if not known:
            return "extension", ["Extension"]
        name = self.choose.one(known)
        found = sorted({e.type for t in types for e in _children(t) if e.name == name})
        return name, [r for t in found for r in (["Patient", "Observation"] if t == "Resource" else [t])]

    def predicate(self, types: Sequence[str], depth: int = 0) -> str:
        """A condition on a node of the types."""
        choose = self.choose
        kind = choose.number(0, 17 if depth < 2 else 9)
        path = "$this" if set(types) <= PRIMITIVE_TYPES else self._plain(types)
        literal = choose.one(["'MR'", "'x'", "'Doe'", "true", "1", "1.5", "'male'", "@2020-01-01", "@2015-02-07T13:28:17Z", "'d'", "2"])
        match kind:
            case 0 | 1 | 2:
                return f"{path} = {literal}"
            case 3:
                return f"{path}.exists()"
            case 4:
                return f"{path} != {literal}"
            case 5:
                return f"{path}.startsWith('Task/')" if choose.number(0, 1) else f"{path}.toString().startsWith('2')"
            case 6:
                return f"{path} is {choose.one(_TYPES_ASKED)}"
            case 7:
                return f"{path} in ('x' | 'MR' | 'male' | {literal})"
            case 8:
                return f"{path}.count() > {choose.number(0, 2)}"
            case 9:
                return f"{path} ~ {literal}"
            case 10:
                return f"{self.predicate(types, depth + 1)} and {self.predicate(types, depth + 1)}"
            case 11:
                return f"({self.predicate(types, depth + 1)} {choose.one(['or', 'xor', 'implies'])} {self.predicate(types, depth + 1)})"
            case 12:
                return f"({self.predicate(types, depth + 1)}).not()"
            case 13:
                return f"{path}.empty()"
            case 14:
                return f"{path} < {literal}"
            case 15:
                return self._exists_where(types, depth)
            case 16:
                return f"{path}.all($this = {literal})"
        return f"{path} = {self._plain(types)}"

    def _exists_where(self, types: Sequence[str], depth: int) -> str:
        step, inner = self._child(types)
        form = self.choose.one([".where({}).exists()", ".exists({})", ".where({}).empty()", ".where({}).first().exists()"])
        return step + form.format(self.predicate(inner, depth + 1))

    def _plain(self, types: Sequence[str]) -> str:
        steps = []
        for _ in range(self.choose.number(1, 3)):
            step, types = self._child(types)
            steps.append(step)
            if not types or set(types) <= PRIMITIVE_TYPES:
                break
        return ".".join(steps)


def _children(type_: str) -> tuple[Element, ...]:
    if type_ in PRIMITIVE_TYPES:
        return elements(PRIMITIVE)
    return () if type_ == "Resource" else elements(type_)


def _with_type(name: str) -> list[str]:
    if name in ("BackboneElement",):
        return ["Patient.contact", "Bundle.entry", "Observation.component"]
    return [name]


_CASES = (
    {"$this": "$this.toString().substring(0,4)"},
    {"$this = 'MR'": "'x'", "$this.toString().startsWith('2')": "'d'"},
    {"$this < @2000-01-01": "@1990", "true": "$this"},
    {"$this.toString().matches('^[0-9]+$')": "$this.toString().replaceMatches('(?<a>[0-9])', '${a}0')"},
    {"$this > 10": "$this div 10 * 10", "$this <= 10": "$this + 1"},
    {"extension.exists()": "'e'", "$this ~ 'doe'": "'D' + 'oe'"},
    {"$this = 'male' or $this = 'female'": "'unknown'"},
    {"false": "1"},
)
_REPLACEMENTS = (
    "x", "", "male", "2020-01-01", '{"family": "example", "given": ["test", "t2"]}', "{}", "1", "true",
    '{"coding": [{"system": "s", "code": "MR"}], "text": "T"}', '{"system": "s", "value": "v"}', '{"start": "2020"}',
    '{"extension": [{"url": "u", "valueCode": "c"}]}', '{"value": 1.50, "period": {"start": "2001"}}',
)  # fmt: skip


def rules(choose: Chooser, types: Sequence[str], *, general: bool = True) -> list[dict[str, Any]]:
    """A rule list that says something of resources of the types."""
    return [rule(choose, types, general=general) for _ in range(choose.number(1, 7))]


def rule(choose: Chooser, types: Sequence[str], *, general: bool) -> dict[str, Any]:
    """One rule."""
    drawer = PathDrawer(choose)
    prefix = choose.number(0, 9)
    type_ = choose.one(types)
    if prefix <= 1:
        path = choose.one(["Resource", type_, "DomainResource", "Bundle"])
    elif prefix <= 5:
        further = drawer.path([type_], 4, general=general and not choose.number(0, 2))
        path = f"{type_}.select{further}" if further.startswith("(") else f"{type_}.{further}"
    elif prefix <= 7:
        name = choose.one(_TYPES_ASKED)
        further = "" if choose.number(0, 1) else "." + drawer.path(_with_type(name), 2, general=False)
        path = f"nodesByType('{name}'){further}"
    elif prefix == 8:
        path = f"Resource.{choose.one(['id', 'meta', 'meta.security', 'contained', 'text', 'extension'])}"
    else:
        further = drawer.path(["Patient", "Observation"], 2, general=False)
        path = f"Bundle.entry.{choose.one(['resource', 'fullUrl', 'request.url', 'where(resource is Patient).resource'])}"
        path = path if choose.number(0, 1) else f"Bundle.entry.resource.{further}"
    return {"path": path, **_method(choose)}


def _method(choose: Chooser) -> dict[str, Any]:
    name = choose.one(
        ["keep", "keep", "redact", "redact", "redact", "remove", "cryptoHash", "cryptoHash", "encrypt", "dateshift", "dateshift",
         "substitute", "perturb", "generalize", "generalize", "pseudonymize"]
    )  # fmt: skip
    found: dict[str, Any] = {"method": name}
    match name:
        case "cryptoHash" if choose.number(0, 1):
            found["truncateToMaxLength"] = choose.one(["0", "2", "16", "32"])
        case "substitute":
            found["replaceWith"] = choose.one(_REPLACEMENTS)
        case "perturb":
            found |= {"span": choose.one(["0", "1", "0.5"]), "rangeType": choose.one(["fixed", "proportional"]), "roundTo": choose.one(["0", "2", "5"])}
        case "generalize":
            found |= {"cases": dict(choose.one(_CASES)), "otherValues": choose.one(["keep", "redact"])}
        case "pseudonymize" if choose.number(0, 3):
            found |= {"domain": "d", "domain-prefix": choose.one(["", "site-"])}
    return found


def parameters(choose: Chooser) -> dict[str, Any]:
    """Parameters with all keys, and switches."""
    found: dict[str, Any] = {
        "cryptoHashKey": "fhir-pseudonymizer",
        "encryptKey": "fhir-pseudonymizer000000",
        "dateShiftKey": "dummy",
    }
    for key in ("enablePartialAgesForRedact", "enablePartialDatesForRedact", "enablePartialZipCodesForRedact"):
        found[key] = choose.one(["true", "false"])
    if not choose.number(0, 3):
        found["restrictedZipCodeTabulationAreas"] = ["203"]
    if not choose.number(0, 4):
        found["dateShiftFixedOffsetInDays"] = choose.one(["10", "-400"])
    if not choose.number(0, 5):
        found["cryptoHashAlgorithm"] = "blake3"
    if not choose.number(0, 5):
        found["keyDerivationContext"] = "project-a"
    if not choose.number(0, 5):
        found["dateShiftKeyPrefix"] = "prefix"
    return found
