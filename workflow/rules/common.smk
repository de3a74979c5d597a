# What all rules need: the settings, the sources and their work units, and where the files of the job are.
# All of it is known before any job runs, from names and sizes alone, so that every output is a real file target.
import hashlib
import os
import re
import sys
from collections import namedtuple
from dataclasses import asdict
from types import SimpleNamespace

from snakemake.logging import logger

from dimpflow.audit.balance import read_facts
from dimpflow.crtdl.prepare import prepare
from dimpflow.errors import DimpflowError
from dimpflow.inputs import CrtdlFile, LocalFiles, TorchJob, WebFiles
from dimpflow.keys import fingerprint
from dimpflow.layout import JobFolder
from dimpflow.lint import brief, lint
from dimpflow.lint.pseudonyms import identifier_needed
from dimpflow.plan import fetched_shards, plan_units, shard_name, shard_names
from dimpflow.pseudonym_settings import SERVICES
from dimpflow.pseudonyms.plan import prefixes_of, pseudonymizes
from dimpflow.ruleset.load import load_rule_set, read_document
from dimpflow.ruleset.rules import scrubs
from dimpflow.service_rules import (
    digest_of,
    packing_for,
    read_rules,
    secrets_of,
    warnings_about,
    with_keys,
)
from dimpflow.settings import load_settings
from dimpflow.sources import Found, Source, find_sources
from dimpflow.steps.extract import Order
from dimpflow.steps.provenance import check_rule_set, check_service_rules
from dimpflow.versions import OUTPUT_VERSION

# `snakemake --lint` must work on a machine that has neither data nor a key. Snakemake itself looks at the environment in
# every other mode.
LINTING = not workflow.check_envvars


def stop(error):
    """End before any job, with the message alone. A WorkflowError would add lines of this file, which help nobody."""
    for line in str(error).splitlines():
        logger.error(line)
    sys.exit(1)


def tell(note):
    """A note on the terminal, once: the jobs of a cluster read these files again."""
    if workflow.is_main_process and not LINTING:
        logger.warning(note)


def look_for_sources():
    if LINTING:
        sizes = {"small": 1, "large": SETTINGS.shard_bytes + 1}
        return Found(tuple(Source(name, Path(name), sizes[name], "", False) for name in sizes), ())
    return find_sources(SETTINGS.inputs.paths) if isinstance(SETTINGS.inputs, LocalFiles) else Found((), ())


def look_at_rule_set():
    """What makes the dimp jobs run again: the content of the rule set, and its key by a fingerprint that gives nothing
    away. A rule set that has moved, with the same content, changes nothing."""
    if LINTING:
        return {"sha256": "", "key": "", "pseudonyms": True}
    if SETTINGS.server:
        return look_at_service_rules()
    rule_set = load_rule_set(SETTINGS.rules, os.environ, SETTINGS.options)
    if workflow.is_main_process:
        findings = lint(rule_set, read_document(SETTINGS.rules)[0])
        for warning in (*rule_set.warnings, *brief(findings, SETTINGS.rules)):
            tell(f"{SETTINGS.rules}: {warning}")
    if workflow.is_main_process and SETTINGS.torch and not SETTINGS.drop_provenance:
        check_rule_set(rule_set)
    return {
        "sha256": rule_set.sha256,
        "key": fingerprint(rule_set.parameters.secrets()),
        "identifier": identifier_needed(rule_set),
        "pseudonyms": makes_pseudonyms(rule_set),
        "scrubs": scrubs(rule_set),
        "domains": (
            [
                name
                for name in prefixes_of(rule_set)
                if name and SETTINGS.pseudonyms.of(name).source in SERVICES
            ]
            if SETTINGS.pseudonym_server
            else []
        ),
    }


def makes_pseudonyms(rule_set):
    """Whether there is a mapping to make; that it can say what stands in the result shows before any job runs."""
    if not (SETTINGS.pseudonyms.keep and pseudonymizes(rule_set)):
        return False
    prefixes_of(rule_set)
    return True


def look_at_service_rules():
    """The same of the rule set that goes to the DIMP service; empty for the service's own, which nobody here knows."""
    if SETTINGS.server.rules is None:
        return {"sha256": "", "key": ""}
    rules = read_rules(SETTINGS.server.rules)
    with_keys(rules, SETTINGS.server.rules, os.environ)  # that all are there shows before any job runs
    if workflow.is_main_process:
        for warning in warnings_about(SETTINGS.server.rules, os.environ):
            tell(f"{SETTINGS.server.rules}: {warning}")
    return {
        "sha256": digest_of(rules),
        "key": fingerprint(secrets_of(rules, os.environ)),
    }


