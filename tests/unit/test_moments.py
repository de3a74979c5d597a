"""Dates with their precision, and numbers as .NET has them."""

from decimal import Decimal

import pytest

from dimpflow.fhirpath import numbers
from dimpflow.fhirpath.moments import Moment, compare, in_data, parse


@pytest.mark.parametrize(
    ("kind", "text", "components", "zoned"),
    [
        ("Date", "2020", (2020,), False),
        ("Date", "2020-02", (2020, 2), False),
        ("Date", "2020-02-29", (2020, 2, 29), False),
        ("Date", "0001-01-01", (1, 1, 1), False),
        ("DateTime", "2020", (2020,), False),
        ("DateTime", "2020-02-29T10", (2020, 2, 29, 10), False),
        ("DateTime", "2020-02-29T10:11", (2020, 2, 29, 10, 11), False),
        ("DateTime", "2020-02-29T10:11:12.50", (2020, 2, 29, 10, 11, Decimal("12.50")), False),
        ("DateTime", "2020-02-29T10:11:12Z", (2020, 2, 29, 10, 11, 12), True),
        ("DateTime", "2020-01-01T01:00:00+02:00", (2019, 12, 31, 23, 0, 0), True),
        ("DateTime", "2020-12-31T23:30:00.5-00:45", (2021, 1, 1, 0, 15, Decimal("0.5")), True),
        ("DateTime", "2020-03-01T00:10+14:00", (2020, 2, 29, 10, 10), True),
        ("DateTime", "2020-03-01T10-01:00", (2020, 3, 1, 11), True),
        ("Time", "10", (10,), False),
        ("Time", "10:11", (10, 11), False),
        ("Time", "10:11:12.000", (10, 11, Decimal("12.000")), False),
    ],
)
def test_parts_of_a_moment(kind: str, text: str, components: tuple[int | Decimal, ...], zoned: bool) -> None:
    assert parse(kind, text) == Moment(components, zoned)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Date", "20200229"), ("Date", "2020-2-29"), ("Date", "2020-02-30"), ("Date", "0000"), ("Date", "2020-13"),
        ("Date", "2020-02-29T10:11:12Z"), ("Date", " 2020"), ("Date", "2020\n"), ("Date", "٢٠٢٠"), ("Date", ""),
        ("DateTime", "2020-02-29T24:00:00"), ("DateTime", "2020-02-29T10:60"), ("DateTime", "2020-02-29T10:11:60"),
        ("DateTime", "2020-02-29 10:11"), ("DateTime", "2020-02-29T10:11:12+14:01"), ("DateTime", "2020-02-29T10:11:12+1:00"),
        ("DateTime", "2020-02-29T10:11:12+10:60"), ("DateTime", "0001-01-01T00:00:00+00:01"), ("DateTime", "2020-02Z"),
        ("DateTime", "9999-12-31T23:59:00-00:01"), ("Time", "24:00"), ("Time", "10:11:12Z"), ("Time", "T10"), ("Time", "1:00"),
    ],
)  # fmt: skip
def test_what_is_no_moment(kind: str, text: str) -> None:
    assert parse(kind, text) is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [("DateTime", "2020-02-29T10"), ("DateTime", "2020-02-29T10Z"), ("DateTime", "2020-02-29T10+01:00"), ("Time", "10")],
)  # fmt: skip
def test_only_literals_may_end_at_the_hour(kind: str, text: str) -> None:
    assert parse(kind, text) is not None and in_data(kind, text) is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [("Date", "2020"), ("Date", "2020-10"), ("DateTime", "2020-10"), ("DateTime", "2020-10-10T10:00"), ("Time", "10:00")],
)  # fmt: skip
def test_moments_in_resources(kind: str, text: str) -> None:
    assert in_data(kind, text) == parse(kind, text) is not None


