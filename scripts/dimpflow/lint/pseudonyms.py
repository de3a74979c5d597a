"""Whether a rule set makes pseudonyms from the identifiers of patients, so that these have to be in the data."""

from dimpflow.engine.compiled.reads import ANYTHING, reads
from dimpflow.engine.compiled.selection import ways_of
from dimpflow.lint.survey import Effort, Survey, TooMuch, surveys
from dimpflow.ruleset.reach import selected_types
from dimpflow.ruleset.rules import CryptoHash, Encrypt, Method, Pseudonymize, Rule, RuleSet

_PATH = ("identifier", "value")


def identifier_needed(rule_set: RuleSet) -> bool:
    """Whether a rule may hash, encrypt or pseudonymise the value of `Patient.identifier`, whatever its conditions say.

    Not so where a rule above takes it in any case, or where the pseudonym is of something else (`valueFrom`). Raises nothing;
    true where it would take too long to tell. Source: torch-crtdl.md 2.4, check 12.
    """
    try:
        return any(map(_by_its_path, rule_set.rules)) or any(map(_by_walking, surveys(rule_set)))
    except TooMuch:
        return True


def _makes_pseudonyms(method: Method) -> bool:
    if isinstance(method, Pseudonymize):
        return not method.value_from
    return isinstance(method, CryptoHash | Encrypt)


def _by_its_path(rule: Rule) -> bool:
    """For a rule that a walk cannot follow: whether it selects what identifiers consist of, or what they stand in."""
    if ways_of(rule) is not None or not rule.applies_to("Patient") or not _makes_pseudonyms(rule.method):
        return False
    types = selected_types(rule)
    ends = {names[-1] for names in reads(rule.expression) if names}
    return bool(types & {"Patient", "Resource", "Identifier"}) or (
        "string" in types and bool(ends & {_PATH[-1], ANYTHING})
    )


def _by_walking(survey: Survey) -> bool:
    survey.allow(Effort())
    states = list(survey.answers(survey.root("Patient"), survey.wanted))
    for name in _PATH:
        states = [
            state
            for node, rules in states
            for element, child in survey.walks.children(node)
            if element.name == name
            for state in survey.answers(child, rules)
        ]
    return any(_makes_pseudonyms(survey.walks.method(node)) for node, _ in states)
