"""The rules of `services.crtdl_preprocessing`: which attributes go into the groups of which profile."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dimpflow.crtdl.findings import pointer, printable, shown
from dimpflow.crtdl.formats import is_uri
from dimpflow.crtdl.reading import Object, parse_json
from dimpflow.errors import ConfigError

MOST_NAME = 64
"""Characters of a group's name (torch-crtdl.md 2.2)."""

_RULE = ("groupReference", "attributes", "createIfMissing", "groupName")
_ATTRIBUTE = ("attributeRef", "mustHave", "linkedGroups")
_WRAPPER = "enrichments"
_CAMEL = {
    "group_reference": "groupReference",
    "create_if_missing": "createIfMissing",
    "group_name": "groupName",
    "attribute_ref": "attributeRef",
    "must_have": "mustHave",
    "linked_groups": "linkedGroups",
}

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """An attribute to add, or to add to. links: where each stands, and the profile URL of the groups that it leads to."""

    where: str
    ref: str
    must_have: bool
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What to add to every group of a profile. where: how messages call the rule; create: whether the group is made if there is
    none; name: of such a group, "" for one made from the profile's URL."""

    where: str
    profile: str
    attributes: tuple[AttributeRule, ...]
    create: bool = False
    name: str = ""


def parse_enrichments(value: Any, where: str) -> tuple[Enrichment, ...]:
    """The rules in `value`, a list; names of keys in camelCase or snake_case. `where` is its dotted configuration key.

    ConfigError: all faults, one line each, unknown keys among them. Source: aether.md 1.2 and 1.8.
    """

    def place(path: _Path) -> str:
        return where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)

    return _Reading(place).rules(value)


def read_enrichments(path: Path) -> tuple[Enrichment, ...]:
    """The rules in a file: JSON or, by its ending, YAML; a list, or a section with the one key `enrichments`.

    ConfigError: it cannot be read; or all faults, one line each, with JSON pointers. Source: aether.md 1.2 and 1.8.
    """
    value = _content(path)
    base: _Path = ()
    if isinstance(value, Mapping) and list(value) == [_WRAPPER]:
        base, value = (_WRAPPER,), value[_WRAPPER]

    def place(inner: _Path) -> str:
        at = pointer(*base, *inner)
        return f"{path}: {at}" if at else str(path)

    return _Reading(place).rules(value)


def _content(path: Path) -> Any:
    try:
        raw = path.read_bytes()
        return yaml.safe_load(raw) if path.suffix.lower() in (".yaml", ".yml") else parse_json(raw)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the enrichments: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError(f"{path}: not YAML: a character that YAML does not allow") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply for a list of enrichments") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {printable(str(error))}") from None


class _Reading:
    """Takes rules apart and gathers faults. place: how a message calls a place."""

    def __init__(self, place: Callable[[_Path], str]) -> None:
        self.place = place
        self.faults: list[str] = []

    def rules(self, value: Any) -> tuple[Enrichment, ...]:
        found = tuple(self._rule(path, raw) for path, raw in self._items((), value))
        if self.faults:
            raise ConfigError("\n".join(self.faults))
        return found

    def _rule(self, path: _Path, raw: Any) -> Enrichment:
        section = self._section(path, raw, _RULE, ("groupReference", "attributes"))
        listed = self._items((*path, "attributes"), section.get("attributes", []))
        attributes = tuple(self._attribute(at, sub) for at, sub in listed)
        if section.get("attributes") == []:
            self._fault((*path, "attributes"), "is empty; name an attribute, or remove the rule")
        return Enrichment(
            where=self.place(path),
            profile=self._url((*path, "groupReference"), section.get("groupReference")),
            attributes=attributes,
            create=self._flag((*path, "createIfMissing"), section.get("createIfMissing")),
            name=self._name((*path, "groupName"), section.get("groupName")),
        )

    def _attribute(self, path: _Path, raw: Any) -> AttributeRule:
        section = self._section(path, raw, _ATTRIBUTE, ("attributeRef",))
        links = self._items((*path, "linkedGroups"), section.get("linkedGroups", []))
        return AttributeRule(
            where=self.place(path),
            ref=self._text((*path, "attributeRef"), section.get("attributeRef")),
            must_have=self._flag((*path, "mustHave"), section.get("mustHave")),
            links=tuple((self.place(at), self._url(at, url)) for at, url in links),
        )

    def _section(self, path: _Path, raw: Any, known: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
        """Its values by their camelCase names; a key without a value (YAML: `key:`) counts as missing."""
        if not isinstance(raw, Mapping):
            self._fault(path, f"must be a section with keys of its own (known: {', '.join(known)})")
            return {}
        found: dict[str, Any] = {}
        twice = set(raw.repeated) if isinstance(raw, Object) else set()
        for key, value in raw.items():
            name = _CAMEL.get(str(key), str(key))
            if name not in known:
                self._fault((*path, printable(str(key))[:60]), f"unknown key (known: {', '.join(known)})")
            elif name in found or key in twice:
                self._fault((*path, name), "stands there more than once; keep one")
            elif value is not None:
                found[name] = value
        for name in needed:
            if name not in found:
                self._fault((*path, name), "missing")
        return found

    def _items(self, path: _Path, value: Any) -> Iterator[tuple[_Path, Any]]:
        if not isinstance(value, list):
            self._fault(path, "must be a list")
            return
        yield from (((*path, index), sub) for index, sub in enumerate(value))

    def _text(self, path: _Path, value: Any) -> str:
        if value is None:
            return ""  # said already
        if not isinstance(value, str) or not value or value != value.strip():
            self._fault(path, "must be text that is not empty and has no blanks around it")
            return ""
        return value

    def _url(self, path: _Path, value: Any) -> str:
        text = self._text(path, value)
        if text and not is_uri(text.partition("|")[0]):
            self._fault(path, f"{shown(text)} is no URL; write the canonical URL of a profile")
        return text

    def _name(self, path: _Path, value: Any) -> str:
        text = self._text(path, value)
        if len(text) > MOST_NAME:
            self._fault(path, f"has {len(text)} characters, at most {MOST_NAME} are allowed")
        return text

    def _flag(self, path: _Path, value: Any) -> bool:
        if value is not None and not isinstance(value, bool):
            self._fault(path, "must be true or false")
        return value is True

    def _fault(self, path: _Path, reason: str) -> None:
        self.faults.append(f"{self.place(path)}: {reason}")
