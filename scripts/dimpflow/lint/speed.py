"""Rules that depend on each other, so that resources go rule by rule instead of in one walk."""

import re
from collections.abc import Iterator, Mapping, Sequence

from dimpflow.engine.compiled.analysis import Analysis
from dimpflow.engine.compiled.selection import ways_of
from dimpflow.lint.findings import Finding, of_rule
from dimpflow.lint.survey import TYPES, Effort, Survey, TooMuch
from dimpflow.ruleset.rules import Rule

_FIRST = re.compile(r"rule (\d+) ")


def reasons(surveys: Sequence[Survey]) -> dict[str, list[str]]:
    """Why resources go rule by rule, with their types. TooMuch if it takes too long: as long as the square of the number of
    predicates at one node."""
    if len(surveys) > 1:
        raise TooMuch
    surveys[0].allow(Effort(6_000))
    analysis = Analysis(surveys[0].walks)
    found: dict[str, list[str]] = {}
    for type_ in TYPES:
        reason = analysis.why_not(type_, surveys[0].root(type_))
        if reason:
            found.setdefault(reason, []).append(type_)
    return found


def slow(rules: Sequence[Rule], found: Mapping[str, list[str]]) -> Iterator[Finding]:
    """One finding for each reason."""
    for reason, types in found.items():
        match = _FIRST.match(reason)
        assert match is not None
        rule = next(r for r in rules if r.number == int(match[1]))
        where = types[0] if len(types) == 1 else f"{len(types)} resource types"
        if ways_of(rule) is None:
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
