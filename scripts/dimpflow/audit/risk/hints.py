"""Which change would lift patients over the threshold: each quasi-identifier a step coarser, or left out, the others as they are.

Dates go to the month, the year, and bands of 5 and 10 years; a `prefix` such as a postal code loses its last character.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from dimpflow.audit.risk.attributes import QuasiIdentifier, Values
from dimpflow.audit.risk.cohort import Cohort
from dimpflow.audit.risk.measures import Groups, Hint, group

_DATE = re.compile(r"(\d{4})(-\d\d)?(-\d\d.*)?")

Change = Callable[[str], str]


def hints_for(cohort: Cohort, groups: Groups, threshold: int) -> list[Hint]:
    """What each change would leave below the threshold; the finest change of each quasi-identifier first."""
    first: dict[int, int] = {}  # of each group, in order of their numbers, the patient that stands for it
    for row, number in enumerate(groups.of_row):
        first.setdefault(number, row)
    rows = list(first.values())
    columns = [[column[row] for row in rows] for column in cohort.columns]
    found = []
    for at, quasi in enumerate(cohort.quasi):
        present = {value for number in set(columns[at]) for value in cohort.values[at][number]}
        for step, change in [*_coarser(quasi, present), (f"leave out {quasi.name}", None)]:
            others = [column for i, column in enumerate(columns) if i != at]
            if change is not None:
                others.append(_changed(columns[at], cohort.values[at], change))
            after = group(others, len(rows), groups.sizes)
            hint = Hint(quasi.path, step, change is not None, min(after.sizes), sum(after.below(threshold)))
            found.append(hint)
    return found


def _changed(column: Sequence[int], values: Sequence[Values], change: Change) -> list[int]:
    """The column with new numbers, equal where the changed values are."""
    numbers: dict[frozenset[str], int] = {}
    of_old = {
        old: numbers.setdefault(frozenset(map(change, values[old])), len(numbers)) for old in set(column)
    }
    return [of_old[old] for old in column]


def _coarser(quasi: QuasiIdentifier, present: set[str]) -> Iterator[tuple[str, Change]]:
    """What can still be taken from the values that are there."""
    if quasi.kind == "date":
        dates = [match for text in present if (match := _DATE.fullmatch(text))]
        if any(match[3] for match in dates):
            yield f"{quasi.name} to the month", _month
        if any(match[2] for match in dates):
            yield f"{quasi.name} to the year", _band(1)
        if dates:
            yield f"{quasi.name} in bands of 5 years", _band(5)
            yield f"{quasi.name} in bands of 10 years", _band(10)
    longest = max(map(len, present), default=0)
    if quasi.kind == "prefix" and longest > 1:
        kept = "character" if longest == 2 else f"{longest - 1} characters"
        yield f"{quasi.name}: only the first {kept}", lambda text: text[: longest - 1]


def _month(text: str) -> str:
    match = _DATE.fullmatch(text)
    return f"{match[1]}{match[2] or ''}" if match else text


def _band(years: int) -> Change:
    def change(text: str) -> str:
        match = _DATE.fullmatch(text)
        return str(int(match[1]) // years * years) if match else text

    return change
