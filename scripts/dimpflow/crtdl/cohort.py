"""The cohort and its consent: whom TORCH extracts, and whether it asks for their consent at all."""

from collections.abc import Iterator, Mapping
from typing import Any

from dimpflow.crtdl.findings import Finding, shown
from dimpflow.crtdl.shape import codes, context, criteria

CONSENT = "Einwilligung"
"""`context.code` of a consent criterion."""
_POLICY = "2.16.840.1.113883.3.1937.777.24.5.3."
VALID_TODAY = _POLICY + "8"
DATA_WINDOW = _POLICY + "6"
RETROSPECTIVE = frozenset({_POLICY + "45", _POLICY + "46"})
_PLACE = "/cohortDefinition/inclusionCriteria"


def cohort(document: Mapping[str, Any], with_patients: bool) -> Iterator[Finding]:
    """A cohort that selects nobody in particular, unless patients are listed. Source: torch-crtdl.md 2.4, check 9."""
    whole = document.get("cohortDefinition")
    if with_patients or not isinstance(whole, dict):
        return  # that the cohort is missing is another finding
    torch = "takes it, then asks for the whole population, or fails"
    outer = whole.get("inclusionCriteria")
    if not isinstance(outer, list) or not outer:
        yield Finding(
            "error", "empty-cohort", _PLACE if "inclusionCriteria" in whole else "/cohortDefinition",
            "no inclusionCriteria", torch, "say who belongs to the cohort, or list patients",
        )  # fmt: skip
        return
    for index, inner in enumerate(outer):
        if not isinstance(inner, list) or not inner:
            yield Finding(
                "error", "empty-cohort", f"{_PLACE}/{index}", "an inclusion criterion without alternatives", torch,
                "fill it, or remove it",
            )  # fmt: skip


def consent(document: Mapping[str, Any], required: bool) -> Iterator[Finding]:
    """Whether consent is asked for, and so that TORCH understands it. required: whether none at all is an error.

    Codes count wherever they stand among the inclusion criteria, without regard to AND and OR. Source: torch-crtdl.md 2.5.
    """
    for place, criterion in criteria(document, "exclusionCriteria"):
        if context(criterion) == CONSENT:
            yield Finding(
                "error", "consent-excluded", place, "consent among the exclusionCriteria", "refuses the document (400)",
                "ask for consent in inclusionCriteria",
            )  # fmt: skip
    found = list(_consent_codes(document))
    given = {code for _, code in found}
    both = f"ask for {VALID_TODAY} (valid today) and {DATA_WINDOW} (period of the data) together"
    if not given:
        yield Finding(
            "error" if required else "warning", "no-consent", "/cohortDefinition", "no consent is asked for",
            "takes everybody as consented", both,
        )  # fmt: skip
        return
    understood = {VALID_TODAY, DATA_WINDOW} | RETROSPECTIVE
    if not given & understood:
        yield Finding(
            "error", "consent-ignored", found[0][0], "consent is asked for with codes only that TORCH does not know",
            "ignores them, excludes every patient and delivers an empty result", both,
        )  # fmt: skip
        return
    for place, code in found:
        if code not in understood:
            yield Finding(
                "note", "consent-ignored", place, f"{shown(code)} is no consent code that TORCH looks at", "ignores it",
                "remove it, or see to it in another way",
            )  # fmt: skip
    lost = [code for code in (VALID_TODAY, DATA_WINDOW) if code not in given]
    if len(lost) == 1:
        yield Finding(
            "error", "consent-incomplete", found[0][0], f"consent without {lost[0]}", "refuses the document (400)", both,
        )  # fmt: skip
    elif lost:
        yield Finding(
            "warning", "consent-incomplete", found[0][0], "retrospective consent without the consent that it extends",
            "may exclude every patient", both,
        )  # fmt: skip


def asks_for_consent(document: Mapping[str, Any]) -> bool:
    """Whether TORCH is to look at consents. Source: torch-crtdl.md 2.5."""
    return any(True for _ in _consent_codes(document))


def _consent_codes(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Place and code of each."""
    for place, criterion in criteria(document, "inclusionCriteria"):
        if context(criterion) == CONSENT:
            yield from ((place + sub, code) for sub, code in codes(criterion))
