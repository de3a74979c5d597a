"""Where in a de-identified resource pseudonyms and encrypted values stand, as its rule set tells.

The rules are followed as when the resource was de-identified: the first one that reaches an element decides. Conditions in their
paths are asked of what stands there now; where one asks for what was removed, the rule does not find its pseudonyms again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from dimpflow.engine.methods.crypto_hash import hash_of
from dimpflow.engine.methods.place import Place, text_of
from dimpflow.engine.methods.references import default_domain
from dimpflow.engine.tree.nodes import Node
from dimpflow.fhir.table import PRIMITIVE, RESOURCE_TYPES, type_name
from dimpflow.fhirpath.evaluate import compiled
from dimpflow.ruleset.rules import VALUE_METHODS, CryptoHash, Encrypt, Method, Pseudonymize, RuleSet

_TYPES = "|".join(sorted(RESOURCE_TYPES))
_FORM = re.compile(
    rf"(?P<front>(?:https?://[^\s?#|]*/)?(?:{_TYPES})/"
    rf"|(?:(?:{_TYPES})\?)?identifier=(?:[^|]*\|)?"
    r"|urn:(?:oid|uuid):)"
    r"(?P<id>.+?)(?P<suffix>/_history/[A-Za-z0-9\-.]{1,64})?",
    re.DOTALL,
)
"""References as `engine.methods.references` takes them apart, but with any text for an id: a pseudonym may be one."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that can be turned back. domain: None for an encrypted one; prefix: what the rule has put before the pseudonym;
    front, back: of a reference, what stands around it; of: whose id the original is, if the rule says so."""

    node: Node
    text: str
    domain: str | None
    prefix: str = ""
    front: str = ""
    back: str = ""
    of: Node | None = None

    @property
    def key(self) -> tuple[str | None, str]:
        """What an original is looked up by."""
        return self.domain, self.text

    def put_back(self, original: str) -> None:
        """Puts the original in its place. LineError if it does not fit there."""
        new = _place(self.node).fit(self.front + original + self.back)
        self.node.raw = None if new is UNSET else new


@dataclass(slots=True)
class FoundPlaces:
    """hidden: in order of the rules; hashes: values that were hashed, from which no way leads back; hashed_ids: the nodes of
    resources' ids among them, with the length of the hash."""

    hidden: list[Hidden] = field(default_factory=list)
    hashes: int = 0
    hashed_ids: list[tuple[Node, int | None]] = field(default_factory=list)


class Places:
    """Finds what a rule set has hidden."""

    def __init__(self, rule_set: RuleSet) -> None:
        self._strict = rule_set.options.strict
        self._rules = [
            (rule, None if rule.expression is None else compiled(rule.expression, by_identity=self._strict))
            for rule in rule_set.rules
        ]
        self._hash = hash_of(rule_set.parameters) if rule_set.parameters.hash_key else None

    def find(self, root: Node) -> FoundPlaces:
        """What is hidden in a resource and those that it holds. LineError for a rule that fails on it."""
        found = FoundPlaces()
        self._resource(root, found)
        return found

    def belongs(self, hidden: Hidden, found: FoundPlaces, original: str) -> bool:
        """Whether an original can be what a pseudonym of a resource's id stands for: False if the hash of the id says otherwise."""
        if self._hash is None or hidden.of is None:
            return True
        ids = (pair for pair in found.hashed_ids if pair[0].parent is hidden.of)
        return all(self._hash.hexdigest(original.encode())[:length] == node.raw for node, length in ids)

    def proves(self, hidden: Hidden, found: FoundPlaces) -> bool:
        """Whether `belongs` can tell a wrong original: the rules replace an id, and hash it as well."""
        return (
            self._hash is not None
            and hidden.of is not None
            and any(node.parent is hidden.of for node, _ in found.hashed_ids)
        )

    def _resource(self, resource: Node, found: FoundPlaces) -> None:
        for index, (rule, path) in enumerate(self._rules):
            if rule.applies_to(resource.key):
                for node in [resource] if path is None else path([resource]):
                    if isinstance(node, Node):
                        self._take(index, rule.method, node, found)
        for nested in _nested(resource):
            self._resource(nested, found)

    def _take(self, index: int, method: Method, node: Node, found: FoundPlaces) -> None:
        """What a rule took: the node, and all below it that no earlier rule took (specification of the rules, section 2.3)."""
        if node.rule is not None:
            return
        node.rule = index
        named = isinstance(method, Pseudonymize) and method.value_from != ""
        if named and not node.primitive:
            self._named(index, method, node, found)
            return
        if node.primitive:
            if node.raw is not None:
                _note(method, node, found)
            if self._strict and isinstance(method, VALUE_METHODS):
                return
        for kid in node.kids:
            if not kid.is_resource:
                self._take(index, method, kid, found)

    def _named(self, index: int, method: Method, node: Node, found: FoundPlaces) -> None:
        """A name that became one pseudonym, which is its text."""
        text = next((kid for kid in node.kids if kid.name == "text"), None)
        if text is not None and text.rule is None and text.raw is not None:
            text.rule = index
            _note(method, text, found)
        for below in node.descendants():
            if isinstance(below, Node) and below.rule is None:
                below.rule = index


def _note(method: Method, node: Node, found: FoundPlaces) -> None:
    match method:
        case CryptoHash(truncate=length):
            found.hashes += 1
            if node.name == "id" and node.parent is not None and node.parent.is_resource:
                found.hashed_ids.append((node, length))
        case Encrypt():
            found.hidden.append(Hidden(node, text_of(node.raw), None))
        case Pseudonymize():
            hidden = _pseudonym(method, node, text_of(node.raw))
            if hidden is not None:
                found.hidden.append(hidden)


def _pseudonym(method: Pseudonymize, node: Node, text: str) -> Hidden | None:
    place = _place(node)
    of = node.resource if method.value_from else None
    is_search = place.name == "ifNoneExist"
    front, back = "", ""
    if not method.value_from and (place.is_reference or place.type == "uri" or is_search):
        if text in RESOURCE_TYPES:
            return None  # the url of a POST names no resource
        if place.is_reference and text.startswith("#"):
            front, text = "#", text[1:]
        elif form := _FORM.fullmatch(text):
            front, text, back = form["front"], form["id"], form["suffix"] or ""
    domain = method.domain or (default_domain(front, conditional=is_search) if front else "")
    return Hidden(node, text, method.domain_prefix + domain, method.prefix, front, back, of) if text else None


def _place(node: Node) -> Place:
    assert node.parent is not None and node.element is not None
    owner: Any = PRIMITIVE if node.parent.primitive else node.parent.key
    return Place(node.name, node.key, type_name(owner), node.element.codes)


def _nested(node: Node) -> Iterator[Node]:
    for kid in node.kids:
        if kid.is_resource:
            yield kid
        else:
            yield from _nested(kid)
