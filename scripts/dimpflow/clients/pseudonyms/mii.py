"""The pseudonymisation interface of the MII, versions 1.x and the ballot of 2026 (deidentify-spec.md, section 5).

Several values go in a batch Bundle. Its answers come in the order of the requests (FHIR R4, RESTful API, section 3.1.0.11); where an answer
says what it is for, by a parameter or the fullUrl of its request, that counts.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from dimpflow.clients.pseudonyms.asking import UNKNOWN, Asker, Reply, must_be_parameters
from dimpflow.clients.pseudonyms.base import (
    BackendOptions,
    Counts,
    batches,
    checked,
    given,
    shown,
    wanted,
)
from dimpflow.clients.pseudonyms.existence import REFUSALS, check_domains
from dimpflow.clients.pseudonyms.parameters import (
    Kind,
    identifier,
    members,
    named,
    parameters,
    single,
    string,
    value_of,
)
from dimpflow.clients.retry import TRANSIENT
from dimpflow.errors import ConfigError

_STATUS = re.compile(r"[1-5][0-9]{2}(?!\d)")
_CREATE, _REVERSE = "$pseudonymize", "$de-pseudonymize"


@dataclass(frozen=True, slots=True)
class _Edition:
    """What a version calls a domain, how it writes values, and whether it has to be allowed to create."""

    context: str
    write: Callable[[str, str], dict[str, Any]]
    kind: Kind
    allow: tuple[dict[str, Any], ...] = ()


_FIRST = _Edition("target", string, "string", ({"name": "allowCreate", "valueBoolean": True},))
_BALLOT = _Edition("context", identifier, "identifier")


class Mii:
    """See Backend. ConfigError: a version that is neither 1.x nor 2026."""

    def __init__(self, asker: Asker, options: BackendOptions) -> None:
        version = options.version or "1.x"
        if not re.fullmatch(r"1(\..*)?|2026([.-].*)?", version):
            raise ConfigError(
                f"{asker.section}.version: not a version of the MII interface; give 1.x or 2026"
            )
        self._asker = asker
        self._edition = _FIRST if version.startswith("1") else _BALLOT
        self._batch = options.batch

    @property
    def counts(self) -> Counts:
        """See Backend."""
        return self._asker.counts

    def create(self, domain: str, originals: Sequence[str]) -> dict[str, str]:
        """See Backend."""
        distinct = wanted(self._asker.key, domain, originals)
        found: dict[str, str] = {}
        for some in batches(distinct, self._batch):
            replies = self._ask(_CREATE, domain, "original", some)
            refusals = [reply.status for reply in replies.values() if reply.status != 200]
            if refusals:
                raise self._asker.wrong(
                    f"gives no pseudonym in the domain {shown(domain)} for {len(refusals)} of {len(some)} values "
                    f"(status {refusals[0]}); is there such a domain? Its log says why"
                )
            found |= {
                original: value
                for original, reply in replies.items()
                if (value := single(members(reply.body), "pseudonym", self._edition.kind)) is not None
            }
        return checked(self._asker.key, self._asker.name, domain, distinct, found)

    def reverse(self, domain: str, pseudonyms: Sequence[str]) -> dict[str, str]:
        """See Backend."""
        known: dict[str, str] = {}
        for some in batches(given(pseudonyms), self._batch):
            for pseudonym, reply in self._ask(_REVERSE, domain, "pseudonym", some, UNKNOWN).items():
                if reply.status == 200:
                    known[pseudonym] = self._original(reply, domain)
                elif reply.status not in UNKNOWN:
                    raise self._asker.wrong(
                        f"gives no original in the domain {shown(domain)} (status {reply.status}); its log says why"
                    )
        return known

    def check(self, domains: Collection[str]) -> None:
        """See Backend. By a reverse lookup in each domain."""

        def look_up(domain: str, pseudonym: str) -> Reply:
            return self._ask(_REVERSE, domain, "pseudonym", [pseudonym], REFUSALS)[pseudonym]

        check_domains(self._asker, domains, look_up)

    def _original(self, reply: Reply, domain: str) -> str:
        """Of a parameter `original`: its value, or that of its part `value`."""
        found = [one for one in members(reply.body) if one.get("name") == "original"]
        values = [value_of(found[0]), *named(members(found[0], "part"), "value")] if len(found) == 1 else []
        values = [value for value in values if value is not None]
        if len(values) != 1:
            raise self._asker.wrong(f"gives an answer in the domain {shown(domain)} without one original")
        return str(values[0])

    def _ask(
        self, operation: str, domain: str, name: str, values: Sequence[str], answers: Collection[int] = ()
    ) -> dict[str, Reply]:
        """The answer to each value: of status 200 with Parameters, or another. answers: see Asker.ask, for a lone value."""
        about = f"the domain {shown(domain)}"
        bodies = [self._body(operation, domain, name, value) for value in values]
        if len(values) == 1:
            reply = self._asker.ask("POST", f"/{operation}", bodies[0], about=about, answers=answers)
            return {values[0]: must_be_parameters(self._asker, reply)}
        urls = [f"urn:uuid:{uuid4()}" for _ in values]
        request = {"method": "POST", "url": operation}
        entries = [
            {"fullUrl": url, "resource": body, "request": request}
            for url, body in zip(urls, bodies, strict=True)
        ]
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        reply = self._asker.ask("POST", "", bundle, about=about, passing=_is_passing)
        return self._matched(reply, values, urls, domain, name)

    def _body(self, operation: str, domain: str, name: str, value: str) -> dict[str, Any]:
        write = self._edition.write
        allow = self._edition.allow if operation == _CREATE else ()
        return parameters(write(self._edition.context, domain), write(name, value), *allow)

    def _matched(
        self, reply: Reply, values: Sequence[str], urls: Sequence[str], domain: str, name: str
    ) -> dict[str, Reply]:
        where = f"in the domain {shown(domain)}"
        entries = _entries(reply.body)
        if len(entries) != len(values):
            raise self._asker.wrong(f"gives {len(entries)} answers {where} for {len(values)} values")
        by_url = dict(zip(urls, values, strict=True))
        expected = set(values)
        found: dict[str, Reply] = {}
        for entry, value in zip(entries, values, strict=True):
            resource = entry.get("resource")
            one = Reply(_status(entry), resource if isinstance(resource, dict) else {})
            must_be_parameters(self._asker, one)
            about = single(members(one.body), name)
            if about is None:
                about = by_url.get(str(entry.get("fullUrl")), value)
            if about in found:
                raise self._asker.wrong(f"gives more than one answer {where} for a value")
            if about not in expected:
                raise self._asker.wrong(f"gives an answer {where} for a value that was not asked for")
            found[about] = one
        return found


def _entries(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = body.get("entry")
    if body.get("resourceType") != "Bundle" or not isinstance(entries, list):
        return []
    return [one for one in entries if isinstance(one, dict)]


def _status(entry: Mapping[str, Any]) -> int:
    """Of an answer in a Bundle; all that succeeds is 200, what is not readable 500."""
    response = entry.get("response")
    found = _STATUS.match(str(response.get("status"))) if isinstance(response, dict) else None
    status = int(found[0]) if found else 500
    return 200 if 200 <= status < 300 else status


def _is_passing(body: Mapping[str, Any]) -> bool:
    """Whether one of the answers in a Bundle may be another one in a while."""
    return any(_status(entry) in TRANSIENT for entry in _entries(body))
