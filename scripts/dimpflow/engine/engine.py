"""The engine: FHIR JSON in, de-identified FHIR JSON out, by one rule set."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from dimpflow.bundles import peek
from dimpflow.engine.compile import Compiler, Nested, Walk
from dimpflow.engine.labels import GONE, add_labels
from dimpflow.engine.methods import Tools
from dimpflow.engine.selection import Item, Selector
from dimpflow.errors import LineError
from dimpflow.fhir.model import Node, decoder
from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.keys import KeyedHash
from dimpflow.pseudonyms import Pseudonyms
from dimpflow.pseudonyms.keyed import keyed_pseudonyms
from dimpflow.engine.methods.cache import Cache
from dimpflow.ruleset.rules import METHOD_NAMES, RuleSet

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class RuleCount:
    """What a rule did. matched: nodes that it selected and took; changed: values (or whole parts) that it worked on."""

    rule: int
    path: str
    method: str
    matched: int
    changed: int


class Engine:
    """A compiled rule set. Not thread-safe; one process, one engine."""

    def __init__(
        self, rule_set: RuleSet, *, pseudonyms: Pseudonyms | None = None, security_labels: bool = True
    ) -> None:
        key = rule_set.parameters.crypto_hash_key
        digest = KeyedHash(key.encode()).hexdigest
        tools = Tools(
            hexdigest=Cache(lambda text: digest(text.encode())).__getitem__,
            pseudonyms=pseudonyms or keyed_pseudonyms(key),
        )
        self._rules = rule_set.rules
        self._labels = security_labels
        self._matched, self._changed = [0] * len(rule_set.rules), [0] * len(rule_set.rules)
        selector = Selector(rule_set.rules)
        self._compilers = [
            Compiler(selector, extras, tools, self._matched, self._changed, self._nested)
            for extras in (False, True)
        ]
        self._walks: dict[tuple[str, bool], tuple[Callable[[bytes], Node], Walk]] = {}

    def deidentify(self, resource: bytes) -> bytes:
        """One resource or Bundle as compact JSON in definition order. LineError where it cannot be processed."""
        result, operations = self.process(resource)
        return self.label(result, operations)

    def process(self, resource: bytes) -> tuple[Node, int]:
        """The de-identified resource as an object, not yet labelled, and the operations on it and all it holds."""
        try:
            decode, walk = self._walk_of(resource, frozenset(), self._walks)
            node = decode(resource)
            return node, walk(node) & ~GONE
        except LineError as error:
            raise _located(resource, error) from None
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise _located(resource, _refusal(error)) from None

    def label(self, node: Node, operations: int) -> bytes:
        """The bytes of a processed resource, its security labels set."""
        if self._labels:
            add_labels(node, operations)
        return _encode(node)

    def counts(self) -> list[RuleCount]:
        """What each rule did since the engine was made."""
        return [
            RuleCount(
                rule.number, rule.path, METHOD_NAMES[type(rule.method)], self._matched[i], self._changed[i]
            )
            for i, rule in enumerate(self._rules)
        ]

    def _walk_of(
        self,
        data: bytes,
        outer: frozenset[Item],
        walks: dict[tuple[str, bool], tuple[Callable[[bytes], Node], Walk]],
    ) -> tuple[Callable[[bytes], Node], Walk]:
        kind = (peek(data), has_extras(data))
        try:
            return walks[kind]
        except KeyError:
            type_, extras = kind
            if type_ not in RESOURCE_TYPES:
                raise LineError("not a FHIR R4 resource") from None
            walks[kind] = decoder(type_).decode, self._compilers[extras].resource(type_, outer)
            return walks[kind]

    def _nested(self, outer: frozenset[Item], contained: bool) -> Nested:
        """How nested resources of one kind of place are processed; contained ones get no labels of their own."""
        return partial(self._process_nested, outer, {}, self._labels and not contained)

    def _process_nested(self, outer: frozenset[Item], walks: Any, labels: bool, raw: Raw) -> tuple[Raw, int]:
        data = bytes(raw)
        decode, walk = self._walk_of(data, outer, walks)
        node = decode(data)
        operations = walk(node)
        if labels and operations:
            add_labels(node, operations)
        return Raw(_encode(node)), operations


def has_extras(data: bytes) -> bool:
    """Whether a resource may hold extensions or anything beside a primitive; false means surely not.

    Two searches for what is rare, since most resources have neither. Escapes (\\u005f) could hide a name.
    """
    if b'xtension"' in data:
        return True
    return (b"_" in data and b'"_' in data) or (b"\\" in data and b"\\u" in data)


def _refusal(error: msgspec.MsgspecError) -> LineError:
    """A decoder's message without anything of the data: types and the path to the place only."""
    reason, _, path = str(error).partition(" - at `")
    if reason.startswith("Object contains unknown field"):
        reason = "an element that FHIR R4 does not have here"
    elif not reason.startswith(("Expected", "JSON is malformed", "Input data was truncated")):
        reason = "not a valid FHIR R4 resource"
    return LineError(reason, path.rstrip("`") or "$")


def _located(resource: bytes, error: LineError) -> LineError:
    """The error with the entry of a Bundle in its path, found by trying each; the fast path keeps no track of it."""
    try:
        document = msgspec.json.decode(resource, type=dict[str, Raw])
        entries = msgspec.json.decode(document.get("entry", b"[]"), type=list[dict[str, Raw]])
    except msgspec.MsgspecError:
        return error
    for index, entry in enumerate(entries):
        try:
            data = bytes(entry.get("resource", b""))
            if data:
                decoder(peek(data)).decode(data)
        except (msgspec.MsgspecError, LineError, KeyError) as inner:
            found = (
                _refusal(inner)
                if isinstance(inner, msgspec.MsgspecError)
                else LineError("not a FHIR R4 resource", "$")
            )
            return LineError(found.reason, f"$.entry[{index}].resource{found.path.removeprefix('$')}")
    return error
