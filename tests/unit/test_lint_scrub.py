"""What the linter says of rules that scrub."""

from pathlib import Path

from linting import found, loud, note, one, rule


def test_scrub_is_no_proof_of_anonymity(tmp_path: Path) -> None:
    finding = one(found(tmp_path, rule("nodesByType('Narrative').div", "scrub")), "known-terms")
    assert finding.level == "note" and finding.rule == 1 and "no proof of anonymity" in finding.reason


def test_keeping_texts_of_nobody_known_is_a_warning(tmp_path: Path) -> None:
    findings = found(tmp_path, rule("nodesByType('Narrative').div", "scrub", unknown="keep"))
    assert loud(findings) == [(1, "known-terms")]


def test_what_is_no_text_stays_in_clear(tmp_path: Path) -> None:
    findings = found(tmp_path, rule("Patient", "scrub"))
    assert "Patient.birthDate" in note(findings, "Patient.birthDate").path
    assert not any(f.path.startswith("Patient.name") for f in findings if f.code == "stays-in-clear")
