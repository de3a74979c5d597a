"""results: the parts of the import, or of the de-identification, as one file, with the balance of its lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dimpflow.audit.balance import dimp_facts, import_facts, read_facts
from dimpflow.audit.pages.counts import CAME_IN, WENT_OUT, counts_page
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.ndjson import AtomicFile, write_json
from dimpflow.pseudonyms.releases import note_release
from dimpflow.steps.results import join_results


def main(
    shards: Mapping[str, Sequence[str]], folder: JobFolder, outputs: Sequence[Path], cfg: dict[str, Any]
) -> None:
    """Join the parts of all sources in their order. `shards`: the names of each source's shards; `outputs`: the data, the
    facts and the table.

    The result of the import identifies people, so only its owner may read it.
    """
    data, facts, table = outputs
    manifests = [read_facts(folder.manifest(source)) for source in shards]
    options = {"compression": cfg["compression"], "level": cfg["level"]}
    if cfg["step"] == "import":
        digest = join_results([folder.imported(source) for source in shards], data, mode=0o600, **options)
        content, title = import_facts(manifests, digest), CAME_IN
    else:
        pairs = [(source, shard) for source, names in shards.items() for shard in names]
        digest = join_results([folder.shard("dimp", *pair) for pair in pairs], data, mode=0o644, **options)
        counts = {
            source: [read_facts(folder.facts("dimp", source, name)) for name in names]
            for source, names in shards.items()
        }
        content, title = dimp_facts(manifests, counts, digest), WENT_OUT
    write_json(facts, content)
    if cfg["step"] == "dimp":
        note_release(folder, [digest.sha256, digest.file_sha256])
    with AtomicFile(table) as page:
        page.write(counts_page(title, content).document().encode())
    remove_other_forms(data)


def remove_other_forms(data: Path) -> None:
    """The same result, compressed in another way by an earlier run, would look like a result of this one."""
    stem = data.name.partition(".")[0]
    for ending in ("", ".gz", ".zst"):
        other = data.with_name(f"{stem}.ndjson{ending}")
        if other != data:
            other.unlink(missing_ok=True)


if __name__ == "__main__":
    with guard(snakemake.log[0]):
        outputs = [Path(path) for path in snakemake.output]
        main(snakemake.params.places.shards, JobFolder(outputs[0].parent), outputs, snakemake.params.cfg)
