"""What pages say of rules that a DIMP service has applied: its own, those that were sent along, those that nobody here understands."""

import hashlib
from pathlib import Path

import pytest

import audit
from audit_jobs import ENVIRON, RULES, AuditedJob, with_service
from dimpflow.audit.facts import collect_facts
from dimpflow.audit.pages.frame import Language
from dimpflow.audit.pages.overview import overview_page, summary_page
from dimpflow.audit.pages.provenance import provenance_page
from dimpflow.audit.pages.rules import rules_in_words, rules_page
from dimpflow.ruleset.rules import RuleSet
from page_facts import Facts
from page_reading import Page, read_page

SERVICE = "https://dimp.example:8443"
FOREIGN = "fhirVersion: R4\nfhirPathRules: [{path: Patient.name, method: invented}]\n"
LANGUAGES: tuple[Language, ...] = ("en", "de")


@pytest.fixture
def served(page_job: AuditedJob, checks: Facts) -> Facts:
    """Facts of a job whose rules a service had of its own."""
    job = with_service(page_job)
    facts = collect_facts(job.folder, job.shards, job.run, checks)
    facts["rules"] |= {"key_fingerprint": "", "did": [], "options": {"prefix": "s-"}}
    return facts


def send_along(facts: Facts, path: Path) -> RuleSet | None:
    """The same facts, as if the rule set at `path` had gone along with the data; it, as the step `audit` has it."""
    facts["rules"] |= {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return audit.rule_set_of({"rules": path, "options": {}, "sent": True}, {})


def rules_in_both(facts: Facts, rule_set: RuleSet | None) -> list[Page]:
    """Where the rules are shown, in English and in German."""
    return [
        read_page(rules_page(facts, rule_set)),
        read_page(summary_page(facts, rule_set), "de"),
    ]


def test_a_service_with_rules_of_its_own_is_named_without_credentials(served: Facts) -> None:
    pages = [
        overview_page(served),
        summary_page(served, None),
        rules_page(served, None),
        provenance_page(served),
    ]
    for made in pages:
        page = read_page(made, made.language)
        assert "secret" not in page.text and "ann:" not in page.text and "token" not in page.text
        assert SERVICE in page.text
    assert read_page(overview_page(served)).rows["Applied by"] == [f"the DIMP service {SERVICE}"]


def test_of_a_services_own_rules_it_is_said_that_nobody_here_knows_them(served: Facts) -> None:
    assert audit.rule_set_of({"rules": None, "options": {}, "sent": True}, {}) is None
    english, german = rules_in_both(served, None)
    assert "in its own configuration, which this workflow does not know" in english.text
    assert "ask for its rule set" in english.text and "Rule set:" not in english.text
    assert "eigener Konfiguration, die dieser Workflow nicht kennt" in german.text
    assert english.rows["Service"] == [SERVICE] == german.rows["Dienst"]
    assert german.rows["Mitgeschickte Einstellung: prefix"] == ["s-"]
    assert [table[0] for table in english.tables] == [["Fact", "Value"]]  # no empty table of rules


def test_the_overview_does_not_say_that_a_services_rules_are_shown_to_have_been_followed(
    served: Facts, facts: Facts
) -> None:
    for made, ours, theirs in (
        (overview_page, "shown that they did what they say", "or that the service did what they say"),
        (lambda told: summary_page(told, None), "dass sie getan haben, was in ihnen steht", "oder dass der Dienst getan hat"),
    ):  # fmt: skip
        page = made(served)
        text = read_page(page, page.language).text
        assert theirs in text and ours not in text
        assert "table of the rule set" not in text and "Tabelle zum Regelwerk" not in text
    assert "shown that they did what they say" in read_page(overview_page(facts)).text


def test_what_was_measured_is_pointed_at_only_if_it_was(served: Facts) -> None:
    assert "was measured all the same" in read_page(rules_page(served, None)).text
    served["checks"] = {}
    assert "was measured" not in read_page(rules_page(served, None)).text


def test_rules_that_were_sent_along_are_put_into_words_without_their_keys(served: Facts) -> None:
    rule_set = send_along(served, RULES)
    assert rule_set is not None
    for page, language in zip(rules_in_both(served, rule_set), LANGUAGES, strict=True):
        cells = [row for row in page.tables[-1][1:] if len(row) > 1]
        assert [row[1] for row in cells] == [row.happens for row in rules_in_words(rule_set, [], language)]
        assert {len(row) for row in cells} == {3}  # nobody has counted
        assert SERVICE in page.text and "which this workflow does not know" not in page.text
    english, german = rules_in_both(served, rule_set)
    assert "sent along with the data" in english.text and "does not tell how often" in english.text
    assert "mit den Daten an den DIMP-Dienst" in german.text


def test_rules_that_nobody_here_understands_do_not_stop_the_audit(served: Facts, tmp_path: Path) -> None:
    path = tmp_path / "foreign.yaml"
    path.write_text(FOREIGN)
    rule_set = send_along(served, path)
    assert rule_set is None
    english, german = rules_in_both(served, rule_set)
    assert "cannot put them into words" in english.text and "nicht in Worte fassen" in german.text
    for page in (english, german):
        assert page.rows["SHA-256"] == [served["rules"]["sha256"]]
        assert path.name in page.text and str(tmp_path) not in page.text
        assert "ask for its rule set" not in page.text and "Fordern Sie" not in page.text


def test_the_embedded_engines_rules_are_no_services(facts: Facts) -> None:
    places = {"rules": RULES, "options": facts["rules"]["options"], "sent": False}
    page = read_page(rules_page(facts, audit.rule_set_of(places, ENVIRON)))
    assert "DIMP service" not in page.text
