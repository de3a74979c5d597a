"""What stays in clear: identifying elements and free text that no rule takes, in findings that a person can read."""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from dimpflow.engine.compiled.reads import ANYTHING, reads
from dimpflow.engine.compiled.selection import ways_of
from dimpflow.fhir.table import RESOURCE_TYPES, elements, is_type
from dimpflow.lint import identifying as kinds
from dimpflow.lint.findings import Finding, listed, numbered
from dimpflow.lint.leaves import Clear, Leaf, Leaves
from dimpflow.lint.survey import TYPES, Effort, Survey
from dimpflow.ruleset.reach import selected_types
from dimpflow.ruleset.rules import Rule

_REDACT = "{{path: {path}, method: redact}}{more}"
_REMOVE = "{{path: {path}, method: remove}}{more}"
_HASH = "{{path: {path}, method: cryptoHash, truncateToMaxLength: 32}}{more}"
_YEAR = '{{path: {path}, method: generalize, cases: {{"$this": "$this.toString().substring(0, 4)"}}}}{more}'
_TEXTS = _REDACT + "{everywhere}"
_EVERYWHERE = ", or for all such text {rules}, with keep rules above"


class _Kind(NamedTuple):
    what: str
    remedy: str


_KINDS = {
    kinds.NAME: _Kind("names of people", _REDACT),
    kinds.PLACE: _Kind("where people live", _REDACT),
    kinds.CONTACT: _Kind("telephone numbers, e-mail addresses", _REDACT),
    kinds.IDENTIFIER: _Kind("numbers that identify a person or a thing", _HASH),
    kinds.LINK: _Kind("links to other resources, with the ids that these had", _HASH),
    kinds.TEXT: _Kind("free text", _TEXTS),
    kinds.LABEL: _Kind("labels of codes, which may be typed in by hand", _REDACT),
    kinds.CONTENT: _Kind("documents, images, binary content", _REMOVE),
    kinds.BIRTH: _Kind("dates of birth and death", _YEAR),
    kinds.ID: _Kind("ids of resources", _HASH),
    kinds.EXTENSION: _Kind("whatever sites put into extensions", _REMOVE),
    kinds.ADDRESS: _Kind("web addresses, which name systems and may hold ids", _REDACT),
    kinds.REQUEST: _Kind("addresses and searches of requests, which hold ids and identifiers", _REDACT),
    kinds.TITLE: _Kind("titles and descriptions", _TEXTS),
    kinds.VALUE: _Kind("values given as text", _TEXTS),
    kinds.THING: _Kind("names of organisations, places, things", _TEXTS),
    kinds.DEFINITION: _Kind("texts of definitions, which should hold no data of patients", _TEXTS),
}

_USUAL = (
    "Patient", "Encounter", "Condition", "Observation", "Procedure", "DiagnosticReport", "MedicationStatement",
    "MedicationRequest", "MedicationAdministration", "Medication", "Coverage", "Device", "Specimen", "ServiceRequest",
    "ImagingStudy", "DocumentReference", "Composition", "Consent", "FamilyMemberHistory", "QuestionnaireResponse",
    "Organization", "Location", "Account", "Bundle",
)  # fmt: skip
"""Resource types that most data consist of: their elements are listed first."""


def _in_clear(surveys: Sequence[Survey], *, conditions: bool) -> dict[Leaf, Clear]:
    """What no rule takes; all surveys find the same, but each only the conditions of its own rules. TooMuch if it takes too
    long; without looking at the conditions it never does."""
    effort = Effort(20_000)  # quicker steps than others
    for survey in surveys:
        survey.allow(effort)
    if not conditions:
        return Leaves(surveys[0], frozenset()).in_clear()
    first, *others = [Leaves(survey, survey.wanted).in_clear() for survey in surveys]
    for leaf, clear in first.items():
        first[leaf] = clear._replace(
            unless=clear.unless.union(*(o[leaf].unless for o in others if leaf in o))
        )
    return first


def stays_in_clear(surveys: Sequence[Survey], *, conditions: bool) -> Iterator[Finding]:
    """One note for each data type and kind of element, and one for each kind of element that resource types have of their own."""
    groups: dict[tuple[str, str], dict[Leaf, Clear]] = {}
    for leaf, clear in _in_clear(surveys, conditions=conditions).items():
        shared = not (leaf.owner in RESOURCE_TYPES or leaf.kind == kinds.DEFINITION or "." in leaf.owner)
        groups.setdefault((leaf.owner if shared else "", leaf.kind), {})[leaf] = clear
    general = [rule for rule in surveys[0].rules if ways_of(rule) is None]
    for (type_, kind), leaves in groups.items():
        yield _of_data_type(type_, leaves, general) if type_ else _of_resources(kind, leaves, general)


