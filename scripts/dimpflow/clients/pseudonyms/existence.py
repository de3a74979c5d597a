"""Whether a FHIR service has a domain, asked by looking up a pseudonym that nobody has: nothing is created by that.

A service may say 404 of an unknown pseudonym as well as of an unknown domain. So what it says of a domain is compared with what it says
of one that is surely not there; and an answer that names the pseudonym is about the pseudonym.
"""

from collections.abc import Callable, Collection
from secrets import token_hex
from typing import Any

from dimpflow.clients.pseudonyms.asking import UNKNOWN, Asker, Reply
from dimpflow.clients.pseudonyms.base import listed, no_domain
from dimpflow.errors import ServiceError

REFUSALS = UNKNOWN | {500}
"""Statuses by which a service may say that it does not know a domain or a pseudonym."""


def check_domains(asker: Asker, domains: Collection[str], look_up: Callable[[str, str], Reply]) -> None:
    """ServiceError that names the domains that the service does not have, or says that it cannot be asked at all.

    look_up: asks for the original of a pseudonym in a domain; its answers are of status 200 or one of `REFUSALS`.
    """
    if any(not domain.strip() for domain in domains):
        raise no_domain(asker.key)
    nobodys = token_hex(16)
    absent = look_up(f"dimp-workflow-{token_hex(8)}", nobodys)
    if absent.status in (404, 405) and not absent.is_outcome:
        raise asker.wrong(
            f"has no operation that looks up pseudonyms (status {absent.status}); are the address, with its path, and "
            f"{asker.section}.version right?"
        )
    missing = []
    for domain in dict.fromkeys(domains):
        found = look_up(domain, nobodys)
        if found.status != 200 and _said(found) == _said(absent) and not _names(found.body, nobodys):
            missing.append(domain)
    if missing:
        raise missing_domains(asker, missing, absent.status, f"; is {asker.section}.version right?")


def missing_domains(
    asker: Asker, domains: Collection[str], status: int | None = None, more: str = ""
) -> ServiceError:
    """For domains that are not there. status: by which the service says so; more: what else may be the cause."""
    if status == 500:
        return asker.wrong(
            f"fails (status 500) when asked for {listed(domains)}: missing there? Its log says why{more}"
        )
    by = f" (status {status})" if status else ""
    return asker.wrong(
        f"does not have {listed(domains)}{by}; create what is missing there, or correct the domains in the rule set{more}"
    )


def _said(reply: Reply) -> tuple[int, list[str]]:
    issues = reply.body.get("issue")
    codes = (
        [str(one.get("code")) for one in issues if isinstance(one, dict)] if isinstance(issues, list) else []
    )
    return reply.status, codes


def _names(body: Any, pseudonym: str) -> bool:
    if isinstance(body, dict):
        return any(_names(one, pseudonym) for one in body.values())
    if isinstance(body, list):
        return any(_names(one, pseudonym) for one in body)
    return isinstance(body, str) and pseudonym in body
