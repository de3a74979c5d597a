"""The engine: FHIR JSON in, de-identified FHIR JSON out, by one rule set."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec import Raw

from dimpflow.bundles import peek
from dimpflow.engine.compile import Compiler, Nested, Walk
from dimpflow.engine.labels import GONE, add_labels, outward
from dimpflow.engine.methods import Tools
from dimpflow.engine.run_state import Counters
from dimpflow.engine.selection import Item, Selector
from dimpflow.errors import LineError
from dimpflow.fhir.model import Node, decoder
from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.keys import KeyedHash
from dimpflow.pseudonyms import Pseudonyms
from dimpflow.pseudonyms.keyed import keyed_pseudonyms
from dimpflow.ruleset.rules import METHOD_NAMES, RuleSet

_encode = msgspec.json.Encoder().encode
_HEAD = b'{"resourceType":"'
_TYPE_AT = len(_HEAD)

_STAY = 16
"""Resources that are decoded by the full model at once after one that did not fit the plain one."""


class RuleCount(NamedTuple):
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
        tools = Tools(KeyedHash(key.encode()), pseudonyms or keyed_pseudonyms(key))
        self._rules = rule_set.rules
        self._labels = security_labels
        self._counters = Counters(len(rule_set.rules))
        selector = Selector(rule_set.rules)
        self._compilers = [
            Compiler(selector, full, tools, self._counters, self._nested) for full in (False, True)
        ]
        self._kinds = _Kinds(partial(self._kind, frozenset()))

    def deidentify(self, resource: bytes) -> bytes:
        """One resource or Bundle as compact JSON in definition order. LineError where it cannot be processed."""
        result, operations = self.process(resource)
        return self.label(result, operations)

    def process(self, resource: bytes) -> tuple[Node, int]:
        """The de-identified resource as an object, not yet labelled, and the operations on it and all it holds."""
        try:
            node, walk = self._kinds.decode(resource)
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

    def take_counts(self) -> list[RuleCount]:
        """What each rule did since the last call."""
        return [
            RuleCount(rule.number, rule.path, METHOD_NAMES[type(rule.method)], *self._counters.take(i))
            for i, rule in enumerate(self._rules)
        ]

    def _kind(self, outer: frozenset[Item], type_: str, full: bool) -> tuple[Callable[[bytes], Node], Walk]:
        if type_ not in RESOURCE_TYPES:
            raise LineError("not a FHIR R4 resource")
        return decoder(type_, full).decode, self._compilers[full].resource(type_, outer)

    def _nested(self, outer: frozenset[Item], contained: bool) -> Nested:
        """How nested resources of one kind of place are processed; contained ones get no labels of their own."""
        return partial(
            self._process_nested, _Kinds(partial(self._kind, outer)), self._labels and not contained
        )

    def _process_nested(self, kinds: "_Kinds", labels: bool, raw: Raw) -> tuple[Raw, int]:
        node, walk = kinds.decode(bytes(raw))
        operations = walk(node)
        if labels and operations:
            add_labels(node, operations)
        return Raw(_encode(node)), outward(operations) | operations & GONE


class _Kinds:
    """Decoders and walks for the kinds of resources that come to one kind of place."""

    def __init__(self, make: Callable[[str, bool], tuple[Callable[[bytes], Node], Walk]]) -> None:
        self._make = make
        self._plain: dict[bytes, tuple[Callable[[bytes], Node], Walk]] = {}
        self._full: dict[bytes, tuple[Callable[[bytes], Node], Walk]] = {}
        self._rich: dict[bytes, int] = {}

    def decode(self, data: bytes) -> tuple[Node, Walk]:
        """The decoded resource and its walk. LineError or msgspec's errors for what is no FHIR R4.

        The plain model is tried first, except for some resources after one of that type that did not fit; both models
        give the same result.
        """
        usual = data.startswith(_HEAD)
        name = data[_TYPE_AT : data.find(b'"', _TYPE_AT)] if usual else peek(data).encode()
        left = self._rich.get(name)
        if not left:
            kind = self._plain.get(name) or self._add(self._plain, name, full=False)
            try:
                return kind[0](data), kind[1]
            except msgspec.ValidationError:
                left = _STAY
        self._rich[name] = left - 1
        kind = self._full.get(name) or self._add(self._full, name, full=True)
        return kind[0](data), kind[1]

    def _add(
        self, kinds: dict[bytes, tuple[Callable[[bytes], Node], Walk]], name: bytes, *, full: bool
    ) -> tuple[Callable[[bytes], Node], Walk]:
        kind = kinds[name] = self._make(name.decode(errors="replace"), full)
        return kind


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
