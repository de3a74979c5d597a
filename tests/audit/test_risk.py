"""dimpflow.audit.risk: the figures, against GROUP BY of SQLite over the same drawn cohorts."""

import json
import random
import sqlite3
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import pytest

from dimpflow.audit.risk import (
    DEFAULT_QUASI_IDENTIFIERS,
    DEFAULT_SENSITIVE,
    assess_risk,
    members,
    quasi_identifier,
    sensitive_value,
)
from dimpflow.audit.risk import cohort as cohort_module
from dimpflow.audit.risk.cohort import read_cohort
from dimpflow.audit.risk.measures import RiskReport
from dimpflow.errors import ConfigError, InputError
from risk_cohorts import bundled, draw, lines

QUASI = ("Patient.birthDate:year", "Patient.gender", "Patient.address.postalCode")
GROUPS = "SELECT count(*) AS n FROM patient GROUP BY {}"
ALL = "year, gender, zip"


def assess(
    result: Iterable[bytes],
    k: int = 5,
    quasi: Iterable[str] = QUASI,
    sensitive: Iterable[str] = DEFAULT_SENSITIVE,
) -> RiskReport:
    return assess_risk(result, [quasi_identifier(path) for path in quasi], list(sensitive), k)


def patient(id_: str = "a", **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, **elements}


def condition(reference: str, *codes: str) -> dict[str, Any]:
    coding = [{"code": code} for code in codes]
    return {"resourceType": "Condition", "code": {"coding": coding}, "subject": {"reference": reference}}


def row(db: sqlite3.Connection, query: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] = db.execute(query).fetchone()
    return found


def test_the_defaults() -> None:
    assert DEFAULT_QUASI_IDENTIFIERS == QUASI


@pytest.mark.parametrize("k", [1, 2, 4, 5, 25])
@pytest.mark.parametrize("seed", range(4))
def test_k_anonymity(seed: int, k: int) -> None:
    drawn = draw(seed, 400)
    db, report = drawn.database(), assess(lines(drawn.resources), k)
    groups = GROUPS.format(ALL)
    assert (report.patients, report.groups, report.k) == row(
        db, f"SELECT sum(n), count(*), min(n) FROM ({groups})"
    )
    below = row(db, f"SELECT ifnull(sum(n), 0), count(*) FROM ({groups}) WHERE n < {k}")
    assert (report.patients_below, report.groups_below) == below
    assert (below[0] > 0) == (k > 1)  # the drawn cohorts have patients who are alone
    assert report.share_below == below[0] / 400
    join = (
        f"SELECT avg(1.0 / n), max(1.0 / n) FROM patient JOIN ({groups.replace('count', f'{ALL}, count')}) AS g ON "
        + (" AND ".join(f"patient.{name} IS g.{name}" for name in ALL.split(", ")))
    )
    assert (report.average_risk, report.highest_risk) == pytest.approx(row(db, join))
    for band in report.bands:
        inside = f"FROM ({groups}) WHERE n BETWEEN {band.first} AND {band.last or 10**6}"
        assert (band.groups, band.patients) == row(db, f"SELECT count(*), ifnull(sum(n), 0) {inside}")
        assert band.first >= k or (band.last is not None and band.last < k)  # the threshold is an edge
    assert sum(band.patients for band in report.bands) == 400


@pytest.mark.parametrize("seed", range(4))
def test_quasi_identifiers(seed: int) -> None:
    drawn = draw(seed, 300)
    db, report = drawn.database(), assess(lines(drawn.resources))
    for found, column in zip(report.quasi_identifiers, ("year", "gender", "zip"), strict=True):
        without, several = row(
            db, f"SELECT sum({column} IS NULL), ifnull(sum({column} LIKE '%|%'), 0) FROM patient"
        )
        assert (found.without_value, found.several_values) == (without, several)
        alone = {
            text
            for (value,) in db.execute(f"SELECT {column} FROM patient")
            if value
            for text in value.split("|")
        }
        assert found.values == len(alone)


