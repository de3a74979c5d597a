"""inventory: a small side file per source that changes with its content only: content decides what reruns."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dimpflow.errors import InputError
from dimpflow.ndjson import file_sha256, read_errors, write_json
from dimpflow.sources import Source


def take_inventory(
    sources: Sequence[Source], out_dir: Path, fetched: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """Write `<source>.json` with name, bytes and SHA-256, and remove the side files of sources that are gone.

    fetched: what was counted of each source while it was fetched, for files that only this workflow has written.
    No path is in there: a moved folder with the same content changes nothing.
    """
    wanted = {f"{source.name}.json" for source in sources}
    out_dir.mkdir(parents=True, exist_ok=True)
    for name in os.listdir(out_dir):
        if name.endswith(".json") and name not in wanted:
            (out_dir / name).unlink()
    out_dir.chmod(0o700)
    for source in sources:
        with read_errors(source.path):
            size = source.path.stat().st_size
        content: dict[str, Any] = {"source": source.name, "bytes": size}
        if fetched is None:
            content["sha256"] = file_sha256(source.path)
        else:
            content |= {"sha256": _known_sha256(source, size, fetched[source.name]), "file": source.path.name}
        write_json(out_dir / f"{source.name}.json", content, 0o600, durable=False)


def _known_sha256(source: Source, size: int, facts: Mapping[str, Any]) -> str:
    """The digest that was made on the way, so that nobody reads the file again for it."""
    if facts.get("bytes") != size:
        raise InputError(f"{source.path} is not as it was fetched; remove it and run again")
    return str(facts["sha256"])
