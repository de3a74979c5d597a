"""The rules on a tree of nodes, one after the other (specification of the rules, sections 2.2 to 2.7)."""

from collections.abc import Iterator
from functools import cached_property

from msgspec import UNSET

from dimpflow.engine.labels import OWN, codings
from dimpflow.engine.methods import BITS, Context, Tools, Work, work_of
from dimpflow.engine.methods.perturb import QUANTITIES
from dimpflow.engine.methods.place import Place
from dimpflow.engine.run_state import Counters, Subject
from dimpflow.engine.tally import BOTH, MATCHED, WITHIN, add
from dimpflow.engine.tree.merge import substitute
from dimpflow.engine.tree.nodes import Node, build, prune
from dimpflow.errors import LineError
from dimpflow.fhir.table import PRIMITIVE, Element, elements, type_name
from dimpflow.fhirpath.evaluate import Function, compiled
from dimpflow.fhirpath.items import Item
from dimpflow.ruleset.rules import (
    METHOD_NAMES,
    VALUE_METHODS,
    Keep,
    Method,
    Perturb,
    Pseudonymize,
    Redact,
    Remove,
    RuleSet,
    Substitute,
)


class Interpreter:
    """Applies a rule set to trees. subject: shared with the compiled walks, in whose resources a tree may stand."""

    def __init__(
        self, rule_set: RuleSet, tools: Tools, counters: Counters, subject: Subject, labels: bool
    ) -> None:
        self.rules = rule_set.rules
        self.tools = tools
        self.counters = counters
        self.subject = subject
        self.labels = labels
        self._works: dict[tuple[int, Place], Work | None] = {}
        self._operations: dict[int, int] = {}
        self._subjects: dict[int, tuple[str | None, str, str, str]] = {}
        self._root: Node
        self._nearest: Node
        self._worked = False
        self._whole: Node | None = None
        self._parts: dict[int, Node] = {}
        self.removed = False
        """Whether the last tree's own rule took it out of the resource around it (strict)."""

    @cached_property
    def _paths(self) -> list[Function | None]:
        strict = self.tools.strict
        return [
            None if rule.expression is None else compiled(rule.expression, by_identity=strict)
            for rule in self.rules
        ]

    def process(self, root: Node) -> int:
        """All rules on a resource and those that it holds; pruned and labelled. The operations that took place.

        Raises LineError, with the JSON path of the node, where a rule fails.
        """
        self._operations = {}
        self._subjects = {}
        self._root = root
        self.removed = False
        if root.element is None:
            operations = self._resource(root)
        else:
            saved = self.subject.enter(root.origin, root.key, contained=root.contained)
            operations = self._resource(root)
            self.subject.leave(saved)
        prune(root, shells=not self.tools.strict)
        self._label(root)
        return operations

    def _resource(self, resource: Node) -> int:
        own = id(resource)
        self._operations.setdefault(own, 0)
        for index, rule in enumerate(self.rules):
            if rule.applies_to(resource.key):
                for node in self._matches(index, resource):
                    if node.rule is None:
                        self._take(index, rule.method, node, own, resource)
        for nested in _nested(resource):
            self._operations[own] |= self._resource(nested)
        return self._operations[own]

    def _matches(self, index: int, resource: Node) -> list[Node]:
        path = self._paths[index]
        if path is None:
            return [resource]
        try:
            found: list[Item] = path([resource])
        except LineError as error:
            raise LineError(f"{self.rules[index].title}: {error.reason}", resource.path) from None
        nodes = [item for item in found if isinstance(item, Node)]
        if len(nodes) != len(found):
            reason = f"{self.rules[index].title}: the path gives a value that is no element"
            raise LineError(reason, resource.path)
        return nodes

    # ---- one node ----------------------------------------------------------------------------------------------

    def _take(self, index: int, method: Method, node: Node, own: int, context: Node) -> None:
        """A node that a rule selected, and that no rule took before: worked on, and counted."""
        place, self._worked = node.place, False
        self._whole = node if node.is_resource and not isinstance(method, Remove | Substitute) else None
        self._parts = {}
        self._run(index, method, node, own, context)
        tree = self.counters.tree
        add(tree, index, place, 1, BOTH if self._worked else MATCHED)
        for part in self._parts.values():
            add(tree, index, part.place, 1, WITHIN)

    def _run(self, index: int, method: Method, node: Node, own: int, context: Node) -> None:
        """A method on a node that a rule selected: on the node, then on all below it that no rule took."""
        if node.rule is not None:
            return
        if isinstance(method, Pseudonymize) and method.value_from and not node.primitive:
            self._name(index, method, node, own)
            return
        node.rule = index
        if isinstance(method, Substitute):
            self._record(node, own, BITS[Substitute])
            with _at(node, "" if node.primitive else self._title(index, method)):
                substitute(method, node, index, self._work(index, method, node))
            return
        kids = [kid for kid in node.kids if not kid.is_resource]
        if isinstance(method, Remove):
            self._remove(index, node, own, context)
        elif isinstance(method, Redact) and node.kept_empty and not node.is_resource:
            node.kept_empty = False
            self._record(node, own, BITS[Redact])
        elif isinstance(method, Perturb) and self._perturbed(index, method, node, own):
            return
        if node.primitive:
            self._value(index, method, node, own)
            if self.tools.strict and isinstance(method, VALUE_METHODS):
                return
        for kid in kids:
            self._run(index, method, kid, own, context)

    def _perturbed(self, index: int, method: Perturb, node: Node, own: int) -> bool:
        """Noise on a number, or on the value of a quantity: then it is all that happens there."""
        target: Node | None = node
        if not node.primitive:
            is_quantity = node.type in QUANTITIES
            target = next((kid for kid in node.kids if is_quantity and kid.name == "value"), None)
            if target is None or target.rule is not None:
                return False
        if target is None or target.raw is None or self._work(index, method, target) is None:
            return False
        target.rule = index
        self._value(index, method, target, own)
        for below in node.descendants():
            assert isinstance(below, Node)
            if below.rule is None and not (self.tools.strict and _beside_value(below, target)):
                below.rule = index
        return True

    def _value(self, index: int, method: Method, node: Node, own: int) -> None:
        if node.raw is None or isinstance(method, Keep | Remove):
            return
        work = self._work(index, method, node)
        if work is None:
            return
        self._nearest = node.resource
        with _at(node):
            if work.item:
                new, bit = work.function(node.raw, node), work.bit
            elif work.paired:
                new, bit = work.function(node.raw)
            else:
                new, bit = work.function(node.raw), work.bit
        self._record(node, own, bit, changed=new is UNSET or new != node.raw)
        node.raw = None if new is UNSET else new

    def _work(self, index: int, method: Method, node: Node) -> Work | None:
        if not node.primitive:
            return None
        assert node.parent is not None and node.element is not None
        owner = type_name(PRIMITIVE if node.parent.primitive else node.parent.key)
        place = Place(node.name, node.key, owner, node.element.codes)
        key = (index, place)
        if key not in self._works:
            work = work_of(method, place, self.tools, self._context(index))
            self._works[key] = work and _named(work, self._title(index, method))
        return self._works[key]

    def _title(self, index: int, method: Method) -> str:
        """How an error names what a rule does."""
        return f"{self.rules[index].title}: {METHOD_NAMES[type(method)]}"

    def _context(self, index: int) -> Context:
        prefix = self._patient if self.tools.strict else self._current_root_id
        return Context(prefix, self._identity, self._id, self._owner)

    def _about(self, resource: Node) -> tuple[str | None, str, str, str]:
        """Id, identity, patient and owner of a resource, as they came."""
        known = self._subjects.get(id(resource))
        if known is not None:
            return known
        subject = self.subject
        if resource is self._root or resource.parent is None:
            found = subject.id, subject.identity, subject.patient, subject.owner
        else:
            container = self._about(resource.parent.resource)
            typed = resource.origin
            id_ = None if typed.id is UNSET else typed.id.strip()
            own = f"{resource.key}/{id_ or ''}"
            if resource.contained:
                found = id_, f"{container[1]}#{own}", container[2], container[3]
            else:
                found = (
                    id_,
                    own,
                    subject.patient_of(typed, resource.key),
                    subject.owner_of(typed, resource.key),
                )
        self._subjects[id(resource)] = found
        return found

    def _id(self) -> str | None:
        return self._about(self._nearest)[0]

    def _identity(self) -> str:
        return self._about(self._nearest)[1]

    def _patient(self) -> str:
        return self._about(self._nearest)[2]

    def _owner(self) -> str:
        return self._about(self._nearest)[3]

    def _current_root_id(self) -> str:
        """The id of the outermost resource as it is now; below a compiled walk the rules for it have all run."""
        if self.subject.depth:
            return self.subject.prefix(0, -1)()
        kids = self._root.kids
        return next((kid.raw.strip() for kid in kids if kid.name == "id" and kid.raw is not None), "")

    def _record(self, node: Node, own: int, bit: int, *, changed: bool = True) -> None:
        """What was done to a node. changed: whether it is not as it was."""
        if changed:
            self._worked = True
            if self._whole is not None:
                part = node
                while part.parent is not None and part.parent is not self._whole:
                    part = part.parent
                self._parts[id(part)] = part
        self._operations[own] |= bit
        if self.tools.strict:
            nearest = id(node.resource)
            self._operations[nearest] = self._operations.get(nearest, 0) | bit

    def _remove(self, index: int, node: Node, own: int, context: Node) -> None:
        nested = node.parent is not None or self.subject.depth > 0
        if node is context and nested and not self.tools.strict:
            title = self.rules[index].title
            raise LineError(f"{title}: remove cannot take a resource out of the one around it", node.path)
        self._record(node, own, BITS[Remove])
        if node.parent is None:
            self.removed = nested
            return
        entry = node.parent
        node.detach()
        if self.tools.strict and node.is_resource and entry.key == "Bundle.entry":
            entry.detach()  # an entry without its resource would still name it

    def _name(self, index: int, method: Pseudonymize, node: Node, own: int) -> None:
        """A complex node that becomes one pseudonym: everything in it goes, and its text is the pseudonym."""
        node.rule = index
        for kid in [kid for kid in node.kids if not kid.is_resource]:
            self._run(index, Redact(), kid, own, node)
        element = next((e for e in elements(node.key) if e.name == "text" and e.type == "string"), None)
        if element is None:
            raise LineError(
                f"{self.rules[index].title}: valueFrom works on primitives, HumanName and Address"
            )
        text = next((kid for kid in node.kids if kid.name == "text"), None)
        if text is not None and text.raw is not None:
            return
        place = Place("text", "string", type_name(node.key))
        work = work_of(method, place, self.tools, self._context(index))
        assert work is not None
        self._nearest = node.resource
        pseudonym = work.function(None)
        if pseudonym is UNSET:
            return
        if text is None:
            text = _added(node, element)
        text.raw, text.rule = pseudonym, index
        self._record(node, own, work.bit)

    # ---- labels ------------------------------------------------------------------------------------------------

    def _label(self, node: Node) -> None:
        """Security labels on a resource and all that it holds, but on contained ones."""
        if not self.labels:
            return
        for nested in _nested(node):
            self._label(nested)
        operations = self._operations.get(id(node), 0)
        if node.contained or not operations:
            return
        meta = next((kid for kid in node.kids if kid.name == "meta"), None)
        if meta is None:
            meta = _added(node, next(e for e in elements(node.key) if e.name == "meta"))
        security = next(e for e in elements("Meta") if e.name == "security")
        present = {
            code.raw.strip().lower()
            for label in meta.kids
            if label.name == "security"
            for code in label.kids
            if code.name == "code" and code.raw is not None
        }
        for coding in codings(operations & OWN, present):
            label = build(coding, "Coding", security, meta, "security")
            _insert(meta, label)


