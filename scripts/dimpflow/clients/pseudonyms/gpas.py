"""gPAS of the THS Greifswald behind its FHIR gateway, in three generations of the protocol (deidentify-spec.md, section 5)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from dimpflow.clients.pseudonyms.asking import UNKNOWN, Asker, Reply, must_be_parameters
from dimpflow.clients.pseudonyms.base import (
    Backend,
    BackendOptions,
    Counts,
    batches,
    checked,
    each,
    given,
    shown,
    wanted,
)
from dimpflow.clients.pseudonyms.existence import REFUSALS, check_domains
from dimpflow.clients.pseudonyms.parameters import (
    Kind,
    Parameter,
    members,
    parameters,
    single,
    string,
)
from dimpflow.errors import ConfigError

_VERSION = re.compile(r"(\d{1,5})(?:\.(\d{1,5}))?(?:\.(\d{1,5}))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_TURN = (1, 10, 2)


@dataclass(frozen=True, slots=True)
class _Protocol:
    """A generation that takes lists. kind: of the values that are asked for in an answer."""

    create: str
    reverse: str
    kind: Kind


_TEXT = _Protocol("$pseudonymize-allow-create", "$de-pseudonymize", "text")
_IDENTIFIERS = _Protocol("$pseudonymizeAllowCreate", "$dePseudonymize", "identifier")


def open_gpas(asker: Asker, options: BackendOptions) -> Backend:
    """The client for the version in the options. ConfigError where that is none."""
    turn = _turn(options.version)
    if turn is None:
        raise ConfigError(
            f"{asker.section}.version: not a version of gPAS; give one such as 1.10.1 or 2023.1.0"
        )
    if turn < 0:
        return GpasByQuery(asker, options)
    return Gpas(asker, options, _IDENTIFIERS if turn else _TEXT)


def asks_by_query(version: str) -> bool:
    """Whether a gPAS of this version takes originals in the address of a request, where logs of servers and proxies keep them."""
    turn = _turn(version)
    return turn is not None and turn < 0


def _turn(version: str) -> int | None:
    """-1, 0, 1: before, at and after 1.10.2, where the protocol changed twice; "" is the newest. None: not a version."""
    found = _VERSION.fullmatch(version or "2023.1.0")
    if found is None:
        return None
    number = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    # SemVer 2.0.0, section 11: 1.10.2-x comes before 1.10.2
    return -1 if number < _TURN or (number == _TURN and found[4]) else int(number > _TURN)


class Gpas:
    """gPAS from 1.10.2 on: any number of values in a request, and answers that say what they are for."""

    def __init__(self, asker: Asker, options: BackendOptions, protocol: _Protocol) -> None:
        self._asker = asker
        self._batch = options.batch
        self._protocol = protocol

    @property
    def counts(self) -> Counts:
        """See Backend."""
        return self._asker.counts

    def create(self, domain: str, originals: Sequence[str]) -> dict[str, str]:
        """See Backend."""
        distinct = wanted(self._asker.key, domain, originals)
        found: dict[str, str] = {}
        for some in batches(distinct, self._batch):
            reply = self._post(self._protocol.create, domain, "original", some)
            if errors := sum(one.get("name") == "error" for one in members(reply.body)):
                raise self._asker.wrong(
                    f"gives no pseudonym in the domain {shown(domain)} for {errors} of {len(some)} values, which it reports as errors; "
                    "its log says why"
                )
            rows = [one for one in members(reply.body) if one.get("name") == "pseudonym"]
            found |= self._pairs(rows, domain, some, "original", "pseudonym")
        return checked(self._asker.key, self._asker.name, domain, distinct, found)

    def reverse(self, domain: str, pseudonyms: Sequence[str]) -> dict[str, str]:
        """See Backend."""
        known: dict[str, str] = {}
        for some in batches(given(pseudonyms), self._batch):
            known |= self._reverse(domain, some)
        return known

    def _reverse(self, domain: str, some: Sequence[str]) -> dict[str, str]:
        """One that is unknown may make the service refuse all; so they are halved until it stands alone."""
        reply = self._post(self._protocol.reverse, domain, "pseudonym", some, UNKNOWN)
        if reply.status == 200:
            rows = [one for one in members(reply.body) if one.get("name") != "error" and _has_original(one)]
            return self._pairs(rows, domain, some, "pseudonym", "original")
        middle = len(some) // 2
        return self._reverse(domain, some[:middle]) | self._reverse(domain, some[middle:]) if middle else {}

    def check(self, domains: Collection[str]) -> None:
        """See Backend. By a reverse lookup in each domain."""

        def look_up(domain: str, pseudonym: str) -> Reply:
            return self._post(self._protocol.reverse, domain, "pseudonym", [pseudonym], REFUSALS)

        check_domains(self._asker, domains, look_up)

    def _post(
        self, operation: str, domain: str, name: str, values: Sequence[str], answers: Collection[int] = ()
    ) -> Reply:
        body = parameters(string("target", domain), *(string(name, value) for value in values))
        about = f"the domain {shown(domain)}"
        reply = self._asker.ask("POST", f"/{operation}", body, about=about, answers=answers)
        return must_be_parameters(self._asker, reply)

    def _pairs(
        self, rows: Sequence[Parameter], domain: str, asked: Sequence[str], known: str, sought: str
    ) -> dict[str, str]:
        """Part `sought` for each part `known`. Positions mean nothing; a lone answer to a lone question needs no name."""
        where = f"in the domain {shown(domain)}"
        found: dict[str, str] = {}
        expected = set(asked)
        for row in rows:
            target = single(members(row, "part"), "target")
            if target is not None and target != domain:
                raise self._asker.wrong(f"answers for another domain than {shown(domain)}")
            value = single(members(row, "part"), sought, self._protocol.kind)
            about = single(members(row, "part"), known)
            if about is None and len(asked) == len(rows) == 1:
                about = asked[0]
            if value is None or about is None:
                raise self._asker.wrong(
                    f"gives an answer {where} whose parts {known} and {sought} cannot be read; is {self._asker.section}.version right?"
                )
            if about in found:
                raise self._asker.wrong(f"gives more than one answer {where} for a value")
            if about not in expected:
                raise self._asker.wrong(f"gives an answer {where} for a value that was not asked for")
            found[about] = value
        return found


class GpasByQuery:
    """gPAS before 1.10.2: one value a request, in the query of its address, which logs of servers and proxies may keep."""

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
        found = each(
            distinct,
            lambda one: self._get("$pseudonymize-allow-create", domain, "original", one),
            self._connections,
        )
        return checked(self._asker.key, self._asker.name, domain, distinct, found)

    def reverse(self, domain: str, pseudonyms: Sequence[str]) -> dict[str, str]:
        """See Backend."""
        return each(
            given(pseudonyms),
            lambda one: self._get("$de-pseudonymize", domain, "pseudonym", one, UNKNOWN),
            self._connections,
        )

    def check(self, domains: Collection[str]) -> None:
        """See Backend. By a reverse lookup in each domain."""

        def look_up(domain: str, pseudonym: str) -> Reply:
            return self._ask("$de-pseudonymize", domain, "pseudonym", pseudonym, REFUSALS)

        check_domains(self._asker, domains, look_up)

    def _ask(self, operation: str, domain: str, name: str, value: str, answers: Collection[int]) -> Reply:
        query = f"domain={quote(domain, safe='')}&{name}={quote(value, safe='')}"
        about = f"the domain {shown(domain)}"
        reply = self._asker.ask("GET", f"/{operation}?{query}", about=about, answers=answers)
        return must_be_parameters(self._asker, reply)

    def _get(
        self, operation: str, domain: str, name: str, value: str, answers: Collection[int] = ()
    ) -> str | None:
        """The value of the parameter that has what was asked for as its name."""
        reply = self._ask(operation, domain, name, value, answers)
        if reply.status != 200:
            return None
        found = [one for one in members(reply.body) if one.get("name") == value]
        if len(found) > 1:
            raise self._asker.wrong(f"gives more than one answer in the domain {shown(domain)} for a value")
        return single(iter(found), value, "string")


def _has_original(row: Parameter) -> bool:
    return any(part.get("name") == "original" for part in members(row, "part"))
