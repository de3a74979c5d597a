"""How functions of this folder are compiled, and where that is kept."""

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config

_HERE = Path(__file__).parent

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""No function makes arrays: to count who holds them costs more than all else in a loop over bytes."""

F = TypeVar("F", bound=Callable[..., Any])


def compiled(signature: Any) -> Callable[[F], F]:
    """A function of the types that `signature` (of Numba) says, compiled when it is defined or taken from what was kept.

    Arithmetic of mixed signs becomes floating point in Numba: unsigned numbers need `np.uint64` on both sides.
    """

    def made(function: F) -> F:
        if vars(config)["DISABLE_JIT"] or not _kept():
            return cast(F, numba.njit(signature, **_OPTIONS)(function))
        found = numba.njit(cache=True, **_OPTIONS)(function)
        if not _taken(found, signature):
            found.compile(signature)
        found.disable_compile()
        return cast(F, found)

    return made


def _taken(found: Any, signature: Any) -> bool:
    """Whether a function was kept, and is now there. Numba's own way to it fills tables of all that it could compile, at 0.3 s of the
    processor for each process, which nothing that is kept needs."""
    kept = found._cache._load_overload(signature, found.targetctx)
    if kept is None:
        return False
    found.targetctx.insert_user_function(kept.entry_point, kept.fndesc, [kept.library])
    found.add_overload(kept)
    return True


def inlined(function: F) -> F:
    """A function that becomes part of those that call it: a call that passes arrays costs 15 to 25 ns (measured),
    more than most of these functions themselves."""
    found: F = numba.njit(forceinline=True, **_OPTIONS)(function)
    return found


def called(function: F) -> F:
    """A function that is called by others of this folder: a large one, which is not worth while to have in each."""
    found: F = numba.njit(**_OPTIONS)(function)
    return found


@cache
def _kept() -> bool:
    """Whether what was compiled is kept, in a folder of this version of these files: Numba itself looks at the file of a function
    alone, not at those of the functions that it calls. False if there is no place for it; then each process compiles anew."""
    said = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(said)] if said else [_HERE / "__pycache__", _home() / "dimp-workflow"]
    for place in places:
        folder = place / f"compiled-{_version()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            vars(config)["CACHE_DIR"] = str(folder)
            return True
    return False


def _home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))


def _version() -> str:
    """Of these files and of what compiles them."""
    digest = hashlib.sha256(f"{sys.version} {numba.__version__}".encode())
    for file in sorted(_HERE.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