def look_at_crtdl():
    """What is to be sent to TORCH, as digests; that TORCH would refuse or misread it shows here, before anything is sent."""
    if not isinstance(SETTINGS.inputs, CrtdlFile) or LINTING:
        return []
    path = SETTINGS.inputs.path
    found = prepare(path, SETTINGS.crtdl, identifier_needed=bool(RULE_SET and RULE_SET.get("identifier")))
    for finding in found.findings:
        if finding.level == "warning":
            tell(f"{path}: {finding}")
    for note in found.notes:
        tell(note)
    if found.errors:
        raise DimpflowError("\n".join(f"{path}: {finding}" for finding in found.errors))
    return Order("", found.crtdl.raw, None, found.patients).recorded


def look_at_packing():
    """How single resources may go to the DIMP service together; that they may not is said once."""
    server = SETTINGS.server
    if LINTING or not server or not server.pack:
        return None
    packing, reason = packing_for(server.rules, server.settings, os.environ)
    if reason:
        tell(f"each resource is sent to the DIMP service alone: {reason}")
    return asdict(packing)


def check_jobs_dir():
    """Only look: a dry-run makes no folder."""
    folder = SETTINGS.jobs_dir.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise DimpflowError(f"jobs_dir: {nearest} is a file, not a folder; give another one")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DimpflowError(
            f"jobs_dir: {nearest} cannot be written; give another one, or the right to write there"
        )


try:
    SETTINGS = load_settings(
        config,
        HOME / "schemas" / "config.schema.yaml",
        environ=os.environ,
        folders=[Path(), HOME],
    )
    # Snakemake writes `config` into the script of every job, and a password may be in it. Nothing needs it from here on.
    config.clear()
    check_jobs_dir()
    # of files that come from a server, or are made by `sample`, the sizes are known only when they are here
    FETCHED = bool(SETTINGS.sample) or not isinstance(SETTINGS.inputs, LocalFiles)
    FOUND = look_for_sources()
    for note in (*SETTINGS.notes, *FOUND.left_out):
        tell(note)
    RULE_SET = look_at_rule_set() if SETTINGS.dimp else None
    PACKING = look_at_packing() if SETTINGS.dimp else None
    ORDER = look_at_crtdl()
    # whether there is a mapping, and whether it must be there before the first pseudonym is used
    MAPS = bool(RULE_SET and RULE_SET.get("pseudonyms"))
    GATHERS = MAPS and SETTINGS.pseudonyms.gathers
    SCRUBS = bool(RULE_SET and RULE_SET.get("scrubs"))
except DimpflowError as error:
    stop(error)

SOURCES = {} if FETCHED else {source.name: source for source in FOUND.sources}
UNITS = plan_units(tuple(SOURCES.values()), SETTINGS.shard_bytes)
UNIT_OF = {source: unit for unit in UNITS for source in unit.sources}
# Every source with the names of its shards, in the order of the results; of files that are fetched see plan().
SHARDS = {source: shard_names(UNIT_OF[source].shards) for source in SOURCES}

# Import, split and dimp are made once for all sources that have jobs of their own, with wildcards, and once for every
# bucket of small sources, with the list of its sources. Either way each source has its own files.
#
# Snakemake's work grows with the inputs of a job times its outputs (it hashes each input for each output), and with each
# output. So the jobs of a bucket declare what a person may ask for, the data of import, and for all else the files of the
# first source, which stand for the others: one job makes them all, or none of them counts.
Group = namedtuple("Group", "name sources shard")
#
# Files that are fetched from a server have jobs of their own: how many there will be is not known before.
LONE = [unit.name for unit in UNITS if unit.name in SOURCES]
GROUPS = [Group("", ("{source}",), "{shard}")] if LONE or FETCHED else []
GROUPS += [Group(unit.name, unit.sources, shard_name(1, 1)) for unit in UNITS if unit.name not in SOURCES]
FOLDER = JobFolder(SETTINGS.job_dir)


wildcard_constraints:
    source=r"[A-Za-z0-9][A-Za-z0-9._-]*" if FETCHED else "|".join(map(re.escape, LONE)),
    shard=r"\d+-of-\d+",
    file=r"[A-Za-z0-9][A-Za-z0-9._-]*\.(?i:(ndjson|json)(\.(gz|zst))?)",


def in_job(*parts):
    """A path in the folder of the job."""
    return str(SETTINGS.job_dir.joinpath(*parts))


def imported(sources):
    return [str(FOLDER.imported(source)) for source in sources]


def manifests(sources):
    return [str(FOLDER.manifest(source)) for source in sources]


def shards(step, sources, shard):
    return [str(FOLDER.shard(step, source, shard)) for source in sources]


def facts(step, sources, shard):
    return [str(FOLDER.facts(step, source, shard)) for source in sources]


def pairs(sources, shard):
    return [str(FOLDER.pairs(source, shard)) for source in sources]


def passing(paths, group):
    """Outputs that are removed after their last use if `keep_shards` is false. Those of a bucket stay, since Snakemake does
    not know who uses them."""
    return paths if SETTINGS.keep_shards or group.name else [temp(path) for path in paths]


