"""import: check the lines of the sources of one work unit and bring them in, byte for byte."""

from pathlib import Path
from typing import Literal

from dimpflow.audit.balance import read_facts
from dimpflow.errors import InputError
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.sources import find_sources
from dimpflow.steps.imports import import_source
from dimpflow.steps.sieve import BundlePolicy


def main(
    data: Path, folder: JobFolder, on_invalid: Literal["fail", "quarantine"], bundles: BundlePolicy | None
) -> None:
    """Import one file, which must still be the one of the inventory. bundles: what is left out on purpose."""
    (source,) = find_sources([str(data)]).sources
    out, manifest = folder.imported(source.name), folder.manifest(source.name)
    import_source(source, out, manifest, out.parent / "rejected" / out.name, on_invalid, bundles=bundles)
    if read_facts(manifest)["sha256_input"] != read_facts(folder.side_file(source.name))["sha256"]:
        raise InputError(f"{data} has changed while the workflow ran; run it again")


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        cfg = snakemake.params.cfg
        asked = cfg.get("bundles")
        bundles = BundlePolicy(frozenset(asked["drop"]), asked["skip_empty"]) if asked else None
        for path in snakemake.params.places.paths:
            main(path, JobFolder(Path(snakemake.output[0]).parents[1]), cfg["on_invalid"], bundles)
