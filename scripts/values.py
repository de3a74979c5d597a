"""values: what identifies people in the import, as keyed hashes, and what its lines refer to; for the checks of the result.

It needs nothing of the result, so that it runs while that is made. The folder is in the identifying zone; `check` empties it.
"""

from collections.abc import Sequence
from pathlib import Path

from dimpflow.audit.leaks import gather
from dimpflow.joblog import guard


def main(imported: Sequence[Path], folder: Path, processes: int) -> None:
    """Gather from all imported files."""
    gather(imported, folder, processes)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        places = snakemake.params.places
        main(
            [places.folder.imported(source) for source in places.shards],
            Path(snakemake.output[0]),
            snakemake.threads,
        )
