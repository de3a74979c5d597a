"""Dates: shifted, or redacted to the year (specification of the rules, sections 3.2 and 3.4)."""

from datetime import date, timedelta
from typing import Any

import pytest
from both_ways import labels, outcome, refusal
from rules import KEY, rule

SHIFTED = [rule(f"nodesByType('{kind}')", "dateshift") for kind in ("date", "dateTime", "instant")]
REDACTED = [rule(f"nodesByType('{kind}')", "redact") for kind in ("date", "dateTime", "instant")]
DAY = "1974-12-25"
PARTIAL = {"enablePartialDatesForRedact": "true"}


def offset(text: str) -> int:
    """As the specification words it."""
    found = 0
    for byte in text.encode():
        found = (found * 131 + byte) % 101
    return found - 50


def moved(days: int, day: str = DAY) -> str:
    return (date.fromisoformat(day) + timedelta(days)).isoformat()


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


def one(kind: str, text: str) -> dict[str, Any]:
    """A resource with one date of a kind."""
    if kind == "instant":
        return patient(meta={"lastUpdated": text})
    return patient(**{"birthDate" if kind == "date" else "deceasedDateTime": text})


def left(done: dict[str, Any]) -> str | None:
    found = done.get("birthDate") or done.get("deceasedDateTime") or done.get("meta", {}).get("lastUpdated")
    assert found is None or isinstance(found, str)
    return found


def shift(text: str, kind: str = "dateTime", days: int = 10, **parameters: Any) -> str | None:
    """A date moved by a fixed number of days."""
    return left(
        outcome(one(kind, text), *SHIFTED, parameters={"dateShiftFixedOffsetInDays": str(days), **parameters})
    )


# ---- how far -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "parameters", "days"),
    [
        (patient(id="example"), {"dateShiftKey": KEY}, -2),
        (patient(id=" example "), {"dateShiftKey": KEY}, -2),
        (patient(), {"dateShiftKey": KEY}, 23),
        (patient(), {"dateShiftKey": "dummy"}, -21),
        (patient(id="dum"), {"dateShiftKey": "my"}, -21),
        (patient(id="p"), {"dateShiftKey": "my", "dateShiftKeyPrefix": "dum"}, -21),
        (patient(), {"dateShiftKey": "my", "dateShiftKeyPrefix": "dum"}, -21),
        (patient(id="ä"), {"dateShiftKey": "ö"}, offset("äö")),
        (patient(id="p"), {"dateShiftKey": "k", "dateShiftFixedOffsetInDays": "7"}, 7),
        (patient(id="p"), {"dateShiftKey": "k", "dateShiftKeyPrefix": "x", "dateShiftFixedOffsetInDays": "-400"}, -400),
        (patient(id="p"), {"dateShiftFixedOffsetInDays": "0"}, 0),
        (patient(id="example"), {"dateShiftKey": KEY, "dateShiftScope": "file"}, -2),
    ],
)  # fmt: skip
def test_how_far_dates_are_moved(resource: dict[str, Any], parameters: dict[str, str], days: int) -> None:
    done = outcome({**resource, "birthDate": DAY}, *SHIFTED, parameters=parameters)
    assert done["birthDate"] == moved(days)


@pytest.mark.parametrize(
    "id_",
    [
        "1f" * 32,
        "1F" * 32,
        "00ff",
        "0 0f",
        "abc",
        "1f" * 31 + "1 ",
        "9d9b8bed-7b79-7fa9-cea1-f133a6b4d551",
        "é1",
    ],
)
@pytest.mark.parametrize("key", ["k", "a longer key of 27 letters", "ä"])
def test_offsets_are_what_the_specification_says(id_: str, key: str) -> None:
    done = outcome(patient(id=id_, birthDate=DAY), *SHIFTED, parameters={"dateShiftKey": key})
    assert done["birthDate"] == moved(offset(id_.strip() + key))


def test_a_setting_for_all_rules_counts_above_the_parameters() -> None:
    given = {"dateShiftKey": "k", "dateShiftFixedOffsetInDays": "7"}
    done = outcome(
        one("date", DAY), *SHIFTED, parameters=given, settings={"dateShiftFixedOffsetInDays": "-1"}
    )
    assert done["birthDate"] == moved(-1)


def test_an_offset_in_a_rule_is_ignored() -> None:
    own = rule("Patient.birthDate", "dateshift", dateShiftFixedOffsetInDays="5")
    assert outcome(one("date", DAY), own, parameters={"dateShiftKey": "dummy"})["birthDate"] == moved(-21)


