"""services.pseudonyms and mappings as checked, typed objects."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dimpflow.clients.access import Access, check_access, warnings_for
from dimpflow.clients.pseudonyms.gpas import asks_by_query
from dimpflow.clients.retry import Retry
from dimpflow.pseudonyms.keyed import BITS
from dimpflow.pseudonyms.plan import DomainPlan, PseudonymPlan
from dimpflow.services import access_of, clear_secrets

KEY = "services.pseudonyms"
SERVICES = ("gpas", "vfps", "entici", "mii")
_SOURCES = ("keyed", "sequential", *SERVICES)
_ITEM = {"domain": str, "source": str, "prefix": str, "alphabet": str, "length": int, "digits": int}
_SPARE = 64
"""Bits of the hash that are left over, so that no character is noticeably likelier than another."""


@dataclass(frozen=True)
class PseudonymServer:
    """The service of services.pseudonyms. kind: which one; connections: requests at a time; version, resource_type, project: as configured."""

    kind: str
    access: Access
    retry: Retry
    version: str
    resource_type: str
    project: str
    batch: int
    connections: int

    def as_params(self) -> dict[str, Any]:
        """As plain values, without a secret, for a job's script."""
        return asdict(self)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "PseudonymServer":
        """The way back."""
        return cls(**{**params, "access": Access(**params["access"]), "retry": Retry(**params["retry"])})


@dataclass(frozen=True)
class Keeping:
    """mappings: recipients: certificates that the mapping is encrypted for, none for a mapping in clear; identity: private key;
    passphrase: as configured; source: another job's folder, or a mapping file."""

    recipients: tuple[Path, ...]
    identity: Path | None
    passphrase: str
    source: Path | None


@dataclass(frozen=True)
class Reidentify:
    """reidentify: why; what, where to, and which log beside the job's own, None for what is not given;
    release: the beginning of the SHA-256 of the result that it comes from, "" if that is not said."""

    reason: str = ""
    input: Path | None = None
    output: Path | None = None
    log: Path | None = None
    release: str = ""


def reidentify_of(filled: Mapping[str, Any]) -> Reidentify:
    """reidentify of a configuration."""
    section = filled["reidentify"]
    paths = {key: Path(section[key]) for key in ("input", "output", "log") if key in section}
    return Reidentify(section.get("reason", ""), **paths, release=section.get("release", ""))


def plan_of(filled: Mapping[str, Any]) -> PseudonymPlan:
    """services.pseudonyms and mappings.keep of a configuration with its defaults filled in, and without faults."""
    section = filled["services"]["pseudonyms"]
    form = {key: section[key] for key in ("source", "alphabet", "length", "digits")}
    domains = {
        item["domain"]: DomainPlan(
            **{**form, **{key: value for key, value in item.items() if key != "domain"}}
        )
        for item in section["domains"]
    }
    return PseudonymPlan(DomainPlan(**form), domains, filled["mappings"]["keep"])


def pseudonym_server_of(filled: Mapping[str, Any], plan: PseudonymPlan) -> PseudonymServer | None:
    """The service, None where no domain needs one."""
    section = filled["services"]["pseudonyms"]
    if not services_of(plan):
        return None
    return PseudonymServer(
        kind=services_of(plan)[0],
        access=access_of(
            KEY, section.get("url", ""), section["auth"], filled["tls"], use_proxies=section["use_proxies"],
            connect=float(section["connect_timeout_seconds"]), read=float(section["read_timeout_seconds"]),
        ),
        retry=Retry(**filled["retry"]),
        version=section.get("version", ""),
        resource_type=section.get("resource_type", ""),
        project=section.get("project", ""),
        batch=section["batch_size"],
        connections=section["max_concurrent_requests"],
    )  # fmt: skip


def keeping_of(filled: Mapping[str, Any]) -> Keeping:
    """mappings of a configuration with its defaults filled in."""
    section = filled["mappings"]
    recipient = section.get("recipient", [])
    return Keeping(
        recipients=tuple(map(Path, [recipient] if isinstance(recipient, str) else recipient)),
        identity=Path(section["identity"]) if "identity" in section else None,
        passphrase=section.get("identity_passphrase", ""),
        source=Path(section["from"]) if "from" in section else None,
    )


