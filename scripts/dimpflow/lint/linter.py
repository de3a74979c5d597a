"""All findings about a rule set."""

from collections.abc import Iterator, Mapping
from typing import Any

from dimpflow.lint import speed
from dimpflow.lint.clear import stays_in_clear
from dimpflow.lint.expressions import traps
from dimpflow.lint.findings import Finding, in_order, of_rule
from dimpflow.lint.keeps import lets_through
from dimpflow.lint.keys import keys
from dimpflow.lint.settings import idle_settings, parameters_in, weak_settings
from dimpflow.lint.shadows import same_paths, shadowed
from dimpflow.lint.survey import Survey
from dimpflow.ruleset.load import UNMATCHED
from dimpflow.ruleset.reach import why_never
from dimpflow.ruleset.rules import Keep, RuleSet


def lint(rule_set: RuleSet, document: Mapping[str, Any] | None = None) -> list[Finding]:
    """What there is to say about a rule set, in order of its rules.

    document: its file as read (`read_document`), to look at what is not in the rules any more: settings that nobody reads,
    keys in clear.
    """
    return in_order(_findings(rule_set, document or {}))


def _findings(rule_set: RuleSet, document: Mapping[str, Any]) -> Iterator[Finding]:
    yield from keys(rule_set.parameters, parameters_in(document))
    if document:
        yield from idle_settings(rule_set, document)
    for rule in rule_set.rules:
        yield from weak_settings(rule)
        if not rule_set.options.strict:
            yield from traps(rule)
    survey = Survey(rule_set, rule_set.rules)
    yield from _of_rules(rule_set, survey)
    yield from stays_in_clear(survey)


def _of_rules(rule_set: RuleSet, survey: Survey) -> Iterator[Finding]:
    """What comes of the rules together."""
    matching = []
    for rule in rule_set.rules:
        reason = why_never(rule)
        if reason:
            yield of_rule(
                "error",
                rule,
                "never-matches",
                f"it can select nothing: {reason}",
                "correct the path or remove the rule",
            )
        elif rule.path != UNMATCHED:
            matching.append(rule)
    repeated = {finding.rule: finding for finding in same_paths(matching)}
    yield from repeated.values()
    every = frozenset(range(len(survey.rules)))
    keeping = frozenset(i for i in every if isinstance(survey.rules[i].method, Keep))
    taking = sightings = survey.sightings(every, keeping)
    reasons = speed.reasons(survey)
    yield from speed.slow(survey, reasons)
    alike = reasons == {}
    if (
        not alike
    ):  # a rule may change what a later one looks at, so that the same predicate gets another answer
        taking = Survey(rule_set, survey.rules, alike=False).sightings(every)
    followed = tuple(rule for i, rule in enumerate(survey.rules) if i not in survey.selector.general)
    for i, rule in enumerate(survey.rules):
        if rule in matching and rule in followed and i not in taking and rule.number not in repeated:
            finding = shadowed(rule_set, followed, rule, alike=alike)
            if finding:
                yield finding
        if isinstance(rule.method, Keep):
            finding = lets_through(survey, rule, sightings.get(i, ()))
            if finding:
                yield finding