def test_the_id_counts_as_it_is_when_the_rule_runs() -> None:
    """The worked values of the specification, sections 3.4 and 6."""
    resource = patient(id="example", birthDate=DAY)
    given = {"dateShiftKey": KEY}
    hashed, gone = rule("Resource.id", "cryptoHash"), rule("Resource.id", "redact")
    assert outcome(resource, hashed, *SHIFTED, parameters=given)["birthDate"] == "1974-11-21" == moved(-34)
    assert outcome(resource, *SHIFTED, hashed, parameters=given)["birthDate"] == "1974-12-23" == moved(-2)
    assert outcome(resource, gone, *SHIFTED, parameters=given)["birthDate"] == moved(23)
    assert outcome(resource, *SHIFTED, gone, parameters=given)["birthDate"] == moved(-2)
    kept = rule("Resource.id", "keep")
    assert outcome(resource, kept, gone, *SHIFTED, parameters=given)["birthDate"] == moved(-2)


def test_the_outermost_id_counts_for_all_that_it_holds() -> None:
    inner = patient(id="example", birthDate=DAY)
    given = {"dateShiftKey": KEY}
    for id_, days in (("b", offset("b" + KEY)), (None, 23)):
        outer = {"id": id_} if id_ else {}
        bundle = {"resourceType": "Bundle", **outer, "entry": [{"resource": inner}, {"resource": inner}]}
        done = outcome(bundle, *SHIFTED, parameters=given)
        assert [entry["resource"]["birthDate"] for entry in done["entry"]] == [moved(days)] * 2
        holder = {"resourceType": "Basic", **outer, "contained": [inner], "created": DAY}
        done = outcome(holder, *SHIFTED, parameters=given)
        assert done["created"] == done["contained"][0]["birthDate"] == moved(days)
    # the bundle's rules have all run before its entries come
    bundle = {
        "resourceType": "Bundle",
        "id": "example",
        "timestamp": "2020-01-01T00:00:00Z",
        "entry": [{"resource": inner}],
    }
    done = outcome(bundle, *SHIFTED, rule("Bundle.id", "redact"), parameters=given)
    assert done["timestamp"].startswith(moved(-2, "2020-01-01"))
    assert done["entry"][0]["resource"]["birthDate"] == moved(23)


# ---- forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("date", "2020-02-20", "2020-03-01"),
        ("date", "2019-12-25", "2020-01-04"),
        ("date", " 2020-02-20 ", "2020-03-01"),
        ("dateTime", "2020-02-20", "2020-03-01"),
        ("dateTime", "2020-02-20T13:28:17Z", "2020-03-01T00:00:00Z"),
        ("dateTime", "2020-02-20T13:28:17.12345-05:00", "2020-03-01T00:00:00.00000-05:00"),
        ("dateTime", "2020-02-20T23:59:59+14:00", "2020-03-01T00:00:00+14:00"),
        ("dateTime", "2020-02-20T00:00:00+00:00", "2020-03-01T00:00:00+00:00"),
        ("instant", "2020-02-20T13:28:17Z", "2020-03-01T00:00:00+00:00"),
        ("instant", "2020-02-20T13:28:17.12345-05:00", "2020-03-01T00:00:00-05:00"),
        ("instant", "2020-02-20T13:28:17.5+01:00", "2020-03-01T00:00:00+01:00"),
        # without seconds or zone the time goes
        ("dateTime", "2020-02-20T13:28", "2020-03-01"),
        ("dateTime", "2020-02-20T13:28Z", "2020-03-01"),
        ("dateTime", "2020-02-20T13:28:17", "2020-03-01"),
        ("dateTime", "2020-02-20T13:28:17.5", "2020-03-01"),
        ("dateTime", "2020-02-20T23:30-05:00", "2020-03-02"),  # the day in UTC
        ("dateTime", "2020-02-20T00:30+01:00", "2020-02-29"),
        ("date", "2020-02-20T13:28:17Z", "2020-03-01"),
        ("date", "2020-02-20T23:30:00-05:00", "2020-03-02"),
    ],
)
def test_shifted_dates(kind: str, text: str, expected: str) -> None:
    assert shift(text, kind) == expected
    assert shift(text, kind, enablePartialDatesForRedact="true") == expected
    given = {"dateShiftFixedOffsetInDays": "10"}
    assert labels(one(kind, text), *SHIFTED, parameters=given) == ["PERTURBED"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("dateTime", "2016-12-31T23:59:60Z"),
        ("dateTime", "2016-12-31T24:00:00Z"),
        ("dateTime", "2020-01-01T10"),
        ("dateTime", "2020-01-01 10:00:00"),
        ("dateTime", "2020-01-01T10:00:00+15:00"),
        ("dateTime", "ca. 2020-01-01"),
        ("dateTime", "2020-01-01/2020-01-02"),
        ("date", "2019-02-29"),
        ("date", "2020-04-31"),
        ("dateTime", "2019-02-29T10:00:00Z"),
        ("date", "9999-12-25"),  # the result lies behind the last year
        ("dateTime", "9999-12-25T10:00:00Z"),
    ],
)
def test_dates_that_cannot_be_shifted(kind: str, text: str) -> None:
    message = refusal(one(kind, text), *SHIFTED, parameters={"dateShiftFixedOffsetInDays": "10"})
    number, path = (1, "$.birthDate") if kind == "date" else (2, "$.deceasedDateTime")
    assert message.startswith(f"rule {number} (nodesByType('{kind}')): dateshift: ")
    assert message.endswith(f" at {path}") and text not in message


