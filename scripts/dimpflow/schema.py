"""Checking a configuration against its JSON schema, with messages for people. A message never holds a value that may be secret."""

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

Schema = dict[str, Any]

_SECRET_NAME = re.compile(r"passw|secret|token|api_?key|access_key|credential", re.IGNORECASE)
DATE = r"^\d{4}-\d{2}-\d{2}$"
"""Pattern of a date in the schema: YAML gives such a text as a date, not as text."""
_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a section with keys of its own",
}


def read_schema(path: Path) -> Schema:
    """The schema at `path`, a YAML file of ours."""
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(schema, dict)
    return schema


def tidy(value: Any, schema: Schema) -> Any:
    """`value` without keys that have none (YAML: `key:`), and with the types that the schema wants where only one is meant.

    `--config job=42` gives a number where we want text, and `--config 'import={...}'` gives text for everything.
    """
    wanted = schema.get("type", ())
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        return {key: tidy(sub, known.get(key, {})) for key, sub in value.items() if sub is not None}
    if isinstance(value, list):
        return [tidy(one, schema.get("items") or {}) for one in value]
    if type(value) is int and "string" in wanted:
        return str(value)
    if isinstance(value, float) and wanted == "string":
        return repr(value)
    if isinstance(value, date) and schema.get("pattern") == DATE:
        return value.isoformat()
    if value is False and "off" in schema.get("enum", ()):  # so YAML reads the word
        return "off"
    if isinstance(value, str) and wanted == "boolean":
        return {"true": True, "false": False}.get(value.lower(), value)
    if isinstance(value, str) and wanted in ("integer", "number") and re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    return value


def complaints(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """What is wrong, one line per fault: `key: what is wrong (allowed: ...)`; sorted by key, empty if all is well."""
    found: set[str] = set()
    for error in Draft202012Validator(schema).iter_errors(config):
        found.update(_explain(error, schema))
    return sorted(found)


def fill_defaults(config: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """A copy of `config` in which every key that has a default in the schema is present."""
    filled = dict(config)
    for key, sub in schema.get("properties", {}).items():
        if "properties" in sub:
            filled[key] = fill_defaults(filled.get(key, {}), sub)
        elif "default" in sub:
            filled.setdefault(key, sub["default"])
    return filled


def leaves(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Every key that a person can set, dotted, with its part of the schema."""
    for key, sub in schema["properties"].items():
        if "properties" in sub:
            yield from leaves(sub, f"{prefix}{key}.")
        else:
            yield prefix + key, sub


def is_unused(sub: Schema) -> bool:
    """Whether a key is a section of Aether that this workflow does not perform."""
    return sub.get("type") == "object" and "properties" not in sub


def is_secret(key: str, sub: Schema | None = None) -> bool:
    """Whether the value of a (dotted) key must never be shown: the schema or its name says so."""
    return bool(sub and sub.get("writeOnly")) or bool(_SECRET_NAME.search(key.rpartition(".")[2]))


def kind(sub: Schema) -> str:
    """The type of a key in words, such as `text or a list`."""
    if "enum" in sub:
        return "text"
    types = sub["type"] if isinstance(sub["type"], list) else [sub["type"]]
    return " or ".join(_KINDS[name] for name in types)


def allowed(sub: Schema) -> str:
    """The range of a key in words, or "" if there is none."""
    if "enum" in sub:
        return ", ".join(map(str, sub["enum"]))
    if "maximum" in sub:
        return f"{sub['minimum']} to {sub['maximum']}"
    if "minimum" in sub:
        return f"{sub['minimum']} or more"
    if "prefixItems" in sub:
        return "first " + ", then ".join(" or ".join(item["enum"]) for item in sub["prefixItems"])
    return _PATTERNS.get(sub.get("pattern", ""), "")


_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "letters A-Z a-z, digits, . _ -, beginning with a letter or digit",
    r"^https?://[^/\s]+": "http:// or https:// address",
    DATE: "a date, YYYY-MM-DD",
}


def _explain(error: ValidationError, schema: Schema) -> Iterator[str]:
    path = [part for part in error.absolute_path if isinstance(part, str)]
    key, sub = ".".join(path), _find(path, schema)
    instance: Any = error.instance
    rule: Any = error.validator_value
    if error.validator == "additionalProperties":
        known = [name for name, _ in leaves(schema)]
        for name in instance:
            if name not in sub["properties"]:
                yield f"{_dotted(path, name)}: unknown key{_nearest(_dotted(path, name), known)}"
    elif error.validator == "required":
        for name in rule:
            if name not in instance:
                yield f"{_dotted(path, name)}: missing"
    elif error.validator in ("minLength", "minItems"):
        yield f"{key}: must not be empty"
    elif error.validator == "type":
        hint = "; put it in quotes" if "text" in kind(sub) and not isinstance(instance, dict | list) else ""
        yield f"{key}: must be {kind(sub)}{_range(sub)}{hint}"
    else:
        shown = instance if isinstance(instance, int | float) and not is_secret(key, sub) else "this value"
        yield f"{key}: {shown} is not allowed{_range(sub)}"


def _range(sub: Schema) -> str:
    text = allowed(sub)
    return f" (allowed: {text})" if text else ""


def _find(path: list[str], schema: Schema) -> Schema:
    for part in path:
        schema = schema["properties"][part]
    return schema


def _dotted(path: list[str], name: object) -> str:
    return ".".join([*path, _printable(name)])


def _printable(name: object) -> str:
    """An unknown key as it can be shown: short, and without characters that play with the terminal."""
    text = str(name)[:60]
    return "".join(c if c.isprintable() else "?" for c in text)


def _nearest(key: str, known: list[str]) -> str:
    """The known key that looks most like `key`: as a whole, or by its last part at another place."""
    by_name = {name.rpartition(".")[2]: name for name in reversed(known)}
    sections = {".".join(name.split(".")[:n]) for name in known for n in range(1, name.count(".") + 2)}
    match = difflib.get_close_matches(key, sorted(sections), n=1, cutoff=0.75)
    if not match:
        last = difflib.get_close_matches(key.rpartition(".")[2], sorted(by_name), n=1, cutoff=0.7)
        match = (
            [by_name[last[0]]] if last else difflib.get_close_matches(key, sorted(sections), n=1, cutoff=0.4)
        )
    return f" (did you mean {match[0]}?)" if match else f" (known here: {', '.join(sorted(known)[:8])}, ...)"
