"""inventory: size and SHA-256 of every source, in small side files; one more for each bucket of sources, and a list of all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dimpflow.audit.balance import read_facts
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.ndjson import write_json
from dimpflow.sources import find_sources
from dimpflow.steps.inventory import take_inventory
from dimpflow.steps.listing import check_numbers


def main(
    data: Sequence[str], units: Mapping[str, Sequence[str]], out: Path, *, fetched: bool, listing: Path | None
) -> None:
    """Take the inventory of the files `data`; the list goes to `out`. `units`: for each job the names of its sources; `fetched`:
    whether they come from a server, `listing`: what TORCH said of them."""
    folder = JobFolder(out.parents[1])
    sources = find_sources(data).sources if data else ()  # TORCH may have found nobody
    counted = (
        {source.name: read_facts(folder.download_facts(source.path.name)) for source in sources}
        if fetched
        else None
    )
    if listing and counted is not None:
        check_numbers(read_facts(listing), counted)
    take_inventory(sources, out.parent, counted)
    facts = {source.name: read_facts(folder.side_file(source.name)) for source in sources}
    for unit, names in units.items():
        if unit not in facts:
            write_json(folder.side_file(unit), {"sources": [facts[name] for name in names]}, 0o600)
    write_json(out, {"sources": list(facts.values())}, 0o600)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places = snakemake.params.places
        main(
            list(snakemake.input),
            places.units,
            Path(snakemake.output[0]),
            fetched=places.fetched,
            listing=places.listing,
        )