@pytest.mark.parametrize("seed", range(4))
def test_l_diversity(seed: int) -> None:
    drawn = draw(seed, 300)
    db, report = drawn.database(), assess(lines(drawn.resources))
    db.execute(f"CREATE TABLE grouped AS SELECT id, dense_rank() OVER (ORDER BY {ALL}) AS g FROM patient")
    db.execute("CREATE TABLE size AS SELECT g, count(*) AS n FROM grouped GROUP BY g")
    db.execute(
        "CREATE TABLE diverse AS SELECT size.g, n, count(DISTINCT value) AS l FROM size JOIN grouped USING (g) "
        "LEFT JOIN link USING (id) GROUP BY size.g"
    )
    db.execute(
        "CREATE TABLE shared AS SELECT DISTINCT g, n FROM (SELECT g, count(DISTINCT id) AS p FROM grouped JOIN code USING (id) "
        "GROUP BY g, code) JOIN size USING (g) WHERE p = n"
    )
    found = report.sensitive[0]
    assert found.smallest == row(db, "SELECT min(l) FROM diverse WHERE l > 0")[0]
    one = row(db, "SELECT count(*), sum(n) FROM diverse WHERE l = 1")
    none = row(db, "SELECT count(*), sum(n) FROM diverse WHERE l = 0")
    shared = row(db, "SELECT count(*), sum(n) FROM shared")
    assert one[0] and none[0] and shared[0]  # the drawn cohorts have them all
    assert (found.groups_one_value, found.patients_one_value) == one
    assert (found.groups_no_value, found.patients_no_value) == none
    assert (found.groups_shared, found.patients_shared) == shared
    counts = (found.resources, found.without_value, found.unlinked)
    assert counts == (drawn.conditions, drawn.without_code, drawn.unlinked)


@pytest.mark.parametrize("seed", range(4))
def test_hints(seed: int) -> None:
    drawn = draw(seed, 400)
    db, report = drawn.database(), assess(lines(drawn.resources), 6)
    expected = {
        "birth date (year) in bands of 5 years": "year / 5, gender, zip",
        "birth date (year) in bands of 10 years": "year / 10, gender, zip",
        "leave out birth date (year)": "gender, zip",
        "leave out gender": "year, zip",
        "address postal code: only the first character": "year, gender, digit",
        "leave out address postal code": "year, gender",
    }
    assert [hint.step for hint in report.hints] == list(expected)
    db.execute("UPDATE patient SET year = CAST(year AS INTEGER) WHERE year IS NOT NULL")
    for hint in report.hints:
        below = "ifnull(sum(n) FILTER (WHERE n < 6), 0)"
        query = f"SELECT min(n), {below} FROM ({GROUPS.format(expected[hint.step])})"
        assert (hint.k, hint.patients_below) == row(db, query)
        assert hint.keeps == (not hint.step.startswith("leave out"))
    for keeps in (True, False):
        best = report.best(keeps=keeps)
        assert best and best.patients_below == min(h.patients_below for h in report.hints if h.keeps == keeps)


def test_hints_for_full_dates_and_longer_postal_codes() -> None:
    cohort = [
        patient(str(n), birthDate=day, address=[{"postalCode": code}])
        for n, (day, code) in enumerate(
            (
                ("1981-05-07", "12345"),
                ("1981-05-08", "12346"),
                ("1981-06-01", "12399"),
                ("1984-02-02", "129"),
                ("1989", "1"),
            )
        )
    ]
    report = assess(lines(cohort), 2, ["Patient.birthDate", "Patient.address.postalCode:4"])
    assert [(hint.step, hint.patients_below) for hint in report.hints] == [
        ("birth date to the month", 3),
        ("birth date to the year", 3),
        ("birth date in bands of 5 years", 3),
        ("birth date in bands of 10 years", 3),
        ("leave out birth date", 3),
        ("address postal code (first 4 characters): only the first 3 characters", 5),
        ("leave out address postal code (first 4 characters)", 5),
    ]
    dates = assess(lines(cohort), 2, ["Patient.birthDate"])
    assert [hint.patients_below for hint in dates.hints] == [3, 2, 1, 0, 0]


