"""The pages of the audit for people: functions of audit.json's facts that give complete HTML documents, of counts and paths only."""

from dimpflow.audit.pages.consistency import consistency_page
from dimpflow.audit.pages.environment import environment_page
from dimpflow.audit.pages.leaks import leaks_page
from dimpflow.audit.pages.overview import overview_page, summary_page
from dimpflow.audit.pages.provenance import provenance_page
from dimpflow.audit.pages.risk import risk_page
from dimpflow.audit.pages.rules import rules_in_words, rules_page

__all__ = [
    "consistency_page",
    "environment_page",
    "leaks_page",
    "overview_page",
    "provenance_page",
    "risk_page",
    "rules_in_words",
    "rules_page",
    "summary_page",
]
