"""k-anonymity and l-diversity of a cohort.

k-anonymity: Sweeney, 2002 (doi:10.1142/S0218488502001648). l-diversity, in its distinct form: Machanavajjhala et al., 2007
(doi:10.1145/1217299.1217302). The risk of a patient is 1 / size of the group, which is that of somebody who knows that the
person is in the data (prosecutor risk); who does not know that (journalist risk) finds at most as much.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from dimpflow.audit.risk.attributes import Values
from dimpflow.audit.risk.cohort import Cohort, Linked

DEFAULT_K = 5
_EDGES = (1, 2, 3, 5, 10, 20)  # first sizes of the bands
_VALUE = 0xFFFFFFFF  # the bits of a link that number its value


@dataclass(frozen=True, slots=True)
class Band:
    """Groups of `first` to `last` patients (None: without end)."""

    first: int
    last: int | None
    groups: int
    patients: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """A quasi-identifier in the result: how many distinct values it has, how many patients lack it or have several (such as two
    addresses), which then count together as one."""

    path: str
    name: str
    values: int
    without_value: int
    several_values: int


@dataclass(frozen=True, slots=True)
class Diversity:
    """What a group tells about a sensitive value of its patients.

    resources, without_value, unlinked: of the type; without a value; with one but without a patient in the result.
    smallest: l, the fewest distinct values in a group that has any; None if none has. one_value: groups with just one.
    no_value: groups without any. shared: groups in which each patient has one same value, so that it is known of all of them.
    """

    path: str
    resources: int
    without_value: int
    unlinked: int
    smallest: int | None
    groups_one_value: int
    patients_one_value: int
    groups_no_value: int
    patients_no_value: int
    groups_shared: int
    patients_shared: int


@dataclass(frozen=True, slots=True)
class Hint:
    """What one change would bring. path: the quasi-identifier; step: the change in words; keeps: whether some of it stays."""

    path: str
    step: str
    keeps: bool
    k: int
    patients_below: int


@dataclass(frozen=True, slots=True)
class RiskReport:
    """The figures. Groups are the patients who are alike in all quasi-identifiers; a missing value is like a missing value.

    threshold: the size that no group should be below; k: the size of the smallest group, None without patients.
    """

    threshold: int
    patients: int
    resources: int
    groups: int
    k: int | None
    patients_below: int
    groups_below: int
    bands: tuple[Band, ...]
    quasi_identifiers: tuple[Attribute, ...]
    sensitive: tuple[Diversity, ...]
    hints: tuple[Hint, ...]

    @property
    def highest_risk(self) -> float | None:
        """Of the patients in the smallest group, 0 to 1."""
        return 1 / self.k if self.k else None

    @property
    def average_risk(self) -> float | None:
        """Of all patients, 0 to 1: the mean of 1 / size of the group, which is groups / patients."""
        return self.groups / self.patients if self.patients else None

    @property
    def share_below(self) -> float:
        """Of patients in groups below the threshold, 0 to 1."""
        return self.patients_below / self.patients if self.patients else 0.0

    def best(self, *, keeps: bool) -> Hint | None:
        """The change that leaves the fewest patients below the threshold, of those that keep something of the quasi-identifier, or
        of those that leave it out; of equal ones the first. None if none lowers the number."""
        found = [h for h in self.hints if h.keeps == keeps and h.patients_below < self.patients_below]
        return min(found, key=lambda hint: hint.patients_below, default=None)

    def as_facts(self) -> dict[str, Any]:
        """All of it as plain JSON; shares and risks rounded to six digits."""
        facts = asdict(self)
        risks = {"highest": self.highest_risk, "average": self.average_risk}
        facts["risk"] = {name: risk if risk is None else round(risk, 6) for name, risk in risks.items()}
        facts["share_below"] = round(self.share_below, 6)
        best = {"coarser": self.best(keeps=True), "left_out": self.best(keeps=False)}
        facts["best"] = {name: asdict(hint) if hint else None for name, hint in best.items()}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in facts.items()}


@dataclass(frozen=True, slots=True)
class Groups:
    """of_row: the group of each row, numbered from 0; sizes: patients in each."""

    of_row: "array[int]"
    sizes: list[int]

    def below(self, threshold: int) -> list[int]:
        """The sizes of the groups under it."""
        return [size for size in self.sizes if size < threshold]


Hinting = Callable[[Cohort, Groups, int], Sequence[Hint]]


def group(columns: Sequence[Sequence[int]], rows: int, weights: Sequence[int] | None = None) -> Groups:
    """Rows with the same numbers in all columns. weights: patients in each row, without them one."""
    of_row = array("I", [0]) * rows
    for column in columns:
        seen: dict[int, int] = {}
        of_row = array(
            "I", (seen.setdefault(a << 32 | b, len(seen)) for a, b in zip(of_row, column, strict=True))
        )
    if weights is None:
        counts = Counter(of_row)
        return Groups(of_row, [counts[number] for number in range(len(counts))])
    sizes = [0] * len(set(of_row))
    for number, weight in zip(of_row, weights, strict=True):
        sizes[number] += weight
    return Groups(of_row, sizes)


def report_of(cohort: Cohort, k: int, hinting: Hinting) -> RiskReport:
    """The figures of a cohort. hinting: finds what would lift its patients over the threshold, if any are below."""
    groups = group(cohort.columns, cohort.patients)
    below = groups.below(k)
    return RiskReport(
        threshold=k,
        patients=cohort.patients,
        resources=cohort.resources,
        groups=len(groups.sizes),
        k=min(groups.sizes, default=None),
        patients_below=sum(below),
        groups_below=len(below),
        bands=_bands(groups.sizes, k),
        quasi_identifiers=_attributes(cohort),
        sensitive=tuple(_diversity(linked, groups) for linked in cohort.linked),
        hints=tuple(hinting(cohort, groups, k)) if below else (),
    )


def _bands(sizes: Sequence[int], k: int) -> tuple[Band, ...]:
    """The threshold is always an edge, so that no band is half below it."""
    edges = sorted({*_EDGES, k})
    bands = []
    for first, after in zip(edges, [*edges[1:], None], strict=True):
        inside = [size for size in sizes if first <= size and (after is None or size < after)]
        bands.append(Band(first, None if after is None else after - 1, len(inside), sum(inside)))
    return tuple(bands)


def _attributes(cohort: Cohort) -> tuple[Attribute, ...]:
    found = []
    for quasi, column, values in zip(cohort.quasi, cohort.columns, cohort.values, strict=True):
        counts = Counter(column)
        distinct = {value for number in counts for value in values[number]}
        without = sum(n for number, n in counts.items() if not values[number])
        several = sum(n for number, n in counts.items() if len(values[number]) > 1)
        found.append(Attribute(quasi.path, quasi.name, len(distinct), without, several))
    return tuple(found)


def _diversity(linked: Linked, groups: Groups) -> Diversity:
    """A resource's codes together are one value; whether a value is shared is asked of each code by itself, since the same
    diagnosis may be coded in one system here and in two there."""
    smallest: int | None = None
    found, one_value, shared = [], [], []  # sizes of groups
    by_group = sorted(
        groups.of_row[link >> 32] << 64 | link for link in linked.links
    )  # sorted by patient within
    for number, of_group in groupby(by_group, key=lambda link: link >> 64):
        links, size = list(of_group), groups.sizes[number]
        values = len({link & _VALUE for link in links})
        smallest = min(values, smallest or values)
        found.append(size)
        if values == 1:
            one_value.append(size)
        if size in _patients_by_code(links, linked.values).values():
            shared.append(size)
    return Diversity(
        path=linked.sensitive.path,
        resources=linked.resources,
        without_value=linked.without_value,
        unlinked=linked.unlinked,
        smallest=smallest,
        groups_one_value=len(one_value),
        patients_one_value=sum(one_value),
        groups_no_value=len(groups.sizes) - len(found),
        patients_no_value=sum(groups.sizes) - sum(found),
        groups_shared=len(shared),
        patients_shared=sum(shared),
    )


def _patients_by_code(links: Iterable[int], values: Sequence[Values]) -> Counter[str]:
    """In how many patients of a group each code is found. links: sorted by patient."""
    patients: Counter[str] = Counter()
    for _, of_patient in groupby(links, key=lambda link: link >> 32):
        patients.update({code for link in of_patient for code in values[link & _VALUE]})
    return patients
