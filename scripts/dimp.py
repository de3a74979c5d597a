"""dimp: de-identify one shard of each source of a work unit with the embedded engine. The key is in the environment."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dimpflow.engine.engine import Engine
from dimpflow.errors import RuleSetError
from dimpflow.joblog import guard
from dimpflow.ruleset.load import load_rule_set
from dimpflow.steps.dimp import deidentify_shard


class Shard(NamedTuple):
    """The files of one shard: what goes in, what it was cut from, what comes out."""

    data: Path
    index: Path
    imported: Path
    out: Path
    counts: Path


def main(shards: Sequence[Shard], rules: Path, cfg: dict[str, Any]) -> None:
    """De-identify shards. Lines that cannot be de-identified stay in the identifying zone, beside the shard."""
    rule_set = load_rule_set(rules, os.environ)
    if rule_set.sha256 != cfg["rules_sha256"]:  # all jobs of a run must apply the same one
        raise RuleSetError(f"{rules} has changed while the workflow ran; run it again")
    engine = Engine(rule_set, security_labels=cfg["security_labels"])
    for shard in shards:
        rejected = shard.data.parent / "rejected" / shard.data.name
        deidentify_shard(engine, *shard, on_invalid=cfg["on_invalid"], rejected=rejected)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        files, made = snakemake.input, snakemake.output
        columns = (files.data, files.index, files.imported, made.data, made.counts)
        main(
            [Shard(*map(Path, row)) for row in zip(*columns, strict=True)],
            Path(snakemake.params.rules),
            snakemake.params.cfg,
        )
