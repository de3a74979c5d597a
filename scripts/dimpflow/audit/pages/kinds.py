"""What kind of data a rule is about, in the words of a data protection officer: told from its path by the FHIR R4 element table."""

from collections.abc import Iterator
from dataclasses import replace

from dimpflow.audit.pages.frame import Said
from dimpflow.fhir.table import RESOURCE_TYPES
from dimpflow.fhirpath.ast import Binary, Call, Expression, Indexer, Member, This, TypeTest
from dimpflow.ruleset.load import UNMATCHED
from dimpflow.ruleset.reach import selected_types
from dimpflow.ruleset.rules import Rule

NAME = Said("Names of people", "Namen von Personen")
BIRTH = Said("Birth and death", "Geburt und Tod")
PLACE = Said("Addresses and places", "Adressen und Orte")
CONTACT = Said("Telephone, e-mail, contact persons", "Telefon, E-Mail, Kontaktpersonen")
IDENTIFIER = Said(
    "Identifiers (record, visit, insurance numbers)", "Kennungen (Patienten-, Fall-, Versichertennummern)"
)
ID = Said("Ids of resources", "IDs der Ressourcen")
REFERENCE = Said("References between resources", "Verweise zwischen Ressourcen")
DATE = Said("Other dates and times", "Andere Datums- und Zeitangaben")
AGE = Said("Ages", "Altersangaben")
TEXT = Said("Free text and other text", "Freitext und anderer Text")
DOCUMENT = Said("Photos, attachments, signatures", "Fotos, Anhänge, Signaturen")
EXTENSION = Said("Extensions", "Erweiterungen (Extensions)")
CODE = Said("Codes, their labels and vocabularies", "Codes, ihre Bezeichnungen und Vokabulare")
VALUE = Said("Values, numbers and units", "Werte, Zahlen und Einheiten")
WEB = Said("Web addresses and technical names", "Web-Adressen und technische Namen")
WHOLE = Said("Whole resources", "Ganze Ressourcen")
OTHER = Said("Other elements, or several kinds", "Andere Elemente oder mehrere Arten")
REST = Said("Everything else", "Alles Übrige")

KINDS = (
    NAME, BIRTH, PLACE, CONTACT, IDENTIFIER, ID, REFERENCE, DATE, AGE, TEXT, DOCUMENT, EXTENSION, CODE, VALUE, WEB, WHOLE, OTHER, REST,
)  # fmt: skip
"""In the order of the table: what points at a person first."""

_BY_TYPE = {
    "HumanName": NAME,
    "Address": PLACE,
    "Identifier": IDENTIFIER,
    "Reference": REFERENCE,
    "Extension": EXTENSION,
    "Age": AGE,
    **dict.fromkeys(("ContactPoint", "ContactDetail"), CONTACT),
    **dict.fromkeys(("Attachment", "Signature"), DOCUMENT),
    **dict.fromkeys(("Narrative", "Annotation"), TEXT),
    **dict.fromkeys(("Coding", "CodeableConcept"), CODE),
    **dict.fromkeys(("Period", "Timing"), DATE),
    **dict.fromkeys(
        ("Quantity", "Duration", "Count", "Distance", "Range", "Ratio", "SampledData", "Money"), VALUE
    ),
}
"""Data types; what stands in them is of their kind."""

_BY_PRIMITIVE = {
    "id": ID,
    "code": CODE,
    "base64Binary": DOCUMENT,
    **dict.fromkeys(("string", "markdown", "xhtml"), TEXT),
    **dict.fromkeys(("date", "dateTime", "instant", "time"), DATE),
    **dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt"), VALUE),
    **dict.fromkeys(("uri", "url", "canonical", "oid", "uuid"), WEB),
}

_BY_PATH = {
    **dict.fromkeys(
        ("Patient.birthDate", "Patient.deceased", "Person.birthDate", "Practitioner.birthDate"), BIRTH
    ),
    **dict.fromkeys(
        ("RelatedPerson.birthDate", "FamilyMemberHistory.born", "FamilyMemberHistory.deceased"), BIRTH
    ),
    "Patient.contact": CONTACT,
    "Location.position": PLACE,
    **dict.fromkeys(
        ("Bundle.entry.fullUrl", "Bundle.entry.request.url", "Bundle.entry.request.ifNoneExist"), REFERENCE
    ),
    **dict.fromkeys(
        ("CodeableConcept.text", "Dosage.text", "Dosage.patientInstruction", "Reference.display"), TEXT
    ),
    **dict.fromkeys(("Age.unit", "Age.system", "Age.code"), VALUE),
}
"""Elements that are of another kind than what they stand in, or than their type."""

