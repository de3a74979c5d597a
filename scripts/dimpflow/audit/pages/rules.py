"""The page of the rule set: what is done to which kind of data, as one table in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dimpflow.audit.pages.frame import (
    NONE,
    Cell,
    Facts,
    Html,
    Language,
    Page,
    Said,
    code,
    grouped,
    html,
    number,
    paragraph,
)
from dimpflow.audit.pages.kinds import KINDS, OTHER, REST, WHOLE, kind_of
from dimpflow.audit.pages.places import place_of, places_in_words
from dimpflow.audit.pages.rule_counts import rule_counts_part
from dimpflow.audit.pages.service import sent_rules, unknown_rules
from dimpflow.audit.pages.treatment import parameters_in_words, treatment
from dimpflow.audit.pages.treatment_words import KEPT
from dimpflow.errors import InputError
from dimpflow.ruleset.load import UNMATCHED
from dimpflow.ruleset.rules import Rule, RuleSet

TITLE = Said("What is done to which kind of data", "Was mit welchen Daten geschieht")
_HEADER = Said("Which elements|What happens|Rules", "Welche Elemente|Was geschieht|Regeln")
_COUNTS_HEADER = Said("Matched|Changed", "Getroffen|Geändert")
_UNREACHED = Said("what no rule reaches", "was keine Regel erreicht")
_NO_RULE = Said("; without a rule of their own: {}", "; ohne eigene Regel: {}")
_HOW = Said(
    "Made from the rule set, rule by rule. Rules are tried in the order of their numbers; the first that reaches an element decides about "
    "it and about all that stands in it, and later rules take what is left. So a rule for all elements of a type is about those that "
    "no rule with a smaller number has taken.",
    "Aus dem Regelwerk erzeugt, Regel für Regel. Die Regeln werden in der Reihenfolge ihrer Nummern geprüft; die erste, die ein Element "
    "erreicht, entscheidet über das Element und alles darin, spätere Regeln nehmen, was übrig ist. Eine Regel für alle Elemente eines "
    "Typs gilt also für die, die keine Regel mit kleinerer Nummer genommen hat.",
)  # fmt: skip
_COUNTED = Said(
    " Matched: elements that a rule took. Changed: those of them in which it changed, replaced or took out something.",
    " Getroffen: Elemente, die eine Regel genommen hat. Geändert: davon die, in denen sie etwas geändert, ersetzt oder entfernt hat.",
)
_NAMES = Said(
    "Names of elements are those of FHIR R4. “HumanName everywhere” means every element of this type in every resource.",
    "Die Namen der Elemente sind die von FHIR R4. „HumanName überall“ heißt: jedes Element dieses Typs in jeder Ressource.",
)
Counts = Sequence[Mapping[str, object]]
"""`rules.did` of audit.json."""


class RuleRow(NamedTuple):
    """A line of the table. matched, changed: None where it was not counted."""

    kind: str
    elements: Html
    happens: str
    numbers: tuple[int, ...]
    matched: int | None
    changed: int | None


def rules_in_words(rule_set: RuleSet, counts: Counts, language: Language = "en") -> list[RuleRow]:
    """What the rules do, those together that do the same to the same kind of data; last, what happens to all else.

    counts: what each rule did; empty if nobody counted it.
    """
    done = {one["rule"]: one for one in counts}
    together: dict[tuple[Said, str], list[Rule]] = {}
    for rule in rule_set.rules:
        happens = treatment(rule, rule_set.parameters, rule_set.options, language)
        together.setdefault((kind_of(rule), happens), []).append(rule)
    rows = [
        RuleRow(
            kind.by(language),
            places_in_words(place_of(rule, language) for rule in rules),
            happens,
            tuple(rule.number for rule in rules),
            _total(done, rules, "matched"),
            _total(done, rules, "changed"),
        )
        for (kind, happens), rules in sorted(together.items(), key=lambda one: KINDS.index(one[0][0]))
    ]
    if all(rule.path != UNMATCHED for rule in rule_set.rules):
        unreached = _unreached({kind for kind, _ in together}, language)
        rows.append(RuleRow(REST.by(language), unreached, KEPT.by(language), (), None, None))
    return rows


def _unreached(reached: set[Said], language: Language) -> Html:
    """What no rule reaches, with the kinds of data that no rule is about."""
    left = [kind.by(language) for kind in KINDS if kind not in (*reached, WHOLE, OTHER, REST)]
    more = _NO_RULE.by(language).format(", ".join(left)) if left and WHOLE not in reached else ""
    return html(_UNREACHED.by(language) + more)


def rules_table(rule_set: RuleSet, counts: Counts, language: Language = "en") -> Html:
    """The same as a table, a part for each kind of data. Columns of counts only if somebody counted."""
    header = _HEADER.by(language).split("|")
    if counts:
        header += _COUNTS_HEADER.by(language).split("|")
    parts: dict[str, list[tuple[Cell, ...]]] = {}
    for row in rules_in_words(rule_set, counts, language):
        done = [NONE if count is None else count for count in (row.matched, row.changed)] if counts else []
        said = (row.elements, row.happens, _unbroken(numbers_in_short(row.numbers)) or NONE)
        parts.setdefault(row.kind, []).append((*said, *done))
    return grouped(header, parts.items(), "rules")


def rules_part(facts: Facts, rule_set: RuleSet | None, language: Language = "en") -> list[Html]:
    """The table with what is to be said of it. rule_set: None if it is not known, or not understood: it is a service's.

    InputError: it is not the rule set that the facts tell of.
    """
    used = facts["rules"]
    if rule_set is None:
        return list(unknown_rules(facts, language))
    if rule_set.sha256 != used["sha256"]:
        raise InputError(
            f"{rule_set.path} is not the rule set that audit.json tells of; run the workflow again"
        )
    parts = [sent_rules(facts, language)] if used["engine"] == "service" else []
    parts.append(paragraph(_HOW.by(language) + (_COUNTED.by(language) if used["did"] else "")))
    if spared := parameters_in_words(rule_set, language):
        parts.append(paragraph(spared))
    parts += [paragraph(_NAMES.by(language), "small"), rules_table(rule_set, used["did"], language)]
    return [*parts, *rule_counts_part(used["did"], language)]


def rules_page(facts: Facts, rule_set: RuleSet | None, language: Language = "en") -> Page:
    """The page. Raises InputError as rules_part does."""
    used = facts["rules"]
    named = []
    if used["file"]:
        label = Said("Rule set", "Regelwerk").by(language)
        count = number(len(rule_set.rules)) if rule_set else NONE
        rules = Said("rules", "Regeln").by(language)
        named.append(
            Html(
                f"<p>{html(label)}: {code(used['file'])}, {count} {rules}; SHA-256 {code(used['sha256'] or NONE)}</p>"
            )
        )
    return Page(TITLE.by(language), [*named, *rules_part(facts, rule_set, language)], language)


def _unbroken(numbers: str) -> Html:
    """`3–5` stays on one line."""
    return Html(", ".join(f'<span class="run">{run}</span>' for run in numbers.split(", ") if run))


def numbers_in_short(numbers: Iterable[int]) -> str:
    """`1, 3–5`."""
    runs: list[list[int]] = []
    for one in numbers:
        if runs and one == runs[-1][-1] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _total(done: Mapping[object, Mapping[str, object]], rules: Sequence[Rule], name: str) -> int | None:
    found = [done[rule.number][name] for rule in rules if rule.number in done]
    return sum(one for one in found if isinstance(one, int)) if found else None
