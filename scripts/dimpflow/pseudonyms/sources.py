"""The source that a job's engine asks: for each domain the one that the configuration names."""

from collections.abc import Callable
from pathlib import Path

from dimpflow.pseudonyms import Pseudonyms
from dimpflow.pseudonyms.keyed import in_alphabet, keyed_pseudonyms
from dimpflow.pseudonyms.lookup import mapped_pseudonyms
from dimpflow.pseudonyms.plan import DomainPlan, PseudonymPlan


def planned_pseudonyms(plan: PseudonymPlan, key: str, lookup: Path | None) -> Pseudonyms:
    """The pseudonyms of a plan, without the prefixes of rules. lookup: the finished mapping, needed where a domain is not keyed.

    InputError: it is not there.
    """
    if plan.is_default:
        return keyed_pseudonyms(key)
    mapped = mapped_pseudonyms(lookup) if lookup else None
    sources: dict[str, Callable[[str, str], str]] = {}

    def pseudonym(domain: str, original: str) -> str:
        source = sources.get(domain)
        if source is None:
            source = sources[domain] = _source_of(plan.of(domain), key, mapped)
        return source(domain, original)

    return pseudonym


def _source_of(plan: DomainPlan, key: str, mapped: Pseudonyms | None) -> Pseudonyms:
    if not plan.is_plain:
        assert mapped is not None  # the workflow makes the mapping first
        return mapped
    source, prefix = in_alphabet(key, plan.alphabet, plan.length), plan.prefix
    return (lambda domain, original: prefix + source(domain, original)) if prefix else source
