"""terms: what identifies each patient of the job, for rules that scrub it out of free text."""

from collections.abc import Sequence
from pathlib import Path

from dimpflow.joblog import guard
from dimpflow.ndjson import blocks
from dimpflow.scrub.gather import TermsGatherer
from dimpflow.scrub.terms_store import write_terms


def main(imported: Sequence[Path], out: Path) -> None:
    """Gather the terms from all imported sources."""
    gatherer = TermsGatherer()
    for path in imported:
        for lines in blocks(path):
            for line in lines:
                gatherer.take(line)
    write_terms(out, [gatherer.rows()])


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        main([Path(path) for path in snakemake.params.places.imported], Path(snakemake.output[0]))
