"""The engine: FHIR JSON in, de-identified FHIR JSON out, by one rule set."""

from collections import Counter
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec import Raw

from dimpflow.engine.compiled.analysis import Analysis
from dimpflow.engine.compiled.compile import Compiler, Nested
from dimpflow.engine.compiled.selection import Item, Selector
from dimpflow.engine.kinds import Kinds, Made
from dimpflow.engine.labels import GONE, LEVEL, OWN, add_labels, outward
from dimpflow.engine.methods import Tools
from dimpflow.engine.methods.scrub import TermsSource
from dimpflow.engine.refusals import check_utf8, refusal
from dimpflow.engine.run_state import Counters, Subject
from dimpflow.engine.tally import Tally
from dimpflow.engine.tree.explain import Explained, explained
from dimpflow.engine.tree.interpret import Interpreter
from dimpflow.engine.tree.nodes import Node, read, write
from dimpflow.errors import LineError, RuleSetError
from dimpflow.fhir.lenient import normalised, with_single_keys
from dimpflow.fhir.table import Element
from dimpflow.pseudonyms import Pseudonyms
from dimpflow.pseudonyms.keyed import keyed_pseudonyms
from dimpflow.ruleset.rules import METHOD_NAMES, RuleSet, Scrub

_encode = msgspec.json.Encoder().encode
_FAILURES = (LineError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class RuleCount(NamedTuple):
    """What a rule did. matched: elements that it selected and took, each with all that stands in it; changed: those of them in which
    it changed, replaced or took out something.

    places: the same by path (Patient.name.given: names as in the JSON, without indexes, from the type of the nearest resource on);
    within: where it took whole resources, by path the elements of them in which it changed something.
    """

    rule: int
    path: str
    method: str
    matched: int
    changed: int
    places: dict[str, dict[str, int]]
    within: dict[str, int]


class _NeedsTree(Exception):
    """A rule of an outer resource reaches into a nested one whose rules depend on each other."""


class Engine:
    """A compiled rule set. Not thread-safe; one process, one engine.

    terms: where the terms of a patient come from, for rules that scrub; RuleSetError if there are such rules and it is missing.
    only_tree: do without compiled walks (for tests: both ways give the same).
    """

    def __init__(
        self,
        rule_set: RuleSet,
        *,
        pseudonyms: Pseudonyms | None = None,
        security_labels: bool = True,
        only_tree: bool = False,
        terms: TermsSource | None = None,
    ) -> None:
        _need_terms(rule_set, terms)
        self._rules = rule_set.rules
        self._strict = rule_set.options.strict
        self._labels = security_labels
        self._only_tree = only_tree
        self._tools = Tools(
            rule_set, pseudonyms or keyed_pseudonyms(rule_set.parameters.hash_key), terms or (lambda _: None)
        )
        self._counters = Counters(len(rule_set.rules), self._tools.unknown)
        self._subject = Subject(rule_set)
        self._interpreter = Interpreter(rule_set, self._tools, self._counters, self._subject, security_labels)
        selector = Selector(rule_set.rules)
        self._compilers = [
            Compiler(
                selector, full, self._tools, self._counters, self._subject, self._nested, self._check_nested
            )
            for full in (False, True)
        ]
        self._analyses = [Analysis(compiler.walks) for compiler in self._compilers]
        self._kinds = self._counters.watch(Kinds(partial(self._walk_of, frozenset(), "")))
        self._checked_kinds = Kinds(self._check_of)
        self._by_tree: Counter[str] = Counter()
        self.slow: dict[str, str] = {}
        """Resource types that are left to the tree, with the reason."""

    def deidentify(self, resource: bytes) -> bytes:
        """One resource or Bundle as compact JSON in definition order.

        LineError, with a JSON path and nothing of the content, where it is no FHIR R4 or a rule fails on it.
        """
        try:
            return self._walked(resource)
        except (*_FAILURES, _NeedsTree) as error:
            self._counters.forget(partial(self._repeated, resource))
            if isinstance(error, _NeedsTree):
                self._kinds.leave_to_tree(resource)
            return self._again(resource)

    def take_counts(self) -> list[RuleCount]:
        """What each rule did since the last call."""
        places: list[dict[str, dict[str, int]]] = [{} for _ in self._rules]
        within: list[dict[str, int]] = [{} for _ in self._rules]
        for (rule, path), (matched, changed, inside) in sorted(self._counters.take().items()):
            if matched or changed:
                places[rule][path] = {"matched": matched, "changed": changed}
            if inside:
                within[rule][path] = inside
        return [
            RuleCount(
                rule.number,
                rule.path,
                METHOD_NAMES[type(rule.method)],
                sum(one["matched"] for one in places[i].values()),
                sum(one["changed"] for one in places[i].values()),
                places[i],
                within[i],
            )
            for i, rule in enumerate(self._rules)
        ]

    def take_resources(self) -> dict[str, int]:
        """De-identified resources (outermost ones) per type since the last call."""
        found, self._by_tree = self._by_tree, Counter()
        for kind in self._kinds.kinds():
            if kind.count:
                found[kind.type] += kind.count
                kind.count = 0
        return dict(sorted(found.items()))

    def take_unknown(self) -> int:
        """Texts since the last call that a rule should have scrubbed, but of which nobody knows whose they are."""
        count, self._tools.unknown[0] = self._tools.unknown[0], 0
        return count

    def explain(self, resource: bytes) -> list[Explained]:
        """Which rule took each element of a resource, in order of the elements. LineError as `deidentify`."""
        root = self._read(resource)
        return explained(root, lambda: self._interpret(root), self._rules)

    # ---- the outermost resource --------------------------------------------------------------------------------

    def _walked(self, data: bytes) -> bytes:
        if not data.isascii():
            check_utf8(data)
        node, kind = self._kinds.decode(data)
        if kind.walk is None:
            return self._treed(data)
        subject = self._subject
        if subject.needed:
            subject.begin(node, kind.type)
        operations = kind.walk(node, kind.tally or kind.begin())
        if self._labels and operations:
            add_labels(node, operations)
        kind.count += 1
        return _encode(node)

    def _treed(self, data: bytes) -> bytes:
        root = read(data)
        done = self._interpret(root)
        self._by_tree[root.key] += 1
        return done

    def _interpret(self, root: Node) -> bytes:
        self._subject.begin(root.origin, root.key)
        try:
            self._interpreter.process(root)
            return write(root)
        except RecursionError as error:
            raise refusal(error) from None

    def _repeated(self, data: bytes) -> None:
        try:
            self._walked(data)
        except (*_FAILURES, _NeedsTree):
            return
        raise AssertionError("what failed once fails again")

    def _again(self, data: bytes) -> bytes:
        """A resource that did not go through a compiled walk: read leniently, by the tree, or to say what is wrong where."""
        try:
            read(data)
        except RecursionError as error:
            raise refusal(error) from None
        except LineError as error:
            return self._read_leniently(data, error)
        return self._treed_only(data)

    def _read_leniently(self, data: bytes, error: LineError) -> bytes:
        lenient = self._lenient(data, error)
        try:
            return self._walked(lenient)
        except (*_FAILURES, _NeedsTree):
            self._counters.forget(partial(self._repeated, lenient))
        try:
            return self._treed_only(lenient)
        except LineError as second:
            # what leniency leaves out moves the places behind it
            raise error if second.reason == error.reason else second from None

    def _treed_only(self, data: bytes) -> bytes:
        try:
            return self._treed(data)
        except LineError:
            self._counters.forget(partial(self._failing_tree, data))
            raise

    def _failing_tree(self, data: bytes) -> None:
        try:
            self._treed(data)
        except LineError:
            return

    def _read(self, data: bytes) -> Node:
        try:
            return read(data)
        except LineError as error:
            return read(self._lenient(data, error))

    @staticmethod
    def _lenient(data: bytes, error: LineError) -> bytes:
        """The resource as the FHIR Pseudonymizer's parser would read it. The error of strict reading if it is no JSON at all."""
        try:
            single = with_single_keys(data)
            try:
                read(single)
            except LineError:
                return normalised(single)
            return single
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise error from None

    # ---- nested resources --------------------------------------------------------------------------------------

    def _walk_of(self, outer: frozenset[Item], name: str, type_: str, full: bool) -> Made | None:
        if self._only_tree:
            return None
        compiler = self._compilers[full]
        arrival = compiler.arrival(type_, name or type_, outer)
        reason = self._analyses[full].why_not(type_, arrival)
        if reason and full:
            self.slow[type_] = reason
        return None if reason else compiler.walk(arrival)

    def _nested(self, outer: frozenset[Item], element: Element) -> Nested:
        """How nested resources of one kind of place are processed; contained ones get no labels of their own."""
        kinds = self._counters.watch(Kinds(partial(self._walk_of, outer, element.name)))
        return partial(self._process_nested, kinds, bool(outer), element)

    def _process_nested(self, kinds: Kinds, outer: bool, element: Element, raw: Raw) -> tuple[Raw, int]:
        data = bytes(raw)
        node, kind = kinds.decode(data)
        contained = element.name == "contained"
        if kind.walk is None:
            if outer:
                raise _NeedsTree
            return self._nested_tree(data, element)
        subject = self._subject
        if subject.needed:
            saved = subject.enter(node, kind.type, contained=contained)
            operations = kind.walk(node, kind.tally or kind.begin())
            subject.leave(saved)
        else:
            operations = kind.walk(node, kind.tally or kind.begin())
        if operations:
            if contained and self._strict and node == kind.empty:
                operations |= GONE
            elif self._labels and not contained:
                add_labels(node, _all_levels(operations) if self._strict else operations)
        return Raw(_encode(node)), outward(operations) | operations & GONE

    def _nested_tree(self, data: bytes, element: Element) -> tuple[Raw, int]:
        root = read(data, element)
        operations = self._interpreter.process(root)
        shell = root.contained and self._strict and operations and not root.kids
        gone = GONE if self._interpreter.removed or shell else 0
        return Raw(write(root)), operations | gone

    def _check_of(self, type_: str, full: bool) -> Made:
        check = self._compilers[full].checks.first(type_)

        def walk(node: object, _: Tally) -> int:
            check(node)
            return 0

        return walk, list

    def _check_nested(self, raw: Raw) -> None:
        """Whether a nested resource that is taken out is FHIR at all."""
        node, kind = self._checked_kinds.decode(bytes(raw))
        assert kind.walk is not None
        kind.walk(node, [])


def _need_terms(rule_set: RuleSet, terms: TermsSource | None) -> None:
    scrubbing = next((rule for rule in rule_set.rules if isinstance(rule.method, Scrub)), None)
    if scrubbing and terms is None:
        raise RuleSetError(
            f"{rule_set.path}: {scrubbing.title}: scrub needs the terms of all patients, which the workflow gathers before; "
            "run the workflow, or use redact in its place"
        )


def _all_levels(operations: int) -> int:
    """What was done to a resource, by whichever resource's rules."""
    found = 0
    while operations:
        found |= operations & OWN
        operations >>= LEVEL
    return found
