"""The handle of a job at TORCH: on the disk before the first look at the job, so that no crash leads to a second extraction."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import orjson

from dimpflow.errors import InputError
from dimpflow.ndjson import write_json

_WAIT = 2.0  # seconds


@dataclass(frozen=True)
class Handle:
    """What must be known of a job to take it up again.

    state: "sending" from before the request is sent until its answer is known; "running"; "completed": its manifest is stored;
    "dead": it has come to nothing at TORCH, so that the next run begins anew. base_url: where it was started; crtdl_sha256,
    patients_sha256: of what was sent, "" for a job that was given; before: the jobs that TORCH listed before the request, None if
    it lists none; adopted: found in that list afterwards, and not yet proved to be ours; kickoffs: requests that may have arrived.
    """

    state: Literal["sending", "running", "completed", "dead"]
    base_url: str
    crtdl_sha256: str = ""
    patients_sha256: str = ""
    sent_at: str = ""
    before: tuple[str, ...] | None = None
    job: str = ""
    adopted: bool = False
    kickoffs: int = 0
    why: str = ""

    def is_for(self, crtdl_sha256: str, patients_sha256: str) -> bool:
        """Whether it was started with this document and these patients."""
        return (self.crtdl_sha256, self.patients_sha256) == (crtdl_sha256, patients_sha256)


def read_handle(path: Path) -> Handle | None:
    """The handle at `path`, None if there is none. InputError: it is damaged."""
    try:
        found = orjson.loads(path.read_bytes())
        before = found.pop("before")
        return Handle(**found, before=None if before is None else tuple(before))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise InputError(
            f"{path} cannot be read, so the extraction that it stands for is lost: find its job at TORCH and give its status address "
            "as input, or remove this file to extract anew"
        ) from None


def write_handle(path: Path, handle: Handle) -> None:
    """Writes it, and waits until it is on the disk, with its name: lost in a power cut, it would mean a second extraction."""
    write_json(path, asdict(handle), 0o600, dir_mode=0o700)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def alone(path: Path, sleep: Callable[[float], None], waiting: Callable[[], None]) -> Iterator[None]:
    """Lets one process at a time care for a job; a killed Snakemake may have left one behind. waiting: called once if there is one.

    The lock ends with its process, also on a node that shares the file system.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    waiting()
                    told = True
                sleep(_WAIT)
            except OSError:  # a file system without locks
                break
        yield
