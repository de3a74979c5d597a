"""Check whether anything of a job was changed after its audit, and what.

    python scripts/verify_audit.py study-42                                # exit code 0: all is as recorded
    python scripts/verify_audit.py study-42 --certificate site.pem         # it must be signed, by the owner of this certificate
    python scripts/verify_audit.py study-42 --input /data/fhir             # the input files too
    python scripts/verify_audit.py study-42 --json

Looked at are jobs/<job>/audit/audit.json, its digest in audit.sha256 and its signature, and each file that it lists: data, side
files, tables, mapping, provenance. Files are only hashed, nothing is shown of them, nothing is written. Then: each file was made from others
that are listed, no line got lost between them, and a result is its parts, one after another. Where a line can be told that differs,
it is.

What was changed together with audit.json and audit.sha256 shows by the signature only, or by comparing audit.sha256 with a copy
that somebody else keeps. Files that the configuration lets go (keep_shards: false), or that scripts/jobs.py has pruned, may be missing.

The exit code is 0 if all is as recorded; 1 if something was changed, is missing or cannot be read or checked; 2 for a wrong call.
"""

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from dimpflow.audit.chain.verify import Verdict, audited_inputs, verify_job
from dimpflow.audit.signing import fingerprint_of
from dimpflow.errors import ConfigError, DimpflowError
from dimpflow.jobs.listing import JOB_NAME
from dimpflow.jobs.tombstone import PRUNED, read_tombstone
from dimpflow.layout import JobFolder

SCHEMA = Path(__file__).parents[1] / "schemas" / "audit.schema.json"


def main(arguments: Sequence[str], stdout: TextIO, stderr: TextIO) -> int:
    """The exit code: 0 all as recorded, 1 something is not, 2 a wrong call."""
    chosen = _parser().parse_args(arguments)
    folder = JobFolder(chosen.jobs_dir / chosen.job)
    try:
        if not folder.path.is_dir():
            raise ConfigError(
                f"{folder.path}: there is no such job; see python scripts/jobs.py list, or give --jobs-dir"
            )
        _check_certificate(chosen.certificate)
        schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
        verdict = verify_job(
            folder,
            schema,
            certificate=chosen.certificate,
            removed=removed_on_purpose(folder.path),
            inputs=audited_inputs(chosen.input),
        )
    except DimpflowError as error:
        print(error, file=stderr)
        return 2 if isinstance(error, ConfigError) else 1
    if chosen.json:
        print(json.dumps(_as_json(chosen.job, verdict), ensure_ascii=False, indent=2), file=stdout)
    else:
        _write_lines(chosen.job, verdict, stdout)
    return int(bool(verdict.findings))


def removed_on_purpose(folder: Path) -> list[str]:
    """Names in a job's folder that scripts/jobs.py has pruned."""
    stone = read_tombstone(folder / PRUNED)
    stones: list[Mapping[str, Any]] = [stone, *stone["earlier"]] if stone else []
    return [str(name) for one in stones for name in one.get("removed", ())]


def _check_certificate(path: Path | None) -> None:
    if path is None:
        return
    try:
        fingerprint_of(path.read_bytes())
    except OSError:
        raise ConfigError(f"--certificate: {path} cannot be read") from None
    except ConfigError as error:
        raise ConfigError(f"--certificate: {path}: {error}") from None


def _write_lines(job: str, verdict: Verdict, stdout: TextIO) -> None:
    for finding in verdict.findings:
        print(finding, file=stdout)
    for note in verdict.notes:
        print(f"note: {note}", file=stdout)
    files = f"{verdict.checked} files hashed"
    if verdict.findings:
        print(f"{job}: NOT as recorded ({len(verdict.findings)} findings, {files})", file=stdout)
    else:
        print(f"{job}: all is as recorded ({files})", file=stdout)


def _as_json(job: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "job": job,
        "as_recorded": not verdict.findings,
        "findings": [{"path": one.path, "what": one.what} for one in verdict.findings],
        "notes": list(verdict.notes),
        "checked": verdict.checked,
    }


def _job_name(text: str) -> str:
    if not JOB_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("no name of a job (letters, digits, . _ -)")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify_audit.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", type=_job_name, metavar="JOB", help="name of the job")
    parser.add_argument(
        "--jobs-dir",
        type=Path,
        default=Path("jobs"),
        metavar="DIR",
        help="folder of all jobs (default: jobs)",
    )
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="certificate of the site (PEM) that must have signed the audit",
    )
    parser.add_argument(
        "--input",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="folder or files that went in, to be checked too",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no failure
    sys.exit(main(sys.argv[1:], sys.stdout, sys.stderr))
