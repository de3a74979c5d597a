"""Rules that keep more of a node than whoever wrote them may have had in mind: all of it that no earlier rule took."""

from collections.abc import Collection, Iterator

from dimpflow.engine.compiled.reads import reads
from dimpflow.engine.compiled.selection import Arrival
from dimpflow.fhir.model import EXTRAS
from dimpflow.fhir.table import PRIMITIVE_TYPES, RESOURCE_TYPES
from dimpflow.fhirpath.ast import Binary, Call, TypeTest
from dimpflow.lint.findings import Finding, listed, of_rule
from dimpflow.lint.identifying import DEFINITION, LABEL, kind_of
from dimpflow.lint.survey import Survey
from dimpflow.ruleset.rules import Rule

_WHOLE = frozenset(
    ("HumanName", "Address", "ContactPoint", "Attachment", "Annotation", "Narrative", "Signature", "Identifier")
)  # fmt: skip
"""Types of which it is enough to name the element."""

_DEEPEST = 4
"""Elements in elements of a kept node that are looked at."""


def lets_through(survey: Survey, rule: Rule, nodes: Collection[Arrival]) -> Iterator[Finding]:
    """The identifying elements that a `keep` rule lets through, on the nodes that it selects, in one finding."""
    found: dict[str, str] = {}
    for node in nodes:
        if node.type not in PRIMITIVE_TYPES and not (node.type == "Extension" and _names_the_extension(rule)):
            for path in _Kept(survey, node).paths(node, "", ()):
                found.setdefault(path, node.type)
    if not found:
        return
    names = sorted(found, key=lambda path: path in EXTRAS)  # they say the least
    if "extension" in found:
        names = [path for path in names if path.rpartition(".")[2] not in EXTRAS or path in EXTRAS]
    yield of_rule(
        "warning",
        rule,
        "keeps-identifier",
        f"it keeps the whole node, so that this stays in clear: {listed(names)}",
        "keep only the elements that are needed, or write above it, for each: "
        f"{{path: {_above(rule, found[names[0]])}.{names[0]}, method: redact}}",
    )


def _above(rule: Rule, type_: str) -> str:
    """A path to the kept nodes; where the rule's own is long, one to all nodes of their type."""
    if "where(" in rule.path and type_ not in RESOURCE_TYPES and "." not in type_:
        return f"nodesByType('{type_}')"
    return f"({rule.path})" if isinstance(rule.expression, Binary | TypeTest) else rule.path


def _names_the_extension(rule: Rule) -> bool:
    """Whether it asks which extension it is, so that whoever wrote the rule knows what stands in there."""
    match rule.expression:
        case Call(name="where", arguments=(condition,)):
            return ("url",) in reads(condition)
    return False


class _Kept:
    """What is left to the rule that keeps a node."""

    def __init__(self, survey: Survey, kept: Arrival) -> None:
        self.survey = survey
        self.taken = kept.taken

    def paths(self, node: Arrival, prefix: str, above: tuple[str, ...]) -> Iterator[str]:
        """Paths from the kept node. above: types of the nodes between it and this one."""
        for element, child in self.survey.walks.children(node):
            path = prefix + element.name
            arrival = self.survey.unanswered(child)
            if element.resource or arrival.taken != self.taken:
                continue  # rules of their own decide about nested resources
            if element.primitive:
                if kind_of(node.type, element) not in ("", LABEL, DEFINITION):
                    yield path
            elif element.type == "Extension":
                yield path
            elif len(above) < _DEEPEST:
                inner = self._inner(arrival, path, (*above, node.type))
                if element.type in _WHOLE or node.type == "Extension":
                    inner = [path] if inner else []
                yield from inner

    def _inner(self, node: Arrival, path: str, above: tuple[str, ...]) -> list[str]:
        if node.type in above:  # an Identifier in a Reference in an Identifier
            return [path]
        return list(self.paths(node, path + ".", above))
