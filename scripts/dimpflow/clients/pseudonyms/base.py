"""What the services that give pseudonyms have in common (deidentify-spec.md, section 5)."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from dimpflow.errors import ServiceError

_LONGEST = 100
"""Characters of a domain's name that a message shows."""


@dataclass(slots=True)
class Counts:
    """What was asked of a service."""

    requests: int = 0
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What differs between installations of one kind of service.

    version: of gPAS, such as `1.10.1` or `2023.1.0`, or of the MII interface, `1.x` or `2026`; "": 2023 and later, `1.x`.
    resource_type, project: what entici is told of the values. batch: most values in a request, where the protocol takes several.
    connections: requests at once, where it takes one value each.
    """

    version: str = ""
    resource_type: str = ""
    project: str = ""
    batch: int = 500
    connections: int = 4


class Backend(Protocol):
    """A service that gives pseudonyms and keeps them: the same one for the same domain and original for ever.

    What it gives is checked: a pseudonym for each original, none blank, none for two originals. No message holds an original or a
    pseudonym. One call at a time.
    """

    @property
    def counts(self) -> Counts:
        """What was asked so far."""

    def create(self, domain: str, originals: Sequence[str]) -> dict[str, str]:
        """The pseudonym of each original, made where there is none yet. domain: with the rule's domain prefix in front.

        ServiceError: the service cannot be reached, refuses, or gives what cannot be right.
        """

    def reverse(self, domain: str, pseudonyms: Sequence[str]) -> dict[str, str]:
        """The original of each pseudonym that the service knows in the domain; the others are left out. ServiceError as above."""

    def check(self, domains: Collection[str]) -> None:
        """ServiceError, with what to do, unless the service can be asked and has these domains; the message names those that are
        missing. Creates nothing."""


def wanted(key: str, domain: str, originals: Sequence[str]) -> list[str]:
    """The distinct originals, in order. ServiceError where the domain or one of them is blank, which no service takes."""
    if not domain.strip():
        raise no_domain(key)
    if blank := sum(not original.strip() for original in originals):
        raise ServiceError(
            f"{key}: {blank} values to pseudonymize in the domain {shown(domain)} are blank, which no service takes; "
            "leave such elements out by a rule"
        )
    return list(dict.fromkeys(originals))


def given(pseudonyms: Sequence[str]) -> list[str]:
    """The distinct pseudonyms, in order, without blank ones, which nobody knows."""
    return [one for one in dict.fromkeys(pseudonyms) if one.strip()]


def no_domain(key: str) -> ServiceError:
    """For a rule without a domain."""
    return ServiceError(f"{key}: a rule that pseudonymizes has no domain; give it one with domain")


def checked(
    key: str, name: str, domain: str, originals: Sequence[str], found: Mapping[str, str]
) -> dict[str, str]:
    """`found`, in the order of the originals. ServiceError unless it holds one usable pseudonym of its own for each of them."""
    where = f"in the domain {shown(domain)}"
    if missing := sum(original not in found for original in originals):
        raise ServiceError(
            f"{key}: {name} gives no pseudonym {where} for {missing} of {len(originals)} values; its log says why"
        )
    pairs = {original: found[original] for original in originals}
    if blank := sum(not pseudonym.strip() for pseudonym in pairs.values()):
        raise ServiceError(
            f"{key}: {name} gives blank pseudonyms {where} for {blank} of {len(originals)} values"
        )
    if same := sum(original == pseudonym for original, pseudonym in pairs.items()):
        raise ServiceError(
            f"{key}: {name} gives {same} of {len(originals)} values {where} back as their own pseudonyms"
        )
    shared = sum(times for times in Counter(pairs.values()).values() if times > 1)
    if shared:
        raise ServiceError(
            f"{key}: {name} gives {shared} different values {where} pseudonyms that are not their own alone"
        )
    return pairs


def batches(values: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """The values in pieces of at most so many."""
    return (values[start : start + most] for start in range(0, len(values), most))


def each(values: Sequence[str], ask: Callable[[str], str | None], connections: int) -> dict[str, str]:
    """What `ask` says of each value, but for None; so many at a time. The first failure ends it."""
    todo = iter(values)
    found: dict[str, str] = {}
    lock = threading.Lock()
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            with lock:
                value = next(todo, None)
            if value is None:
                return
            try:
                answer = ask(value)
            except BaseException:
                ended.set()
                raise
            if answer is not None:
                with lock:
                    found[value] = answer

    workers = max(1, min(connections, len(values)))
    with ThreadPoolExecutor(workers) as pool:
        try:
            for future in [pool.submit(work) for _ in range(workers)]:
                future.result()
        finally:
            ended.set()
    return found


def shown(domain: str) -> str:
    """A domain's name for a message: in quotes, on one line, not too long."""
    text = "".join(character if character.isprintable() else "…" for character in domain)
    return f'"{text}"' if len(text) <= _LONGEST else f'"{text[:_LONGEST]}…"'


def listed(domains: Collection[str]) -> str:
    """Names of domains for a message."""
    return ("the domain " if len(domains) == 1 else "the domains ") + ", ".join(map(shown, sorted(domains)))
