"""audit.json: what went in, by which rules and which software, what came out, and what each file was made from.

Counts, hashes, versions and times. Never a value: the categories that are counted are resource types, rules and paths, none of
which can name a person. The form is schemas/audit.schema.json.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from dimpflow.audit.balance import read_facts
from dimpflow.audit.chain.artefacts import Parts, artefacts_of
from dimpflow.audit.environment import software
from dimpflow.audit.status import read_status
from dimpflow.audit.untouched import untouched
from dimpflow.errors import InputError
from dimpflow.layout import JobFolder
from dimpflow.ndjson import read_errors
from dimpflow.versions import OUTPUT_VERSION

FORMAT = 1
"""`version` of the form; raised when a reader of the last one would be wrong about the next."""

CHECKS = ("leaks", "consistency", "risk")
NOT_RUN = {"state": "not run"}

Facts = dict[str, Any]


@dataclass(frozen=True)
class RulesUsed:
    """By which rules a run de-identified.

    name, sha256: of the rule set's file, None for the one that a service has of its own; service: address of the service, None for
    the embedded engine; strict: None with a service, which has no modes; key: dimpflow.keys.fingerprint of the keys; options: all
    else that changes what the rules do, as plain values without secrets.
    """

    name: str | None
    sha256: str | None
    service: str | None
    strict: bool | None
    key: str
    on_invalid: Literal["fail", "quarantine"]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class RunFacts:
    """What the files of a job do not say of the run.

    files: name of the input file of each source, without its folder, which may name a person; snakemake: its version; keep_shards,
    compression: as configured; gathers: whether the mapping was made before the de-identification; more: further files to be
    vouched for, with what they were made from, all as paths in the job's folder; home: folder of the workflow.
    """

    job: str
    files: Mapping[str, str]
    rules: RulesUsed
    snakemake: str
    keep_shards: bool
    compression: Literal["", "gz", "zst"]
    gathers: bool = False
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)
    home: Path | None = None


def collect_facts(
    folder: JobFolder,
    shards: Mapping[str, Sequence[str]],
    run: RunFacts,
    checks: Mapping[str, Mapping[str, Any]],
) -> Facts:
    """What audit.json says of a job whose results are there. shards: the names of each source's shards, sources in the order of the
    results; checks: what the checks found, by their names (CHECKS); one that is not there was not run.

    Raises InputError for a file that is missing, or of another size than what is recorded of it.
    """
    manifests = {source: read_facts(folder.manifest(source)) for source in shards}
    counts = {
        source: {name: read_facts(folder.facts("dimp", source, name)) for name in names}
        for source, names in shards.items()
    }
    came_in, went_out = (
        read_facts(folder.path / "import_results.json"),
        read_facts(folder.path / "dimp_results.json"),
    )
    parts = Parts(
        manifests=manifests,
        counts=counts,
        files=run.files,
        rules=(run.rules.name, run.rules.sha256) if run.rules.name and run.rules.sha256 else None,
        results={"import": came_in, "dimp": went_out},
        ending=f".{run.compression}" if run.compression else "",
        keep_shards=run.keep_shards,
        gathers=run.gathers,
        more=run.more,
    )
    known = read_status(folder.path)
    all_counts = [one for of_source in counts.values() for one in of_source.values()]
    return {
        "version": FORMAT,
        "job": run.job,
        "made": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "run": {
            "started": known["started"] if known else None,
            "seconds": seconds_of_steps(folder.path / "benchmarks"),
        },
        "input": _input(came_in, manifests, run.files),
        "rules": _rules(run.rules, went_out["rules"], all_counts, checks.get("consistency", {})),
        "software": software(run.snakemake, run.home),
        "output": _output(folder, went_out, parts.ending),
        "checks": {name: dict(checks.get(name, NOT_RUN)) for name in CHECKS},
        "signed_by": None,
        "artefacts": artefacts_of(folder, shards, parts),
    }


def seconds_of_steps(benchmarks: Path) -> dict[str, float]:
    """Seconds of each step, summed over its jobs, by what Snakemake measured; {} if it has not."""
    total: dict[str, float] = {}
    for path in sorted(benchmarks.glob("*.tsv")) if benchmarks.is_dir() else ():
        step = path.name.removesuffix(".tsv").partition("_")[0]
        if step in OUTPUT_VERSION and step != "audit":  # its own is of an earlier run
            total[step] = total.get(step, 0.0) + _seconds(path)
    return {step: round(seconds, 2) for step, seconds in total.items()}


def _seconds(path: Path) -> float:
    """The column `s` of a benchmark file; 0 where nothing was measured ("NA", "-")."""
    with read_errors(path):
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if not rows or "s" not in rows[0]:
        raise InputError(f"{path} is no benchmark of Snakemake; remove it and run again")
    column = rows[0].index("s")
    cells = [row[column] for row in rows[1:] if len(row) > column]
    return sum(float(cell) for cell in cells if cell.replace(".", "", 1).isdigit())


def _input(came_in: Facts, manifests: Mapping[str, Facts], files: Mapping[str, str]) -> Facts:
    names = ("source", "sha256_input", "sha256", "bytes", "lines", "rejected", "resources")
    left_out = ("dropped", "empty_bundles")
    return {
        **{name: came_in[name] for name in ("lines", "rejected", "resources", *left_out) if name in came_in},
        "sources": [
            {
                "file": Path(files[source]).name,
                **{name: manifest[name] for name in names},
                **{name: manifest[name] for name in left_out if name in manifest},
            }
            for source, manifest in manifests.items()
        ],
    }


def _rules(
    used: RulesUsed, rules: Sequence[Facts], counts: Sequence[Facts], consistency: Mapping[str, Any]
) -> Facts:
    mode = None if used.strict is None else "strict" if used.strict else "compat"
    facts: Facts = {
        "file": Path(used.name).name if used.name else None,
        "sha256": used.sha256,
        "engine": "service" if used.service else "embedded",
        "service": _origin(used.service) if used.service else None,
        "mode": mode,
        "key_fingerprint": used.key,
        "on_invalid": used.on_invalid,
        "options": dict(used.options),
        "did": _did(rules, counts),
    }
    for name in ("unknown_texts", "requests", "repeated"):
        if any(name in one for one in counts):
            facts[name] = sum(one.get(name, 0) for one in counts)
    if (found := untouched(consistency)) is not None:
        facts["untouched"] = found
    return facts


def _did(rules: Sequence[Facts], counts: Sequence[Facts]) -> list[Facts]:
    """What each rule did in all shards: as dimp_results.json has it, and where."""
    by_path: dict[int, dict[str, dict[str, int]]] = {rule["rule"]: {} for rule in rules}
    within: dict[int, list[dict[str, int]]] = {rule["rule"]: [] for rule in rules}
    for one in counts:
        for rule in one["rules"]:
            _add(by_path[rule["rule"]], rule["places"])
            within[rule["rule"]].append(rule["within"])
    did = []
    for rule in rules:
        places, by_type = by_path[rule["rule"]], dict[str, dict[str, int]]()
        for path, numbers in places.items():
            _add(by_type, {path.partition(".")[0]: numbers})
        did.append(
            {
                **{name: rule[name] for name in ("rule", "path", "method", "matched", "changed")},
                "by_type": dict(sorted(by_type.items())),
                "by_path": dict(sorted(places.items())),
                "within": _summed(within[rule["rule"]]),
            }
        )
    return did


def _add(total: dict[str, dict[str, int]], more: Mapping[str, Mapping[str, int]]) -> None:
    for name, numbers in more.items():
        total[name] = _summed((total.get(name, {}), numbers))


def _output(folder: JobFolder, went_out: Facts, ending: str) -> Facts:
    data = folder.path / f"dimp_results.ndjson{ending}"
    with read_errors(data):
        size = data.stat().st_size
    names = ("lines", "rejected", "bytes", "sha256", "file_sha256", "resources", "sources")
    return {"file": data.name, "file_bytes": size, **{name: went_out[name] for name in names}}


def _origin(address: str) -> str:
    """Scheme, host and port of an address: no user, no path, no query."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items()))
