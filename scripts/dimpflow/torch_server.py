"""services.torch and services.http_import as checked, typed objects. Secrets stay where they are, as in services.py."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from dimpflow.clients.access import Access, check_access, warnings_for
from dimpflow.clients.addresses import origin_of
from dimpflow.clients.download import Patience
from dimpflow.clients.retry import Retry
from dimpflow.crtdl.against_schema import SchemaLevel
from dimpflow.crtdl.prepare import CrtdlRules
from dimpflow.durations import seconds
from dimpflow.inputs import WebFiles
from dimpflow.services import access_of, clear_secrets

TORCH = "services.torch"
WEB = "services.http_import"

_OLD_KEYS = {
    "extraction_timeout": ("extraction_timeout_minutes", 60),
    "polling_interval": ("polling_interval_seconds", 1),
    "max_polling_interval": ("max_polling_interval_seconds", 1),
}
"""Keys of Aether since 1.0, with those before and their unit in seconds."""
_DURATIONS = (
    *_OLD_KEYS, "extraction_deadline", "stall_warning", "request_timeout", "file_ready_interval", "download_stall_timeout",
)  # fmt: skip


@dataclass(frozen=True)
class Polling:
    """When to look at an extraction, in seconds: the first pause and the longest one, how long there may be no sign of life,
    how long it may take in all, and after how long without progress a warning is given."""

    first: float
    longest: float
    silence: float
    deadline: float
    stall: float


@dataclass(frozen=True)
class TorchServer:
    """services.torch. files: how to reach its file server, None: the files lie at the origin of the API; downloads: at a time;
    max_resumes: how often a job that failed for a time is told to go on."""

    access: Access
    files: Access | None
    retry: Retry
    polling: Polling
    patience: Patience
    downloads: int
    max_resumes: int
    on_empty: Literal["fail", "accept"]
    allow_legacy: bool
    cancel_on_abort: bool
    delete_after_import: bool

    @property
    def file_access(self) -> Access:
        """How to reach the result files."""
        return self.files or self.access

    def as_params(self) -> dict[str, Any]:
        """As plain values, without a secret, for a job's script."""
        return asdict(self)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "TorchServer":
        """The way back."""
        return cls(
            **{
                **params,
                "access": Access(**params["access"]),
                "files": Access(**params["files"]) if params["files"] else None,
                "retry": Retry(**params["retry"]),
                "polling": Polling(**params["polling"]),
                "patience": Patience(**params["patience"]),
            }
        )


@dataclass(frozen=True)
class WebServer:
    """How files on the web are fetched; credentials go to one origin, the url of `access`."""

    access: Access
    retry: Retry
    patience: Patience
    downloads: int

    def as_params(self) -> dict[str, Any]:
        """As plain values, without a secret, for a job's script."""
        return asdict(self)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "WebServer":
        """The way back."""
        return cls(
            Access(**params["access"]),
            Retry(**params["retry"]),
            Patience(**params["patience"]),
            params["downloads"],
        )


def torch_server_of(filled: Mapping[str, Any], base_url: str) -> TorchServer:
    """services.torch of a configuration with its defaults filled in; base_url: where the key is not set."""
    torch = filled["services"]["torch"]
    auth = {**torch["auth"], **{key: torch[key] for key in ("username", "password") if key in torch}}
    at = {key: seconds(torch[key]) for key in _DURATIONS if key in torch}
    at |= {key: torch[old] * unit for key, (old, unit) in _OLD_KEYS.items() if key not in at}

    def access(url: str, key: str, patience: float) -> Access:
        return access_of(
            TORCH, url, auth, filled["tls"], url_key=f"{TORCH}.{key}",
            use_proxies=torch["use_proxies"], connect=float(torch["connect_timeout_seconds"]), read=patience,
        )  # fmt: skip

    url = torch.get("base_url") or base_url
    file_url = torch.get("file_server_url", "")
    return TorchServer(
        access=access(url, "base_url", at["request_timeout"]),
        files=access(file_url, "file_server_url", at["download_stall_timeout"]) if file_url else None,
        retry=Retry(**filled["retry"]),
        polling=Polling(
            at["polling_interval"], at["max_polling_interval"], at["extraction_timeout"], at["extraction_deadline"],
            at["stall_warning"],
        ),
        patience=Patience(torch["file_ready_retries"], at["file_ready_interval"]),
        downloads=torch["max_downloads"],
        max_resumes=torch["max_resumes"],
        on_empty=torch["on_empty"],
        allow_legacy=torch["allow_legacy_torch"],
        cancel_on_abort=torch["cancel_on_abort"],
        delete_after_import=torch["delete_after_import"],
    )  # fmt: skip


