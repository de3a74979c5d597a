"""Check a CRTDL document before it is sent to TORCH: what TORCH would refuse, misread or fail at, all of it at once.

    python scripts/check_crtdl.py cohort.json
    python scripts/check_crtdl.py cohort.json --schema error --json
    python scripts/check_crtdl.py cohort.json --patients ids.txt --enrichments enrichments.yaml --rules anonymization.yaml

One line for each finding, with the JSON pointer to its place, what TORCH would do, and the remedy. The CRTDL schema is stricter
than TORCH; --schema says whether its findings are warnings, errors or left out. With --enrichments the document is checked as it
would be sent; what is added stands behind what is there, so the pointers are the same. Nothing is sent, no server is asked. The
exit code is 0 if there are notes at most, 1 for warnings or errors, 2 for a file that cannot be read or used.
"""

import argparse
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TextIO

from dimpflow.crtdl.against_schema import SCHEMA_LEVELS
from dimpflow.crtdl.check import Settings, check_crtdl
from dimpflow.crtdl.enrichment import enrich, read_enrichments
from dimpflow.crtdl.findings import Code, Finding, printable
from dimpflow.crtdl.patient_list import read_patient_list
from dimpflow.crtdl.reading import CrtdlError, read_crtdl
from dimpflow.errors import ConfigError, InputError, RuleSetError
from dimpflow.lint.load import load_to_lint
from dimpflow.lint.pseudonyms import identifier_needed
from dimpflow.ruleset.options import Options

ANY_DAY = date(2000, 1, 1)
"""Which identifiers a rule set needs does not depend on it."""
LEVELS = ("error", "warning", "note")


def main(arguments: Sequence[str], stdout: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """The exit code: 0, 1 if there are warnings or errors, 2 if a file cannot be read or used."""
    chosen = _parser().parse_args(arguments)
    try:
        findings = _findings(chosen, environ)
        code = int(any(finding.level != "note" for finding in findings))
    except CrtdlError as error:
        findings, code = _refused("not-read", error.reason), 2
    except ConfigError as error:
        findings, code = _refused("enrichment", str(error)), 2
    except (InputError, RuleSetError) as error:
        findings, code = _refused("not-read", str(error)), 2
    counts = Counter[str](finding.level for finding in findings)
    numbers = {level: counts.get(level, 0) for level in LEVELS}
    if chosen.json:
        _write_json(stdout, chosen.file, findings, numbers)
    else:
        _write_lines(stdout, chosen.file, findings, numbers if code < 2 else {})
    return code


def _findings(chosen: argparse.Namespace, environ: Mapping[str, str]) -> list[Finding]:
    enriched = enrich(
        read_crtdl(chosen.file), read_enrichments(chosen.enrichments) if chosen.enrichments else ()
    )
    patients = read_patient_list(chosen.patients) if chosen.patients else None
    settings = Settings(
        schema=chosen.schema,
        require_consent=chosen.require_consent,
        identifier_needed=bool(chosen.rules) and _identifier_needed(chosen.rules, environ),
    )
    notes = [Finding("note", "enrichment", "", note, "", "") for note in enriched.notes]
    return [*notes, *check_crtdl(enriched.crtdl, settings, patients)]


def _identifier_needed(rules: Path, environ: Mapping[str, str]) -> bool:
    return identifier_needed(load_to_lint(rules, Options(reference_date=ANY_DAY), environ).rule_set)


def _refused(code: Code, message: str) -> list[Finding]:
    return [Finding("error", code, "", printable(line), "", "") for line in message.split("\n")]


def _write_lines(stdout: TextIO, file: Path, findings: Sequence[Finding], counts: Mapping[str, int]) -> None:
    for finding in findings:
        print(f"{file}: {finding}", file=stdout)
    if counts:
        numbers = (f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items())
        print(f"{file}: {', '.join(numbers)}", file=stdout)


def _write_json(stdout: TextIO, file: Path, findings: Sequence[Finding], counts: Mapping[str, int]) -> None:
    found = {"file": str(file), "findings": list(map(asdict, findings)), "counts": counts}
    # half of a surrogate pair can stand in JSON, but not in the UTF-8 that a terminal gets
    text = json.dumps(found, ensure_ascii=False, indent=2).encode("utf-8", "replace").decode("utf-8")
    print(text, file=stdout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="check_crtdl.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="CRTDL document (JSON)")
    parser.add_argument(
        "--schema",
        choices=SCHEMA_LEVELS,
        default="warn",
        help="what findings of the schema are (default: warn)",
    )
    parser.add_argument(
        "--require-consent", action="store_true", help="a document that asks for no consent is an error"
    )
    parser.add_argument(
        "--patients",
        type=Path,
        metavar="FILE",
        help="list of patients to extract, an id a line; replaces the cohort",
    )
    parser.add_argument(
        "--enrichments",
        type=Path,
        metavar="FILE",
        help="rules as in services.crtdl_preprocessing (JSON or YAML)",
    )
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="FILE",
        help="rule set (anonymization.yaml); tells whether Patient.identifier is needed",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as one JSON object")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no failure
    sys.exit(main(sys.argv[1:], sys.stdout))
