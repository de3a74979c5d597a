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
from dimpflow.lint.shadows import Shadows, same_paths
from dimpflow.lint.survey import Effort, Sightings, TooMuch, surveys
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
    yield from _of_rules(rule_set)


def _of_rules(rule_set: RuleSet) -> Iterator[Finding]:
    """What comes of the rules together."""
    done: set[int] = set()  # rules of which it need not be said any more that they do nothing
    for rule in rule_set.rules:
        reason = "" if rule_set.options.strict else why_never(rule)  # strictly, such a rule set is not loaded
        if reason:
            remedy = "correct the path, or remove the rule"
            yield of_rule("error", rule, "never-matches", f"it can select nothing: {reason}", remedy)
        if reason or rule.path == UNMATCHED:
            done.add(rule.number)
    for finding in same_paths([rule for rule in rule_set.rules if rule.number not in done]):
        done.add(finding.rule)
        yield finding
    yield from _of_walks(rule_set, done)


def _of_walks(rule_set: RuleSet, done: set[int]) -> Iterator[Finding]:
    """What comes of walking all resource types; codes of which something may be missing end up in a note."""
    missing: set[str] = set()
    parts = surveys(rule_set)
    effort = Effort()
    for survey in parts:
        keeping = frozenset(i for i in survey.wanted if isinstance(survey.rules[i].method, Keep))
        found: Sightings = {}
        survey.allow(effort)
        try:
            survey.look(found, keeping)
        except TooMuch:
            missing |= {"keeps-identifier", "shadowed"}
            found |= {i: found.get(i, {}) for i in survey.wanted}
        done |= {survey.rules[i].number for i in found}
        survey.allow(Effort())
        try:
            for i in keeping & found.keys():
                yield from lets_through(survey, survey.rules[i], found[i])
        except TooMuch:
            missing.add("keeps-identifier")
    reasons: dict[str, list[str]] | None = None
    try:
        reasons = speed.reasons(parts)
        yield from speed.slow(rule_set.rules, reasons)
    except TooMuch:
        missing |= {"slow", "shadowed"}
    try:
        idle = [rule for rule in rule_set.rules if rule.number not in done]
        yield from Shadows(rule_set, alike=reasons == {}).findings(idle)
    except TooMuch:
        missing.add("shadowed")
    try:
        yield from list(stays_in_clear(parts, conditions=True))
    except TooMuch:
        missing.add("stays-in-clear")
        yield from stays_in_clear(parts, conditions=False)
    if missing:
        codes = ", ".join(sorted(missing))
        reason = f"there are too many conditions to look at everything, so that something may be missing of {codes}"
        yield Finding("note", 0, "", "incomplete", reason, "look at the rules in several files")
