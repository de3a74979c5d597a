"""dimp: de-identify one shard of each source of a work unit, with the embedded engine or by a DIMP service. Keys and credentials
are in the environment."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dimpflow.joblog import guard
from dimpflow.layout import TERMS, JobFolder
from dimpflow.pseudonyms.pairs import Recorder, write_pairs
from dimpflow.pseudonyms.plan import DEFAULT_PLAN

Step = Callable[..., None]
"""De-identifies a shard: shard, index, imported file, result, counts; on_invalid, rejected."""


def main(
    first: Path,
    sources: Sequence[str],
    rules: Path,
    cfg: dict[str, Any],
    service: dict[str, Any],
    *,
    maps: bool,
) -> None:
    """De-identify one shard of each of `sources`; `first` is that of one of them: jobs/<job>/dimp/<source>/002-of-007.ndjson.

    Lines that cannot be de-identified stay in the identifying zone, beside the shard. maps: note which originals there were.
    """
    folder, shard = JobFolder(first.parents[2]), first.stem
    step, recorder = (
        (_remote(cfg, **service), None) if service["server"] else _embedded(rules, cfg, folder, maps)
    )
    for source in sources:
        data = folder.shard("split", source, shard)
        step(
            data,
            folder.facts("split", source, shard),
            folder.imported(source),
            folder.shard("dimp", source, shard),
            folder.facts("dimp", source, shard),
            on_invalid=cfg["on_invalid"],
            rejected=data.parent / "rejected" / data.name,
        )
        if recorder:
            write_pairs(folder.pairs(source, shard), recorder.pairs)


def _embedded(
    rules: Path, cfg: dict[str, Any], folder: JobFolder, maps: bool
) -> tuple[Step, Recorder | None]:
    from dimpflow.engine.engine import Engine
    from dimpflow.pseudonyms.lookup import LOOKUP
    from dimpflow.pseudonyms.plan import PseudonymPlan
    from dimpflow.pseudonyms.sources import planned_pseudonyms
    from dimpflow.ruleset.load import load_unchanged
    from dimpflow.ruleset.options import Options
    from dimpflow.ruleset.rules import scrubs
    from dimpflow.scrub.terms_store import TermsStore
    from dimpflow.steps.dimp import deidentify_shard

    rule_set = load_unchanged(rules, os.environ, Options.from_params(cfg["options"]), cfg["rules_sha256"])
    plan = PseudonymPlan.from_params(cfg["pseudonyms"]) if "pseudonyms" in cfg else DEFAULT_PLAN
    lookup = folder.mapping(LOOKUP) if plan.gathers else None
    source = planned_pseudonyms(plan, rule_set.parameters.hash_key, lookup)
    recorder = Recorder(source) if maps else None
    terms = TermsStore(folder.mapping(TERMS)) if scrubs(rule_set) else None
    engine = Engine(
        rule_set, pseudonyms=recorder or source, terms=terms, security_labels=cfg["security_labels"]
    )
    return partial(deidentify_shard, engine), recorder


def _remote(cfg: dict[str, Any], server: dict[str, Any], packing: dict[str, Any] | None) -> Step:
    from dimpflow.clients.access import open_session
    from dimpflow.clients.dimp_service import DimpService, Wrapping
    from dimpflow.service_rules import digest_of, read_rules, with_keys
    from dimpflow.services import DimpServer
    from dimpflow.steps.batches import Packing
    from dimpflow.steps.dimp_remote import Remote, deidentify_shard_remotely, identity_of

    chosen = DimpServer.from_params(server)
    rules = None
    if chosen.rules:
        rules = read_rules(chosen.rules)
        check_rules(chosen.rules, digest_of(rules), cfg)
        rules = with_keys(rules, chosen.rules, os.environ)
    service = DimpService(
        open_session(chosen.access, os.environ, connections=chosen.connections),
        chosen.access.url,
        chosen.retry,
        wrapping=Wrapping(rules, chosen.settings),
        compress=chosen.gzip,
    )
    together = Packing(**packing or {})
    remote = Remote(service, together, chosen.connections, chosen.allow_empty, identity_of(cfg, together))
    return partial(deidentify_shard_remotely, remote)


def check_rules(path: Path, sha256: str, cfg: dict[str, Any]) -> None:
    """RuleSetError if it is not the one that the workflow started with: all jobs of a run must apply the same."""
    from dimpflow.errors import RuleSetError

    if sha256 != cfg["rules_sha256"]:
        raise RuleSetError(f"{path} has changed while the workflow ran; run it again")


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places, service = snakemake.params.places, vars(snakemake.params.service)
        main(
            Path(snakemake.output.data[0]),
            places.sources,
            places.rules,
            snakemake.params.cfg,
            service,
            maps=bool(snakemake.output.get("pairs")),
        )