def test_no_hint_where_nobody_is_below() -> None:
    report = assess(lines([patient("a"), patient("b")]), 2)
    assert (report.k, report.hints, report.best(keeps=True), report.best(keeps=False)) == (2, (), None, None)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_lines_and_bundles_are_the_same_to_it(seed: int) -> None:
    drawn, rng = draw(seed, 150), random.Random(seed)
    expected = assess(lines(drawn.resources)).as_facts()
    shuffled = rng.sample(drawn.resources, k=len(drawn.resources))
    assert assess(lines(shuffled)).as_facts() == expected
    assert assess(lines(bundled(drawn.resources, rng))).as_facts() == expected
    nested = {"resourceType": "Bundle", "entry": [{"resource": one} for one in bundled(drawn.resources, rng)]}
    assert assess(lines([nested])).as_facts() == expected


def test_several_paths_of_sensitive_values() -> None:
    cohort = [
        patient("a", gender="male", maritalStatus={"coding": [{"code": "M"}]}),
        patient("b", gender="male", maritalStatus={"coding": [{"code": "S"}]}),
        condition("Patient/a", "X"),
        condition("Patient/b", "X"),
        {
            "resourceType": "AllergyIntolerance",
            "patient": {"reference": "Patient/a"},
            "code": {"coding": [{"code": "N"}]},
        },
    ]
    paths = [
        "Condition.code.coding.code",
        "Patient.maritalStatus.coding.code",
        "AllergyIntolerance.code.coding.code",
    ]
    found = assess(lines(cohort), 2, ["Patient.gender"], paths).sensitive
    assert [one.path for one in found] == paths
    assert [(one.smallest, one.groups_one_value, one.groups_shared) for one in found] == [
        (1, 1, 1),
        (2, 0, 0),
        (1, 1, 0),
    ]


def test_the_codes_of_one_resource_are_one_value_but_shared_each_by_itself() -> None:
    cohort = [patient("a"), patient("b"), condition("Patient/a", "X", "Y"), condition("Patient/b", "X")]
    found = assess(lines(cohort), 2).sensitive[0]
    assert (found.smallest, found.groups_shared, found.patients_shared) == (2, 1, 2)


def test_whose_a_resource_is_may_stand_among_other_references() -> None:
    targets = [
        {"display": "x"},
        {"reference": "Condition/c"},
        {"reference": "#p"},
        {"reference": "Patient/b"},
    ]
    found = {"resourceType": "Provenance", "target": targets, "activity": {"coding": [{"code": "X"}]}}
    result = lines([patient("b"), patient("a", gender="male"), found])
    [one] = assess(result, 2, sensitive=["Provenance.activity.coding.code"]).sensitive
    assert (one.unlinked, one.groups_one_value, one.groups_no_value) == (0, 1, 1)


def test_a_patient_who_comes_twice_is_one_with_all_values() -> None:
    twice = [
        patient("a", gender="male"),
        patient("a", birthDate="1980"),
        patient("b", gender="male", birthDate="1980"),
    ]
    for cohort in (twice, twice[::-1]):
        report = assess(lines(cohort))
        assert (report.patients, report.resources, report.k) == (2, 3, 2)


def test_patients_without_id_are_each_one() -> None:
    report = assess(lines([{"resourceType": "Patient", "gender": "male"}] * 3))
    assert (report.patients, report.k) == (3, 3)


def test_contained_resources_are_no_patients() -> None:
    other = {"resourceType": "Observation", "contained": [patient("x", gender="male")]}
    inside = {**condition("#x", "X"), "contained": [patient("x", gender="male")]}
    report = assess(lines([other, inside, patient("a")]))
    assert (report.patients, report.sensitive[0].unlinked) == (1, 1)


def test_a_reference_within_a_bundle_means_what_that_bundle_holds() -> None:
    """Also if it was met before in the same words, alone or in another Bundle."""

    def bundle(id_: str, code: str) -> dict[str, Any]:
        resources = [patient(id_), condition("urn:uuid:1", code)]
        entry = [{"fullUrl": f"urn:uuid:{n}", "resource": one} for n, one in enumerate(resources, 1)]
        return {"resourceType": "Bundle", "entry": entry}

    resources = [
        condition("urn:uuid:1", "x"),
        bundle("a", "y"),
        bundle("b", "z"),
        condition("urn:uuid:1", "x"),
    ]
    cohort = read_cohort(
        lines(resources), [quasi_identifier(QUASI[1])], [sensitive_value(DEFAULT_SENSITIVE[0])]
    )
    (linked,) = cohort.linked
    owned = {(link >> 32, linked.values[link & 0xFFFFFFFF]) for link in linked.links}
    assert owned == {(0, ("y",)), (1, ("z",))}
    assert (cohort.patients, linked.resources, linked.unlinked) == (2, 4, 2)


