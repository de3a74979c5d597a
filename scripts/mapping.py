"""mapping: one pseudonym for each original of the job. Keys and credentials are in the environment."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.pseudonym_settings import Keeping, PseudonymServer
from dimpflow.pseudonyms.plan import PseudonymPlan, prefixes_of
from dimpflow.ruleset.load import load_unchanged
from dimpflow.ruleset.options import Options
from dimpflow.steps.ask_service import asking
from dimpflow.steps.keep_mapping import Shard, keep_mapping, today
from dimpflow.steps.mapping import Making
from dimpflow.steps.sealing import sealing


def main(
    out: Path,
    units: Mapping[str, Sequence[Shard]],
    rules: Path,
    cfg: dict[str, Any],
    keeping: Keeping,
    server: PseudonymServer | None,
) -> None:
    """Make the mapping of the job in whose folder `out` lies, jobs/<job>/mappings/_all.json."""
    rule_set = load_unchanged(rules, os.environ, Options.from_params(cfg["options"]), cfg["rules_sha256"])
    with ExitStack() as stack:
        asked = asking(server, os.environ, stack) if server else None
        making = Making(
            PseudonymPlan.from_params(cfg["plan"]),
            prefixes_of(rule_set),
            rule_set.parameters.hash_key,
            today(),
            asked,
        )
        seal = sealing(keeping, os.environ)
        keep_mapping(JobFolder(out.parents[1]), units, making, seal, keeping.source)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places = snakemake.params.places
        main(
            Path(snakemake.output.facts),
            places.units,
            places.rules,
            snakemake.params.cfg,
            places.keeping,
            PseudonymServer.from_params(places.server) if places.server else None,
        )
