"""Which elements a rule is about: its path in fewer signs, where that says the same; otherwise the path as it stands."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dimpflow.audit.pages.frame import Html, Language, Said, code, html, joined
from dimpflow.fhirpath.ast import Binary, Call, Expression, Literal, Member, TypeTest
from dimpflow.ruleset.load import UNMATCHED
from dimpflow.ruleset.rules import Rule

_EVERYWHERE = Said("everywhere", "überall")
_ALL = Said("(whole)", "(ganz)")
_UNREACHED = Said("what no rule reaches", "was keine Regel erreicht")
_OR = Said("or", "oder")
_WITH = Said("where", "mit")
_OF_TYPE = Said("if it is a", "falls")
_CODES = {
    "http://terminology.hl7.org/CodeSystem/v2-0203": {
        "MR": Said("medical record number (MR)", "Patientennummer (MR)"),
        "VN": Said("visit number (VN)", "Fallnummer (VN)"),
        "PI": Said("patient number (PI)", "Patienten-ID (PI)"),
        "AN": Said("account number (AN)", "Abrechnungsnummer (AN)"),
    },
    "http://fhir.de/CodeSystem/identifier-type-de-basis": {
        "GKV": Said("number of statutory insurance (GKV)", "gesetzliche Versichertennummer (GKV)"),
        "PKV": Said("number of private insurance (PKV)", "private Versichertennummer (PKV)"),
        "KVZ10": Said("insurance number (KVZ10)", "Krankenversichertennummer (KVZ10)"),
    },
}
"""Kinds of identifiers that rule sets of German hospitals tell apart."""

_ANYWHERE = ("", "Resource", "DomainResource")


class Place(NamedTuple):
    """path: shown as code; behind: in words, what else belongs to it."""

    path: str
    behind: Html


def place_of(rule: Rule, language: Language) -> Place:
    """The place in words."""
    if rule.path == UNMATCHED:
        return Place("", html(_UNREACHED.by(language)))
    if rule.expression is None:
        return Place(rule.path, html(_ALL.by(language)))
    return _short(rule, language) or Place(rule.path, Html())


def places_in_words(places: Iterable[Place]) -> Html:
    """Several of them; those with the same words behind go together."""
    together: dict[str, list[str]] = {}
    for place in places:
        paths = together.setdefault(place.behind, [])
        if place.path and place.path not in paths:
            paths.append(place.path)
    return joined((_phrase(paths, behind) for behind, paths in together.items()), "; ")


def _phrase(paths: Sequence[str], behind: str) -> Html:
    return Html(" ".join(part for part in (joined(map(code, paths)), behind) if part))


def _short(rule: Rule, language: Language) -> Place | None:
    steps: list[str] = []
    conditions: list[Html] = []
    step, everywhere = rule.expression, False
    while step is not None:
        match step:
            case Member(focus=focus, name=name):
                steps.append(name)
                step = focus
            case TypeTest(operator="ofType", operand=focus, type=type_):
                steps.append(f"ofType({type_})")
                step = focus
            case Call(focus=focus, name="where", arguments=(condition,)):
                words = _condition(condition, language)
                if words is None:
                    return None
                conditions.append(words)
                step = focus
            case Call(focus=None, name="nodesByType", arguments=(Literal(value=str(type_)),)) if (
                rule.resource_type in _ANYWHERE
            ):
                steps.append(type_)
                step, everywhere = None, True
            case _:
                return None
    if not everywhere and rule.resource_type:
        steps.append(rule.resource_type)
    behind = ([html(_EVERYWHERE.by(language))] if everywhere else []) + conditions[::-1]
    return Place(".".join(reversed(steps)), joined(behind))


def _condition(predicate: Expression, language: Language) -> Html | None:
    """In words; None if there are no simpler ones than the condition itself."""
    match predicate:
        case Binary(
            operator="=", left=Member(focus=None, name=name), right=Literal(value=str(value), kind="string")
        ):
            return Html(f"{_WITH.by(language)} {code(f'{name} = {value}')}")
        case Call(
            focus=Call(
                focus=Member(focus=Member(focus=None, name="type"), name="coding"),
                name="where",
                arguments=(inner,),
            ),
            name="exists",
            arguments=(),
        ):
            return _of_type(inner, language)
    return None


def _of_type(predicate: Expression, language: Language) -> Html | None:
    """The kinds of identifiers that a condition on system and code names."""
    match predicate:
        case Binary(operator="and", left=system, right=codes):
            systems, named = _equal(system, "system") or [], _equal(codes, "code")
            known = _CODES.get(systems[0], {}) if len(systems) == 1 else {}
            if named and all(name in known for name in named):
                words = f" {_OR.by(language)} ".join(known[name].by(language) for name in named)
                return html(f"{_OF_TYPE.by(language)} {words}")
    return None


def _equal(predicate: Expression, element: str) -> list[str] | None:
    """The texts that an element may be equal to; None if the condition asks something else."""
    match predicate:
        case Binary(
            operator="=", left=Member(focus=None, name=name), right=Literal(value=str(value), kind="string")
        ) if name == element:
            return [value]
        case Binary(operator="or", left=left, right=right):
            one, other = _equal(left, element), _equal(right, element)
            return one + other if one is not None and other is not None else None
    return None
