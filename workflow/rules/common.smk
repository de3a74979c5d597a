# What all rules need: the settings, checked, and what is to be de-identified. All that can be wrong shows here, before any job runs.
import os
import sys
from dataclasses import asdict

from snakemake.logging import logger

from dimpflow.crtdl.prepare import prepare
from dimpflow.errors import DimpflowError
from dimpflow.inputs import CrtdlFile, LocalFiles, TorchJob, WebFiles
from dimpflow.keys import fingerprint
from dimpflow.lint import brief, lint
from dimpflow.lint.pseudonyms import identifier_needed
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
