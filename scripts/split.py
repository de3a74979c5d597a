"""split: one shard of each source of a work unit, with the large Bundles cut into chunks."""

from pathlib import Path

from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.steps.split import split_shard


def main(folder: JobFolder, source: str, shard: str, limit_bytes: int) -> None:
    """Write one shard, such as "002-of-007", of a source."""
    k, n = map(int, shard.split("-of-"))
    imported, manifest = folder.imported(source), folder.manifest(source)
    out, index = folder.shard("split", source, shard), folder.facts("split", source, shard)
    split_shard(imported, manifest, k, n, limit_bytes, out, index, remote=False)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        first = Path(snakemake.output.data[0])  # jobs/<job>/split/<source>/<shard>.ndjson
        for source in snakemake.params.places.sources:
            main(JobFolder(first.parents[2]), source, first.stem, snakemake.params.cfg["limit_bytes"])
