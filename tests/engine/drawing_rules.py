"""Rule lists from a grammar of the accepted FHIRPath, along the R4 model."""

from collections.abc import Sequence
from typing import Any

from drawing import Chooser

from dimpflow.fhir.table import PRIMITIVE, PRIMITIVE_TYPES, Element, elements, type_name

_TYPES_ASKED = (
    "HumanName", "Identifier", "Coding", "string", "date", "dateTime", "instant", "code", "uri", "Reference", "Extension", "id",
    "Address", "Quantity", "Age", "Period", "decimal", "CodeableConcept", "BackboneElement", "Annotation", "boolean", "Patient",
    "Meta", "Narrative", "integer", "base64Binary",
)  # fmt: skip
_NAMES_ASKED = (
    "value", "system", "code", "id", "reference", "period", "text", "extension", "resource", "entry", "family",
)  # fmt: skip
_LITERALS = (
    "'MR'",
    "'x'",
    "'Doe'",
    "true",
    "1",
    "1.5",
    "'male'",
    "@2020-01-01",
    "@2015-02-07T13:28:17Z",
    "'d'",
    "2",
)


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
        literal = choose.one(_LITERALS)
        match kind:
            case 0 | 1 | 2:
                return f"{path} = {literal}"
            case 3:
                return f"{path}.exists()"
            case 4:
                return f"{path} != {literal}"
            case 5:
                return (
                    f"{path}.startsWith('Task/')"
                    if choose.number(0, 1)
                    else f"{path}.toString().startsWith('2')"
                )
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
        form = self.choose.one(
            [".where({}).exists()", ".exists({})", ".where({}).empty()", ".where({}).first().exists()"]
        )
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
            found |= {
                "span": choose.one(["0", "1", "0.5"]),
                "rangeType": choose.one(["fixed", "proportional"]),
                "roundTo": choose.one(["0", "2", "5"]),
            }
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
    for key in (
        "enablePartialAgesForRedact",
        "enablePartialDatesForRedact",
        "enablePartialZipCodesForRedact",
    ):
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
