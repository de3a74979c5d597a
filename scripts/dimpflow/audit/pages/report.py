"""All pages of a job's report, by the names of their files."""

from dimpflow.audit.pages.consistency import consistency_page
from dimpflow.audit.pages.counts import CAME_IN, WENT_OUT, counts_page
from dimpflow.audit.pages.environment import environment_page
from dimpflow.audit.pages.frame import Facts
from dimpflow.audit.pages.leaks import leaks_page
from dimpflow.audit.pages.overview import overview_page, summary_page
from dimpflow.audit.pages.provenance import provenance_page
from dimpflow.audit.pages.risk import risk_page
from dimpflow.audit.pages.rules import rules_page
from dimpflow.audit.pages.whole import whole_document
from dimpflow.ruleset.rules import RuleSet

COUNTED = ("import", "dimp")
"""Pages that are made with the results themselves (scripts/results.py), before the audit."""


def report_pages(
    facts: Facts, rule_set: RuleSet | None, counts: tuple[Facts, Facts], figures: str, picture: str
) -> dict[str, str]:
    """Complete HTML documents, of which `whole` holds all others.

    rule_set: None if it is not known (dimpflow.audit.pages.rules); counts: what import_results.json and dimp_results.json say;
    figures, picture: of the risk, by dimpflow.audit.risk. InputError: it is not the rule set that the facts tell of.
    """
    came_in, went_out = counts
    pages = {
        "overview": overview_page(facts),
        "summary_de": summary_page(facts, rule_set),
        "rules": rules_page(facts, rule_set),
        "import": counts_page(CAME_IN, came_in),
        "dimp": counts_page(WENT_OUT, went_out),
        "leaks": leaks_page(facts),
        "consistency": consistency_page(facts),
        "risk": risk_page(facts, figures, picture),
        "provenance": provenance_page(facts),
        "environment": environment_page(facts),
    }
    whole = whole_document(facts, list(pages.values()))
    return {"whole": whole} | {name: page.document() for name, page in pages.items() if name not in COUNTED}