def _beside_value(node: Node, target: Node) -> bool:
    """Whether a node stands beside a value that was changed, which strict rules leave to those that follow."""
    while node.parent is not None and node.parent is not target:
        node = node.parent
    return node.parent is target


def _nested(node: Node) -> Iterator[Node]:
    """The resources that a node holds, without those that they hold themselves."""
    for kid in list(node.kids):
        if kid.is_resource:
            yield kid
        else:
            yield from _nested(kid)


def _added(node: Node, element: Element) -> Node:
    new = Node(element.type, element, node, element.json)
    _insert(node, new)
    return new


def _insert(node: Node, new: Node) -> None:
    """Put a new child where its element belongs, behind those of the same element."""
    order = {element.json: i for i, element in enumerate(elements(node.key))}
    assert new.element is not None
    rank = order[new.element.json]
    at = sum(1 for kid in node.kids if kid.element is not None and order[kid.element.json] <= rank)
    node.kids.insert(at, new)


class _at:
    """Says of an error of a method where it happened, and in which rule where it does not tell itself."""

    def __init__(self, node: Node, title: str = "") -> None:
        self.node = node
        self.title = title and f"{title}: "

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, LineError) and not error.path:
            raise LineError(self.title + error.reason, self.node.path) from None


def _named(work: Work, title: str) -> Work:
    """The work, its errors saying which rule failed."""

    def function(*arguments: object) -> object:
        try:
            return work.function(*arguments)
        except LineError as error:
            raise LineError(f"{title}: {error.reason}", error.path) from None

    return Work(function, work.bit, work.paired, work.item, work.always)
