"""The schema check: the document against schemas/crtdl.schema.yaml, with schemas/ccdl.schema.yaml for the cohort.

The version-1 format is unreleased and stricter than the documents in use, so what it finds does not stop a job unless one
asks for that (torch-crtdl.md 2.2).
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from dimpflow.crtdl.findings import Finding, Level, pointer, shown
from dimpflow.crtdl.formats import checker
from dimpflow.schema import read_schema

SchemaLevel = Literal["off", "warn", "error"]
SCHEMA_LEVELS: tuple[SchemaLevel, ...] = ("off", "warn", "error")

_FOLDER = Path(__file__).parents[3] / "schemas"
_CCDL = "ccdl.schema.yaml"
_IGNORED = frozenset({"version", "display", "name"})
_KINDS = {
    "string": "text",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def schema_findings(document: Mapping[str, Any], level: SchemaLevel) -> Iterator[Finding]:
    """Every violation of the CRTDL schema, as warnings or errors; with `off`, none. Source: torch-crtdl.md 2.2."""
    if level == "off":
        return
    loud: Level = "error" if level == "error" else "warning"
    for error in _validator().iter_errors(document):
        place = tuple(error.absolute_path)
        for name, reason, remedy in _explain(error):
            whole = (*place, name) if name else place
            at = whole if error.validator == "additionalProperties" else place
            yield Finding(loud, "schema", pointer(*at), reason, _torch(error, whole), remedy)


@cache
def _validator() -> Draft202012Validator:
    cohort: Resource[bool | Mapping[str, Any]] = DRAFT202012.create_resource(read_schema(_FOLDER / _CCDL))
    registry: Registry[bool | Mapping[str, Any]] = Registry().with_resource(_CCDL, cohort)
    schema = read_schema(_FOLDER / "crtdl.schema.yaml")
    return Draft202012Validator(schema, registry=registry, format_checker=checker())


def _explain(error: ValidationError) -> Iterator[tuple[str, str, str]]:
    """Name of the key concerned ("" for the value itself), reason, remedy."""
    value: Any = error.instance
    rule: Any = error.validator_value
    if error.validator == "required":
        for name in (name for name in rule if name not in value):
            yield name, f"{shown(name)} is missing", f"add {name}"
    elif error.validator == "additionalProperties":
        known = error.schema["properties"] if isinstance(error.schema, dict) else {}
        for name in (name for name in value if name not in known):
            yield (
                name,
                f"the key {shown(name)} is not known here",
                f"remove it, or use one of {', '.join(known)}",
            )
    else:
        reason, remedy = _explain_value(str(error.validator), rule, value)
        yield "", reason, remedy


def _explain_value(keyword: str, rule: Any, value: Any) -> tuple[str, str]:
    match keyword:
        case "type":
            return f"must be {_KINDS[rule]}", f"write {_KINDS[rule]}"
        case "const":
            return f"must be {_json(rule)}, is {_json(value)}", f"write {_json(rule)}"
        case "enum":
            return f"{_json(value)} is not allowed", f"write one of {', '.join(rule)}"
        case "minLength" | "minItems":
            return "is empty", "fill it"
        case "maxLength":
            return f"has {len(value)} characters, at most {rule} are allowed", "shorten it"
        case "pattern":
            return "begins or ends with a blank, or has a line break", "remove it"
        case "format":
            return (
                (f"{_json(value)} is no date", "write YYYY-MM-DD")
                if rule == "date"
                else (
                    f"{_json(value)} is no URI",
                    "write a URI with its scheme, such as https:// or urn:oid:",
                )
            )
        case "anyOf":
            wanted = " or ".join(name for part in rule for name in part["required"])
            return f"needs {wanted}", f"add {wanted}"
        case "not":
            return (
                f"{_json(value)} is not allowed inside a referenced criterion",
                "use another type of filter",
            )
    raise AssertionError(f"our schemas have no keyword {keyword}")


def _torch(error: ValidationError, place: tuple[str | int, ...]) -> str:
    key = place[-1] if place else ""
    searched = "filter" in place and key != "display"  # a filter's name and its codes go into a search
    if error.validator == "additionalProperties" or (key in _IGNORED and not searched):
        return "ignores it"
    if error.validator == "minItems" and key == "attributes":
        return "takes a group without attributes"
    return "may take it all the same, refuse it (400), or fail later"


def _json(value: Any) -> str:
    if isinstance(value, str):
        return shown(value)
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:60] + "..."