_BY_NAME = {"linkId": CODE}
"""The same, in whatever they stand."""

_FILTERS = ("where", "first", "last")


def kind_of(rule: Rule) -> Said:
    """The kind of data that a rule selects; OTHER if it is none, or several."""
    if rule.path == UNMATCHED:
        return REST
    found = {_kind(rule, chain) for chain in _branches(rule.expression)}
    return found.pop() if len(found) == 1 else OTHER


def parts_of(rule: Rule) -> frozenset[tuple[str, str]]:
    """Where a rule names the selected elements: the types that they stand in, and their names."""
    return frozenset(
        (type_, last.name)
        for chain in _branches(rule.expression)
        if (last := _last_member(chain))
        for type_ in _types(rule, last.focus)
    )


def _kind(rule: Rule, chain: Expression | None) -> Said:
    selected = _types(rule, chain)
    if selected and selected <= RESOURCE_TYPES | {"Resource"}:
        return WHOLE
    levels = list(_levels(rule, chain))
    found = [levels[-1][0], *(kind for level in levels for kind in level)] if levels else []
    return next((kind for kind in found if kind), None) or _common(selected, _BY_PRIMITIVE) or OTHER


def _levels(rule: Rule, chain: Expression | None) -> Iterator[tuple[Said | None, Said | None]]:
    """Of each step of a path, from its beginning: the kind by its path, and by its type."""
    steps = []
    while chain is not None:
        steps.append(chain)
        chain = _focus(chain)
    for step in reversed(steps):
        last = _last_member(step)
        paths = (
            frozenset(f"{type_}.{last.name}" for type_ in _types(rule, last.focus))
            if last
            else frozenset[str]()
        )
        by_path = _BY_NAME.get(last.name) if last else None
        yield by_path or _common(paths, _BY_PATH), _common(_types(rule, step), _BY_TYPE)


def _common(keys: frozenset[str], kinds: dict[str, Said]) -> Said | None:
    """The kind that all have."""
    found = {kinds.get(key) for key in keys}
    return found.pop() if len(found) == 1 else None


def _types(rule: Rule, expression: Expression | None) -> frozenset[str]:
    return selected_types(replace(rule, expression=expression))


def _last_member(chain: Expression | None) -> Member | None:
    """The step that names an element, before conditions, positions and types."""
    while chain is not None and not isinstance(chain, Member):
        if isinstance(chain, Call) and chain.name not in _FILTERS:
            return None
        chain = _focus(chain)
    return chain


def _focus(expression: Expression) -> Expression | None:
    match expression:
        case Member(focus=focus) | Call(focus=focus) | Indexer(focus=focus):
            return focus
        case TypeTest(operator="as" | "ofType", operand=operand):
            return operand
    return None


def _branches(expression: Expression | None) -> list[Expression | None]:
    """The paths, one after the other, of which a path with `|`, `select` and `iif` consists."""
    match expression:
        case Binary(operator="|", left=left, right=right):
            return [*_branches(left), *_branches(right)]
        case (
            Call(focus=focus, name="select", arguments=chosen)
            | Call(focus=focus, name="iif", arguments=(_, *chosen))
        ):
            return [
                _grafted(one, root) for root in _branches(focus) for each in chosen for one in _branches(each)
            ]
        case Member(focus=Expression()) | Call(focus=Expression()) | Indexer():
            return [replace(expression, focus=root) for root in _branches(expression.focus)]  # type: ignore[arg-type]
        case TypeTest(operator="as" | "ofType", operand=Expression() as operand):
            return [replace(expression, operand=root) for root in _branches(operand)]
    return [expression]


def _grafted(expression: Expression | None, root: Expression | None) -> Expression | None:
    """A path that starts where another one ends."""
    match expression:
        case None | This():
            return root
        case Member() | Call() | Indexer():
            return replace(expression, focus=_grafted(expression.focus, root))  # type: ignore[arg-type]
        case TypeTest(operator="as" | "ofType"):
            return replace(expression, operand=_grafted(expression.operand, root))
    return expression
