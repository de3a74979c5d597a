"""Rules that do nothing because earlier rules take all that they select."""

from collections.abc import Collection, Iterator

from dimpflow.fhirpath.ast import Expression
from dimpflow.lint.findings import Finding, of_rule
from dimpflow.lint.survey import takes_something
from dimpflow.ruleset.rules import METHOD_NAMES, Rule, RuleSet


def same_paths(rules: Collection[Rule]) -> Iterator[Finding]:
    """Paths that stand twice with different methods, as whoever wrote the second one did not know of the first."""
    known: dict[tuple[str, Expression | None], Rule] = {}
    for rule in rules:
        first = known.setdefault((rule.resource_type, rule.expression), rule)
        if first.method != rule.method:
            yield of_rule(
                "warning",
                rule,
                "same-path",
                f"rule {first.number} has the same path and takes its nodes first ({_method(first)}), so this rule "
                f"({_method(rule)}) does nothing",
                f"remove one of the two; the one that is meant may have to stand where rule {first.number} does",
            )


def shadowed(rule_set: RuleSet, rules: tuple[Rule, ...], rule: Rule, *, alike: bool) -> Finding | None:
    """What takes all that a rule selects; None if the rule would take nothing in any case. `rules` are those of which the walk
    can tell what they select."""
    if not takes_something(rule_set, (), rule, alike=alike):
        return None
    earlier = [r for r in rules if r.number < rule.number]
    one = next((r for r in earlier if not takes_something(rule_set, (r,), rule, alike=alike)), None)
    remedy = "remove it"
    if one is None:
        last = earlier[_enough(rule_set, earlier, rule, alike=alike) - 1]
        who = f"rule {last.number} ({last.path}) and rules above that take all that it selects"
    else:
        last = one
        who = f"rule {one.number} ({one.path}) takes all that it selects"
    if one is None or one.method != rule.method:
        who += "" if one is None else f" ({_method(one)})"
        remedy += f", or put it above rule {last.number} if it is meant to do something"
    return of_rule("warning", rule, "shadowed", f"{who} before it, so that it does nothing", remedy)


def _enough(rule_set: RuleSet, earlier: list[Rule], rule: Rule, *, alike: bool) -> int:
    """How many of the earlier rules, from the first on, leave nothing to the rule; all of them do."""
    low, high = 1, len(earlier)
    while low < high:
        middle = (low + high) // 2
        if takes_something(rule_set, earlier[:middle], rule, alike=alike):
            low = middle + 1
        else:
            high = middle
    return high


def _method(rule: Rule) -> str:
    return METHOD_NAMES[type(rule.method)]