def services_of(plan: PseudonymPlan) -> list[str]:
    """The services that a plan asks, by name."""
    return sorted({one.source for one in (plan.others, *plan.domains.values()) if one.source in SERVICES})


def item_faults(given: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the items of services.pseudonyms.domains, one line each."""
    seen: set[str] = set()
    for number, item in enumerate(given.get("services", {}).get("pseudonyms", {}).get("domains", ())):
        where = f"{KEY}.domains[{number}]"
        for key, value in item.items():
            if key not in _ITEM:
                near = get_close_matches(str(key), _ITEM, 1)
                yield f"{where}.{str(key)[:60]}: unknown key" + (
                    f" (did you mean {near[0]}?)" if near else ""
                )
            elif type(value) is not _ITEM[key]:
                yield f"{where}.{key}: must be {'a whole number' if _ITEM[key] is int else 'text'}"
        if not isinstance(item.get("domain"), str) or not item["domain"]:
            yield f"{where}.domain: missing; it is that of a rule (or a resource type, for references without one)"
        elif item["domain"] in seen:
            yield f"{where}.domain: stands twice"
        seen.add(str(item.get("domain")))
        if item.get("source", "keyed") not in _SOURCES:
            yield f"{where}.source: this value is not allowed (allowed: {', '.join(_SOURCES)})"


def plan_faults(plan: PseudonymPlan, server: PseudonymServer | None, *, by_service: bool) -> Iterator[str]:
    """What contradicts itself in services.pseudonyms and mappings, one line each. by_service: whether a DIMP service de-identifies."""
    places = [(KEY, plan.others), *((f"{KEY}.domains ({name})", one) for name, one in plan.domains.items())]
    for where, one in places:
        if len(set(one.alphabet)) < max(2, len(one.alphabet)):
            yield f"{where}.alphabet: needs at least two characters, each once"
        elif (
            one.source == "keyed"
            and one.length * (len(one.alphabet) - 1).bit_length() > BITS - _SPARE
            and one.alphabet != "0123456789abcdef"
        ):
            yield f"{where}.length: too long for this alphabet; a keyed pseudonym holds {BITS - _SPARE} bits"
        if not 4 <= one.length <= 64 or not 1 <= one.digits <= 18:
            yield f"{where}: length is 4 to 64, digits 1 to 18"
    if plan.gathers and not plan.keep:
        yield "mappings.keep: sequential pseudonyms and those of a service need the mapping; leave it true"
    if plan.gathers and by_service:
        yield f"{KEY}.source: with services.dimp.url that service makes the pseudonyms; remove one of them"
    if server is not None:
        if len(services_of(plan)) > 1:
            yield f"{KEY}.domains: {' and '.join(services_of(plan))} are two services; one can be asked in a job"
        if not server.access.url:
            yield f"{KEY}.url: missing; {services_of(plan)[0]} needs its address"
        else:
            yield from check_access(server.access)


def secret_faults(given: Mapping[str, Any], server: PseudonymServer | None) -> Iterator[str]:
    """Secrets that stand in clear, where they would be used."""
    if server is not None:
        yield from clear_secrets(
            f"{KEY}.auth", given.get("services", {}).get("pseudonyms", {}).get("auth", {})
        )


def keeping_faults(keeping: Keeping) -> Iterator[str]:
    """Files of mappings that are not there, one line each."""
    for path in keeping.recipients:
        if not path.is_file():
            yield f"mappings.recipient: {path} does not exist; give a certificate as a PEM file"
    if keeping.identity and not keeping.identity.is_file():
        yield f"mappings.identity: {keeping.identity} does not exist; give a private key as a PEM file"
    if keeping.source and not keeping.source.exists():
        yield f"mappings.from: {keeping.source} does not exist; give the folder of a job, or a mapping file"


def server_notes(server: PseudonymServer | None) -> Iterator[str]:
    """What a person should know before originals go to a service."""
    if server is not None:
        yield from warnings_for(server.access)
        if server.kind == "gpas" and asks_by_query(server.version):
            yield (
                "services.pseudonyms.version: a gPAS before 1.10.2 takes originals in the address of each request, where logs of servers "
                "and proxies keep them; a newer one does not"
            )
