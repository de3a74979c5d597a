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
from dimpflow.ruleset.options import Options
from dimpflow.steps.dimp import deidentify_shard


def main(first: Path, sources: Sequence[str], rules: Path, cfg: dict[str, Any]) -> None:
    """De-identify one shard of each of `sources`; `first` is that of one of them: jobs/<job>/dimp/<source>/002-of-007.ndjson.

    Lines that cannot be de-identified stay in the identifying zone, beside the shard.
    """
    rule_set = load_rule_set(rules, os.environ, Options.from_params(cfg["options"]))
    if rule_set.sha256 != cfg["rules_sha256"]:  # all jobs of a run must apply the same one
        raise RuleSetError(f"{rules} has changed while the workflow ran; run it again")
    engine = Engine(rule_set, security_labels=cfg["security_labels"])
    folder, shard = JobFolder(first.parents[2]), first.stem
    for source in sources:
        data = folder.shard("split", source, shard)
        deidentify_shard(
            engine,
            data,
            folder.facts("split", source, shard),
            folder.imported(source),
            folder.shard("dimp", source, shard),
            folder.facts("dimp", source, shard),
            on_invalid=cfg["on_invalid"],
            rejected=data.parent / "rejected" / data.name,
        )


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places = snakemake.params.places
        main(Path(snakemake.output.data[0]), places.sources, places.rules, snakemake.params.cfg)
