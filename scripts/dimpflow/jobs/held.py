"""Whether somebody still writes in a job's folder: jobs of a killed Snakemake go on by themselves."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def writers(folder: Path) -> list[int]:
    """Processes of this machine that have a file in the folder open for writing, as far as this user may see them; ours is not
    among them. Every job of ours has its log open as long as it lives."""
    root = os.path.realpath(folder) + os.sep
    ids = [int(name) for name in os.listdir(_PROC) if name.isdigit()] if _PROC.is_dir() else []
    return sorted(pid for pid in ids if pid != os.getpid() and _writes(_PROC / str(pid), root))


def locked(folder: Path) -> bool:
    """Whether a hidden file in the folder (those being written, and the locks) is locked, be it by another machine."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and _is_locked(Path(parent, name)):
                return True
    return False


def _writes(process: Path, root: str) -> bool:
    try:
        opened = os.listdir(process / "fd")
    except OSError:  # ended, or another user's
        return False
    for number in opened:
        with suppress(OSError, ValueError, IndexError):
            if os.readlink(process / "fd" / number).startswith(root):
                info = (process / "fdinfo" / number).read_text(encoding="ascii")
                flags = int(info.partition("flags:")[2].split()[0], 8)
                if flags & os.O_ACCMODE != os.O_RDONLY:
                    return True
    return False


def _is_locked(path: Path) -> bool:
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
    return False
