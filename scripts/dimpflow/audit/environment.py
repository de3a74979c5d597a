"""With what a result was made: versions of everything that can change a byte of it."""

import os
import platform
import ssl
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import zstandard

from dimpflow import __version__
from dimpflow.versions import OUTPUT_VERSION

PACKAGES = (
    "blake3", "certifi", "cryptography", "idna", "isal", "jsonschema", "llvmlite", "msgspec", "numba", "numpy", "orjson", "pyyaml", "requests",
    "urllib3", "zstandard",
)  # fmt: skip
"""What requirements/run.in names, but for Snakemake."""

ABSENT = "absent"
_GIT_SECONDS = 10


def software(snakemake: str, home: Path | None) -> dict[str, Any]:
    """Versions, as plain JSON. snakemake: its version; home: folder of the workflow, to tell the commit by if it is a git checkout.

    Nothing in it names the machine, its user or a folder.
    """
    return {
        "dimpflow": __version__,
        "commit": commit_of(home) if home else None,
        "output_versions": dict(OUTPUT_VERSION),
        "python": platform.python_version(),
        "snakemake": snakemake,
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "libraries": {
            "openssl": ssl.OPENSSL_VERSION,
            "openssl of cryptography": _openssl_of_cryptography(),
            "zstd": ".".join(map(str, zstandard.ZSTD_VERSION)),
        },
    }


def commit_of(home: Path) -> str | None:
    """The commit that the files of a git checkout are of, with "+changed" behind it if they are not quite; None if it is no
    checkout, or git cannot tell."""
    if not (home / ".git").exists():  # it may lie in the checkout of something else
        return None
    command = [
        "git",
        "-C",
        str(home),
        "describe",
        "--always",
        "--abbrev=40",
        "--exclude=*",
        "--dirty=+changed",
    ]
    try:
        found = subprocess.run(  # noqa: S603  no word of it comes from outside
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_GIT_SECONDS,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ABSENT


def _openssl_of_cryptography() -> str:
    try:
        from cryptography.hazmat.backends.openssl import backend
    except ImportError:
        return ABSENT
    return str(backend.openssl_version_text())
