"""scrub: the terms that identify the patient, replaced in a text (ours; the FHIR Pseudonymizer does not know it)."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from dimpflow.engine.labels import REDACT
from dimpflow.engine.methods.place import Place
from dimpflow.ruleset.rules import Scrub
from dimpflow.scrub.automaton import Automaton

TermsSource = Callable[[str], Automaton | None]
"""The id of a patient, as it stands in the input, to his terms; None for one that is not known."""

TEXTS = ("string", "markdown", "xhtml")
"""Types of elements that hold text; the method does nothing to others."""


def scrub(
    method: Scrub, place: Place, terms: TermsSource, patient: Callable[[], str], unknown: list[int]
) -> Callable[[Any], tuple[Any, int]] | None:
    """The operation at a place: (new value, what was done); None where there is no text.

    patient: the id of the patient whose resource it is, '' for none; unknown: counts the texts without terms. Without terms the text goes, since nobody knows what is in
    it, unless the rule says `unknown: keep`.
    """
    if place.type not in TEXTS:
        return None
    marker, xhtml, keep = method.marker, place.type == "xhtml", method.unknown == "keep"

    def work(text: str) -> tuple[Any, int]:
        id_ = patient()
        automaton = terms(id_) if id_ else None
        if automaton is None:
            unknown[0] += 1
            return (text, 0) if keep else (UNSET, REDACT)
        new = automaton.scrub(text, marker, xhtml=xhtml)
        return (text, 0) if new == text else (new, REDACT)

    return work
