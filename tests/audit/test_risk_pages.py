"""dimpflow.audit.risk: the picture and the fragment of HTML."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from dimpflow.audit.risk import DEFAULT_SENSITIVE, assess_risk, html, picture, quasi_identifier
from dimpflow.audit.risk.measures import RiskReport
from dimpflow.audit.risk.words import percent
from risk_cohorts import draw, lines

SVG = "{http://www.w3.org/2000/svg}"
PATHS = ("Patient.birthDate:year", "Patient.gender", "Patient.address.postalCode")
THIN = "\u202f"


def report_of(result: list[bytes], k: int = 5) -> RiskReport:
    return assess_risk(result, [quasi_identifier(path) for path in PATHS], DEFAULT_SENSITIVE, k)


def drawn(k: int = 5, patients: int = 400) -> RiskReport:
    return report_of(lines(draw(3, patients).resources), k)


def shown(report: RiskReport) -> ElementTree.Element:
    return ElementTree.fromstring(picture(report))


def texts(element: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in element.iter(f"{SVG}text")]


@pytest.mark.parametrize("k", [1, 2, 5, 7, 300])
def test_bars_are_as_long_as_there_are_patients(k: int) -> None:
    report = drawn(k)
    found = shown(report)
    bars = [rect for rect in found.findall(f"{SVG}rect") if rect.get("stroke")]
    filled = [band for band in report.bands if band.patients]
    longest = max(band.patients for band in filled)
    assert len(bars) == len(filled) > 1
    for bar, band in zip(bars, filled, strict=True):
        below = band.first < k
        assert float(bar.get("width", "")) == pytest.approx(300 * band.patients / longest, abs=0.1)
        assert bar.get("fill") == ("url(#risk-below)" if below else "#0072b2")
        figures = f"{band.patients} ({percent(band.patients / 400)}), {band.groups} group"
        assert any(text.startswith(figures) for text in texts(found))


@pytest.mark.parametrize("k", [1, 5, 11, 20, 300])
def test_the_threshold_stands_between_what_is_below_and_what_is_not(k: int) -> None:
    report = drawn(k)
    found = shown(report)
    [line] = [path for path in found.findall(f"{SVG}path") if path.get("stroke-dasharray")]
    at = float(re.fullmatch(r"M\d+ (\d+)H\d+", line.get("d", ""))[1])  # type: ignore[index]
    for bar in [rect for rect in found.findall(f"{SVG}rect") if rect.get("stroke")]:
        top, height = float(bar.get("y", "")), float(bar.get("height", ""))
        assert (
            top + height < at if bar.get("fill") == "url(#risk-below)" else top > at + 15
        )  # its label has room
    assert f"threshold: {k}" in texts(found)
    assert all(float(rect.get("y", 0)) < float(found.get("height", "")) for rect in found.iter(f"{SVG}rect"))


def test_the_picture_is_told_to_screen_readers() -> None:
    report = drawn()
    found = shown(report)
    named = {one.get("id"): one.text or "" for one in found.iter() if one.get("id")}
    said = [named[name] for name in found.get("aria-labelledby", "").split()]
    assert found.get("role") == "img"
    assert said[0] == "How many patients look alike"
    assert (
        f"Below the threshold of 5: {report.patients_below} ({percent(report.share_below)}) of 400 patients"
        in said[1]
    )
    for band in report.bands:
        assert f": {band.patients} patient" in said[1]


@pytest.mark.parametrize("fragment", [picture, html])
def test_nothing_is_loaded_or_run(fragment: Callable[[RiskReport], str]) -> None:
    text = fragment(drawn())
    assert not re.search(r"<script|<style|<image|<foreignObject|href|src=|@import|\bon[a-z]+=", text)
    assert re.findall(r"url\(([^)]*)\)", text) in ([], ["#risk-below"] * text.count("url("))
    assert set(re.findall(r"https?://[^\"]*", text)) <= {"http://www.w3.org/2000/svg"}


def table(fragment: str, heading: str) -> list[list[str]]:
    """The rows of the table whose first header is `heading`."""
    root = ElementTree.fromstring(f"<div>{fragment}</div>")
    for one in root.iter("table"):
        rows = [["".join(cell.itertext()) for cell in row] for row in one]
        if rows[0][0] == heading:
            return rows[1:]
    raise AssertionError(heading)


def test_the_tables_hold_the_figures() -> None:
    report = drawn()
    fragment = html(report)
    figures = dict(table(fragment, "Figure"))  # type: ignore[arg-type]
    assert figures["Smallest group (k)"] == str(report.k)
    assert figures["Patients in groups below 5"] == str(report.patients_below)
    assert figures["Their share"] == percent(report.share_below)
    sizes = table(fragment, "Size of the group")
    assert [row[0] for row in sizes[:3]] == ["1 patient, alone", "2 patients", "3 to 4 patients"]
    assert sizes[-1][0] == "20 or more patients"
    assert [(row[1], row[2]) for row in sizes] == [(str(b.groups), str(b.patients)) for b in report.bands]
    known = table(fragment, "Quasi-identifier")
    assert [row[1] for row in known] == list(PATHS)
    assert [row[3] for row in known] == [str(one.without_value) for one in report.quasi_identifiers]
    one = report.sensitive[0]
    assert table(fragment, "Sensitive value") == [
        [
            one.path,
            str(one.smallest),
            *map(str, (one.groups_one_value, one.patients_one_value, one.groups_shared, one.patients_shared)),
            *map(str, (one.groups_no_value, one.patients_no_value)),
        ]
    ]
    assert f"{one.without_value} without a value and {one.unlinked} that belong to no patient" in fragment
    changes = table(fragment, "One change, all else as it is")
    assert [row[:3] for row in changes] == [[h.step, str(h.k), str(h.patients_below)] for h in report.hints]
    best = report.best(keeps=True)
    assert best and f"this one helps most: {best.step}." in fragment


def test_where_nobody_is_below() -> None:
    fragment = html(drawn(1))
    assert "Each of the 400 patients is in a group of at least 1 (threshold: 1)." in fragment
    assert "What would help" not in fragment


def test_no_patients() -> None:
    report = report_of([])
    assert "no patients in the result" in html(report)
    assert "There are no patients in the result." in picture(report)
    assert [rect for rect in shown(report).findall(f"{SVG}rect") if rect.get("stroke")] == []


def test_where_no_change_helps() -> None:
    report = report_of(lines([{"resourceType": "Patient", "id": "a"}]))
    assert "No single change of these would help." in html(report)
    assert "1 of 1 patient (100.0 %)" in html(report)


def test_no_value_of_the_data_is_shown() -> None:
    strange = [
        {"resourceType": "Patient", "id": f"idsecret{n}", "gender": f"gsecret{n}", "birthDate": f"9{n}71"}
        | {"address": [{"postalCode": f"zsecret{n}"}]}
        for n in range(3)
    ]
    coded = [
        {"resourceType": "Condition", "subject": {"reference": f"Patient/idsecret{n}"}, "code": {"coding": [{"code": f"csecret{n}"}]}}
        for n in range(3)
    ]  # fmt: skip
    report = report_of(lines(strange + coded))
    assert (report.patients, report.k) == (3, 1)
    everything = repr(report.as_facts()) + html(report) + picture(report) + repr(report)
    assert "secret" not in everything
    assert not re.search(r"9\d71", everything)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0 %"),
        (0.0004, "under 0.1 %"),
        (0.001, "0.1 %"),
        (0.5, "50.0 %"),
        (0.9996, "over 99.9 %"),
        (1.0, "100.0 %"),
    ],
)
def test_shares(share: float, text: str) -> None:
    assert percent(share) == text


def test_thousands_have_a_gap() -> None:
    report = report_of(lines([{"resourceType": "Patient", "gender": "male"}] * 1234))
    assert f"1{THIN}234 patients" in html(report)
    assert f"1{THIN}234 (100.0 %), 1 group" in texts(shown(report))
