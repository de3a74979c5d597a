"""The servers of the configuration as checked, typed objects. Secrets stay where they are: texts such as `${VARIABLE}` that the
job which needs them expands."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dimpflow.clients.access import Access, check_access, is_loopback, warnings_for
from dimpflow.clients.retry import Retry
from dimpflow.variables import VARIABLE

_SECRETS = ("password", "bearer_token", "oauth_client_secret", "api_key")

_EMBEDDED = {
    "mode": "strict",
    "unmatched": "redact",
    "conditional_references": True,
    "security_labels": False,
}
"""Values that only the embedded engine can give; what the service does stands in its own configuration."""


@dataclass(frozen=True)
class DimpServer:
    """services.dimp with a url. rules: the rule set that goes along with each request, None for the service's own; connections:
    requests at a time, of one job and of all; pack, gzip: as configured, gzip decided."""

    access: Access
    retry: Retry
    rules: Path | None
    settings: Mapping[str, str]
    connections: int
    all_connections: int
    pack: bool
    gzip: bool
    allow_empty: bool

    def as_params(self) -> dict[str, Any]:
        """As plain values, without a secret, for a job's script."""
        plain = asdict(self)
        return {**plain, "rules": str(self.rules) if self.rules else ""}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "DimpServer":
        """The way back."""
        return cls(
            **{
                **params,
                "access": Access(**params["access"]),
                "retry": Retry(**params["retry"]),
                "rules": Path(params["rules"]) if params["rules"] else None,
            }
        )


def access_of(
    section: str,
    url: str,
    auth: Mapping[str, Any],
    tls: Mapping[str, Any],
    *,
    use_proxies: bool,
    connect: float,
    read: float,
    url_key: str = "",
) -> Access:
    """How to reach a server: its section in the configuration, the keys of <section>.auth and of tls, time-outs in seconds."""
    return Access(
        url=url,
        section=section,
        username=auth.get("username", ""),
        password=auth.get("password", ""),
        bearer_token=auth.get("bearer_token", ""),
        oauth_issuer=auth.get("oauth_issuer_uri", ""),
        oauth_client_id=auth.get("oauth_client_id", ""),
        oauth_client_secret=auth.get("oauth_client_secret", ""),
        oauth_scope=auth.get("oauth_scope", ""),
        api_key=auth.get("api_key", ""),
        api_key_header=auth["api_key_header"],
        ca_cert_path=tls.get("ca_cert_path", ""),
        insecure_skip_verify=tls["insecure_skip_verify"],
        use_proxies=use_proxies,
        connect_timeout=connect,
        read_timeout=read,
        url_key=url_key,
    )  # fmt: skip


def clear_secrets(section: str, auth: Mapping[str, Any]) -> Iterator[str]:
    """Secrets that stand in clear: where they go to a job, Snakemake would keep them."""
    for key in _SECRETS:
        if not VARIABLE.fullmatch(auth.get(key, "${X}")):
            yield (
                f"{section}.{key}: a secret stands in clear in the configuration; write ${{VARIABLE}} there and export that variable"
            )


def dimp_server_of(filled: Mapping[str, Any], rules: Path | None) -> DimpServer | None:
    """services.dimp of a configuration with its defaults filled in; None without a url."""
    dimp, auth, tls = filled["services"]["dimp"], filled["services"]["dimp"]["auth"], filled["tls"]
    if not dimp["url"]:
        return None
    access = access_of(
        "services.dimp", dimp["url"], auth, tls,
        use_proxies=dimp["use_proxies"], connect=float(dimp["connect_timeout_seconds"]), read=float(dimp["read_timeout_seconds"]),
    )  # fmt: skip
    return DimpServer(
        access=access,
        retry=Retry(**filled["retry"]),
        rules=rules,
        settings=dict(dimp["settings"]),
        connections=min(dimp["max_concurrent_requests"], dimp["max_connections"]),
        all_connections=dimp["max_connections"],
        pack=dimp["pack"] == "auto",
        gzip=dimp["gzip"] == "always" or (dimp["gzip"] == "auto" and not is_loopback(dimp["url"])),
        allow_empty=dimp["allow_empty"],
    )


def dimp_faults(given: Mapping[str, Any], server: DimpServer | None) -> Iterator[str]:
    """What contradicts itself in services.dimp, one line each."""
    if server is None:
        return
    yield from check_access(server.access)
    dimp = given["services"]["dimp"]
    yield from clear_secrets("services.dimp.auth", dimp.get("auth", {}))
    for key, value in _EMBEDDED.items():
        if dimp.get(key) == value:
            yield f"services.dimp.{key}: {str(value).lower()} is for the embedded engine; with services.dimp.url the service decides"
    offset = server.settings.get("dateShiftFixedOffsetInDays")
    if offset is not None and not re.fullmatch(r"[+-]?\d+", offset):
        yield "services.dimp.settings.dateShiftFixedOffsetInDays: expected a whole number"


def dimp_notes(given: Mapping[str, Any], server: DimpServer | None) -> Iterator[str]:
    """What a person should know before data go to a service."""
    if server is None:
        return
    yield from warnings_for(server.access)
    if "reference_date" in given["services"]["dimp"]:
        yield "services.dimp.reference_date: has no effect with services.dimp.url; the service judges ages by its own clock"
