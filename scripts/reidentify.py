"""Re-identify: originals in place of pseudonyms and encrypted values, for a reason that goes on record.

    python scripts/reidentify.py --job study-42 --rules anonymization.yaml --reason "finding to be reported to the ward" \\
        --input some.ndjson --output reidentified/some.ndjson
    python scripts/reidentify.py --job study-42 --reason "withdrawal of consent, letter of 3 May" \\
        --input pseudonyms.txt --output reidentified/withdrawn.ndjson
    python scripts/reidentify.py --verify-log jobs/study-42/mappings/reidentifications.ndjson

The input is NDJSON that the rule set has de-identified, or a list: one pseudonym a line, its domain behind a tab if it is known.
A list gives one line each: {"domain", "pseudonym", "original"}. Originals come from the mapping of the job, or from --mapping;
encrypted values by the key of the rule set, from the environment as in the workflow. A sealed mapping (.cms) is opened with
the private key in the file that the environment variable DIMP_MAPPING_KEY_FILE names (its passphrase, if it has one, in
DIMP_MAPPING_KEY_PASSPHRASE). All is found and put on record, or nothing is written. Hashed values have no way back.

Who asked, when, why and for how many stands in the log (--log for a further one). The exit code is 0, 1 if it is refused, 2 for
a wrong use.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from dimpflow.errors import ConfigError, DimpflowError, InputError
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.ndjson import read_errors
from dimpflow.pseudonyms.mapping import MAPPING
from dimpflow.pseudonyms.releases import numbered_of, releases_of
from dimpflow.pseudonyms.sealed import SEALED
from dimpflow.reidentify.chain import LOG, verify_log
from dimpflow.reidentify.originals import Backend, MappingFile, Sources
from dimpflow.reidentify.rules import rules_to_reverse
from dimpflow.reidentify.run import Request, Summary, reidentify
from dimpflow.ruleset.options import Options
from dimpflow.steps.ask_service import reversing
from dimpflow.steps.sealing import sealing

HOME = Path(__file__).resolve().parents[1]
KEY_FILE = "DIMP_MAPPING_KEY_FILE"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PASSPHRASE = "DIMP_MAPPING_KEY_PASSPHRASE"  # noqa: S105  the name of a variable


def main(
    source: Path,
    output: Path,
    reason: str,
    job: JobFolder,
    *,
    rules: Path | None,
    options: Mapping[str, Any],
    mapping: Path | None = None,
    certificate: Path | None = None,
    logs: Sequence[Path] = (),
    backend: Backend | None = None,
    inner_prefix: Callable[[str], str] = lambda domain: "",
    release: str = "",
    environ: Mapping[str, str] = os.environ,
) -> Summary:
    """Re-identify `source` into `output`; on record in the job's log and in `logs`.

    options: of the rule set, as plain values; mapping: in place of the job's own; certificate: that a sealed one was sealed for;
    backend, inner_prefix: the pseudonym service and what the configuration puts before its pseudonyms; release: of which result
    the input says that it comes from it.
    """
    checked = None if rules is None else rules_to_reverse(rules, environ, Options.from_params(options))
    chosen = mapping or _mapping_of(job)
    sources = Sources(
        None if chosen is None else _opened(chosen, certificate, environ),
        checked.parameters.encrypt_key if checked else b"",
        backend,
        inner_prefix,
    )
    request = Request(
        source, output, reason, job.path.name, checked, sources, numbered_of(job), releases_of(job), release
    )
    return reidentify(request, [_folder(job) / LOG, *logs])


def _folder(job: JobFolder) -> Path:
    return job.path / "mappings"


def _mapping_of(job: JobFolder) -> Path | None:
    clear = _folder(job) / MAPPING
    return next((path for path in (clear, clear.with_name(MAPPING + SEALED)) if path.is_file()), None)


def _opened(path: Path, certificate: Path | None, environ: Mapping[str, str]) -> MappingFile:
    """A mapping with what opens it, if it is sealed."""
    if path.suffix != SEALED:
        return MappingFile(path)
    if certificate is None:
        raise ConfigError(
            f"{path} is sealed: say for which certificate (mappings.recipient, or --certificate)"
        )
    key = environ.get(KEY_FILE, "")
    if not key:
        raise ConfigError(
            f"{path} is sealed: the environment variable {KEY_FILE} is not set; it names the file with the private key"
        )
    passphrase = environ.get(PASSPHRASE)
    return MappingFile(
        path, _read(certificate), _read(Path(key)), passphrase.encode() if passphrase else None
    )


def _read(path: Path) -> bytes:
    with read_errors(path):
        return path.read_bytes()


# ---- by hand ---------------------------------------------------------------------------------------------------------------


def by_hand(
    arguments: Sequence[str], stdout: TextIO, stderr: TextIO, environ: Mapping[str, str] = os.environ
) -> int:
    """The exit code: 0, or 1 if it is refused or a log has faults."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verify_log:
            return _verify(chosen.verify_log, stdout)
        for name in ("job", "input", "output", "reason"):
            if getattr(chosen, name) is None:
                parser.error(f"--{name} is missing")
        done = main(
            chosen.input,
            chosen.output,
            chosen.reason,
            _job(chosen.jobs_dir, chosen.job),
            rules=chosen.rules,
            options=_options(chosen).as_params(),
            mapping=chosen.mapping,
            certificate=chosen.certificate,
            logs=chosen.log,
            release=chosen.release,
            environ=environ,
        )
    except DimpflowError as error:
        print(error, file=stderr)
        return 1
    print(told(done, chosen.output), file=stdout)
    return 0


