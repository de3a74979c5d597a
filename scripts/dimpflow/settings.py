"""The configuration as checked, typed objects; `${VARIABLE}` from the environment; secrets that stay where they are."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from dimpflow.audit_settings import Audit, audit_faults, audit_of
from dimpflow.clients.retry import Retry
from dimpflow.crtdl.prepare import CrtdlRules
from dimpflow.errors import ConfigError
from dimpflow.inputs import CrtdlFile, Inputs, LocalFiles, TorchJob, WebFiles, inputs_of, name_of
from dimpflow.pseudonym_settings import (
    Keeping,
    PseudonymServer,
    Reidentify,
    item_faults,
    keeping_faults,
    keeping_of,
    plan_faults,
    plan_of,
    pseudonym_server_of,
    reidentify_of,
    secret_faults,
    server_notes,
)
from dimpflow.pseudonyms.plan import PseudonymPlan
from dimpflow.ruleset.options import Options
from dimpflow.schema import Schema, complaints, fill_defaults, is_secret, is_unused, leaves, read_schema, tidy
from dimpflow.services import DimpServer, dimp_faults, dimp_notes, dimp_server_of
from dimpflow.torch_server import (
    TorchServer,
    WebServer,
    crtdl_rules_of,
    duration_faults,
    torch_faults,
    torch_notes,
    torch_server_of,
    web_faults,
    web_notes,
    web_server_of,
)
from dimpflow.variables import VARIABLE, expand

MB = 1024 * 1024

Subs = Mapping[str, Schema]  # the part of the schema for each dotted key

_DATA_ENDING = re.compile(r"\.(ndjson|json)(\.(gz|zst))?$", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """The whole configuration. Sizes are in bytes; `compression` is "" for plain results; `server`: what de-identifies, None for
    the embedded engine; `torch`, `crtdl`, `web`: for such an input only; `notes` are for the terminal."""

    job: str
    inputs: Inputs
    sample: int | None
    jobs_dir: Path
    retention_days: int | None
    dimp: bool
    shard_bytes: int
    keep_shards: bool
    on_invalid: Literal["fail", "quarantine"]
    limit_bytes: int
    rules: Path
    options: Options
    security_labels: bool
    compression: Literal["", "gz", "zst"]
    compression_level: Literal["fastest", "default", "better", "best"]
    retry: Retry
    torch: TorchServer | None
    crtdl: CrtdlRules
    drop_provenance: bool
    web: WebServer | None
    server: DimpServer | None
    pseudonyms: PseudonymPlan
    pseudonym_server: PseudonymServer | None
    keeping: Keeping
    reidentify: Reidentify
    audit: Audit
    notes: tuple[str, ...]

    @property
    def job_dir(self) -> Path:
        """Folder of the job."""
        return self.jobs_dir / self.job


def load_settings(
    config: Mapping[str, Any], schema_path: Path, *, environ: Mapping[str, str], folders: Sequence[Path]
) -> Settings:
    """Check `config` against the schema and what a schema cannot say.

    `folders` are where a relative rule set is looked for, in this order.

    Raises:
        ConfigError: all faults of the configuration, one line each.
    """
    schema = read_schema(schema_path)
    subs = dict(leaves(schema))
    faults: list[str] = []
    given = _expanded(tidy(config, schema), subs, environ, faults)
    faults += complaints(given, schema)
    if faults:
        raise ConfigError("\n".join(faults))
    filled = fill_defaults(given, schema)
    services, dimp = filled["services"], filled["services"]["dimp"]
    rules = _find_rules(dimp["anonymization_config"], folders)
    own = "anonymization_config" in given.get("services", {}).get("dimp", {})
    server = dimp_server_of(filled, rules if own else None)
    faults = list(item_faults(given))
    if faults:
        raise ConfigError("\n".join(faults))
    plan, keeping, audit = plan_of(filled), keeping_of(filled), audit_of(filled)
    pseudonym_server = pseudonym_server_of(filled, plan)
    inputs, wrong_inputs = _inputs_of(config, schema, filled)
    unreadable = list(duration_faults(given, filled))
    torch = None if unreadable else _torch_of(filled, inputs)
    web = web_server_of(filled, inputs) if isinstance(inputs, WebFiles) else None
    faults = [
        *unreadable,
        *_wrong_order(filled["retry"], "retry.", "initial_backoff_ms", "max_backoff_ms"),
        *_credentials_in_urls(given, subs),
        *wrong_inputs,
        *dimp_faults(given, server),
        *torch_faults(given, torch),
        *web_faults(given, web, inputs if isinstance(inputs, WebFiles) else None),
        *plan_faults(plan, pseudonym_server, by_service=server is not None),
        *secret_faults(given, pseudonym_server),
        *keeping_faults(keeping),
        *audit_faults(audit),
        *_no_date("services.dimp.reference_date", dimp.get("reference_date", "")),
        *_two_jobs_dirs(given),
        *_no_sample(filled, inputs),
        *_two_enrichments(services["crtdl_preprocessing"]),
    ]
    if faults:
        raise ConfigError("\n".join(faults))
    return Settings(
        job=_job(filled, inputs),
        inputs=inputs,
        sample=filled.get("sample"),
        jobs_dir=_checked_folder(filled["jobs"].get("jobs_dir", filled["jobs_dir"])),
        retention_days=filled["jobs"].get("retention_days"),
        dimp="dimp" in filled["pipeline"]["enabled_steps"],
        shard_bytes=int(filled["shard_mb"] * MB),
        keep_shards=filled["keep_shards"],
        on_invalid=filled["import"]["on_invalid"],
        limit_bytes=dimp["bundle_split_threshold_mb"] * MB,
        rules=rules,
        options=_options(dimp, strict=dimp.get("mode", _own_mode(rules, folders)) == "strict"),
        security_labels=dimp["security_labels"],
        compression=filled["compression"]["format"] if filled["compression"]["enabled"] else "",
        compression_level=filled["compression"]["level"],
        retry=Retry(**filled["retry"]),
        torch=torch,
        crtdl=crtdl_rules_of(filled, _enrichments(services["crtdl_preprocessing"])),
        drop_provenance=torch is not None and services["torch"]["provenance"] == "drop",
        web=web,
        server=server,
        pseudonyms=plan,
        pseudonym_server=pseudonym_server,
        keeping=keeping,
        reidentify=reidentify_of(filled),
        audit=audit,
        notes=(
            *_clear_secrets(given, subs),
            *_unused_sections(given, subs),
            *dimp_notes(given, server),
            *torch_notes(torch),
            *web_notes(web),
            *server_notes(pseudonym_server),
        ),
    )


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a configuration with its dotted key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, sub in value.items():
            yield from _strings(sub, f"{key}.{name}" if key else str(name))
    elif isinstance(value, Sequence):
        for sub in value:
            yield from _strings(sub, key)


def _expanded(value: Any, subs: Subs, environ: Mapping[str, str], faults: list[str], key: str = "") -> Any:
    """The configuration with its variables replaced; those of secrets are only looked for, and unused sections left alone."""
    if isinstance(value, Mapping):
        if key in subs and is_unused(subs[key]):
            return value
        dotted = f"{key}." if key else ""
        return {name: _expanded(sub, subs, environ, faults, f"{dotted}{name}") for name, sub in value.items()}
    if isinstance(value, list):
        return [_expanded(one, subs, environ, faults, key) for one in value]
    if isinstance(value, str):
        try:
            expanded = expand(value, environ, key)
            return value if is_secret(key, subs.get(key)) else expanded
        except ConfigError as error:
            faults.append(str(error))
    return value


def _wrong_order(section: Mapping[str, int], prefix: str, low: str, high: str) -> Iterator[str]:
    if section[low] > section[high]:
        yield f"{prefix}{low}: {section[low]} is more than {prefix}{high} ({section[high]})"


def _credentials_in_urls(given: Mapping[str, Any], subs: Subs) -> Iterator[str]:
    for key, value in _strings(given):
        # of the input see inputs.py
        if key in subs and key != "input" and re.match(r"https?://[^/]*@", value, re.IGNORECASE):
            yield f"{key}: user name and password do not belong into an address; use the keys of this section for them"


def _no_date(key: str, text: str) -> Iterator[str]:
    try:
        if text:
            date.fromisoformat(text)
    except ValueError:
        yield f"{key}: there is no such day"


def _two_jobs_dirs(given: Mapping[str, Any]) -> Iterator[str]:
    one, other = given.get("jobs_dir"), given.get("jobs", {}).get("jobs_dir")
    if one and other and os.path.normpath(one) != os.path.normpath(other):
        yield "jobs_dir and jobs.jobs_dir differ, but mean the same folder; give one of them"


def _list(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _inputs_of(
    config: Mapping[str, Any], schema: Schema, filled: Mapping[str, Any]
) -> tuple[Inputs, list[str]]:
    """The kind of the input, and what is wrong with it."""
    try:
        return inputs_of(_list(filled["input"]), _list(tidy(config, schema)["input"])), []
    except ConfigError as error:
        return LocalFiles(()), str(error).splitlines()


def _torch_of(filled: Mapping[str, Any], inputs: Inputs) -> TorchServer | None:
    match inputs:
        case CrtdlFile():
            return torch_server_of(filled, "")
        case TorchJob(base_url, _):
            return torch_server_of(filled, base_url)
        case _:
            return None


def _two_enrichments(section: Mapping[str, Any]) -> Iterator[str]:
    prefix = "services.crtdl_preprocessing."
    if "enrichments" in section and "enrichments_path" in section:
        yield f"{prefix}enrichments and {prefix}enrichments_path cannot be used together; remove one of them"
    elif section["enabled"] and "enrichments" not in section and "enrichments_path" not in section:
        yield f"{prefix}enrichments: missing; with {prefix}enabled give rules, or a file with them as {prefix}enrichments_path"


def _enrichments(section: Mapping[str, Any]) -> str | tuple[Any, ...]:
    """The file with the rules, or the rules themselves; none if they are not enabled."""
    if not section["enabled"]:
        return ()
    return section.get("enrichments_path") or tuple(section["enrichments"])


def _no_sample(filled: Mapping[str, Any], inputs: Inputs) -> Iterator[str]:
    if "sample" in filled and not isinstance(inputs, LocalFiles):
        yield "sample: is for folders and files of this machine; of TORCH ask for a few patients (services.torch.patients)"


def _job(filled: Mapping[str, Any], inputs: Inputs) -> str:
    """The job's name; a sample has a job of its own."""
    name = filled.get("job") or _job_from(inputs, len(_list(filled["input"])))
    return f"{name}-sample-{filled['sample']}" if "sample" in filled else name


