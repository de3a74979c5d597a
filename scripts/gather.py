"""gather: which originals the shards of a work unit have, for pseudonyms that need all of them to be known."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.ruleset.load import load_unchanged
from dimpflow.ruleset.options import Options
from dimpflow.steps.gather import Gatherer


def main(first: Path, sources: Sequence[str], rules: Path, cfg: dict[str, Any]) -> None:
    """Gather one shard of each of `sources`; `first` is that of one of them: jobs/<job>/gather/<source>/002-of-007.ndjson."""
    rule_set = load_unchanged(rules, os.environ, Options.from_params(cfg["options"]), cfg["rules_sha256"])
    folder, shard = JobFolder(first.parents[2]), first.stem
    gatherer = Gatherer(rule_set)
    for source in sources:
        split = folder.shard("split", source, shard), folder.facts("split", source, shard)
        gatherer.gather(*split, folder.pairs(source, shard))


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places = snakemake.params.places
        main(Path(snakemake.output[0]), places.sources, places.rules, snakemake.params.cfg)
