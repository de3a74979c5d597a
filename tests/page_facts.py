"""Facts of a real small job, with what the checks themselves say of it, for the tests of the pages."""

from pathlib import Path
from typing import Any

from audit_jobs import AuditedJob
from dimpflow.audit.consistency.compare import Comparison
from dimpflow.audit.consistency.pairs import Imported
from dimpflow.audit.consistency.run import Consistency, references
from dimpflow.audit.leaks import gather, search
from dimpflow.audit.risk import (
    DEFAULT_QUASI_IDENTIFIERS,
    DEFAULT_SENSITIVE,
    assess_risk,
    html,
    picture,
    quasi_identifier,
)
from dimpflow.audit.skim import skim

Facts = dict[str, Any]


def checked(job: AuditedJob, work: Path) -> Facts:
    """The checks of a job with the verdicts that the workflow gives, and figures and picture of the risk. work: a folder."""
    result = job.folder.path / "dimp_results.ndjson"
    imported = [job.folder.imported(source) for source in job.shards]
    lines = result.read_bytes().count(b"\n")
    known = gather(imported, work / "leaks", 1)
    leaks = search(result, known, processes=1)
    pairs = [Imported(path, _refused(path)) for path in imported]
    comparison = Comparison(pairs, result, lines)
    for part in skim(result):
        comparison.take(part)
    consistency = Consistency(*references(pairs, known.survey), comparison.done())
    with result.open("rb") as data:
        quasi = [quasi_identifier(one) for one in DEFAULT_QUASI_IDENTIFIERS]
        risk = assess_risk(data, quasi, DEFAULT_SENSITIVE, 5)
    return {
        "leaks": {**leaks.as_facts(), "state": "passed" if leaks.passed else "failed"},
        "consistency": consistency.as_facts(),
        "risk": {**risk.as_facts(), "state": "failed" if risk.patients_below else "passed"},
        "figures": html(risk),
        "picture": picture(risk),
    }


def _refused(path: Path) -> frozenset[int]:
    """The number of the line that the engine refuses."""
    return frozenset(n for n, line in enumerate(path.read_bytes().splitlines()) if b'"id":"refused"' in line)
