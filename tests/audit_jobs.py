"""A small job made by the steps of the library in this process, for the tests of its audit."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import inventory
import results
from dimpflow.audit.chain.record import write_audit
from dimpflow.audit.facts import RulesUsed, RunFacts, collect_facts
from dimpflow.audit.signing import Signer
from dimpflow.audit.status import Collector, new_facts
from dimpflow.engine.engine import Engine
from dimpflow.keys import fingerprint
from dimpflow.layout import JobFolder
from dimpflow.ndjson import write_json
from dimpflow.pseudonyms.pairs import Recorder, write_pairs
from dimpflow.pseudonyms.plan import DEFAULT_PLAN, prefixes_of
from dimpflow.pseudonyms.sources import planned_pseudonyms
from dimpflow.ruleset.load import load_rule_set
from dimpflow.ruleset.options import Options
from dimpflow.sources import find_sources
from dimpflow.steps.dimp import deidentify_shard
from dimpflow.steps.imports import import_source
from dimpflow.steps.keep_mapping import keep_mapping
from dimpflow.steps.mapping import Making
from dimpflow.steps.split import split_shard
from generate import generate

RULES = Path(__file__).parents[1] / "config" / "rulesets" / "default.yaml"
KEY = "an-invented-key-of-the-tests-0123456789"
ENVIRON = {"DIMP_CRYPTO_HASH_KEY": KEY}
BAD_LINE = b'{"resourceType":"Patient","id":"broken'
REFUSED = b'{"resourceType":"Patient","id":"refused","unknownElement":"Kanarie-4711"}\n'


@dataclass(frozen=True)
class AuditedJob:
    """folder: of the job; given: the input; run, shards: as collect_facts needs them; canaries: what identifies people in it."""

    folder: JobFolder
    given: Path
    canaries: Path
    run: RunFacts
    shards: Mapping[str, Sequence[str]]

    def audit(
        self, checks: Mapping[str, Mapping[str, Any]] | None = None, signer: Signer | None = None
    ) -> dict[str, Any]:
        """Writes the audit."""
        return write_audit(
            self.folder, collect_facts(self.folder, self.shards, self.run, checks or {}), signer
        )

    def files(self) -> list[Path]:
        """Every file of the job."""
        return sorted(path for path in self.folder.path.rglob("*") if path.is_file())


def make_job(
    place: Path, *, compression: Literal["", "gz", "zst"] = "", keep_shards: bool = True
) -> AuditedJob:
    """A finished job over an invented cohort: two shards of observations, a packed file, a line that is no JSON, and one that the
    engine refuses."""
    given, canaries = place / "input", place / "canaries.jsonl"
    generate(given, 6, seed=7, canaries=canaries)
    with open(given / "Patient.ndjson", "ab") as file:
        file.write(REFUSED + BAD_LINE)
    packed = given / "Condition.ndjson"
    packed.with_name("Condition.ndjson.gz").write_bytes(gzip.compress(packed.read_bytes(), mtime=0))
    packed.unlink()
    folder = JobFolder(place / "jobs" / "study")
    sources = find_sources([str(given)]).sources
    shards = {
        one.name: ["001-of-002", "002-of-002"] if one.name == "Observation" else ["001-of-001"]
        for one in sources
    }
    inventory.main([str(given)], {}, folder.side_file("_all"), fetched=False, listing=None)
    rule_set = load_rule_set(RULES, ENVIRON, Options(strict=True))
    recorder = Recorder(planned_pseudonyms(DEFAULT_PLAN, rule_set.parameters.hash_key, None))
    engine = Engine(rule_set, pseudonyms=recorder)
    for source in sources:
        data = folder.imported(source.name)
        import_source(
            source, data, folder.manifest(source.name), data.parent / "rejected" / data.name, "quarantine"
        )
        for number, shard in enumerate(shards[source.name], 1):
            pair = (source.name, shard)
            cut, index = folder.shard("split", *pair), folder.facts("split", *pair)
            split_shard(
                data,
                folder.manifest(source.name),
                number,
                len(shards[source.name]),
                1 << 20,
                cut,
                index,
                remote=False,
            )
            done, counts = folder.shard("dimp", *pair), folder.facts("dimp", *pair)
            deidentify_shard(
                engine,
                cut,
                index,
                data,
                done,
                counts,
                on_invalid="quarantine",
                rejected=cut.parent / "rejected" / cut.name,
            )
            write_pairs(folder.pairs(*pair), recorder.pairs)
            recorder.pairs = set()
    units = {f"{source}.{name}": [(source, name)] for source in shards for name in shards[source]}
    making = Making(DEFAULT_PLAN, prefixes_of(rule_set), rule_set.parameters.hash_key, "2026-11-24", None)
    keep_mapping(folder, units, making, None, None)
    _join(folder, shards, compression)
    _tell(folder, shards, rule_set.sha256)
    if not keep_shards:
        for path in _passing(folder, shards):
            path.unlink()
    run = RunFacts(
        job="study",
        files={one.name: str(one.path) for one in sources},
        rules=RulesUsed(
            name=str(RULES),
            sha256=rule_set.sha256,
            service=None,
            strict=True,
            key=fingerprint(rule_set.parameters.secrets()),
            on_invalid="quarantine",
            options=Options(strict=True).as_params(),
        ),
        snakemake="9.0.0",
        keep_shards=keep_shards,
        compression=compression,
    )
    return AuditedJob(folder, given, canaries, run, shards)


def with_service(job: AuditedJob) -> AuditedJob:
    """The same job, as if a service had applied its own rules."""
    rules = replace(
        job.run.rules,
        name=None,
        sha256=None,
        service="https://ann:secret@dimp.example:8443/fhir?token=secret",
        strict=None,
    )
    return replace(job, run=replace(job.run, rules=rules))


def _join(folder: JobFolder, shards: Mapping[str, Sequence[str]], compression: str) -> None:
    for step in ("import", "dimp"):
        ending = f".{compression}" if compression else ""
        outputs = [
            folder.path / f"{step}_results.ndjson{ending}",
            folder.path / f"{step}_results.json",
            folder.path / "report" / f"{step}.html",
        ]
        results.main(shards, folder, outputs, {"compression": compression, "level": "default", "step": step})


def _tell(folder: JobFolder, shards: Mapping[str, Sequence[str]], rules_sha256: str) -> None:
    """What Snakemake and the keeper leave beside the data."""
    benchmarks = folder.path / "benchmarks"
    benchmarks.mkdir()
    for name, seconds in (
        ("dimp_Patient.001-of-001", "1.25"),
        ("dimp_002-of-004", "2.5"),
        ("results_dimp", "NA"),
        ("audit", "9"),
    ):
        (benchmarks / f"{name}.tsv").write_text(
            f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t45.9\n", encoding="utf-8"
        )
    versions = {"dimpflow": "0", "snakemake": "9", "python": "3"}
    known = new_facts(
        "study", folder.path, shards, dimp=True, rule_set_sha256=rules_sha256, versions=versions
    )
    write_json(folder.path / "status.json", Collector(known, None).collect("running"))


def _passing(folder: JobFolder, shards: Mapping[str, Sequence[str]]) -> Iterator[Path]:
    for source, names in shards.items():
        for name in names:
            yield folder.shard("split", source, name)
            yield folder.shard("dimp", source, name)