def torch_faults(given: Mapping[str, Any], server: TorchServer | None) -> Iterator[str]:
    """What contradicts itself in services.torch where TORCH is asked, one line each."""
    torch = given.get("services", {}).get("torch", {})
    if server is None:
        return
    if not server.access.url:
        yield f"{TORCH}.base_url: missing; a CRTDL document needs the address of the TORCH server that extracts"
        return
    yield from check_access(server.access)
    if server.files:
        yield from (
            line for line in check_access(server.files) if line.startswith(f"{TORCH}.file_server_url")
        )
    yield from clear_secrets(f"{TORCH}.auth", torch.get("auth", {}))
    yield from clear_secrets(TORCH, torch)


def duration_faults(given: Mapping[str, Any], filled: Mapping[str, Any]) -> Iterator[str]:
    """Durations in services.torch that cannot be read or contradict one another, and credentials in two places, one line each."""
    asked, torch = given.get("services", {}).get("torch", {}), filled["services"]["torch"]
    at = {}
    for key in _DURATIONS:
        try:
            if key in torch:
                at[key] = seconds(torch[key])
        except ValueError as error:
            yield f"{TORCH}.{key}: {error}"
    for key, (old, unit) in _OLD_KEYS.items():
        if key in asked and old in asked:
            yield f"{TORCH}.{old}: an older name of {TORCH}.{key}; give one of them"
        at.setdefault(key, torch[old] * unit)
    if at["polling_interval"] > at["max_polling_interval"]:
        low, high = (
            (key, torch[key]) if key in asked else (_OLD_KEYS[key][0], torch[_OLD_KEYS[key][0]])
            for key in ("polling_interval", "max_polling_interval")
        )
        yield f"{TORCH}.{low[0]}: {low[1]} is more than {TORCH}.{high[0]} ({high[1]})"
    for key in ("username", "password"):
        if key in asked and asked.get("auth"):
            yield f"{TORCH}.{key}: an older place of {TORCH}.auth.{key}; give all credentials under {TORCH}.auth"


def torch_notes(server: TorchServer | None) -> Iterator[str]:
    """What a person should know before TORCH is asked."""
    if server:
        yield from warnings_for(server.access)
        if server.files and origin_of(server.files.url) != origin_of(server.access.url):
            yield from (
                line for line in warnings_for(server.files) if line.startswith(f"{TORCH}.file_server_url")
            )


def web_server_of(filled: Mapping[str, Any], files: WebFiles) -> WebServer:
    """services.http_import of a configuration with its defaults filled in."""
    web = filled["services"]["http_import"]
    url = web.get("server") or files.files[0].place
    return WebServer(
        access=access_of(
            WEB, url, web["auth"], filled["tls"], url_key=f"{WEB}.server" if "server" in web else "input",
            use_proxies=web["use_proxies"], connect=float(web["connect_timeout_seconds"]),
            read=float(web["stall_timeout_seconds"]),
        ),
        retry=Retry(**filled["retry"]),
        patience=Patience(ready_retries=0),
        downloads=web["max_downloads"],
    )  # fmt: skip


def web_faults(given: Mapping[str, Any], server: WebServer | None, files: WebFiles | None) -> Iterator[str]:
    """What contradicts itself in services.http_import where files on the web are the input, one line each."""
    if server is None or files is None:
        return
    web = given.get("services", {}).get("http_import", {})
    yield from check_access(server.access)
    yield from clear_secrets(f"{WEB}.auth", web.get("auth", {}))
    origins = {origin_of(file.place) for file in files.files}
    if web.get("auth") and "server" not in web and len(origins) > 1:
        yield (
            f"{WEB}.server: missing; the files of the input lie on {len(origins)} servers, so say which of them the "
            "credentials are for"
        )


def web_notes(server: WebServer | None) -> Iterator[str]:
    """What a person should know before files on the web are fetched."""
    if server:
        yield from warnings_for(server.access)


def crtdl_rules_of(filled: Mapping[str, Any], enrichments: str | tuple[Any, ...]) -> CrtdlRules:
    """How a CRTDL document is looked at, of a configuration with its defaults filled in."""
    torch = filled["services"]["torch"]
    return CrtdlRules(
        schema=cast(SchemaLevel, torch["crtdl_schema"]),
        require_consent=torch["require_consent"],
        patients=Path(torch["patients"]) if "patients" in torch else None,
        enrichments=enrichments,
    )