def test_an_element_of_several_types_is_all_its_members() -> None:
    """Those that are alike in one of them are not taken for alike."""
    dead = [{"deceasedBoolean": True}, {"deceasedDateTime": "2020"}, {"deceasedDateTime": "2021"}, {}]
    report = assess(lines([patient(str(n), **one) for n, one in enumerate(dead)]), quasi=["Patient.deceased"])
    assert report.groups == 4


@pytest.mark.parametrize("module", [cohort_module, members])
def test_what_is_forgotten_changes_nothing(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw(3, 200)
    expected = assess(lines(drawn.resources))
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    assert assess(lines(drawn.resources)) == expected


def test_no_patients() -> None:
    for cohort in ([], [condition("Patient/a", "X")]):
        report = assess(lines(cohort))
        assert (report.patients, report.groups, report.k, report.patients_below) == (0, 0, None, 0)
        assert (report.highest_risk, report.average_risk, report.share_below) == (None, None, 0.0)
        assert all(band.patients == band.groups == 0 for band in report.bands)
        assert report.sensitive[0].smallest is None
        assert report.sensitive[0].unlinked == len(cohort)


def test_the_type_is_found_wherever_it_stands() -> None:
    texts = [
        b'{"id":"a","gender":"male","resourceType":"Patient"}',
        b'{ "resourceType" : "Patient", "id":"b", "gender":"male"}\n',
        b'{"resourceType":"Pat\\u0069ent","id":"c","gender":"male"}\r\n',
        b"\n",
        b'{"resourceType":"Observation","valueString":"\\"resourceType\\":\\"Patient\\""}',
    ]
    report = assess(texts)
    assert (report.patients, report.k) == (3, 3)


def test_lines_of_other_types_are_passed_over_unread() -> None:
    report = assess([b'{"resourceType":"Observation","id": this is not read}\n', *lines([patient("a")])])
    assert report.patients == 1


@pytest.mark.parametrize(
    "bad",
    [
        b'{"resourceType":"Patient","id":"secret-7"',
        b'{"id":"secret-7","resourceType":5}',
        b'{"id":"secret-7"}',
        b'{"resourceType":"Bundle","entry":[{"resource":{"id":"secret-7"}}]}',
        b'{"resourceType":"Bundle","entry":"secret-7"}',
        b'["secret-7"]',
        b"secret-7",
    ],
)
def test_a_line_that_is_not_fhir(bad: bytes) -> None:
    with pytest.raises(InputError, match=r"^line 2 of those that the risk looks at .* is not FHIR") as caught:
        assess([*lines([patient("a")]), bad])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "odd", [None, 5, "text", {"x": 1}, [], [None, "a", {"postalCode": {"a": 1}}, [["b"]]]]
)
def test_elements_of_the_wrong_shape_count_as_missing(odd: Any) -> None:
    strange = [
        patient("a", address=odd, birthDate={"x": 1}, gender=["male"]),
        {"resourceType": "Condition", "code": odd, "subject": odd},
    ]
    report = assess(lines(strange))
    assert report.quasi_identifiers[2].without_value == 1
    assert report.sensitive[0].without_value == 1


def test_neither_k_under_1_nor_no_quasi_identifier() -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        assess([], 0)
    with pytest.raises(ConfigError, match="no quasi-identifier"):
        assess([], 5, [])


def test_facts_are_plain_json() -> None:
    report = assess(lines(draw(1, 200).resources))
    facts = report.as_facts()
    assert json.loads(json.dumps(facts)) == facts
    best = report.best(keeps=True)
    assert best and facts["best"]["coarser"]["step"] == best.step
    assert facts["risk"]["highest"] == 1.0
    assert facts["share_below"] == round(report.patients_below / 200, 6)
