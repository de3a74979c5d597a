"""generalize: the value of the first case whose predicate is true or cannot be decided (specification, section 3.7)."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from dimpflow.engine.expressions import truth, value_of
from dimpflow.engine.methods.place import Place
from dimpflow.ruleset.rules import Generalize


def generalize(method: Generalize, place: Place) -> Callable[[Any], Any]:
    """Works on the value alone (`$this`), so that equal values give equal results."""
    cases = [(truth(condition, place.type), value_of(value, place.type)) for condition, value in method.cases]

    def work(value: Any) -> Any:
        for condition, result in cases:
            if condition(value) is not False:
                new = result(value)
                return UNSET if new is None else place.fit(new)
        return UNSET if method.other_values == "redact" else value

    return work
