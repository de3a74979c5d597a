"""Vfps over REST (deidentify-spec.md, section 5): one value a request; what a namespace is to Vfps is a domain to a rule set."""

from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import quote

from dimpflow.clients.pseudonyms.asking import UNKNOWN, Asker
from dimpflow.clients.pseudonyms.base import (
    BackendOptions,
    Counts,
    checked,
    each,
    given,
    no_domain,
    shown,
    wanted,
)
from dimpflow.clients.pseudonyms.existence import missing_domains
from dimpflow.errors import ServiceError

_JSON = "application/json"
_DOTS = (".", "..")
"""Names that are no segments of an address: they lead elsewhere, encoded or not (RFC 3986, section 5.2.4)."""


class Vfps:
    """See Backend. A namespace is missing where Vfps does not list it; who may not list them learns of it by the first value."""

    def __init__(self, asker: Asker, options: BackendOptions) -> None:
        self._asker = asker
        self._connections = options.connections

    @property
    def counts(self) -> Counts:
        """See Backend."""
        return self._asker.counts

    def create(self, domain: str, originals: Sequence[str]) -> dict[str, str]:
        """See Backend."""
        distinct = wanted(self._asker.key, domain, originals)
        path = self._path(domain)

        def ask(original: str) -> str | None:
            body = {"originalValue": original}
            reply = self._asker.ask("POST", path, body, about=_about(domain), kind=_JSON, answers=(404,))
            if reply.status == 404:
                raise missing_domains(self._asker, [domain], 404)
            return self._member(reply.body, domain, "originalValue", original, "pseudonymValue")

        found = each(distinct, ask, self._connections)
        return checked(self._asker.key, self._asker.name, domain, distinct, found)

    def reverse(self, domain: str, pseudonyms: Sequence[str]) -> dict[str, str]:
        """See Backend."""
        path = self._path(domain)

        def ask(pseudonym: str) -> str | None:
            address = f"{path}/{quote(pseudonym, safe='')}"
            reply = self._asker.ask("GET", address, about=_about(domain), kind=_JSON, answers=UNKNOWN)
            if reply.status != 200:
                return None
            return self._member(reply.body, domain, "pseudonymValue", pseudonym, "originalValue")

        return each([one for one in given(pseudonyms) if one not in _DOTS], ask, self._connections)

    def check(self, domains: Collection[str]) -> None:
        """See Backend."""
        for domain in domains:
            self._path(domain)
        reply = self._asker.ask(
            "GET", "/v1/namespaces", about="the list of namespaces", kind=_JSON, answers=(403,)
        )
        if reply.status == 403:
            return
        namespaces = reply.body.get("namespaces", [])
        if not isinstance(namespaces, list) or not all(isinstance(one, dict) for one in namespaces):
            raise self._asker.wrong("answers with something else than a list of namespaces; is it a Vfps?")
        there = {one.get("name") for one in namespaces}
        missing = [domain for domain in dict.fromkeys(domains) if domain not in there]
        if missing and not reply.body.get("nextPageToken"):  # a list with an end to it
            raise missing_domains(self._asker, missing)

    def _path(self, domain: str) -> str:
        if not domain.strip():
            raise no_domain(self._asker.key)
        if domain in _DOTS:
            raise ServiceError(
                f"{self._asker.key}: the domain {shown(domain)} cannot be a namespace of Vfps; correct it in the rule set"
            )
        return f"/v1/namespaces/{quote(domain, safe='')}/pseudonyms"

    def _member(self, body: dict[str, Any], domain: str, known: str, value: str, sought: str) -> str | None:
        """A member of the pseudonym that was answered; None where it is not there."""
        found = body.get("pseudonym")
        if not isinstance(found, dict):
            raise self._asker.wrong("answers with something else than a pseudonym; is it a Vfps?")
        if found.get("namespace", domain) != domain:
            raise self._asker.wrong(f"answers for another namespace than {shown(domain)}")
        if found.get(known, value) != value:
            raise self._asker.wrong(f"gives an answer in {_about(domain)} for a value that was not asked for")
        answer = found.get(sought)
        return answer if isinstance(answer, str) else None


def _about(domain: str) -> str:
    return f"the namespace {shown(domain)}"
