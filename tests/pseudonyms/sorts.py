"""The sorts of services, each with its double, and how the tests ask them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dimpflow.clients.access import Access, open_session
from dimpflow.clients.pseudonyms import Backend, BackendOptions, Kind, open_backend
from dimpflow.clients.retry import Retry
from dimpflow.errors import DimpflowError, ServiceError
from doubles.pseudonyms import EnticiDouble, GpasDouble, MiiDouble, PseudonymDouble, VfpsDouble

DOMAIN = "studie-patients"
ORIGINALS = [f"geheim-{n}" for n in range(20)]
SECRETS = {"PW": "s3cret-password", "TOKEN": "s3cret-token", "KEY": "s3cret-key"}
FORBIDDEN = ("geheim", "psn-", "s3cret", "original=", "pseudonym=")
"""What stands in no message and no log."""
RETRY = Retry(max_attempts=4, initial_backoff_ms=1, max_backoff_ms=2)


@dataclass(frozen=True)
class Sort:
    """A sort of service. lists: takes several values in a request; reverses: gives originals; named: says what an answer is for."""

    kind: Kind
    double: Callable[..., PseudonymDouble]
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: BackendOptions = field(default_factory=BackendOptions)
    lists: bool = False
    reverses: bool = True
    named: bool = False

    def serve(self, domains: Collection[str] = (DOMAIN,), **settings: Any) -> PseudonymDouble:
        """The double, to be entered."""
        return self.double(domains, **{**self.settings, **settings})

    def open(
        self,
        double: PseudonymDouble,
        *,
        retry: Retry = RETRY,
        environ: Mapping[str, str] = SECRETS,
        options: Mapping[str, Any] | None = None,
        sleep: Callable[[float], None] | None = None,
        **access: Any,
    ) -> Backend:
        """The client of it."""
        chosen = replace(self.options, **(options or {}))
        way = Access(url=double.base_url, section="services.pseudonyms", **access)
        session = open_session(way, environ, connections=chosen.connections)
        return open_backend(self.kind, session, way, retry, chosen, sleep=sleep or (lambda seconds: None))


SORTS = {
    "gpas 1.10.1": Sort("gpas", GpasDouble, {"version": "1.10.1"}, BackendOptions("1.10.1", connections=3)),
    "gpas 1.10.2": Sort(
        "gpas", GpasDouble, {"version": "1.10.2"}, BackendOptions("1.10.2", batch=5), lists=True, named=True
    ),
    "gpas 2023": Sort(
        "gpas", GpasDouble, {"version": "2023.1.0"}, BackendOptions("2023.1.2", batch=5), lists=True, named=True
    ),
    "vfps": Sort("vfps", VfpsDouble, options=BackendOptions(connections=3), named=True),
    "entici": Sort(
        "entici",
        EnticiDouble,
        {"project": "p1"},
        BackendOptions(resource_type="Patient", project="p1", connections=3),
        reverses=False,
    ),
    "mii 1.x": Sort("mii", MiiDouble, {"version": "1.x"}, BackendOptions("1.x", batch=5), lists=True),
    "mii 1.x, named": Sort(
        "mii", MiiDouble, {"version": "1.x", "names": "value"}, BackendOptions(batch=5), lists=True, named=True
    ),
    "mii 2026": Sort(
        "mii", MiiDouble, {"version": "2026", "names": "fullUrl"}, BackendOptions("2026", batch=5), lists=True, named=True
    ),
}  # fmt: skip
ALL = list(SORTS)
REVERSING = [name for name in SORTS if SORTS[name].reverses]


def right(
    double: PseudonymDouble, originals: Sequence[str] = ORIGINALS, domain: str = DOMAIN
) -> dict[str, str]:
    """What must come of it."""
    return {original: double.pseudonym(domain, original) for original in originals}


def refused(call: Callable[[], object], words: str, *also_forbidden: str) -> str:
    """The message of a call that must fail: one line, with nothing of what was sent or answered, not even in the chain of causes."""
    with pytest.raises(DimpflowError, match=words) as caught:
        call()
    assert isinstance(caught.value, ServiceError)
    chain: list[BaseException] = []
    link: BaseException | None = caught.value
    while link is not None:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    texts = [text for one in chain for text in (str(one), repr(one))]
    assert not [text for text in texts if any(word in text for word in (*FORBIDDEN, *also_forbidden))]
    assert "\n" not in str(caught.value) and str(caught.value).startswith("services.pseudonyms")
    return str(caught.value)
