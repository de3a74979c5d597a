"""status.json: how far a job is, from the small files that its steps leave behind. Counts and times, never content."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson

from dimpflow.layout import TERMS, JobFolder
from dimpflow.plan import fetched_shards

State = Literal["running", "completed", "failed"]
Status = dict[str, Any]

KILLED = (
    "the workflow ended without a word (killed, or the machine went down); run snakemake --unlock, then the same "
    "command with --rerun-incomplete"
)
SILENT = "a job ended without a message (killed, out of memory?); see the newest file in .snakemake/log"
NO_SIGN_OF_LIFE = 120.0  # seconds; the keeper writes every ten
_SHOWN = 20  # errors
_ERROR = re.compile(r"\S+ ERROR (\S.*)")  # but not the indented lines, which are for developers


def new_facts(
    job: str,
    job_dir: Path,
    shards: Mapping[str, Sequence[str]],
    *,
    fetched: Mapping[str, Any] | None = None,
    dimp: bool,
    extra: Sequence[str] = (),
    rule_set_sha256: str | None,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """What the keeper must know of a run, as plain JSON: the plan (every source with the names of its shards) and versions.

    fetched: for files that come from a server, whose plan is known later: `extract`, whether TORCH extracts them; `files`, their
    names if not; `shard_bytes`. extra: which of the steps `terms`, `gather`, `mapping` and `audit` the run has.
    """
    return {
        "job": job,
        "job_dir": str(job_dir),
        "shards": {source: list(names) for source, names in shards.items()},
        "fetched": dict(fetched) if fetched else None,
        "dimp": dimp,
        "extra": list(extra),
        "rule_set_sha256": rule_set_sha256,
        "versions": dict(versions),
        "started": _stamp(),
    }


class Collector:
    """Looks at the files of a job, again and again; each file is read once as long as it does not change."""

    def __init__(self, facts: Mapping[str, Any], previous: Status | None) -> None:
        self._facts = facts
        self._dir = Path(facts["job_dir"])
        self._run_start = datetime.fromisoformat(facts["started"]).timestamp()
        self._steps: dict[str, Status] = dict((previous or {}).get("steps", {}))
        self._read: dict[Path, tuple[tuple[int, int], dict[str, Any]]] = {}

    def collect(self, state: State, errors: Sequence[str] = ()) -> Status:
        """The status now. `done` counts the files that are there, including those of an earlier run."""
        self._steps = {step: self._step(step, files) for step, files in self._files()}
        now = _stamp()
        logged = list(self._logged_errors())[: _SHOWN - len(errors)]  # how it ended is never cut off
        found = [*logged, *errors] if state != "completed" else []
        rule_set = self._facts["rule_set_sha256"] if self._facts["dimp"] else None
        hashes = {"rule_set": rule_set} if rule_set else {}  # a service's own is not known
        if state == "completed":
            made = {name: self._facts_of(self._dir / f"{name}.json") for name in self._results()}
            hashes |= {name: facts["sha256"] for name, facts in made.items() if "sha256" in facts}
        return {
            "job": self._facts["job"],
            "state": state,
            "started": self._facts["started"],
            "updated": now,
            "finished": None if state == "running" else now,
            "steps": self._steps,
            "errors": found or ([SILENT] if state == "failed" else []),
            "versions": self._facts["versions"],
            "hashes": hashes,
        }

    def _files(self) -> Iterator[tuple[str, list[Path]]]:
        """Every step with the facts that it writes, one file per item of work."""
        folder, shards = JobFolder(self._dir), self._shards()
        if fetched := self._facts["fetched"]:
            files = fetched["files"]
            if fetched["extract"]:
                yield "extract", [folder.torch("listing.json")]
                files = self._facts_of(folder.torch("listing.json")).get("files", [])
            yield "download", [folder.download_facts(file) for file in files]
        for step in ("inventory", "import"):
            yield step, [self._dir / step / f"{source}.json" for source in shards]
        every = [(source, shard) for source in shards for shard in shards[source]]
        of_extra = {
            "terms": [folder.mapping(TERMS)],
            "gather": [folder.pairs(*pair) for pair in every],
            "mapping": [folder.mapping("_all.json")],
        }
        for step in ("split", *of_extra, "dimp") if self._facts["dimp"] else ():
            if step in self._facts["extra"]:
                yield step, of_extra[step]
            elif step not in of_extra:
                yield step, [folder.facts(step, *pair) for pair in every]
        yield "results", [self._dir / f"{name}.json" for name in self._results()]
        if "audit" in self._facts["extra"]:
            yield "audit", [self._dir / "audit" / "leaks.json", self._dir / "audit" / "audit.json"]

    def _shards(self) -> Mapping[str, Sequence[str]]:
        """The plan; of files that are fetched it is known once they are here."""
        if not (fetched := self._facts["fetched"]):
            shards: Mapping[str, Sequence[str]] = self._facts["shards"]
            return shards
        listing = self._facts_of(JobFolder(self._dir).side_file("_all"))
        return fetched_shards(listing, fetched["shard_bytes"]) if listing else {}

    def _results(self) -> Sequence[str]:
        return ("import_results", "dimp_results")[: 2 if self._facts["dimp"] else 1]

    def _step(self, step: str, files: Sequence[Path]) -> Status:
        if step in ("terms", "gather"):  # no side files: what they make is there, or not
            return self._of_files(step, files)
        found = [facts for path in files if (facts := self._facts_of(path))]
        status: Status = {"done": len(found), "total": len(files)}
        if step == "extract":
            status |= self._extraction()
        if step == "download":
            status["bytes"] = sum(facts["bytes"] for facts in found)
        if step in ("import", "split", "dimp"):
            status["lines"] = sum(facts.get("lines", 0) for facts in found)
        if step in ("import", "dimp"):
            resources: dict[str, int] = {}
            for facts in found:
                for name, count in facts.get("resources", {}).items():
                    resources[name] = resources.get(name, 0) + count
            status["resources"] = dict(sorted(resources.items()))
            status["rejected"] = sum(facts.get("rejected", 0) for facts in found)
        status["started"] = self._started(step)
        last = max((self._read[path][0][0] for path in files if path in self._read), default=0)
        status["finished"] = _stamp(last / 1e9) if found and len(found) == len(files) else None
        return status

    def _of_files(self, step: str, files: Sequence[Path]) -> Status:
        times = [at for path in files if (at := _written(path))]
        return {
            "done": len(times),
            "total": len(files),
            "started": self._started(step),
            "finished": _stamp(max(times)) if times and len(times) == len(files) else None,
        }

    def _extraction(self) -> Status:
        """What TORCH says of its job: its id, state in words and counts."""
        known = self._facts_of(JobFolder(self._dir).torch("progress.json"))
        names = {
            "job": "torch_job",
            "progress": "progress",
            "cohortSize": "patients",
            "batchesTotal": "batches",
            "batchesCompleted": "batches_done",
        }
        return {names[key]: value for key, value in known.items() if key in names}

    def _started(self, step: str) -> str | None:
        """When the step's first job of this run began; if it had none, what an earlier run said."""
        known: str | None = self._steps.get(step, {}).get("started")
        if known and datetime.fromisoformat(known).timestamp() >= self._run_start:
            return known
        times = [at for at, _ in self._logs(step)]
        return _stamp(min(times)) if times else known

    def _logs(self, step: str = "") -> Iterator[tuple[float, Path]]:
        """Time and path of the logs that this run has written."""
        for path in sorted((self._dir / "logs").glob(f"{step}*.log")):
            with suppress(FileNotFoundError):  # Snakemake removes them before a job starts again
                at = path.stat().st_mtime
                if at >= self._run_start:
                    yield at, path

    def _logged_errors(self) -> Iterator[str]:
        for _, path in self._logs():
            with suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as log:
                yield from (match[1] for line in log if (match := _ERROR.match(line)))

    def _facts_of(self, path: Path) -> dict[str, Any]:
        """The content of a small JSON file; empty if it is not there, or not whole."""
        try:
            status = path.stat()
            key = (status.st_mtime_ns, status.st_ino)
            if self._read.get(path, (None,))[0] != key:
                self._read[path] = (key, orjson.loads(path.read_bytes()))
            return self._read[path][1]
        except (OSError, ValueError):
            self._read.pop(path, None)
            return {}


def read_status(job_dir: Path) -> Status | None:
    """The status of a job, None if it never ran. A `running` one without a sign of life is told as `failed`."""
    try:
        status: Status = orjson.loads((job_dir / "status.json").read_bytes())
    except (OSError, ValueError):
        return None
    age = datetime.now(UTC) - datetime.fromisoformat(status["updated"])
    if status["state"] == "running" and age.total_seconds() > NO_SIGN_OF_LIFE:
        status |= {"state": "failed", "finished": status["updated"], "errors": [*status["errors"], KILLED]}
    return status


def was_stopped(status: Status) -> bool:
    """Whether a `failed` status of read_status is of a run that was killed, or gives no sign of life any more."""
    return status["state"] == "failed" and KILLED in status["errors"]


def _written(path: Path) -> float | None:
    """When a file was written, None if it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _stamp(at: float | None = None) -> str:
    """A time as "2026-11-22T20:00:00Z"."""
    moment = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
