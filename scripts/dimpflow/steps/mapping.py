"""mapping: one pseudonym for each original of the job, carried over from run to run; every shard reads the finished mapping."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from dimpflow.errors import ConfigError, InputError
from dimpflow.pseudonyms.keyed import in_alphabet
from dimpflow.pseudonyms.mapping import Entry
from dimpflow.pseudonyms.pairs import Pair, merged, read_pairs
from dimpflow.pseudonyms.plan import DomainPlan, PseudonymPlan
from dimpflow.pseudonyms.sequential import numbers


class ChangedError(ConfigError):
    """An original would get another pseudonym than before."""


Asked = Callable[[str, Sequence[str]], Mapping[str, str]]
"""Asks a service: a domain, originals; gives their pseudonyms."""


@dataclass(frozen=True)
class Making:
    """What a mapping is made by. prefixes: of the rules, by domain, "" for domains that come from references; key: of keyed and
    sequential pseudonyms; today: YYYY-MM-DD; asked: how services are asked."""

    plan: PseudonymPlan
    prefixes: Mapping[str, str]
    key: str
    today: str
    asked: Asked | None = None

    def prefix(self, domain: str) -> str:
        """What stands before each pseudonym of a domain that the rules give."""
        return self.prefixes.get(domain, self.prefixes.get("", ""))


def make_mapping(
    pairs: Sequence[Path], known: Iterable[Entry], making: Making
) -> Iterator[tuple[Entry, bool]]:
    """The entries of a job, sorted by domain and original, and for each whether the job's data hold it now (it stays, even if not).

    pairs: what the shards hold, sorted files; known: the mapping of earlier runs, and of other jobs.

    ConfigError: two originals would have one pseudonym; ChangedError: an original would get another one than before.
    """
    before: dict[str, dict[str, Entry]] = {}
    for entry in known:
        earlier = before.setdefault(entry.domain, {}).setdefault(entry.original, entry)
        if earlier.pseudonym != entry.pseudonym:
            raise ConfigError(
                f"mappings.from: domain {entry.domain!r}: the two mappings give one original different pseudonyms; they cannot be used together"
            )
    now = {
        domain: [original for _, original in group] for domain, group in groupby(merged(pairs), itemgetter(0))
    }
    for domain in sorted(now.keys() | before.keys()):
        yield from _of_domain(domain, now.get(domain, []), before.get(domain, {}), making)


def _of_domain(
    domain: str, originals: Sequence[str], known: Mapping[str, Entry], making: Making
) -> Iterator[tuple[Entry, bool]]:
    plan = making.plan.of(domain)
    prefix = making.prefix(domain) + plan.prefix
    made = _made(domain, plan, originals, {one: _bare(entry, prefix) for one, entry in known.items()}, making)
    here = set(originals)
    entries = []
    for original in sorted(here | known.keys()):
        entry = known.get(original)
        if entry is None:
            entry = Entry(domain, original, prefix + made[original], making.today)
        elif original in here and entry.pseudonym != prefix + made[original]:
            raise ChangedError(
                f"services.pseudonyms: domain {domain!r}: pseudonyms would be others than those of the job's mapping (another key, source or "
                "form?); what was handed out could no more be found: give the job another name, or take its mappings/ away"
            )
        entries.append(entry)
    twice = len(entries) - len({entry.pseudonym for entry in entries})
    if twice:
        raise ConfigError(
            f"services.pseudonyms: domain {domain!r}: {twice} originals would share a pseudonym with another one; make them longer (length)"
        )
    yield from ((entry, entry.original in here) for entry in entries)


def _bare(entry: Entry, prefix: str) -> str:
    return entry.pseudonym.removeprefix(prefix)


def _made(
    domain: str, plan: DomainPlan, originals: Sequence[str], known: Mapping[str, str], making: Making
) -> Mapping[str, str]:
    """The pseudonyms of a domain, without prefixes."""
    if plan.source == "keyed":
        source = in_alphabet(making.key, plan.alphabet, plan.length)
        return {original: source(domain, original) for original in originals}
    if plan.source == "sequential":
        return numbers(domain, originals, known, making.key, plan.digits)
    new = [original for original in originals if original not in known]
    assert making.asked is not None  # a service is configured
    answered = making.asked(domain, new) if new else {}
    if answered.keys() != set(new):
        raise InputError(
            f"services.pseudonyms: domain {domain!r}: the service {plan.source} left out pseudonyms; run again"
        )
    return {**{original: known[original] for original in originals if original in known}, **answered}


def digest_of(shards: Sequence[Path], pseudonym: Callable[[str, str], str]) -> str:
    """SHA-256 of what the mapping gives for the pairs of some shards: these must be de-identified again if it changes."""
    digest = hashlib.sha256()
    for path in shards:
        for pair in read_pairs(path):
            digest.update(f"{_sized(pair)}{pseudonym(*pair)}\n".encode())
    return digest.hexdigest()


def _sized(pair: Pair) -> str:
    domain, original = pair
    return f"{len(domain)}:{len(original)}:{domain}{original}"


def counts_of(entries: Iterable[tuple[Entry, bool]]) -> dict[str, int]:
    """Entries by domain."""
    return dict(sorted(Counter(entry.domain for entry, _ in entries).items()))
