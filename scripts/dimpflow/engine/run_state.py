"""What walks write down while they run: counts per rule, and whose resource it is."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from msgspec import UNSET

from dimpflow.engine.kinds import Kinds
from dimpflow.engine.methods.references import id_in
from dimpflow.engine.tally import Counts, add, add_up
from dimpflow.fhir.compartment import PATIENT_ELEMENTS
from dimpflow.fhir.model import Node
from dimpflow.fhir.table import elements
from dimpflow.ruleset.rules import DateShift, Encrypt, Perturb, Pseudonymize, Remove, RuleSet, Scrub

Saved = tuple[Any, ...]


class Subject:
    """The resource that is being processed, for methods that depend on more than a value.

    id: its id as it came; identity: type and id, for seeds; patient: whose it is (strict date shift); owner: the
    patient whose it is, '' for none (scrub); depth: 0 for the
    outermost resource. A rule that shifts dates sees the outermost id as the rules before it left it: `root_old` until the
    rule with the index `root_rule` has run, `root_new` from then on; compiled walks write both.
    """

    def __init__(self, rule_set: RuleSet) -> None:
        methods = [rule.method for rule in rule_set.rules]
        parameters, strict = rule_set.parameters, rule_set.options.strict
        shifts = any(isinstance(m, DateShift) for m in methods) and parameters.shift_offset is None
        self.needs_root = shifts and not strict and not parameters.shift_prefix
        self._needs_patient = shifts and strict
        self._needs_owner = any(isinstance(m, Scrub) for m in methods)
        self._needs_identity = any(isinstance(m, Encrypt | Perturb) for m in methods)
        self.needed = (
            self.needs_root
            or self._needs_patient
            or self._needs_owner
            or self._needs_identity
            or any(isinstance(m, Remove) for m in methods)
            or any(isinstance(m, Pseudonymize) and m.value_from for m in methods)
        )
        self.depth = -1
        self.id: str | None = None
        self.identity = ""
        self.patient = ""
        self.owner = ""
        self.root_old: Any = UNSET
        self.root_new: Any = UNSET
        self.root_rule = -1

    def begin(self, node: Node, type_: str) -> None:
        """At the beginning of an outermost resource."""
        self.depth = 0
        self.root_old = self.root_new = node.id
        self.root_rule = -1
        id_ = self.id = None if node.id is UNSET else node.id.strip()
        if self._needs_identity:
            self.identity = f"{type_}/{id_ or ''}"
        if self._needs_patient:
            self.patient = self.patient_of(node, type_)
        if self._needs_owner:
            self.owner = self.owner_of(node, type_)

    def enter(self, node: Node, type_: str, *, contained: bool) -> Saved:
        """At the beginning of a nested resource; gives what `leave` wants."""
        saved = (self.depth, self.id, self.identity, self.patient, self.owner)
        self.depth += 1
        id_ = self.id = None if node.id is UNSET else node.id.strip()
        if self._needs_identity:
            own = f"{type_}/{id_ or ''}"
            self.identity = f"{self.identity}#{own}" if contained else own
        if not contained:
            self.patient = self.patient_of(node, type_)
            self.owner = self.owner_of(node, type_)
        return saved

    def leave(self, saved: Saved) -> None:
        """At the end of a resource."""
        self.depth, self.id, self.identity, self.patient, self.owner = saved

    def prefix(self, level: int, rule: int) -> Callable[[], str]:
        """The outermost id as a rule sees it that belongs to the resource `level` levels out."""

        def find() -> str:
            id_ = self.root_old if rule < self.root_rule and self.depth == level else self.root_new
            return "" if id_ is UNSET else id_

        return find

    def the_id(self) -> str | None:
        return self.id

    def the_identity(self) -> str:
        return self.identity

    def the_patient(self) -> str:
        return self.patient

    def the_owner(self) -> str:
        return self.owner

    def owner_of(self, node: Node, type_: str) -> str:
        """The id of the patient whose resource it is; '' for none, as of an Organization."""
        return _owner(node, type_) if self._needs_owner else ""

    def patient_of(self, node: Node, type_: str) -> str:
        """The id of the patient that a resource belongs to, else its own; '' where there is neither."""
        if not self._needs_patient:
            return ""
        own = "" if node.id is UNSET else str(node.id.strip())
        return _owner(node, type_) or own


@cache
def _about_patients(type_: str) -> list[str]:
    """The attributes of a resource type that may refer to the patient, the surest first."""
    references = {e.name: e.attr for e in elements(type_) if e.type == "Reference"}
    return [references[name] for name in PATIENT_ELEMENTS if name in references]


@lru_cache(10_000)
def _patient_in(reference: str) -> str:
    """The id of the patient that is referred to, '' for none; a patient's resources come one after the other."""
    return id_in(reference.strip(), "Patient")


def _owner(node: Node, type_: str) -> str:
    """The id of the patient that a resource is, or refers to as its own; '' for none."""
    if type_ == "Patient":
        return "" if node.id is UNSET else str(node.id.strip())
    for attribute in _about_patients(type_):
        value = getattr(node, attribute)
        for reference in value if isinstance(value, list) else [value]:
            text = UNSET if reference is UNSET else reference.reference
            found = "" if text is UNSET else _patient_in(text)
            if found:
                return found
    return ""


class Counters:
    """What rules did, by path.

    ticks: per rule, a number that grows when the rule changes something below a node that it took: whether it did so is seen by
    comparing before and after; tree: what was counted in trees; unknown: of all rules, texts of which nobody knows whose they are
    (scrub); one number, counted there.
    """

    def __init__(self, rules: int, unknown: list[int]) -> None:
        self.ticks = [0] * rules
        self.tree: Counts = {}
        self.unknown = unknown
        self._kinds: list[Kinds] = []

    def watch(self, kinds: Kinds) -> Kinds:
        """Resources whose walks count; gives them back."""
        self._kinds.append(kinds)
        return kinds

    def take(self) -> Counts:
        """All counts since the last call."""
        counts, self.tree = self.tree, {}
        for kinds in self._kinds:
            for kind in kinds.kinds():
                if kind.tally is not None:
                    add_up(kind.tally, kind.type, counts)
                    kind.tally = None
        return counts

    def forget(self, again: Callable[[], None]) -> None:
        """Take back what a resource added before it failed, by doing the same once more."""
        for kinds in self._kinds:
            kinds.as_before()
        kept = [(kind, kind.tally) for kinds in self._kinds for kind in kinds.kinds()]
        tree, unknown = self.tree, self.unknown[0]
        for kind, _ in kept:
            kind.tally = None
        self.tree = {}
        again()
        added, self.tree = self.take(), tree
        for kind, tally in kept:
            kind.tally = tally
        for (rule, path), numbers in added.items():
            add(tree, rule, path, -1, (numbers[0], numbers[1], numbers[2]))
        self.unknown[0] = unknown - (self.unknown[0] - unknown)
