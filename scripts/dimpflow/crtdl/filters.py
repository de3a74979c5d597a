"""The filters of each group: TORCH ignores what it does not know, and so delivers more than was asked for."""

from collections.abc import Iterator, Sequence

from dimpflow.crtdl.findings import Finding, shown
from dimpflow.crtdl.formats import day
from dimpflow.crtdl.shape import Filter, Group

_REFUSES = "refuses the document (400)"

DATE_PARAMETERS: dict[str, frozenset[str]] = {
    "AllergyIntolerance": frozenset({"date", "last-date", "onset"}),
    "Condition": frozenset({"abatement-date", "onset-date", "recorded-date"}),
    "Consent": frozenset({"date", "period"}),
    "DiagnosticReport": frozenset({"date", "issued"}),
    "DocumentReference": frozenset({"date", "period"}),
    "Encounter": frozenset({"date", "location-period"}),
    "ImagingStudy": frozenset({"started"}),
    "Immunization": frozenset({"date", "reaction-date"}),
    "Medication": frozenset({"expiration-date"}),
    "MedicationAdministration": frozenset({"effective-time"}),
    "MedicationDispense": frozenset({"whenhandedover", "whenprepared"}),
    "MedicationRequest": frozenset({"authoredon", "date"}),
    "MedicationStatement": frozenset({"effective"}),
    "Observation": frozenset({"date", "value-date"}),
    "Patient": frozenset({"birthdate", "death-date"}),
    "Procedure": frozenset({"date"}),
    "ServiceRequest": frozenset({"authored", "occurrence"}),
    "Specimen": frozenset({"collected"}),
}
"""Search parameters of type date in FHIR R4 (each resource's page, section Search Parameters), for the types that are asked for."""
_EVERY_TYPE = frozenset({"_lastUpdated"})


def filters(groups: Sequence[Group]) -> Iterator[Finding]:
    """What is wrong with filters. Source: torch-crtdl.md 2.4, checks 8 and 13."""
    for group in groups:
        dates = [one for one in group.filters if one.text("type") == "date"]
        if len(dates) > 1:
            yield Finding(
                "error", "date-filters", f"{group.pointer}/filter", f"{len(dates)} date filters in one group", _REFUSES,
                "keep one; write a group for each further period",
            )  # fmt: skip
        for one in group.filters:
            match one.text("type"):
                case "date":
                    yield from _dates(one)
                    yield from _name(one)
                    yield from _parameter(one, group.type)
                case "token":
                    if not one.raw.get("codes") or not isinstance(one.raw["codes"], list):
                        yield Finding(
                            "error", "token-without-codes", one.pointer, "a token filter without codes",
                            "ignores it, and delivers more than was asked for", "add codes, or remove the filter",
                        )  # fmt: skip
                    yield from _name(one)
                case other:
                    kind = f"has the type {shown(other)}" if other else "has no type"
                    yield Finding(
                        "error", "filter-type", f"{one.pointer}/type" if other else one.pointer,
                        f"the filter {kind}; there are token and date",
                        "ignores it, and delivers more than was asked for", "write token or date",
                    )  # fmt: skip


def _dates(one: Filter) -> Iterator[Finding]:
    days = {}
    for key in ("start", "end"):
        if one.raw.get(key) is None:
            continue  # null is for the schema to say; Java reads it as missing
        days[key] = day(one.text(key))
        if days[key] is None:
            yield Finding(
                "error", "bad-date", f"{one.pointer}/{key}", f"{shown(one.text(key))} is no day", _REFUSES, "write YYYY-MM-DD",
            )  # fmt: skip
    start, end = days.get("start"), days.get("end")
    if start and end and end < start:
        yield Finding(
            "error", "reversed-dates", one.pointer, f"ends ({end}) before it starts ({start})",
            "takes it, and finds nothing", "exchange start and end",
        )  # fmt: skip
    if not days:
        yield Finding(
            "warning", "open-date-filter", one.pointer, "a date filter with neither start nor end", "cannot restrict anything by it",
            "add start or end, or remove the filter",
        )  # fmt: skip


def _name(one: Filter) -> Iterator[Finding]:
    if not one.text("name"):
        yield Finding(
            "warning", "search-parameter", one.pointer, "the filter does not name a search parameter",
            "may refuse it (400), or fail later", "add name, such as code or date",
        )  # fmt: skip


def _parameter(one: Filter, resource_type: str) -> Iterator[Finding]:
    known = DATE_PARAMETERS.get(resource_type)
    name = one.text("name")
    if known and name and name not in known | _EVERY_TYPE:
        yield Finding(
            "warning", "search-parameter", f"{one.pointer}/name",
            f"FHIR R4 has no search parameter {shown(name)} of type date for {resource_type}",
            "takes it, then fails when the FHIR server refuses the search",
            f"write one of {', '.join(sorted(known))}, unless your FHIR server has one of its own",
        )  # fmt: skip
