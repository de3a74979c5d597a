"""Rules that depend on each other, so that resources go rule by rule instead of in one walk."""

import re
from collections.abc import Iterator

from dimpflow.engine.compiled.analysis import Analysis
from dimpflow.lint.findings import Finding, of_rule
from dimpflow.lint.survey import TYPES, Survey

_MOST_ASKED = 24
"""Predicates at one node up to which all pairs of them are looked at; that takes as long as the square of their number."""

_FIRST = re.compile(r"rule (\d+) ")


def reasons(survey: Survey) -> dict[str, list[str]] | None:
    """Why resources go rule by rule, with their types; None if there are too many predicates to find out."""
    if survey.most_asked > _MOST_ASKED:
        return None
    analysis = Analysis(survey.walks)
    found: dict[str, list[str]] = {}
    for type_ in TYPES:
        reason = analysis.why_not(type_, survey.root(type_))
        if reason:
            found.setdefault(reason, []).append(type_)
    return found


def slow(survey: Survey, found: dict[str, list[str]] | None) -> Iterator[Finding]:
    """One finding for each reason."""
    if found is None:
        yield Finding(
            "note",
            0,
            "",
            "slow",
            f"whether rules depend on each other was not looked at: one node is asked {survey.most_asked} different predicates",
            "see in the log of the workflow whether resources go rule by rule",
        )
        return
    for reason, types in found.items():
        match = _FIRST.match(reason)
        assert match is not None
        rule = next(r for r in survey.rules if r.number == int(match[1]))
        where = types[0] if len(types) == 1 else f"{len(types)} resource types"
        if survey.rules.index(rule) in survey.selector.general:
            remedy = "write a path of names, nodesByType() and where() only, if it can be said so"
        elif " looks at " in reason:
            remedy = f"put rule {rule.number} above the rule that changes what it looks at, if the result may be the same"
        else:
            remedy = "leave it as it is if that is quick enough; the results are right"
        yield of_rule(
            "warning",
            rule,
            "slow",
            f"{where} cannot always be done in one walk, and going rule by rule is many times as slow: {reason}",
            remedy,
        )
