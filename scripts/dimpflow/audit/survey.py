"""What a walk through all lines of an import and of its result has seen: their links.

It lies on the disk, in the identifying zone: 8 bytes for each reference and each resource.
"""

from pathlib import Path

from dimpflow.audit.links import LinkStore
from dimpflow.native.hashing import Hasher


class Survey:
    """Of both sides. folder: in the identifying zone, for what is seen; hasher: for the links."""

    def __init__(self, folder: Path, hasher: Hasher) -> None:
        self.hasher = hasher
        self.before, self.after = LinkStore(folder / "before"), LinkStore(folder / "after")