def told(done: Summary, output: Path) -> str:
    """What was done, in one line and in numbers."""
    domains = ", ".join(f"{count} of {domain or '(no domain)'}" for domain, count in done.domains.items())
    hashed = f"; {done.hashes} values are hashed and stay" if done.hashes else ""
    return f"{output}: {done.lines} lines, {done.values} values put back ({domains}){hashed}"


def _verify(path: Path, stdout: TextIO) -> int:
    faults = verify_log(path)
    for fault in faults:
        print(f"{path}: {fault}", file=stdout)
    if not faults:
        print(f"{path}: whole", file=stdout)
    return 1 if faults else 0


def _job(jobs_dir: Path, name: str) -> JobFolder:
    if not _NAME.fullmatch(name) or not (jobs_dir / name).is_dir():
        raise InputError(f"{jobs_dir / name}: there is no such job; look at --jobs-dir and --job")
    return JobFolder(jobs_dir / name)


def _options(chosen: argparse.Namespace) -> Options:
    own = chosen.rules is not None and (HOME / "config" / "rulesets") in chosen.rules.resolve().parents
    settings = dict(_setting(text) for text in chosen.setting)
    return Options(
        strict=(chosen.mode or ("strict" if own else "compat")) == "strict",
        settings=settings,
        conditional_references=chosen.conditional_references,
        unmatched=chosen.unmatched,
    )


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--setting {name}: expected NAME=VALUE")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reidentify.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--input", type=Path, metavar="FILE", help="de-identified NDJSON (.gz, .zst), or a list of pseudonyms"
    )
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="where originals go; in a folder that nobody else may read",
    )
    add("--reason", metavar="TEXT", help="why, in one line of 10 to 500 characters without any value in it")
    add("--job", metavar="NAME", help="the job that made the pseudonyms")
    add("--jobs-dir", type=Path, default=Path("jobs"), metavar="FOLDER", help="folder of all jobs (jobs)")
    add(
        "--rules",
        type=Path,
        metavar="FILE",
        help="the rule set of the job; needed unless the input is a list",
    )
    add("--mapping", type=Path, metavar="FILE", help="in place of the job's own, .ndjson or .ndjson.cms")
    add("--certificate", type=Path, metavar="FILE", help="PEM: that the mapping was sealed for")
    add(
        "--release",
        default="",
        metavar="SHA256",
        help="the result that numbers were taken from: 12 characters or more of the SHA-256 of its dimp_results.ndjson",
    )
    add("--log", type=Path, action="append", default=[], metavar="FILE", help="write to this log, too")
    add("--mode", choices=["compat", "strict"], help="of the job: strict for config/rulesets, else compat")
    add(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="services.dimp.settings of the job",
    )
    add("--unmatched", choices=["keep", "redact"], default="keep", help="services.dimp.unmatched of the job")
    add(
        "--conditional-references",
        action="store_true",
        help="services.dimp.conditional_references of the job",
    )
    add("--verify-log", type=Path, metavar="FILE", help="say whether a log is whole, and do nothing else")
    return parser


def for_rule(places: Any, environ: Mapping[str, str] = os.environ) -> Summary:
    """What the rule `reidentify` does; places: its parameters, see workflow/rules/reidentify.smk. ConfigError: no reason."""
    if not places.reason:
        raise ConfigError(
            "reidentify.reason: missing; say why, such as --config 'reidentify={reason: \"…\"}'"
        )
    seal = sealing(places.keeping, environ)
    chosen = _mapping_of(places.job)
    sealed = seal if chosen is not None and chosen.suffix == SEALED else None
    if chosen is not None and sealed is not None and sealed.identity:
        mapping = MappingFile(chosen, sealed.fitting(), sealed.identity, sealed.passphrase)
    else:
        mapping = None if chosen is None else _opened(chosen, None, environ)
    rules = rules_to_reverse(places.rules, environ, Options.from_params(places.options))
    with ExitStack() as stack:
        backend = reversing(places.server, environ, stack) if places.server else None
        sources = Sources(
            mapping, rules.parameters.encrypt_key, backend, lambda domain: places.plan.of(domain).prefix
        )
        job = places.job
        request = Request(
            places.input,
            places.output,
            places.reason,
            job.path.name,
            rules,
            sources,
            numbered_of(job),
            releases_of(job),
            places.release,
        )
        return reidentify(request, [_folder(places.job) / LOG, *places.logs])


if __name__ == "__main__":
    if "snakemake" in globals():
        with guard(snakemake.log[0]) as logger:
            logger.info(told(for_rule(snakemake.params.places), snakemake.params.places.output))
    else:
        sys.exit(by_hand(sys.argv[1:], sys.stdout, sys.stderr))
