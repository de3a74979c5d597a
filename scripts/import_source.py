"""import: check the lines of the sources of one work unit and bring them in, byte for byte."""

from pathlib import Path
from typing import Literal

from dimpflow.audit.balance import read_facts
from dimpflow.errors import InputError
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.sources import find_sources
from dimpflow.steps.imports import import_source


def main(data: Path, folder: JobFolder, on_invalid: Literal["fail", "quarantine"]) -> None:
    """Import one file, which must still be the one of the inventory."""
    (source,) = find_sources([str(data)]).sources
    out, manifest = folder.imported(source.name), folder.manifest(source.name)
    import_source(source, out, manifest, out.parent / "rejected" / out.name, on_invalid)
    if read_facts(manifest)["sha256_input"] != read_facts(folder.side_file(source.name))["sha256"]:
        raise InputError(f"{data} has changed while the workflow ran; run it again")


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        for path in snakemake.params.places.paths:
            main(path, JobFolder(Path(snakemake.output[0]).parents[1]), snakemake.params.cfg["on_invalid"])