def record(folder, step, group, ending):
    """The log or benchmark of one job of a group."""
    name = group.name or ("_{source}" if step == "import" else "_{source}.{shard}")
    return in_job(folder, f"{step}{name}.{ending}")


def title(step, group):
    """What the terminal says of a job of a group."""
    if group.name:
        return f"{step}: {len(group.sources)} small sources ({group.name.strip('_')})"
    return (
        f"{step}: {{wildcards.source}}"
        if step == "import"
        else f"{step}: {{wildcards.source}} {{wildcards.shard}}"
    )


def untracked(**values):
    """Parameters that Snakemake does not record, since they are no plain values: places. Content decides, not places."""
    return SimpleNamespace(**values)


def plan():
    """Every source with the names of its shards, in the order of the results. Of files that are fetched they are known when the
    checkpoint has seen them."""
    if not FETCHED:
        return SHARDS
    checkpoints.inventory.get()
    return fetched_shards(read_facts(FOLDER.side_file("_all")), SETTINGS.shard_bytes)


def planned(wildcards):
    """Parameter function: the plan."""
    return untracked(shards=plan())


def of_plan(paths):
    """Input function: the files that `paths` names for a source and its shards, of one source for each unit of work: the others
    of a bucket are made by the same jobs."""

    def files(wildcards):
        shards = plan()
        firsts = shards if FETCHED else [unit.sources[0] for unit in UNITS]
        return [path for source in firsts for path in paths(source, shards[source])]

    return files


def data_of_user(wildcards):
    """Input function: all sources. A function, since Snakemake would take braces in a path for wildcards."""
    if FETCHED:
        return [str(FOLDER.download(file)) for file in fetched_files()]
    return user_files(wildcards)


def user_files(wildcards):
    """Input function: the sources where the user has them."""
    return [str(source.path) for source in FOUND.sources]


def places_of(group):
    """Parameter function: the sources of a job, where the user has them, and where the rule set is."""

    def places(wildcards):
        sources = [wildcards.get("source", source) for source in group.sources]
        paths = [path_of(source) for source in sources]
        return untracked(sources=sources, paths=paths, rules=SETTINGS.rules)

    return places


def path_of(source):
    """Where the file of a source lies."""
    if not FETCHED:
        return SOURCES[source].path
    checkpoints.inventory.get()
    return FOLDER.download(read_facts(FOLDER.side_file(source))["file"])


def fetched_data(wildcards):
    """Input function: the file of a source, if it was fetched. Its age does not matter, the inventory says what it holds."""
    return [ancient(str(path_of(wildcards.source)))] if FETCHED else []


def seen():
    """Changes with every file that comes, goes, or is written or touched, also if an older one takes its place."""
    facts = sorted((source.name, source.size, os.stat(source.path).st_mtime_ns) for source in FOUND.sources)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def inventory_of(group):
    """Input function: the side file of a job's source or bucket, once the checkpoint has made it."""

    def side_file(wildcards):
        checkpoints.inventory.get()
        return str(FOLDER.side_file(group.name or wildcards.source))

    return side_file


def mapping_units():
    """The shards of each unit of work that is de-identified again when a pseudonym in it changes."""
    shards = plan()
    units = {
        unit.name: [(source, shard_name(1, 1)) for source in unit.sources]
        for unit in UNITS
        if unit.name not in SOURCES
    }
    bucketed = {source for unit in units.values() for source, _ in unit}
    lone = {
        f"{source}.{name}": [(source, name)]
        for source in shards
        if source not in bucketed
        for name in shards[source]
    }
    return {**units, **lone}


TERMS_FILE = str(FOLDER.mapping("terms.jsonl"))


def sources_seen():
    """Changes with the data of any source. (Of a bucket Snakemake sees one source only.)"""
    checkpoints.inventory.get()
    listed = read_facts(FOLDER.side_file("_all"))["sources"]
    return hashlib.sha256(repr([(one["source"], one["sha256"]) for one in listed]).encode()).hexdigest()


def pairs_of(source, names):
    """What the shards of a source hold of originals."""
    return [pairs([source], name)[0] for name in names]


def mapping_places(wildcards):
    """Parameter function of the mapping."""
    return untracked(
        units=mapping_units(),
        rules=SETTINGS.rules,
        keeping=SETTINGS.keeping,
        server=SETTINGS.pseudonym_server.as_params() if SETTINGS.pseudonym_server else None,
    )


def pseudonyms_of(group):
    """Input function: what a dimp job needs of the mapping, if it must be there before."""

    def files(wildcards):
        if not GATHERS:
            return []
        checkpoints.mapping.get()
        unit = group.name or f"{wildcards.source}.{wildcards.shard}"
        return [str(FOLDER.slice(unit)), ancient(str(FOLDER.mapping("lookup.sqlite")))]

    return files


def after_inventory(wildcards):
    """Input function without files, for every job behind the import. Before the checkpoint Snakemake expects all of them to
    run; it looks again, afterwards, only at jobs that ask for the checkpoint themselves."""
    checkpoints.inventory.get()
    return []