def _of_data_type(type_: str, leaves: dict[Leaf, Clear], general: list[Rule]) -> Finding:
    kind = next(iter(leaves)).kind
    names = list(dict.fromkeys(leaf.name for leaf in leaves))
    path = f"nodesByType('{type_}')"
    what = _KINDS[kind].what
    if kind != kinds.EXTENSION:  # an extension is its value
        if len(names) == 1:
            path += f".{names[0]}"
        else:
            what += f" ({', '.join(names)})"
    types = {t for clear in leaves.values() for t in clear.types}
    remedy = _remedy(kind, path, "", leaves)
    return _finding(path, f"{what}, in {_number(types)}", remedy, leaves, general)


def _of_resources(kind: str, leaves: dict[Leaf, Clear], general: list[Rule]) -> Finding:
    what = _KINDS[kind].what
    paths = list(dict.fromkeys(map(_path, sorted(leaves, key=_usual_first))))
    where = f"in {len(paths)} elements" if len(paths) > 1 else "in one element"
    if kind == kinds.ID and len(paths) == len(TYPES):
        paths, where = ["Resource.id"], "in all resource types"
    remedy = _remedy(kind, paths[0], " and so on" if len(paths) > 1 else "", leaves)
    return _finding(listed(paths), f"{what}, {where}", remedy, leaves, general)


def _remedy(kind: str, path: str, more: str, leaves: Collection[Leaf]) -> str:
    types = sorted({leaf.type for leaf in leaves} & {"string", "markdown"})
    rules = " and ".join(_REDACT.format(path=f"nodesByType('{type_}')", more="") for type_ in types)
    return _KINDS[kind].remedy.format(
        path=path, more=more, everywhere=_EVERYWHERE.format(rules=rules) if rules else ""
    )


def _finding(path: str, what: str, remedy: str, leaves: dict[Leaf, Clear], general: list[Rule]) -> Finding:
    reason = what
    if all(clear.unless for clear in leaves.values()):
        rules = {number for clear in leaves.values() for number in clear.unless}
        conditions = "a condition" if len(rules) > 1 else "the condition"
        reason += f", unless {conditions} of {numbered(rules)} holds"
    reaching = [
        rule.number
        for rule in general
        if any(_may_reach(rule, leaf, clear.types) for leaf, clear in leaves.items())
    ]
    if reaching:
        reason += f" (what {numbered(reaching)} may take of it cannot be told from the path)"
    return Finding("note", 0, path, "stays-in-clear", reason, f"write {remedy}")


def _may_reach(rule: Rule, leaf: Leaf, types: list[str]) -> bool:
    """Whether the leaf is what the rule selects, by its type and name, or stands in it (but not in an extension of it)."""
    if not any(map(rule.applies_to, types)):
        return False
    selected = selected_types(rule)
    if leaf.type in selected:
        return bool({names[-1] for names in reads(rule.expression) if names} & {leaf.name, ANYTHING})
    return any(leaf.owner in _within(type_) for type_ in selected)


@cache
def _within(type_: str) -> frozenset[str]:
    """The type keys that stand in a type, it among them."""
    found: set[str] = set()
    stack = list(TYPES) if type_ == "Resource" else [type_]
    while stack:
        key = stack.pop()
        if key not in found and key != "Extension" and is_type(key):
            found.add(key)
            stack.extend(element.type for element in elements(key))
    return frozenset(found)


def _path(leaf: Leaf) -> str:
    type_, dot, rest = leaf.owner.partition(".")
    owner = leaf.owner if type_ in RESOURCE_TYPES else f"nodesByType('{type_}'){dot}{rest}"
    return f"{owner}.{leaf.name}" + (f".ofType({leaf.type})" if leaf.choice else "")


def _usual_first(leaf: Leaf) -> tuple[int, str]:
    type_ = leaf.owner.partition(".")[0]
    return (_USUAL.index(type_) if type_ in _USUAL else len(_USUAL), type_)


def _number(types: Collection[str]) -> str:
    if len(types) == len(TYPES):
        return "all resource types"
    return ", ".join(sorted(types)) if len(types) <= 3 else f"{len(types)} resource types"
