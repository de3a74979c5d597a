"""Real runs of the workflow in folders of their own, on small NDJSON made here."""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AT_ONCE = ("--max-jobs-per-timespan", "100/0s")
"""By default Snakemake starts at most 100 jobs in a second, and does not end before that second is over."""
KEY = "0123456789abcdef" * 4

Resource = dict[str, Any]


def environment(extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The environment of a run: with the key, and with `extra` (None takes a variable out)."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("DIMP_", "SNAKEMAKE"))}
    merged = {**bare, "DIMP_CRYPTO_HASH_KEY": KEY, **(extra or {})}
    return {name: value for name, value in merged.items() if value is not None}


def arguments(*args: str | Path, config: Mapping[str, object] | None = None) -> list[str]:
    """What stands behind `snakemake`; values in `config` are for `--config`. Without the audit, unless they ask for it: it has its own
    tests, and looks at what other tests leave in a result on purpose."""
    pairs = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in {"audit": {"enabled": False}, **(config or {})}.items()
    ]
    cores = () if "--cores" in args else ("--cores", "2")
    given = map(str, ("-s", ROOT / "Snakefile", *AT_ONCE, *cores, *args))
    return [*given, "--config", *pairs]


def command(*args: str | Path, config: Mapping[str, object] | None = None) -> list[str]:
    """A call of Snakemake as a user makes it, for a process of its own."""
    return [sys.executable, "-m", "snakemake", *arguments(*args, config=config)]


@functools.cache
def prepared() -> subprocess.Popen[str]:
    """Snakemake, ready to run."""
    return subprocess.Popen(
        [sys.executable, "-P", Path(__file__).with_name("prepared.py")],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session", autouse=True)
def _end_prepared() -> Iterator[None]:
    """Snakemake that stands ready ends with the tests."""
    yield
    if prepared.cache_info().currsize:
        prepared().communicate()  # closes its stdin, and waits


def run_snakemake(
    folder: Path,
    *args: str | Path,
    config: Mapping[str, object] | None = None,
    env: Mapping[str, str | None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the workflow in `folder`. Standard error comes with standard output."""
    called = arguments(*args, config=config)
    snakemake = prepared()
    assert snakemake.stdin and snakemake.stdout
    with tempfile.NamedTemporaryFile() as output:
        call = {"args": called, "folder": str(folder), "env": environment(env), "output": output.name}
        print(json.dumps(call), file=snakemake.stdin, flush=True)
        code = int(snakemake.stdout.readline())
        return subprocess.CompletedProcess(called, code, Path(output.name).read_text(encoding="utf-8"))


def succeed(folder: Path, *args: str | Path, **kwargs: Any) -> list[str]:
    """Run the workflow, which must succeed, and tell its jobs."""
    result = run_snakemake(folder, *args, **kwargs)
    assert result.returncode == 0, result.stdout
    assert "Traceback" not in result.stdout
    return jobs_of(result)


def jobs_of(result: subprocess.CompletedProcess[str]) -> list[str]:
    """What ran, by the messages of the jobs: ["dimp: Patient 001-of-001", "inventory", ...]; without `rule all`."""
    titles = re.findall(r"^Job \d+: (?!done)(.*)$", result.stdout, re.MULTILINE)
    return sorted(re.sub(r"inventory: .*", "inventory", title) for title in titles)


def write_lines(path: Path, resources: Iterable[Resource]) -> Path:
    """Write NDJSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in resources))
    return path


def read_lines(path: Path) -> list[Resource]:
    """Read NDJSON."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def patient(n: int) -> Resource:
    """Somebody who does not exist. The family name identifies and must not survive."""
    return {
        "resourceType": "Patient",
        "id": f"pat-{n}",
        "name": [{"use": "official", "family": f"Müller-Kanarie{n}", "given": ["Änne"]}],
        "gender": "female",
        "birthDate": f"19{n % 90 + 10}-05-17",
    }


def observation(n: int, of: int = 0) -> Resource:
    """A laboratory value of a patient."""
    return {
        "resourceType": "Observation",
        "id": f"obs-{n}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": f"Patient/pat-{of}"},
        "valueQuantity": {"value": 13.5, "unit": "g/dl"},
    }


def bundle(n: int, entries: int) -> Resource:
    """A transaction as TORCH writes it."""
    resources = [patient(n), *(observation(n * 10_000 + k, n) for k in range(entries - 1))]
    return {
        "resourceType": "Bundle",
        "id": f"bundle-{n}",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"{resource['resourceType']}/{resource['id']}",
                "resource": resource,
                "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
            }
            for resource in resources
        ],
    }


def status_of(folder: Path, job: str) -> dict[str, Any]:
    """status.json as it lies there."""
    status: dict[str, Any] = json.loads((folder / "jobs" / job / "status.json").read_text(encoding="utf-8"))
    return status


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder for all tests of a module."""
    return tmp_path_factory.mktemp("run")
