"""dimp: de-identify one shard of each source of a work unit with the embedded engine. The key is in the environment."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dimpflow.engine.engine import Engine
from dimpflow.errors import RuleSetError
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.ruleset.load import load_rule_set
from dimpflow.steps.dimp import deidentify_shard


def main(outs: Sequence[Path], rules: Path, cfg: dict[str, Any]) -> None:
    """De-identify the shards that `outs` name, such as jobs/<job>/dimp/<source>/002-of-007.ndjson.

    Lines that cannot be de-identified stay in the identifying zone, beside the shard.
    """
    rule_set = load_rule_set(rules, os.environ)
    if rule_set.sha256 != cfg["rules_sha256"]:  # all jobs of a run must apply the same one
        raise RuleSetError(f"{rules} has changed while the workflow ran; run it again")
    engine = Engine(rule_set, security_labels=cfg["security_labels"])
    for out in outs:
        folder, source, shard = JobFolder(out.parents[2]), out.parent.name, out.stem
        data = folder.shard("split", source, shard)
        deidentify_shard(
            engine,
            data,
            folder.facts("split", source, shard),
            folder.imported(source),
            out,
            folder.facts("dimp", source, shard),
            on_invalid=cfg["on_invalid"],
            rejected=data.parent / "rejected" / data.name,
        )


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        outs = [Path(path) for path in snakemake.output.data]
        main(outs, snakemake.params.places.rules, snakemake.params.cfg)
