"""The engine against the oracle, byte for byte, on drawn resources and rule lists; both ways of the engine.

DIMP_CASES says how many cases the plain random test draws (`make fuzz CASES=20000 SEED=7`).
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from drawing import Chooser, Json, RandomChooser, resource, to_json
from drawing_rules import parameters, rules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules import TODAY, rule_set

import oracle
from dimpflow.engine.engine import Engine
from dimpflow.errors import LineError, RuleSetError
from dimpflow.ruleset.rules import RuleSet
from dimpflow.scrub.automaton import Automaton
from dimpflow.scrub.terms import Terms

T = TypeVar("T")
CASES = int(os.environ.get("DIMP_CASES", "2000"))
SEED = int(os.environ.get("DIMP_SEED", "1"))
BATCHES = 8
"""Parts of the plain random test, so that several cores can share it."""
RESOURCES = 5
"""Resources for each rule list."""


def double(domain: str, value: str) -> str:
    return f"<{domain}|{value}>"


def terms(patient: str) -> Automaton | None:
    """Of some patients: what the drawn texts consist of."""
    known = len(patient) % 2 == 1
    return Automaton(Terms(words={"do", "x", "test", "text", "ann", "a"}, codes={"4711"})) if known else None


def answer(make: Callable[[], bytes]) -> bytes | None:
    """The output, None for a refusal."""
    try:
        return make()
    except (LineError, oracle.Refused) as error:
        assert "\n" not in str(error)
        return None


def engines(checked: RuleSet) -> list[Engine]:
    return [
        Engine(checked, pseudonyms=double, only_tree=only_tree, terms=terms) for only_tree in (False, True)
    ]


def case(choose: Chooser, resources: int) -> tuple[list[bytes], list[dict[str, Any]], dict[str, Any]]:
    found: list[Json] = [resource(choose) for _ in range(resources)]
    types = sorted({one["resourceType"] for one in found} | {"Patient"})
    drawn, given_parameters = rules(choose, types), parameters(choose)
    if not choose.number(0, 2):
        drawn.insert(choose.number(0, len(drawn)), scrub_rule(choose, types))
    return [to_json(one).encode() for one in found], drawn, given_parameters


def scrub_rule(choose: Chooser, types: Sequence[str]) -> dict[str, Any]:
    """A rule that scrubs: ours, so it is not among those that are drawn for a service."""
    path = choose.one(
        ["nodesByType('string')", "nodesByType('Narrative').div", "Resource", choose.one(types)]
    )
    found = {"path": path, "method": "scrub", "unknown": choose.one(["keep", "redact"])}
    return {**found, "marker": "[x]"} if choose.number(0, 1) else found


def compare(lines: Sequence[bytes], rules: Sequence[dict[str, Any]], parameters: dict[str, Any]) -> None:
    machines = engines(rule_set(rules, parameters))
    for line in lines:
        wanted = answer(
            lambda: oracle.deidentify(line, rules, parameters, today=TODAY, pseudonyms=double, terms=terms)  # noqa: B023
        )
        for machine in machines:
            assert answer(lambda: machine.deidentify(line)) == wanted, (rules, parameters, line)  # noqa: B023


@pytest.mark.parametrize("batch", range(BATCHES))
def test_drawn_cases(batch: int) -> None:
    for number in range(CASES // BATCHES // RESOURCES):
        compare(*case(RandomChooser(SEED * 1_000_000 + batch * 100_000 + number), RESOURCES))


class HypothesisChooser:
    """Choices of Hypothesis, so that what fails is made small."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def one(self, items: Sequence[T]) -> T:
        return items[self._draw(st.integers(0, len(items) - 1))]

    def number(self, low: int, high: int) -> int:
        return int(self._draw(st.integers(low, high)))


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_drawn_cases_made_small(data: st.DataObject) -> None:
    compare(*case(HypothesisChooser(data.draw), 1))


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_strict_rules_give_the_same_by_walk_and_by_tree(data: st.DataObject) -> None:
    lines, drawn, given_parameters = case(HypothesisChooser(data.draw), 1)
    usable = [one for one in drawn if loads([one], given_parameters)]
    machines = engines(rule_set(usable, given_parameters, strict=True, unmatched="keep"))
    for line in lines:
        first, second = (answer(lambda: machine.deidentify(line)) for machine in machines)  # noqa: B023
        assert first == second, (usable, given_parameters, line)


def loads(rules: Sequence[dict[str, Any]], parameters: dict[str, Any]) -> bool:
    """Whether strict mode takes the rules."""
    try:
        rule_set(rules, parameters, strict=True)
    except RuleSetError:
        return False
    return True


def test_the_drawing_is_worth_its_while() -> None:
    """Most drawn cases are answered, many with changes; some are refused; some rule lists need the tree."""
    done = refused = changed = slow = 0
    for number in range(60):
        lines, drawn, given_parameters = case(RandomChooser(number), RESOURCES)
        machine = Engine(
            rule_set(drawn, given_parameters), pseudonyms=double, security_labels=False, terms=terms
        )
        for line in lines:
            result = answer(lambda: machine.deidentify(line))  # noqa: B023
            done += result is not None
            refused += result is None
            changed += result is not None and b"REDACTED" not in result and result != line
        slow += len(machine.slow)
    assert done > 200 and refused > 10 and changed > 100 and slow > 10
