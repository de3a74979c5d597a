"""inventory: a small side file per source that changes with its content only: content decides what reruns."""

import os
from collections.abc import Sequence
from pathlib import Path

from dimpflow.ndjson import file_sha256, read_errors, write_json
from dimpflow.sources import Source


def take_inventory(sources: Sequence[Source], out_dir: Path) -> None:
    """Write `<source>.json` with name, bytes and SHA-256, and remove the side files of sources that are gone.

    No path is in there: a moved folder with the same content changes nothing.
    """
    wanted = {f"{source.name}.json" for source in sources}
    out_dir.mkdir(parents=True, exist_ok=True)
    for name in os.listdir(out_dir):
        if name.endswith(".json") and name not in wanted:
            (out_dir / name).unlink()
    out_dir.chmod(0o700)
    for source in sources:
        digest = file_sha256(source.path)
        with read_errors(source.path):
            size = source.path.stat().st_size
        content = {"source": source.name, "bytes": size, "sha256": digest}
        write_json(out_dir / f"{source.name}.json", content, 0o600, durable=False)
