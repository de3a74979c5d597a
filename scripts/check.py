"""check: what a result must stand before it counts as released: leaks, consistency, and the risk of re-identification.

    python scripts/check.py study-42      # look for leaks in the result as it lies there now, and say so

The rule writes what it finds to jobs/<job>/audit/*.json, in paths and counts. A result with leaks is withheld: it goes to
jobs/<job>/withheld/, which only its owner may read, and the job fails.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dimpflow.audit.balance import read_facts
from dimpflow.audit.consistency.compare import Compared, Comparison
from dimpflow.audit.consistency.pairs import Imported
from dimpflow.audit.processes import beside
from dimpflow.audit.risk import RiskReport, assess_risk, html, picture, quasi_identifier, types_of_interest
from dimpflow.audit.skim import skim
from dimpflow.audit.withhold import refused_lines, result_of, told, withhold
from dimpflow.errors import DimpflowError, InputError
from dimpflow.joblog import guard
from dimpflow.layout import JobFolder
from dimpflow.ndjson import AtomicFile, write_json

if TYPE_CHECKING:
    from dimpflow.audit.leaks import LeakReport

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
    result = result_of(folder)
    imported = [
        Imported(folder.imported(source), refused_lines(folder, source, names))
        for source, names in shards.items()
    ]
    lines = read_facts(folder.path / "dimp_results.json")["lines"]
    with beside(_compared_and_risk, (imported, result, lines, cfg), processes) as others:
        # to load these takes as long as to search 300 MB, and what is done beside does not need them
        from dimpflow.audit.consistency.run import Consistency, references
        from dimpflow.audit.leaks import clear, gather, gathered, search

        try:
            known = gathered(values) or gather([one.path for one in imported], values, processes)
            leaks = search(
                result, known, processes=processes, tolerated=cfg["tolerate"], common_from=cfg["common_from"]
            )
            _tell_leaks(folder, result, leaks, outputs["leaks"], cfg["on_leak"])
            before, after = references(imported, known.survey)
            compared, risk = others()
            consistency = Consistency(before, after, compared)
        finally:
            clear(values)
    write_json(outputs["consistency"], consistency.as_facts())
    for fault in consistency.faults:
        log.warning("%s: %s", result.name, fault)
    write_json(outputs["risk"], {"state": _judged(risk.share_below, cfg["most_below_k"]), **risk.as_facts()})
    with AtomicFile(outputs["figures"]) as page:
        page.write(html(risk).encode())
    with AtomicFile(outputs["picture"]) as page:
        page.write(picture(risk).encode())


def _compared_and_risk(
    imported: Sequence[Imported], result: Path, lines: int, cfg: Mapping[str, Any]
) -> tuple[Compared, RiskReport]:
    """What needs no more than to go once through the result. lines: how many it has."""
    comparison = Comparison(imported, result, lines)
    types = types_of_interest(cfg["sensitive"])

    def of_interest() -> Iterator[bytes]:
        for part in skim(result):
            comparison.take(part)
            yield from part.of_types(types)

    quasi = [quasi_identifier(text) for text in cfg["quasi"]]
    risk = assess_risk(of_interest(), quasi, cfg["sensitive"], cfg["k"])
    return comparison.done(), risk


def _tell_leaks(folder: JobFolder, result: Path, report: "LeakReport", output: Path, on_leak: str) -> None:
    write_json(output, {"state": "failed" if report.findings else "passed", **report.as_facts()})
    for line in told(report):
        (log.warning if on_leak == "warn" else log.info)("%s", line)
    if report.findings and on_leak == "fail":
        raise InputError(withhold(folder, result, report))


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
    from dimpflow.audit.leaks import check_leaks

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
