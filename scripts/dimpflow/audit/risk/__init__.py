"""The risk that somebody is recognised in a result: k-anonymity and l-diversity over its patients, in counts.

Patients with the same values of all quasi-identifiers (what an outsider may know of a person: year of birth, gender, place)
form a group. Who looks for a person finds the group; the smaller it is, the surer the person. What is counted is the result
as it will be handed out. No value of it gets into the report.
"""

from collections.abc import Iterable, Sequence

from dimpflow.audit.risk.attributes import (
    DEFAULT_QUASI_IDENTIFIERS,
    DEFAULT_SENSITIVE,
    QuasiIdentifier,
    Sensitive,
    quasi_identifier,
    sensitive_value,
)
from dimpflow.audit.risk.cohort import read_cohort
from dimpflow.audit.risk.hints import hints_for
from dimpflow.audit.risk.measures import DEFAULT_K, RiskReport, report_of
from dimpflow.audit.risk.page import html
from dimpflow.audit.risk.picture import picture
from dimpflow.errors import ConfigError

__all__ = [
    "DEFAULT_K",
    "DEFAULT_QUASI_IDENTIFIERS",
    "DEFAULT_SENSITIVE",
    "QuasiIdentifier",
    "RiskReport",
    "Sensitive",
    "assess_risk",
    "html",
    "picture",
    "quasi_identifier",
    "sensitive_value",
    "types_of_interest",
]


def types_of_interest(sensitive: Sequence[str]) -> frozenset[str]:
    """The types of resources that are looked at; lines of others make no difference. ConfigError: as `sensitive_value`."""
    return frozenset(("Patient", "Bundle", *(sensitive_value(path).type for path in sensitive)))


def assess_risk(
    result: Iterable[bytes], quasi: Sequence[QuasiIdentifier], sensitive: Sequence[str], k: int = DEFAULT_K
) -> RiskReport:
    """How many patients are alike in `quasi`, and how much a group tells about the `sensitive` values of its patients.

    result: lines of de-identified NDJSON, with or without their ends, read once and in any order. sensitive: paths as
    `sensitive_value` reads them. k: the size that no group should be below.

    Memory: the ids of the patients, 4 bytes per patient and quasi-identifier, 8 per linked sensitive resource (48 while they are
    sorted), each distinct value once; measured 260 MB for a million patients with three conditions each.

    Raises:
        ConfigError: a path that cannot be used, no quasi-identifier, or a `k` under 1.
        InputError: a line is not JSON; the message gives its number.
    """
    if k < 1:
        raise ConfigError("the size that no group should be below must be 1 or more")
    if not quasi:
        raise ConfigError("no quasi-identifier is given; name at least one, such as Patient.gender")
    cohort = read_cohort(result, quasi, [sensitive_value(path) for path in sensitive])
    return report_of(cohort, k, hints_for)
