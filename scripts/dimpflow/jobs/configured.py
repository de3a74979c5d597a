"""What a configuration says of jobs: where they are, and how long they are kept. All else of it does not matter here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dimpflow.errors import ConfigError


@dataclass(frozen=True)
class Configured:
    """None: not given."""

    retention_days: int | None
    jobs_dir: Path | None


def read_configured(path: Path) -> Configured:
    """`jobs.retention_days`, and `jobs.jobs_dir` or `jobs_dir`.

    Raises:
        ConfigError: the file cannot be read, or one of these is not as it must be.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):  # whose texts may quote a password of the file
        raise ConfigError(f"{path}: cannot be read as YAML; give the configuration of the workflow") from None
    section = _section(content if content is not None else {}, str(path))
    jobs = _section(section.get("jobs") or {}, f"{path}: jobs")
    days = jobs.get("retention_days")
    days = int(days) if isinstance(days, str) and days.isascii() and days.isdecimal() else days
    if days is not None and (type(days) is not int or days < 1):
        raise ConfigError(f"{path}: jobs.retention_days: must be a whole number, 1 or more")
    folders = [folder for folder in (jobs.get("jobs_dir"), section.get("jobs_dir")) if folder is not None]
    if not all(isinstance(folder, str) and folder and "${" not in folder for folder in folders):
        raise ConfigError(f"{path}: jobs_dir: must be the name of a folder; or give --jobs-dir")
    return Configured(days, Path(folders[0]) if folders else None)


def _section(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: must be a section with keys of its own")
    return value
