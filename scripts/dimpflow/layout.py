"""Where the files of a job are. The rules and their scripts ask here, so that they cannot disagree."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

TERMS = "terms.jsonl"
"""Name of the file in mappings/ with the terms that identify each patient."""


class Untracked(SimpleNamespace):
    """Parameters of a job that Snakemake does not record, since they are no plain values, and that its report, which lists all
    parameters, does not show: places, whose names are nobody's business but the site's."""

    def __repr__(self) -> str:
        return "not recorded"


@dataclass(frozen=True)
class JobFolder:
    """jobs/<job>. What identifies people is in torch/, download/, inventory/, import/, split/, gather/ and
    mappings/; names may be Snakemake wildcards."""

    path: Path

    def torch(self, name: str) -> Path:
        """A file about the job at TORCH: its handle, manifest, progress."""
        return self.path / "torch" / name

    def result_file(self, file: str) -> Path:
        """The small file that stands for a result file of TORCH; its content decides whether it is fetched again."""
        return self.path / "torch" / "files" / f"{file}.json"

    def download(self, file: str) -> Path:
        """A file as it was fetched."""
        return self.path / "download" / file

    def download_facts(self, file: str) -> Path:
        """What was counted while it was fetched."""
        return self.path / "download" / "facts" / f"{file}.json"

    def pairs(self, source: str, shard: str) -> Path:
        """Which originals a shard has."""
        return self.path / "gather" / source / f"{shard}.ndjson"

    def mapping(self, name: str) -> Path:
        """A file about which pseudonym stands for which original."""
        return self.path / "mappings" / name

    def slice(self, unit: str) -> Path:
        """The small file that changes with what the mapping gives for the shards of a unit of work; such as "Patient.001-of-002"."""
        return self.path / "mappings" / "slices" / f"{unit}.json"

    def side_file(self, unit: str) -> Path:
        """What the inventory found of a source, or of a bucket of sources."""
        return self.path / "inventory" / f"{unit}.json"

    def imported(self, source: str) -> Path:
        """The data of a source."""
        return self.path / "import" / f"{source}.ndjson"

    def manifest(self, source: str) -> Path:
        """What import counted of a source."""
        return self.path / "import" / f"{source}.json"

    def shard(self, step: str, source: str, shard: str) -> Path:
        """The data of a shard."""
        return self.path / step / source / f"{shard}.ndjson"

    def facts(self, step: str, source: str, shard: str) -> Path:
        """What `split` or `dimp` says of a shard."""
        return self.path / step / source / f"{shard}.json"
