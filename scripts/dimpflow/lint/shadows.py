"""Rules that do nothing because earlier rules take all that they select."""

from collections.abc import Collection, Iterator, Sequence

from dimpflow.engine.compiled.selection import ways_of
from dimpflow.fhirpath.ast import Expression
from dimpflow.lint.findings import Finding, of_rule
from dimpflow.lint.survey import Effort, Sightings, Survey, TooMuch
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


class Shadows:
    """Finds out what takes all that idle rules select. alike: whether the same predicate of two rules has the same answer."""

    def __init__(self, rule_set: RuleSet, *, alike: bool) -> None:
        self.rule_set = rule_set
        self.rules = [rule for rule in rule_set.rules if ways_of(rule) is not None]
        self.alike = alike
        self.effort = Effort()

    def findings(self, idle: Collection[Rule]) -> Iterator[Finding]:
        """One for each of the rules; idle: they take nothing when the same predicate of two rules has the same answer. TooMuch
        if it takes too long to find out about all of them."""
        if not self.alike and idle:
            # a rule may change what a later one looks at, so that the same predicate gets another answer
            wanted = frozenset(i for i, rule in enumerate(self.rules) if rule in idle)
            survey = Survey(self.rule_set, self.rules, wanted, alike=False)
            survey.allow(Effort())
            taking: Sightings = {}
            survey.look(taking)
            idle = [rule for i, rule in enumerate(self.rules) if i in wanted and i not in taking]
        alone = Effort(40_000)  # a walk for one rule ends at the first node
        for rule in idle:
            if rule in self.rules and self._takes_something((), rule, alone):
                yield self._finding(rule)

    def _finding(self, rule: Rule) -> Finding:
        earlier = [r for r in self.rules if r.number < rule.number]
        who, remedy = "rules above take", "remove it, or put it above them if it is meant to do something"
        try:
            one = next((r for r in earlier if not self._takes_something((r,), rule, self.effort)), None)
            if one is None:
                last = earlier[self._enough(earlier, rule) - 1]
                who = f"rule {last.number} ({last.path}) and rules above that take"
            elif one.method == rule.method:
                who, remedy = f"rule {one.number} ({one.path}) takes", "remove it"
            else:
                who = f"rule {one.number} ({one.path}, {_method(one)}) takes"
                remedy = f"remove it, or put it above rule {one.number} if it is meant to do something"
        except TooMuch:
            pass  # some rules do, and it would take too long to find out which
        reason = f"{who} all that it selects before it, so that it does nothing"
        return of_rule("warning", rule, "shadowed", reason, remedy)

    def _enough(self, earlier: list[Rule], rule: Rule) -> int:
        """How many of the earlier rules, from the first on, leave nothing to the rule; all of them do."""
        low, high = 1, len(earlier)
        while low < high:
            middle = (low + high) // 2
            if self._takes_something(earlier[:middle], rule, self.effort):
                low = middle + 1
            else:
                high = middle
        return high

    def _takes_something(self, earlier: Sequence[Rule], rule: Rule, effort: Effort) -> bool:
        """Whether a rule takes any node when only these others stand before it."""
        rules = [*earlier, rule]
        survey = Survey(self.rule_set, rules, frozenset((len(rules) - 1,)), alike=self.alike)
        survey.allow(effort)
        found: Sightings = {}
        survey.look(found, first=True)
        return bool(found)


def _method(rule: Rule) -> str:
    return METHOD_NAMES[type(rule.method)]
