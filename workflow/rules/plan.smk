# The sources, their work units, and where the files of the job are. All of it is known before any job runs, from names and
# sizes alone, so that every output is a real file target.
import hashlib
import re
from collections import namedtuple

from dimpflow.audit.balance import read_facts
from dimpflow.layout import JobFolder, Untracked
from dimpflow.plan import fetched_shards, plan_units, shard_name, shard_names

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
    """Parameters that Snakemake neither records nor shows: places. Content decides, not places."""
    return Untracked(**values)


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


def sources_seen():
    """Changes with the data of any source. (Of a bucket Snakemake sees one source only.)"""
    checkpoints.inventory.get()
    listed = read_facts(FOLDER.side_file("_all"))["sources"]
    return hashlib.sha256(repr([(one["source"], one["sha256"]) for one in listed]).encode()).hexdigest()


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


def file_digest(path):
    """SHA-256 of a small file, "" if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""


def audited_run():
    """What the audit says of the run itself; nothing of it is recorded by Snakemake."""
    options = SETTINGS.server.settings if SETTINGS.server else SETTINGS.options.as_params()
    rules = SETTINGS.server.rules if SETTINGS.server else SETTINGS.rules
    return {
        "job": SETTINGS.job,
        "files": {source: path_of(source).name for source in plan()},
        "rules": {
            "name": rules.name if rules else None,
            "sha256": RULE_SET["sha256"] or None,
            "service": SETTINGS.server.access.url if SETTINGS.server else None,
            "strict": None if SETTINGS.server else SETTINGS.options.strict,
            "key": RULE_SET["key"],
            "on_invalid": SETTINGS.on_invalid,
            "options": options,
        },
        "snakemake": snakemake.__version__,
        "keep_shards": SETTINGS.keep_shards,
        "compression": SETTINGS.compression,
        "gathers": GATHERS,
        "more": MORE,
        "home": HOME,
    }


def signer():
    """Who signs the audit; the passphrase as `${VARIABLE}`, which the job itself looks up."""
    audit = SETTINGS.audit
    if audit.certificate is None:
        return None
    return {"certificate": audit.certificate, "key": audit.key, "passphrase": audit.passphrase}


def after_inventory(wildcards):
    """Input function without files, for every job behind the import. Before the checkpoint Snakemake expects all of them to
    run; it looks again, afterwards, only at jobs that ask for the checkpoint themselves."""
    checkpoints.inventory.get()
    return []
