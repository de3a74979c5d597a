"""Settings of single rules that do nothing, or less than they seem to."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from dimpflow.lint.findings import Finding, of_rule
from dimpflow.ruleset.methods import SETTINGS, SHORTEST_HASH, is_null, unknown_settings
from dimpflow.ruleset.rules import CryptoHash, DateShift, Pseudonymize, Rule, RuleSet, Scrub

_OFFSET = "dateShiftFixedOffsetInDays"
_LONGEST_HASH = 64


def weak_settings(rule: Rule) -> Iterator[Finding]:
    """A hash cut too short, a pseudonym without a domain, texts that are only scrubbed."""
    match rule.method:
        case CryptoHash(truncate=int(length)) if length < SHORTEST_HASH:
            yield of_rule(
                "warning",
                rule,
                "short-hash",
                f"{length} characters are too few to tell ids apart: different ones get the same hash",
                f"truncateToMaxLength: 32 (strict mode wants at least {SHORTEST_HASH})",
            )
        case Pseudonymize(domain=""):
            yield of_rule(
                "warning",
                rule,
                "no-domain",
                "without a domain all values share one, and in references it is taken from the data",
                "domain: a name for what these values are, for example record-number",
            )
        case Scrub(unknown=unknown):
            yield of_rule(
                "note",
                rule,
                "known-terms",
                "scrub removes the known terms of the patient and is no proof of anonymity: whom else a text names, and what it "
                "tells, stays",
                "redact, unless those who get the texts may read them",
            )
            if unknown == "keep":
                yield of_rule(
                    "warning",
                    rule,
                    "known-terms",
                    "unknown: keep leaves each text as it is of which it is not known whose it is",
                    "leave it out: such texts are then redacted",
                )


def idle_settings(rule_set: RuleSet, document: Mapping[str, Any]) -> Iterator[Finding]:
    """Settings in the file that nobody reads. document: the file as read."""
    for rule, written in zip(rule_set.rules, document["fhirPathRules"], strict=False):
        yield from _of_rule(rule, written, strict=rule_set.options.strict)
    found = parameters_in(document)
    if str(found.get("dateShiftScope", "")).strip().lower() in ("file", "folder"):
        yield _idle(
            "dateShiftScope",
            "dates are shifted by resource (strictly: by patient) whatever it says",
            "leave it out",
        )
    if not is_null(found.get("restrictedZipCodeTabulationAreas")) and not rule_set.parameters.partial_zips:
        yield _idle(
            "restrictedZipCodeTabulationAreas",
            "it says which postal codes not to keep a part of, and no part of any is kept",
            "leave it out, or write enablePartialZipCodesForRedact: true",
        )


def parameters_in(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `parameters` of a file; none where it has none."""
    found = document.get("parameters")
    return found if isinstance(found, dict) else {}


def _idle(key: str, reason: str, remedy: str) -> Finding:
    return Finding("warning", 0, f"parameters.{key}", "no-op-setting", reason, remedy)


def _of_rule(rule: Rule, written: Mapping[str, Any], *, strict: bool) -> Iterator[Finding]:
    name = written["method"].strip().lower()
    known = SETTINGS[name]
    for key in unknown_settings(written, name):
        meant = get_close_matches(key, known, 1, 0.6)
        remedy = (
            f"write {meant[0]}" if meant else f"leave it out ({_settings(written['method'].strip(), known)})"
        )
        yield of_rule("warning", rule, "no-op-setting", f"nobody reads the setting {key}", remedy)
    if isinstance(rule.method, DateShift) and not strict and not is_null(written.get(_OFFSET)):
        yield of_rule(
            "warning",
            rule,
            "no-op-setting",
            f"the FHIR Pseudonymizer ignores {_OFFSET} in a rule, and so does mode compat",
            f"write parameters.{_OFFSET} (for all rules that shift dates), or use mode strict",
        )
    if isinstance(rule.method, CryptoHash) and (rule.method.truncate or 0) > _LONGEST_HASH:
        yield of_rule(
            "warning",
            rule,
            "no-op-setting",
            f"truncateToMaxLength cuts nothing, as a hash has {_LONGEST_HASH} characters",
            "leave it out, or write truncateToMaxLength: 32",
        )


def _settings(method: str, known: tuple[str, ...]) -> str:
    return f"{method} reads {', '.join(known)}" if known else f"{method} has no settings"
