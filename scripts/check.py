"""check: what a result must stand before it counts as released: leaks, consistency, and the risk of re-identification.

    python scripts/check.py study-42      # look for leaks in the result as it lies there now, and say so

The rule writes what it finds to jobs/<job>/audit/*.json, in paths and counts. A result with leaks is withheld: it goes to
jobs/<job>/withheld/, which only its owner may read, and the job fails.
"""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from dimpflow.audit.balance import read_facts
from dimpflow.audit.consistency.pairs import Imported
from dimpflow.audit.consistency.run import check_consistency
from dimpflow.audit.leaks import Gathered, check_leaks, clear, gather, gathered, search
from dimpflow.audit.processes import beside
from dimpflow.audit.risk import RiskReport, assess_risk, html, picture, quasi_identifier, types_of_interest
from dimpflow.audit.survey import Survey
from dimpflow.audit.withhold import refused_lines, result_of, told, withhold
from dimpflow.errors import DimpflowError, InputError
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.ndjson import AtomicFile, open_input, write_json
from dimpflow.sources import compression_of

log = logging.getLogger("dimpflow.check")


def main(
    folder: JobFolder,
    shards: Mapping[str, Sequence[str]],
    outputs: Mapping[str, Path],
    values: Path,
    cfg: Mapping[str, Any],
    processes: int,
) -> None:
    """Check the result of a job. outputs: `leaks`, `consistency`, `risk`, `figures`
    and `picture` (of the risk, for the report); values: the folder with what `values.py` has gathered, which is empty in the end.

    InputError: the result has leaks; what was found stands in the message.
    """
    known = gathered(values) or gather([folder.imported(source) for source in shards], values, processes)
    try:
        _check(folder, shards, outputs, cfg, processes, known)
    finally:
        clear(values)


def _check(
    folder: JobFolder,
    shards: Mapping[str, Sequence[str]],
    outputs: Mapping[str, Path],
    cfg: Mapping[str, Any],
    processes: int,
    known: Gathered,
) -> None:
    result = result_of(folder)
    facts = read_facts(folder.path / "dimp_results.json")
    report = search(
        result, known, processes=processes, tolerated=cfg["tolerate"], common_from=cfg["common_from"]
    )
    write_json(outputs["leaks"], {"state": "failed" if report.findings else "passed", **report.as_facts()})
    for line in told(report):
        (log.warning if cfg["on_leak"] == "warn" else log.info)("%s", line)
    if report.findings and cfg["on_leak"] == "fail":
        raise InputError(withhold(folder, result, report))
    with beside(_risk, (result, known.survey, cfg), processes) as risk:
        pairs = [
            Imported(folder.imported(source), refused_lines(folder, source, names))
            for source, names in shards.items()
        ]
        consistency = check_consistency(
            pairs,
            result,
            compression_of(result),
            lines=facts["lines"],
            survey=known.survey,
            processes=processes,
        )
        write_json(outputs["consistency"], consistency.as_facts())
        for fault in consistency.faults:
            log.warning("%s: %s", result.name, fault)
        found = risk()
    write_json(
        outputs["risk"], {"state": _judged(found.share_below, cfg["most_below_k"]), **found.as_facts()}
    )
    with AtomicFile(outputs["figures"]) as page:
        page.write(html(found).encode())
    with AtomicFile(outputs["picture"]) as page:
        page.write(picture(found).encode())


def _risk(result: Path, survey: Survey, cfg: Mapping[str, Any]) -> RiskReport:
    quasi = [quasi_identifier(text) for text in cfg["quasi"]]
    types = types_of_interest(cfg["sensitive"])
    if compression_of(result):
        with open_input(result, compression_of(result)) as lines:
            return assess_risk(lines, quasi, cfg["sensitive"], cfg["k"])
    return assess_risk(survey.after.index(result).lines_of(types), quasi, cfg["sensitive"], cfg["k"])


def _judged(share: float, most: float | None) -> str:
    if most is None:
        return "measured"
    return "passed" if share <= most else "failed"


def by_hand(arguments: Sequence[str], stdout: TextIO, stderr: TextIO) -> int:
    """The exit code: 0 nothing found, 1 leaks or a file that cannot be read, 2 a wrong call."""
    parser = argparse.ArgumentParser(
        prog="check.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", help="name of the job")
    parser.add_argument(
        "--jobs-dir", type=Path, default=Path("jobs"), metavar="FOLDER", help="folder of all jobs (jobs)"
    )
    parser.add_argument(
        "--tolerate", action="append", default=[], metavar="PATH", help="a path where such values may stand"
    )
    parser.add_argument(
        "--common-from", type=int, default=5, metavar="N", help="audit.common_from of the job (5)"
    )
    chosen = parser.parse_args(arguments)
    folder = JobFolder(chosen.jobs_dir / chosen.job)
    try:
        if not folder.path.is_dir():
            raise InputError(f"{folder.path}: there is no such job; look at --jobs-dir")
        sources = [one["source"] for one in read_facts(folder.path / "import_results.json")["sources"]]
        report = check_leaks(
            [folder.imported(source) for source in sources],
            result_of(folder),
            work=folder.path / "import" / ".leaks",
            processes=os.cpu_count() or 1,
            tolerated=chosen.tolerate,
            common_from=chosen.common_from,
        )
    except DimpflowError as error:
        print(error, file=stderr)
        return 1
    for line in told(report):
        print(line, file=stdout)
    return 1 if report.findings else 0


if __name__ == "__main__":
    if "snakemake" in globals():
        with guard(snakemake.log[0]):
            outputs = {name: Path(path) for name, path in snakemake.output.items()}
            places = snakemake.params.places
            values = Path(snakemake.input.values)
            main(places.folder, places.shards, outputs, values, snakemake.params.cfg, snakemake.threads)
    else:
        sys.exit(by_hand(sys.argv[1:], sys.stdout, sys.stderr))
