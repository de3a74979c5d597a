"""inventory: size and SHA-256 of every source, in small side files; one more for each bucket of sources, and a list of all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dimpflow.audit.balance import read_facts
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.ndjson import write_json
from dimpflow.sources import find_sources
from dimpflow.steps.inventory import take_inventory


def main(data: Sequence[str], units: Mapping[str, Sequence[str]], out: Path) -> None:
    """Take the inventory of the files `data`; the list goes to `out`. `units`: for each job the names of its sources."""
    folder = JobFolder(out.parents[1])
    sources = find_sources(data).sources
    take_inventory(sources, out.parent)
    facts = {source.name: read_facts(folder.side_file(source.name)) for source in sources}
    for unit, names in units.items():
        if unit not in facts:
            write_json(folder.side_file(unit), {"sources": [facts[name] for name in names]}, 0o600)
    write_json(out, {"sources": list(facts.values())}, 0o600)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        main(list(snakemake.input), snakemake.params.places.units, Path(snakemake.output[0]))