def _job_from(inputs: Inputs, entries: int) -> str:
    """A name for the job, made from that of the first input."""
    name = _DATA_ENDING.sub("", Path(os.path.abspath(name_of(inputs))).name)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-")
    if not name:
        raise ConfigError("job: the input has no name to take; give one, such as --config job=study-42")
    return f"{name}-and-{entries - 1}-more" if entries > 1 else name


def _checked_folder(jobs_dir: str) -> Path:
    if re.search(r"[{}\x00-\x1f]", jobs_dir):  # braces are Snakemake's wildcards
        raise ConfigError("jobs_dir: must not hold braces or control characters")
    return Path(os.path.normpath(jobs_dir))


def _find_rules(name: str, folders: Sequence[Path]) -> Path:
    """The rule set's place: the first of the folders that has it. It need not exist."""
    places = [folder / name for folder in folders]
    return next((place for place in places if place.exists()), places[-1])


def _own_mode(rules: Path, folders: Sequence[Path]) -> str:
    """Our own rule sets are strict unless asked otherwise; whoever brings one wants what it gave so far."""
    own = (folders[-1] / "config" / "rulesets").absolute()
    return "strict" if own in rules.absolute().parents else "compat"


def _options(dimp: Mapping[str, Any], *, strict: bool) -> Options:
    day = dimp.get("reference_date")
    return Options(
        strict=strict,
        reference_date=date.fromisoformat(day) if day else None,
        settings=dict(dimp["settings"]),
        conditional_references=dimp["conditional_references"],
        unmatched=dimp["unmatched"],
    )


def _clear_secrets(given: Mapping[str, Any], subs: Subs) -> Iterator[str]:
    for key, value in _strings(given):
        if is_secret(key, subs.get(key)) and value and not VARIABLE.fullmatch(value):
            yield f"{key}: a secret stands in clear in the configuration; write ${{VARIABLE}} there and export that variable"


def _unused_sections(given: Mapping[str, Any], subs: Subs) -> Iterator[str]:
    found = []
    for key, sub in subs.items():
        section: Any = given
        for part in key.split("."):
            section = section.get(part) if isinstance(section, Mapping) else None
        if section and is_unused(sub):
            found.append(key)
    if found:
        yield f"not performed by this workflow, so not looked at: {', '.join(found)}"
