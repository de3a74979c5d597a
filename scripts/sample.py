"""sample: the data of the first patients, in the place of files that are fetched from a server."""

from collections.abc import Sequence
from pathlib import Path

from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.sources import find_sources
from dimpflow.steps.sample import take_sample


def main(data: Sequence[str], patients: int, folder: JobFolder) -> None:
    """Sample all sources of the input together."""
    take_sample(find_sources(data).sources, patients, folder)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        main(
            list(snakemake.input),
            snakemake.params.cfg["patients"],
            JobFolder(Path(snakemake.output.data[0]).parents[1]),
        )