def order(left: str, right: str, kind: str = "DateTime") -> int | None:
    one, other = parse(kind, left), parse(kind, right)
    assert one and other
    result = compare(one, other, time=kind == "Time")
    turned = compare(other, one, time=kind == "Time")
    assert turned == (None if result is None else -result)
    return result


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("2020", "2021", -1),
        ("2020", "2020-01", None),
        ("2020-02", "2020-01-31", 1),
        ("2020-01-01", "2020-01-01", 0),
        ("2020-01-01", "2020-01-01T00:00", None),
        ("2020-01-01T10:00", "2020-01-01T10:00:00", None),
        ("2020-01-01T10:00", "2020-01-01T11:00:00", -1),
        ("2020-01-01T10:00:00.10", "2020-01-01T10:00:00.1", 0),
        ("2020-01-01T10:00:00.1", "2020-01-01T10:00:00", 1),
        ("2020-01-01T10:00:00Z", "2020-01-01T11:00:00+01:00", 0),
        ("2020-01-01T10:00:00Z", "2020-01-01T10:00:00", None),
        ("2020-01-01T10:00:00Z", "2020-01-01T23:00:00", None),
        ("2020-01-01T10:00:00Z", "2020-01-02T23:00:00", -1),
        ("2020-01-01T23:00:00-02:00", "2020-01-01", 1),  # the next day in UTC
        ("2020-01-01T10:00Z", "2020-01-01", None),
    ],
)
def test_order_of_moments(left: str, right: str, expected: int | None) -> None:
    assert order(left, right) == expected


def test_times_of_day_have_no_zone_to_differ_in() -> None:
    assert order("10:11", "10:12", "Time") == -1
    assert order("10:11:12", "10:11:12.0", "Time") == 0
    assert order("10:11", "10:11:12", "Time") is None


# ---- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1.50", "1.50"),
        ("0", "0"),
        ("-2.5", "-2.5"),
        ("8E+1", "80"),
        ("0." + "0" * 27 + "1", "0." + "0" * 27 + "1"),
        ("0." + "0" * 28 + "5", "0." + "0" * 28),
        ("0." + "0" * 28 + "51", "0." + "0" * 27 + "1"),
        ("0." + "0" * 27 + "15", "0." + "0" * 27 + "2"),
        ("0." + "0" * 27 + "25", "0." + "0" * 27 + "2"),
        ("79228162514264337593543950335", "79228162514264337593543950335"),
        ("79228162514264337593543950335.4", "79228162514264337593543950335"),
        ("7922816251426433759354395033.45", "7922816251426433759354395033.4"),
        ("9922816251426433759354395033.55", "9922816251426433759354395034"),
        ("79228162514264337593543950335.5", None),
        ("79228162514264337593543950336", None),
        ("-79228162514264337593543950336", None),
        ("1E+29", None),
    ],
)
def test_numbers_in_the_precision_of_dotnet(number: str, expected: str | None) -> None:
    found = numbers.fitted(Decimal(number))
    assert (None if found is None else format(found, "f")) == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [("8E+1", "80"), ("1E-7", "0.0000001"), ("1.50", "1.50"), ("-0.00", "0.00"), ("-0", "0"), ("-1.0", "-1.0"), ("0E+2", "0")],
)  # fmt: skip
def test_numbers_without_exponent(number: str, text: str) -> None:
    assert numbers.plain(Decimal(number)) == text


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        ("1.50", "+", "1.5", "3.00"),
        ("0.1", "+", "0.2", "0.3"),
        ("1", "-", "1.00", "0.00"),
        ("1.50", "*", "1.50", "2.2500"),
        ("0.00000000000001", "*", "0.000000000000001", "0.0000000000000000000000000000"),
        ("79228162514264337593543950335", "+", "0.4", "79228162514264337593543950335"),
        ("79228162514264337593543950335", "+", "1", None),
        ("79228162514264337593543950335", "*", "-2", None),
        ("1", "/", "4", "0.25"),
        ("4.00", "/", "2", "2.00"),
        ("4.00", "/", "2.0", "2.0"),
        ("4", "/", "2.00", "2"),
        ("1", "/", "3", "0.3333333333333333333333333333"),
        ("2", "/", "3", "0.6666666666666666666666666667"),
        ("-2", "/", "3", "-0.6666666666666666666666666667"),
        ("100", "/", "3", "33.333333333333333333333333333"),
        ("1", "/", "0", None),
        ("79228162514264337593543950335", "/", "0.5", None),
    ],
)
def test_calculating_as_dotnet_does(left: str, operator: str, right: str, expected: str | None) -> None:
    function = {"+": numbers.add, "-": numbers.subtract, "*": numbers.multiply, "/": numbers.divide}[operator]
    found = function(Decimal(left), Decimal(right))
    assert (None if found is None else format(found, "f")) == expected