@pytest.mark.parametrize(
    ("kind", "text", "partial"),
    [
        ("date", "2002", "2002"),
        ("date", "2002-03", "2002"),
        ("dateTime", "2002", "2002"),
        ("dateTime", "2002-03", "2002"),
        ("date", "unknown", "unknown"),
        ("dateTime", "20", "20"),
        ("dateTime", "ca. 2002", "2002"),
        ("date", "20200-01-01", "2020"),
        ("date", "0000-01-01", "0000-01-01"),
        # over 89
        ("date", "1936-08-07", None),
        ("date", "1936-08-06", None),
        ("date", "1900-01-01", None),
        ("date", "0001-01-01", None),
        ("dateTime", "1936-08-07T10:00:00Z", None),
        ("dateTime", "1936", None),
        ("dateTime", "1936-08", None),
        ("date", "1936-09", "1936"),
    ],
)
def test_dates_that_are_redacted_instead(kind: str, text: str, partial: str | None) -> None:
    for days in ("0", "10"):
        given = {"dateShiftFixedOffsetInDays": days}
        assert left(outcome(one(kind, text), *SHIFTED, parameters=given)) is None
        assert left(outcome(one(kind, text), *SHIFTED, parameters={**given, **PARTIAL})) == partial
        assert left(outcome(one(kind, text), *REDACTED)) is None
        assert left(outcome(one(kind, text), *REDACTED, parameters=PARTIAL)) == partial
        assert labels(one(kind, text), *SHIFTED, parameters={**given, **PARTIAL}) == ["REDACTED"]


def test_who_turns_90_tomorrow_is_not_over_89() -> None:
    """On 2026-08-07."""
    assert shift("1936-08-08", "date", 0) == "1936-08-08"
    assert shift("1936-08-08T00:00:00Z", "dateTime", 0) == "1936-08-08T00:00:00Z"
    assert shift("1937-01-01", "date", 0) == "1937-01-01"
    assert shift("1936-12-31", "date", 0) == "1936-12-31"
    assert shift("9999-12-31", "date", 0) == "9999-12-31"


@pytest.mark.parametrize("partial", [False, True])
def test_only_dates_are_shifted(partial: bool) -> None:
    resource = patient(name=[{"family": DAY, "period": {"start": DAY, "end": "2002"}}], active=True)
    given = {"dateShiftFixedOffsetInDays": "1", **(PARTIAL if partial else {})}
    done = outcome(resource, rule("Patient", "dateshift"), parameters=given)
    period = {"start": moved(1), "end": "2002"} if partial else {"start": moved(1)}
    assert done == {**resource, "name": [{"family": DAY, "period": period}]}
    assert labels(resource, rule("Patient.name.family", "dateshift"), parameters=given) == []


# ---- redacted to the year ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "year"),
    [
        ("date", "1970-01-01", "1970"),
        ("date", "1970-01", "1970"),
        ("date", " 1970 ", "1970"),
        ("dateTime", "1970-01-01T10:00:00Z", "1970"),
        ("dateTime", "1970-01-01T10:00:00.123+14:00", "1970"),
        ("instant", "1970-05-06T10:00:00Z", "1970-01-01T00:00:00+00:00"),
        ("instant", "1936-08-07T10:00:00Z", None),
        ("date", "born 1970-01", "1970"),
        ("date", "19701", "1970"),
        ("date", "00012", None),
        ("date", "1970-13", "1970"),
        ("date", "1936-13", None),
        ("date", "2000", "2000"),
        ("date", "3000-01-01", "3000"),
        ("date", "1937-00-00", "1937"),
        ("date", "1000", None),
        ("date", "000", "000"),
    ],
)
def test_years(kind: str, text: str, year: str | None) -> None:
    assert left(outcome(one(kind, text), *REDACTED, parameters=PARTIAL)) == year
    assert left(outcome(one(kind, text), *REDACTED)) is None
    assert labels(one(kind, text), *REDACTED, parameters=PARTIAL) == ["REDACTED"]
